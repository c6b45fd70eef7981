"""Upkeep of a database as a whole: its schema, its soundness, its size, its copies. The promises, for every engine.

An upkeep is made from an address alone. It opens nothing until a method is called, so it also serves a database that is absent,
damaged, behind, or written by a newer release. The ledger's has more: `LedgerUpkeep` in `ledger/reader.py`.

Backup and restore come in steps, because two databases are copied or replaced as one: the caller takes all views, or checks all
files, before it goes on. Each is a context manager, and leaving its block leaves no unfinished file behind.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from systemprompt.clock import Instant
from systemprompt.ledger.migration_files import are_all_beside
from systemprompt.ledger.table_rows import Rows, TableShape

__all__ = [
    "DatabaseBackup",
    "DatabaseRestore",
    "DatabaseSize",
    "DatabaseUpkeep",
    "Extent",
    "SchemaDifference",
    "SchemaState",
    "Settled",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """One object of a schema that is not what the migrations make. As a string: `trigger x on job_runs is missing`.

    kind      `table`, `index`, `view` or `trigger`
    table     what it belongs to; a table or a view names itself
    harmful   the ledger's rules may not hold: all but a table or view that somebody put beside ours
    """

    found: Literal["missing", "altered", "added"]
    kind: str
    name: str
    table: str
    harmful: bool

    def __str__(self) -> str:
        place = f" on {self.table}" if self.kind in ("index", "trigger") else ""
        return f"{self.kind} {self.name}{place} {'was added' if self.found == 'added' else f'is {self.found}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Which migrations a database has, and whether its schema is what they make.

    applied       the migrations it has, in order
    pending       those that this program would still apply; unknown   those of a newer release, which it does not know
    schema        the number of the newest one it has, 0 for none
    newest        the number of the newest one that this program knows
    differences   objects that are not what the applied migrations make; not compared where a newer release wrote it
    """

    exists: bool
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    schema: int
    newest: int
    differences: tuple[SchemaDifference, ...]
    unknown: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["absent", "behind", "current", "beside", "ahead"]:
        """`beside` and `ahead`: a newer release migrated it; beside such migrations this program goes on, or it may not."""
        if not self.exists:
            return "absent"
        if self.schema == self.newest:
            return "current"
        if self.schema < self.newest:
            return "behind"
        return "beside" if are_all_beside(self.unknown) else "ahead"

    @property
    def harmful(self) -> tuple[SchemaDifference, ...]:
        return tuple(one for one in self.differences if one.harmful)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """Bytes on the disk: the database itself, its write-ahead log beside it, and how much of the first is free for new rows."""

    file_bytes: int
    log_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a state of the ledger goes: its runs, and up to where every fire time has its account (0: nothing was planned)."""

    runs: int
    planned_through: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a restored ledger before it was put in place.

    settled   runs that were open in the copy: closed as lost, or queued again under `on_lost: rerun`
    fence     every claim from now on gets a higher one
    """

    settled: int
    fence: int
    planned_through: Instant


class DatabaseBackup(Protocol):
    """One state of a database, held from the start of the block, on its way into a file of its own."""

    def copy(self, *, on_step: Callable[[int, int], None] | None = None) -> None:
        """Write what is held to an unfinished file beside the target, check it, and let go of the view.

        Others read and write meanwhile. `on_step` is told the parts that are left, and all.

        Raises:
            DatabaseUnreachable: the copy cannot be written, or is not sound.
        """
        ...

    def condition(self) -> tuple[int, int]:
        """Return the finished copy's schema and its size in bytes."""
        ...

    def publish(self) -> None:
        """Give the finished copy its name. A crash leaves no file of that name, or the old one, or the whole copy.

        Raises:
            ConflictError: a file of that name came into being meanwhile and is not to be replaced.
        """
        ...


class DatabaseRestore(Protocol):
    """A copy on its way into the place of a database. Nothing is replaced before `publish`."""

    def copy(self) -> None:
        """Copy the source to an unfinished file beside the place, and check it.

        Raises:
            DatabaseUnreachable: the source cannot be read, the copy cannot be written, or is not sound.
        """
        ...

    def take_owner(self) -> None:
        """Give the copy the owner and the rights of what it replaces, so that a restore by root serves the node's user."""
        ...

    def publish(self, now: Instant) -> str | None:
        """Put the copy in place. Return where what was there is kept, None where nothing was.

        A crash leaves the old database in place or the new one, each whole.
        """
        ...


class DatabaseUpkeep(Protocol):
    """A database as a whole, by its address. Safe while nodes run, but for `restore`, which refuses to work then."""

    location: str
    """The address as people know it: on SQLite the file's path."""

    def migrate(self) -> list[str]:
        """Make the database where it is absent, apply what is pending, and return that. Two processes may call at once.

        Raises:
            DatabaseTooNew: a newer release wrote it. Nothing is changed.
        """
        ...

    def schema_state(self) -> SchemaState:
        """Compare migrations, and tables, indexes, views and triggers, with what this program would make. Changes nothing.

        Raises:
            DatabaseError: the database is there and cannot be read.
        """
        ...

    def faults(self, *, quick: bool = False) -> list[str]:
        """Return what the engine's own check says of what is stored; empty where it is sound. `quick` leaves out the slow half."""
        ...

    def size(self) -> DatabaseSize:
        """Return how much disk it takes; all zero where it is absent."""
        ...

    def is_at(self, path: str) -> bool:
        """Say whether this file is the database itself, under whatever name."""
        ...

    def backup(self, to: str, *, replace: bool = False) -> AbstractContextManager[DatabaseBackup]:
        """Hold one state of the database for the block, to be copied to the file `to`.

        Raises:
            ConflictError: `to` exists and `replace` is not given.
            UsageError: `to` is a folder.
            DatabaseUnreachable: there is no database, or it cannot be read.
        """
        ...

    def identity(self) -> str:
        """Return what tells this database from any other, however its address is spelled: two that say the same are one.

        Raises:
            DatabaseUnreachable: a server does not answer.
        """
        ...

    def shapes(self) -> tuple[TableShape, ...]:
        """Return the tables of ours in it, by name: the same on both engines."""
        ...

    def hold(self) -> AbstractContextManager[Rows]:
        """Hold one state of these tables for the block. Others may read meanwhile; who wants to write has to wait.

        Raises:
            DatabaseUnreachable: there is no database, or it cannot be read.
            DatabaseBusy: somebody wrote for too long.
        """
        ...

    def restore(
        self, source: str, *, replace: bool = False, dry_run: bool = False
    ) -> AbstractContextManager[DatabaseRestore]:
        """Check that the file `source` can take this database's place. With `dry_run` not even an idle log is folded in.

        Raises:
            UsageError: `source` is the database itself, or no copy of such a database.
            DatabaseTooNew: a newer release wrote `source`.
            DatabaseUnreachable: `source` cannot be read.
            ConflictError: a database is there and `replace` is not given.
            DatabaseInUse: a process has the database open.
        """
        ...
