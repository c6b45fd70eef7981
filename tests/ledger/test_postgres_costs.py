"""What a turn costs on PostgreSQL: counted in statements that are sent, never in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.counted_statements import counted
from support.ledger_stage import EVERY_SECOND, START, at, ending, node, spec
from support.postgres_server import a_database
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.records import Change
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide
Opened = Callable[..., PostgresLedger]

pytestmark = pytest.mark.parametrize("postgres_server", [18], indirect=True)


@pytest.fixture
def opened(postgres_server: str) -> Iterator[Opened]:
    """Open a ledger of its own with one node and so many jobs, and what its versions say is known."""
    with ExitStack() as stack:

        def open_it(heard: list[str], jobs: int) -> PostgresLedger:
            address = Address(stack.enter_context(a_database(postgres_server)))
            ledger = PostgresLedger(address, decides_by="host", on_statement=heard.append)
            stack.callback(ledger.close)
            ledger.migrate()
            ledger.join(node("a", START))
            specs = [spec(f"job{n}", EVERY_SECOND) for n in range(jobs)]
            ledger.sync_catalogue(specs, [], START, DECIDE, Change(actor="test"))
            with pytest.raises(ZeroDivisionError):
                ledger.turn("a", at(1), lambda job, now: DECIDE(job, now // 0), room=jobs)
            heard.clear()
            return ledger

        yield open_it


def sent(said: list[str]) -> list[str]:
    """Return the statements between BEGIN and COMMIT."""
    return [text for text in said if not text.startswith("BEGIN")]


def test_a_hundred_fires_are_planned_and_begun_with_three_statements(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard, 100)
    with counted() as said:
        assert len(ledger.turn("a", at(1), DECIDE, room=100).claimed) == 100
    assert heard == [
        "begin",
        "hold_due_cursors",
        "due_jobs",
        "write_usual_open_runs",
        "move_cursors",
        "commit",
        "committed",
    ]
    assert len(said) == 1 + 3, "the two that are written go as one"


def test_a_hundred_ends_are_one_statement(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard, 100)
    claimed = ledger.turn("a", at(1), DECIDE, room=100).claimed
    ends = [ending(run, at(1)) for run in claimed]
    with counted() as said:
        assert len(ledger.turn("a", at(1), DECIDE, closings=ends, room=100).closed) == 100
    assert len(sent(said)) == 1


def test_ends_and_begins_of_hundreds_share_their_three_statements(opened: Opened) -> None:
    ledger = opened([], 100)
    claimed = ledger.turn("a", at(1), DECIDE, room=100).claimed
    ends = [ending(run, at(2), message="m", items_processed=1) for run in claimed]
    with counted() as said:
        turn = ledger.turn("a", at(2), DECIDE, closings=ends, room=100)
    assert (len(turn.closed), len(turn.claimed), len(sent(said))) == (100, 100, 3)


def test_a_turn_that_finds_nothing_is_one_statement(opened: Opened) -> None:
    ledger = opened([], 3)
    with counted() as said:
        assert ledger.turn("a", START, DECIDE, room=9).claimed == ()
    assert len(sent(said)) == 1


def test_the_number_of_statements_does_not_grow_with_the_rows(opened: Opened) -> None:
    """Ends of every kind, runs that wait, misfires and fires on time."""
    said_by = []
    for jobs in (1, 50):
        ledger = opened([], 2 * jobs)
        claimed = ledger.turn("a", at(1), DECIDE, room=jobs).claimed
        ends = [ending(run, at(2), "failed", "exception", error="no", output="words") for run in claimed]
        with counted() as said:
            turn = ledger.turn("a", at(3_600), DECIDE, closings=ends, room=2 * jobs)
        assert (len(turn.closed), len(turn.claimed)) == (jobs, 2 * jobs)
        said_by.append(len(said))
    assert said_by[0] == said_by[1] <= 8


def test_nothing_is_prepared_on_the_server(opened: Opened) -> None:
    ledger = opened([], 1)
    for second in range(1, 8):
        claimed = ledger.turn("a", at(second), DECIDE, room=1).claimed
        ledger.turn("a", at(second), DECIDE, closings=[ending(run, at(second)) for run in claimed], plan=False)
    with ledger._store._connections.taken() as connection:
        assert connection.execute("SELECT count(*) AS n FROM pg_prepared_statements").fetchall()[0]["n"] == 0
