"""A ledger object closes the runs that it began by the rows that it remembers; whatever changed in between is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, ME, START, at, ending, node, spec
from systemprompt.errors import LedgerBroken
from systemprompt.ledger.records import Change, Claimed
from systemprompt.ledger.rows import ClosedRun, OpenRun
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.stored.inserting import SHAPES
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide

Opened = Callable[..., SqliteLedger]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open one and the same ledger, with the nodes a and b, as often as asked: each time as another process would."""
    with ExitStack() as stack:

        def open_it(on_statement: Callable[[str], None] | None = None) -> SqliteLedger:
            ledger = SqliteLedger(str(tmp_path / "ledger.db"), on_statement=on_statement)
            stack.callback(ledger.close)
            if ledger.migrate():
                for name in ("a", "b"):
                    ledger.join(node(name, START))
                jobs = [spec(f"job{n}", EVERY_SECOND, on_lost="rerun") for n in range(3)]
                ledger.sync_catalogue(jobs, [], START, DECIDE, Change(actor="test"))
            return ledger

        yield open_it


def begin(ledger: SqliteLedger, name: str = "a", second: int = 1, room: int = 3) -> tuple[Claimed, ...]:
    return ledger.turn(name, at(second), DECIDE, room=room).claimed


def close(ledger: SqliteLedger, *runs: Claimed, name: str = "a", second: int = 2) -> tuple[int, ...]:
    return ledger.turn(name, at(second), DECIDE, closings=[ending(run, at(second)) for run in runs], plan=False).closed


def test_the_rows_of_its_own_runs_are_not_read_again(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard.append)
    runs = begin(ledger)
    assert close(ledger, *runs) == tuple(run.run_id for run in runs)
    assert "find_open_runs" not in heard


def test_one_run_that_is_not_known_and_all_are_read(opened: Opened) -> None:
    heard: list[str] = []
    ledger, other = opened(heard.append), opened()
    (theirs,) = begin(other, room=1)
    mine = begin(ledger)
    assert set(close(ledger, theirs, *mine)) == {theirs.run_id, *(run.run_id for run in mine)}
    assert heard.count("find_open_runs") == 1


@pytest.mark.parametrize("by_whom", ["itself", "another process"])
def test_a_stop_that_was_asked_for_in_between_stands_in_the_account(opened: Opened, by_whom: str) -> None:
    ledger = opened()
    first, *_ = runs = begin(ledger)
    asking = ledger if by_whom == "itself" else opened()
    asking.ask_to_stop(first.run_id, at(1), Change(actor="cli:me", why="wrong day"))
    assert len(close(ledger, *runs)) == 3
    accounts = [ledger.run(run.run_id) for run in runs]
    assert [(one.stop_by, one.stop_why) for one in accounts if one] == [
        ("cli:me", "wrong day"),
        (None, None),
        (None, None),
    ]


def test_a_run_that_was_taken_from_a_lost_node_is_not_closed_by_it(opened: Opened) -> None:
    ledger, other = opened(), opened()
    runs = begin(ledger)
    assert len(other.rescue("a", 0, at(1), max_attempts=5) or []) == 3
    (again,) = other.turn("b", at(1), DECIDE, room=1, plan=False).claimed
    turn = ledger.turn("a", at(2), DECIDE, closings=[ending(run, at(2)) for run in runs], plan=False)
    assert (turn.closed, len(turn.late)) == ((), 3)
    assert close(other, again, name="b") == (again.run_id,)


def test_what_was_undone_is_not_remembered(opened: Opened) -> None:
    """Its fences are given out again, to others."""

    def fail(said: str) -> None:
        if said == "commit" and failing:
            raise LedgerBroken("the commit fails")

    failing: list[bool] = []
    ledger, other = opened(fail), opened()
    failing.append(True)
    with pytest.raises(LedgerBroken):
        begin(ledger)
    failing.clear()
    runs = begin(other, name="b")
    close(ledger, *runs)
    assert [run.node_id for run in map(ledger.run, (run.run_id for run in runs)) if run] == ["b", "b", "b"]


def test_what_is_held_no_more_is_forgotten(opened: Opened) -> None:
    ledger = opened()
    for second in range(1, 20):
        close(ledger, *begin(ledger, second=second), second=second)
    ledger.start_manual("a", at(20), [], ME)
    assert ledger._remembered._held == {}


@pytest.mark.parametrize(("statement", "columns"), SHAPES.items())
def test_a_run_is_inserted_into_the_columns_that_it_is_cut_to(
    opened: Opened, statement: str, columns: tuple[str, ...]
) -> None:
    text = opened()._store._statements[statement]
    named = re.search(r"INTO \w+ \(([^)]*)\)", text)
    whole = OpenRun._fields if "INTO open_runs" in text else ClosedRun._fields
    assert (re.findall(r"\w+", named[1]) if named else list(whole)) == list(columns)
    assert text.count("?") == len(columns)
