"""Upkeep of the ledger's file: implements `systemprompt.ledger.reader.LedgerUpkeep`; see there for the promises."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

from systemprompt.clock import Instant
from systemprompt.databases.sqlite import database_error, open_connection
from systemprompt.errors import UsageError
from systemprompt.ledger.sqlite.believing import why_not_believed
from systemprompt.ledger.sqlite.database_file import DatabaseFile, upkeep_statements
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.place import flush
from systemprompt.ledger.sqlite.placing import FilePlacement
from systemprompt.ledger.sqlite.reader import MIGRATIONS, MIGRATIONS_TABLE, SqliteReader, open_reading_ledger
from systemprompt.ledger.sqlite.replacing import is_open_elsewhere, number_in
from systemprompt.ledger.sqlite.steps import FileBackup, FileRestore
from systemprompt.ledger.sqlite.store import SqliteStore, refuse_empty
from systemprompt.ledger.sqlite.table_rows import shapes_of
from systemprompt.ledger.table_rows import TableShape
from systemprompt.ledger.upkeep import Extent, Settled

__all__ = ["LEDGER_TABLES", "LedgerFile", "LedgerFileBackup", "LedgerFileRestore", "ledger_shapes"]

LEDGER_TABLES = frozenset(("ledger_state", MIGRATIONS_TABLE))
"""A file that has these is a ledger."""


def ledger_shapes() -> tuple[TableShape, ...]:
    """Return the tables of a ledger, which are the same on both engines, without its state."""
    return shapes_of(MIGRATIONS, MIGRATIONS_TABLE)


class LedgerFile(DatabaseFile):
    """The ledger's file. Nothing else lives in it."""

    ours = True

    def __init__(self, path: str, *, group: str | None = None) -> None:
        super().__init__(path, migrations=MIGRATIONS, table=MIGRATIONS_TABLE, group=group)

    def open(self) -> SqliteReader:
        return open_reading_ledger(self.location)

    def _store(self) -> SqliteStore:
        refuse_empty(self.location)
        return super()._store()

    def backup(self, to: str, *, replace: bool = False) -> LedgerFileBackup:
        refuse_empty(self.location)
        self.check_target(to, replace=replace)
        return LedgerFileBackup(self.location, to, table=self.table, replace=replace)

    def restore(self, source: str, *, replace: bool = False, dry_run: bool = False) -> LedgerFileRestore:
        self.check_source(source)
        self.check_place(replace=replace, fold=not dry_run)
        return LedgerFileRestore(source, self.location, group=self.group)

    def is_in_use(self) -> bool:
        try:
            return os.path.exists(self.location) and is_open_elsewhere(self.location, fold=False)
        except sqlite3.Error as error:
            raise database_error(error, self.location) from error

    def place(self) -> FilePlacement:
        return FilePlacement(self.location, migrations=self.migrations, table=self.table, group=self.group)

    def wrong_source(self, tables: set[str]) -> str | None:
        return None if tables >= LEDGER_TABLES else "is no copy of a ledger"


class LedgerFileBackup(FileBackup):
    """One state of the ledger on its way to a file."""

    def extent(self) -> Extent:
        row = self.view.execute(upkeep_statements()["extent"]).fetchone()
        return Extent(runs=row["runs"], planned_through=row["planned_through"])

    def open(self) -> SqliteReader:
        return open_reading_ledger(self.copied)


class LedgerFileRestore(FileRestore):
    """A copy on its way into the ledger's place."""

    def copy(self) -> None:
        super().copy()
        # The copy and not the source, which somebody may change meanwhile; and before any statement that could wake a trigger.
        with closing(open_connection(self.copied, read_only=True)) as connection:
            named = upkeep_statements()
            doubt = why_not_believed(
                connection,
                MIGRATIONS,
                table=MIGRATIONS_TABLE,
                schema_text=named["schema_text"],
                names=named["names_in_a_copy"],
            )
        if doubt is not None:
            raise UsageError(
                f"{self._source!r} is not believed: {doubt}",
                hint="nothing was changed; restore another copy: sp db backup makes one that is believed",
                details={"path": self._source},
            )

    def settle(self, now: Instant, *, logged: Callable[[str], int], max_attempts: int) -> Settled:
        named = upkeep_statements()
        # No ledger gives out a million fences a second: the present instant is above all that were given since the copy was made,
        # in this ledger or in one that was restored from the same copy before.
        last_fence, last_run = self.numbers_given()
        fence_above = max(now, last_fence)
        settled, ledger_id, planned_through = self._rescue(now, max_attempts)
        runs_above = max(logged(ledger_id), last_run)
        store = SqliteStore(self.copied, named)
        try:
            with store.write():
                fence = store.run("raise_fence", {"above": fence_above}).fetchall()[0]["fence"]
                store.run("raise_run_numbers", {"above": runs_above})
            store.fetch("fold_log")
        finally:
            store.close()
        flush(self.copied)
        return Settled(settled=settled, fence=fence, planned_through=planned_through)

    def numbers_given(self) -> tuple[int, int]:
        """Return the last fence and the last run id that the ledger gave out which is replaced; 0 where that cannot be known."""
        named = upkeep_statements()
        fence = number_in(self._target, named["last_fence_given"])
        return fence, number_in(self._target, named["last_run_given"])

    def _rescue(self, now: Instant, max_attempts: int) -> tuple[int, str, Instant]:
        """Settle what the nodes in the copy held: they can never come back to it."""
        ledger = SqliteLedger(self.copied)
        try:
            ledger.migrate()
            rescued = [
                ledger.rescue(node.node_id, node.beat, now, max_attempts=max_attempts) or ()
                for node in ledger.living_nodes()
            ]
            return sum(map(len, rescued)), ledger.ledger_id(), ledger.high_water()
        finally:
            ledger.close()
