"""A ledger on SQLite in one file, and as many handles on it as a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from systemprompt.ledger.sqlite.ledger import SqliteLedger


class SqliteEngine:
    """One file; every handle is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[SqliteLedger] = []

    def open_again(self, **settings: Any) -> SqliteLedger:
        """Return a ledger that is migrated, with these settings of `SqliteLedger`."""
        ledger = SqliteLedger(str(self.path), **settings)
        ledger.migrate()
        self._opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()
