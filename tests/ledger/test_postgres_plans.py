"""The plans of the statements of a turn, as the server explains them, with a hundred thousand dead rows that stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from support.graveyard import graveyard
from support.ledger_stage import EVERY_SECOND, START, at, node, spec
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.arrays import columns_of
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.records import Change
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide
JOBS = 100

pytestmark = pytest.mark.parametrize("postgres_server", [18], indirect=True)


class Explained(Exception):  # no error: what was done to explain it is undone
    """The transaction is to be undone."""


class Turns:
    """A ledger with a hundred jobs of each second, and what a turn at a second asks of the server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ledger = PostgresLedger(Address(address), decides_by="host")
        self.ledger.migrate()
        self.ledger.join(node("a", START))
        specs = [spec(f"job{n}", EVERY_SECOND) for n in range(JOBS)]
        self.ledger.sync_catalogue(specs, [], START, DECIDE, Change(actor="test"))

    def explained(self, second: int) -> dict[str, tuple[int, set[str]]]:
        """Return for each statement the blocks that it read, and the tables that it went through from end to end."""
        now, ids = at(second), [job.job_id for job in self.ledger.jobs()]
        look: dict[str, Any] = {"now": now, "since": now - 2_000_000, "overdue": now, "limit": 1_000, "room": JOBS}
        look |= {"labels": "[]", "left_to_newer": "[]", "zone_data": ""}
        asked: dict[str, Any] = {
            "hold_due_cursors": look,
            "due_jobs": {**look, "held": ids, "node_id": "a"},
            "hold_cursors_of_waiting": look,
            "waiting_runs": {**look, "held": ids},
            "next_due": look,
            "move_cursors": [(now, now + 1, None, job.job_id, job.planned_through) for job in self.ledger.jobs()],
        }
        found = {name: self.explain(name, values) for name, values in asked.items()}
        begun = self.ledger.turn("a", now, DECIDE, room=JOBS).claimed
        assert len(begun) == JOBS
        held = [(run.run_id, run.fence) for run in begun]
        asked = {
            "find_open_runs": {"ids": str([run_id for run_id, _ in held])},
            "delete_untouched_runs": held,
            "delete_open_runs": held,
            "requeue_runs": [(now, now, run_id, fence) for run_id, fence in held],
        }
        found |= {name: self.explain(name, values) for name, values in asked.items()}
        return found

    def explain(self, name: str, values: Any) -> tuple[int, set[str]]:
        store = self.ledger._store
        if isinstance(values, list):
            values = columns_of(store._statements.columns(name), values)
        try:
            with store.write():
                transaction = store._transaction()
                assert transaction is not None
                text = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + store._statements.text(name, named=True)
                (row,) = transaction.connection.execute(text, values).fetchall()
                raise Explained
        except Explained:
            plan = row[0][0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], set(gone_through(plan))


def gone_through(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from gone_through(below)


@pytest.fixture
def turns(postgres: str) -> Iterator[Turns]:
    turns = Turns(postgres)
    with closing(turns.ledger):
        yield turns


def test_no_statement_of_a_turn_reads_the_dead(turns: Turns) -> None:
    before = turns.explained(1)
    rounds = 500
    with graveyard(turns.address, rounds=rounds):
        after = turns.explained(3 + rounds)

    assert {name: read for name, (read, _) in after.items() if read > 2 * before[name][0] + 1_000} == {}
    dead = {"open_runs", "job_cursors", "job_runs"}
    assert {name: tables & dead for name, (_, tables) in after.items() if tables & dead} == {}
