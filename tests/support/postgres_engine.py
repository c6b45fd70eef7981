"""A ledger on PostgreSQL in one schema, and as many handles on it as a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.ledger_stage import EVERY_SECOND, Stage, spec
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger


@contextmanager
def firing_stage(address: str) -> Iterator[Stage]:
    """A ledger with a job that fires every second, one second after it was declared; sound at the end."""
    engine = PostgresEngine(address)
    try:
        stage = Stage(engine)
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        yield stage
        stage.sound()
    finally:
        engine.close()


class PostgresEngine:
    """One database; every handle has connections of its own. Time is the test's, so the test's clock decides."""

    def __init__(self, address: str) -> None:
        self.address = Address(address)
        self._opened: list[PostgresLedger] = []

    def open_again(self, **settings: Any) -> PostgresLedger:
        """Return a ledger that is migrated, with these settings of `PostgresLedger`."""
        ledger = PostgresLedger(self.address, **{"decides_by": "host", **settings})
        ledger.migrate()
        self._opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()
