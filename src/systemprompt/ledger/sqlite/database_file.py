"""Upkeep of a SQLite file as a whole: implements `systemprompt.ledger.upkeep.DatabaseUpkeep`; see there for the promises."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from systemprompt.databases.sqlite import database_error
from systemprompt.errors import ConflictError, DatabaseInUse, DatabaseUnreachable, UsageError
from systemprompt.ledger.sqlite.copying import held_view, in_the_way, no_file_to_replace
from systemprompt.ledger.sqlite.migrating import migrate, pending_migrations
from systemprompt.ledger.sqlite.place import is_regular, new_file, share_with
from systemprompt.ledger.sqlite.replacing import is_open_elsewhere, make_folder
from systemprompt.ledger.sqlite.schema_state import absent_schema_state, read_schema_state
from systemprompt.ledger.sqlite.steps import FileBackup, FileRestore
from systemprompt.ledger.sqlite.store import SqliteStore
from systemprompt.ledger.sqlite.table_rows import FileRows, shapes_of
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.table_rows import TableShape
from systemprompt.ledger.upkeep import DatabaseSize, SchemaState

__all__ = ["DatabaseFile", "upkeep_statements"]

_SAID = 20
_PATIENCE_S = 10.0
"""How long a move waits for who writes just now."""


def upkeep_statements() -> dict[str, str]:
    """Return the named statements of upkeep."""
    return load_statements(os.path.join(os.path.dirname(__file__), "sql", "upkeep.sql"))


class DatabaseFile:
    """The file at `location`, with the migrations of a folder; the table names those that were applied.

    ours    no other tables live in it, so that its schema can be compared with what the migrations make
    group   a group that may read the file if it is made here; without one only this user may
    """

    ours = False

    def __init__(self, path: str, *, migrations: str, table: str, group: str | None = None) -> None:
        self.location = path
        self.group = group
        self.migrations = migrations
        self.table = table

    def migrate(self) -> list[str]:
        make_folder(self.location)
        self._make_for_group()
        store = SqliteStore(self.location, {})
        try:
            return migrate(store.connection, self.migrations, table=self.table, begin=store.begin)
        except sqlite3.Error as error:
            raise database_error(error, self.location) from error
        finally:
            store.close()

    def schema_state(self) -> SchemaState:
        if not os.path.exists(self.location):
            return absent_schema_state(self.migrations)
        statement = upkeep_statements()["schema_text"]
        with closing(self._store()) as store, store.snapshot():
            return read_schema_state(
                store.connection, self.migrations, table=self.table, statement=statement, compare=self.ours
            )

    def check_current(self) -> None:
        """Refuse a database that this release cannot read as it is.

        Raises:
            DatabaseTooNew, DatabaseOutdated: another release wrote it. DatabaseUnreachable: absent, or still to be migrated.
        """
        with closing(self._store()) as store:
            pending = pending_migrations(store.connection, self.migrations, table=self.table)
        if pending:
            raise DatabaseUnreachable(
                f"the database at {self.location!r} has still to be migrated: {', '.join(pending)}",
                hint="sp db migrate brings it to this release",
                details={"path": self.location, "pending": pending},
            )

    def faults(self, *, quick: bool = False) -> list[str]:
        try:
            with closing(self._store()) as store:
                rows = store.fetch("quick_check") if quick else store.fetch("integrity_check")
                broken = [] if quick else store.fetch("foreign_key_check")
        except DatabaseUnreachable as error:
            return [error.message]  # so damaged that it cannot even be checked
        return [str(row[0]) for row in rows if row[0] != "ok"] + [
            f"row {row['rowid']} of {row['table']} names a missing row of {row['parent']}" for row in broken[:_SAID]
        ]

    def size(self) -> DatabaseSize:
        if not os.path.exists(self.location):
            return DatabaseSize(file_bytes=0, log_bytes=0, free_bytes=0)
        with closing(self._store()) as store:
            free = int(store.fetch("free_bytes")[0]["free"])
        log = f"{self.location}-wal"
        return DatabaseSize(
            file_bytes=os.path.getsize(self.location),
            log_bytes=os.path.getsize(log) if os.path.exists(log) else 0,
            free_bytes=free,
        )

    def is_at(self, path: str) -> bool:
        if os.path.realpath(path) == os.path.realpath(self.location):
            return True
        return os.path.exists(path) and os.path.exists(self.location) and os.path.samefile(path, self.location)

    def backup(self, to: str, *, replace: bool = False) -> FileBackup:
        self.check_target(to, replace=replace)
        return FileBackup(self.location, to, table=self.table, replace=replace)

    def restore(self, source: str, *, replace: bool = False, dry_run: bool = False) -> FileRestore:
        self.check_source(source)
        self.check_place(replace=replace, fold=not dry_run)
        return FileRestore(source, self.location, group=self.group)

    # -- moving ---------------------------------------------------------------------------------------------------------

    def identity(self) -> str:
        if not os.path.exists(self.location):
            return os.path.realpath(self.location)
        found = os.stat(self.location)
        return f"file {found.st_ino} of device {found.st_dev}"

    def shapes(self) -> tuple[TableShape, ...]:
        return shapes_of(self.migrations, self.table)

    @contextmanager
    def hold(self) -> Iterator[FileRows]:
        with held_view(self.location):
            pass  # an absent or damaged file is met here: what follows would make it, or delete its log
        try:
            with closing(sqlite3.connect(self.location, isolation_level=None, timeout=_PATIENCE_S)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield FileRows(connection, self.shapes())
        except sqlite3.Error as error:
            raise database_error(error, self.location) from error

    # -- what a copy has to be, and where it may go ---------------------------------------------------------------------

    def check_target(self, to: str, *, replace: bool) -> None:
        if os.path.lexists(to) and not replace:
            raise in_the_way(to)
        if os.path.isdir(to):
            raise UsageError(f"{to!r} is a folder", hint=f"name a file in it: {os.path.join(to, 'ledger.db')}")
        if os.path.lexists(to) and not is_regular(to):
            raise no_file_to_replace(to)

    def wrong_source(self, tables: set[str]) -> str | None:  # noqa: ARG002  # for those that know their tables
        """Say what is wrong with a source that has these tables; None where it may take this file's place."""
        return None

    def check_source(self, source: str) -> None:
        if self.is_at(source):
            raise UsageError(
                f"{source!r} is the database in use itself", hint="name another file", details={"path": source}
            )
        with held_view(source) as view:
            names = view.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            wrong = self.wrong_source({str(name) for (name,) in names})
            if wrong is not None:
                hint = "nothing was changed; sp db restore LEDGER --database APPLICATION"
                raise UsageError(f"{source!r} {wrong}", hint=hint, details={"path": source})
            pending_migrations(view, self.migrations, table=self.table, beside=False)

    def check_place(self, *, replace: bool, fold: bool) -> None:
        if not os.path.lexists(self.location):
            return
        if not replace:
            raise ConflictError(
                f"there is a database at {self.location!r}; nothing was changed",
                hint="stop the nodes and say --replace: it is kept beside, under another name",
                details={"path": self.location},
            )
        if not is_regular(self.location):
            raise no_file_to_replace(self.location)
        try:
            in_use = is_open_elsewhere(self.location, fold=fold)
        except (sqlite3.DatabaseError, DatabaseUnreachable):
            return  # damaged: that is why it is being replaced, and nobody can work with it
        if in_use:
            raise DatabaseInUse(self.location)

    def _make_for_group(self) -> None:
        """Make a file that the group may read, before SQLite makes one that it may not."""
        if self.group is None or os.path.lexists(self.location):
            return
        with suppress(FileExistsError):  # another process was first
            os.close(new_file(self.location))
            share_with(self.location, self.group)

    def _store(self) -> SqliteStore:
        return SqliteStore(self.location, upkeep_statements(), read_only=True)
