"""Reading the ledger on PostgreSQL."""

from __future__ import annotations

import os
import time
from typing import Literal

from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.connections import translated
from systemprompt.ledger.postgres.migrating import pending_migrations
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.store import PostgresStore
from systemprompt.ledger.reader import LedgerUpkeep
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.reader import StoredReader

__all__ = ["LOOK_ANYWAY_S", "MIGRATIONS", "MIGRATIONS_TABLE", "SCHEMA", "SQL", "PostgresReader", "open_reading_ledger"]

_HERE = os.path.dirname(__file__)
MIGRATIONS = os.path.join(_HERE, "migrations")
MIGRATIONS_TABLE = "ledger_migrations"
SQL = os.path.join(_HERE, "sql")
SCHEMA = "systemprompt"
"""The schema that the ledger is in where the profile names no other."""

LOOK_ANYWAY_S = 10.0
"""So often whoever looks finds something new, hint or not: one that was lost costs that much."""


class PostgresReader(StoredReader):
    """The reading half of `systemprompt.ledger.protocol.Ledger` in one schema of a PostgreSQL database."""

    dialect = "postgresql"
    decides_by: Literal["host", "database"] = "database"
    _store: PostgresStore

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store)
        self._since = time.monotonic()

    def clock(self, host: Clock) -> Clock:
        if self.decides_by == "host":
            return host
        if not self._store.clock.has_seen:
            with self._store.snapshot():  # each transaction looks at the server's clock as it begins
                pass
        return self._store.clock

    def runs_written(self) -> int | None:
        return None  # a sequence also counts what was rolled back

    def last_fence(self) -> int:
        return int(self._store.fetch("state")[0]["fence"])

    def decided_up_to(self) -> Instant:
        return self.high_water()

    def high_water(self) -> Instant:
        return int(self._store.fetch("state")[0]["high_water"])

    def change_marker(self) -> int:
        """As promised; and every ten seconds another number, since a hint may be lost."""
        self._store.tell_what_is_owed()
        (seen,) = self._store.fetch("changes")
        self._store.hear(seen["hints"])
        changes = seen["number"] - self._store.own_changes
        return int(changes) * _MANY + int((time.monotonic() - self._since) / LOOK_ANYWAY_S)

    @property
    def upkeep(self) -> LedgerUpkeep:
        from systemprompt.ledger.postgres.upkeep import LedgerSchema

        return LedgerSchema(self._store.address, schema=self._store.schema)


_MANY = 1_000_000_000


def open_reading_ledger(address: Address, *, schema: str = SCHEMA) -> PostgresReader:
    """Open an existing ledger to read only. Nothing is migrated, nothing written.

    Raises:
        DatabaseUnreachable: there is no ledger in this schema, it cannot be read, or it has still to be migrated.
        DatabaseTooNew: a newer release wrote it.
    """
    statements = Statements(load_statements(os.path.join(SQL, "reading.sql")))
    store = PostgresStore(address, schema, statements, clock=ServerClock(SystemClock()))
    try:
        connection = store.connect()
        try:
            with translated(address):
                pending = pending_migrations(connection, MIGRATIONS, schema=schema, table=MIGRATIONS_TABLE)
        finally:
            connection.close()
    except BaseException:
        store.close()
        raise
    if pending:
        store.close()
        shown = str(address)
        raise DatabaseUnreachable(
            f"there is no ledger in schema {schema!r} of {shown!r}, or it has still to be migrated: {', '.join(pending)}",
            hint="sp db migrate makes it, or brings it to this release",
            details={"address": shown, "schema": schema, "pending": pending},
        )
    return PostgresReader(store)
