"""PostgreSQL, put through the rules of every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "rules_asking",
    "rules_catalogue",
    "rules_labels",
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
from support.postgres_engine import PostgresEngine  # noqa: E402


@pytest.fixture
def stage(emptied_postgres: str) -> Iterator[Stage]:
    engine = PostgresEngine(emptied_postgres)
    stage = Stage(engine)
    yield stage
    stage.sound()
    engine.close()


class TestPostgres(LedgerRules):
    """All of them, unchanged."""
