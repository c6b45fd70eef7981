"""Reading the ledger on SQLite. Light: listing jobs loads this and little else."""

from __future__ import annotations

import os

from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.reader import StoredReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from systemprompt.clock import Instant
    from systemprompt.ledger.reader import LedgerUpkeep
    from systemprompt.ledger.sqlite.store import SqliteStore

__all__ = ["MIGRATIONS", "MIGRATIONS_TABLE", "READING", "SqliteReader", "open_reading_ledger"]

_HERE = os.path.dirname(__file__)
MIGRATIONS = os.path.join(_HERE, "migrations")
MIGRATIONS_TABLE = "ledger_migrations"
READING = os.path.join(_HERE, "sql", "reading.sql")


class SqliteReader(StoredReader):
    """The reading half of `systemprompt.ledger.protocol.Ledger` on one SQLite file."""

    dialect = "sqlite"
    decides_by: Literal["host", "database"] = "host"
    _store: SqliteStore

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store)

    def runs_written(self) -> int | None:
        # One writer, one counter, and what is rolled back gives its numbers back: a restore alone leaves some out.
        state = self._store.fetch("state")[0]
        return int(state["last_run"] - state["runs_left_out"])

    def last_fence(self) -> int:
        return int(self._store.fetch("state")[0]["fence"])

    def decided_up_to(self) -> Instant:
        return int(self._store.fetch("decided_up_to")[0][0])

    def high_water(self) -> Instant:
        return int(self._store.fetch("state")[0]["high_water"])

    def change_marker(self) -> int:
        self._store.check_place()
        return int(self._store.fetch("data_version")[0][0])

    @property
    def upkeep(self) -> LedgerUpkeep:
        from systemprompt.ledger.sqlite.upkeep import LedgerFile

        return LedgerFile(self._store.path)


def open_reading_ledger(path: str) -> SqliteReader:
    """Open an existing ledger to read only. Nothing is migrated, nothing written.

    Raises:
        DatabaseUnreachable: there is no ledger at this path, it is empty, it cannot be read, or it has still to be migrated.
        DatabaseTooNew: a newer release wrote it.
    """
    import sqlite3

    from systemprompt.ledger.sqlite.migrating import pending_migrations
    from systemprompt.ledger.sqlite.store import SqliteStore, ledger_error, refuse_empty

    if not os.path.exists(path):
        raise DatabaseUnreachable(
            f"there is no ledger at {path!r}", hint="sp db migrate makes one", details={"path": path}
        )
    refuse_empty(path)
    store = SqliteStore(path, load_statements(READING), read_only=True)
    try:
        pending = pending_migrations(store.connection, MIGRATIONS, table=MIGRATIONS_TABLE)
    except BaseException as error:
        store.close()
        if isinstance(error, sqlite3.Error):
            raise ledger_error(error, path) from error
        raise
    if pending:
        store.close()
        raise DatabaseUnreachable(
            f"the ledger at {path!r} has still to be migrated: {', '.join(pending)}",
            hint="sp db migrate brings it to this release",
            details={"path": path, "pending": pending},
        )
    return SqliteReader(store)
