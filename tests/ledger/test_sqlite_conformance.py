"""SQLite, put through the rules of every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "rules_asking",
    "rules_catalogue",
    "rules_nodes",
    "rules_odd_ends",
    "rules_open_and_closed",
    "rules_planning",
    "rules_reading",
    "rules_retention",
    "rules_runs",
    "rules_upkeep",
)

from conformance import LedgerRules  # noqa: E402  # its asserts are rewritten from here on

from support.ledger_stage import Stage  # noqa: E402
from systemprompt.ledger.sqlite.ledger import SqliteLedger  # noqa: E402


class SqliteEngine:
    """One file; every handle is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: list[SqliteLedger] = []

    def open_again(self) -> SqliteLedger:
        ledger = SqliteLedger(str(self._path))
        ledger.migrate()
        self._opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    engine = SqliteEngine(tmp_path / "ledger.db")
    stage = Stage(engine)
    yield stage
    stage.sound()
    engine.close()


class TestSqlite(LedgerRules):
    """All of them, unchanged."""
