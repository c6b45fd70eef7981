"""What a turn costs on SQLite: counted in statements and in steps of SQLite's machine, never in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_MINUTE, EVERY_SECOND, START, at, ending, node, spec
from systemprompt.clock import SECOND
from systemprompt.ledger import sqlite
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide
CLOCKWORK = Path(sqlite.__file__).parent / "sql" / "clockwork.sql"


Opened = Callable[..., SqliteLedger]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open a ledger with one node, that is closed after the test."""
    with ExitStack() as stack:

        def open_it(heard: list[str] | None = None, name: str = "ledger.db") -> SqliteLedger:
            ledger = SqliteLedger(str(tmp_path / name), on_statement=None if heard is None else heard.append)
            stack.callback(ledger.close)
            if ledger.migrate():
                ledger.join(node("a", START))
            return ledger

        yield open_it


def declare(ledger: SqliteLedger, *specs: object) -> None:
    ledger.sync_catalogue(list(specs), [], START, DECIDE, Change(actor="test"))  # type: ignore[arg-type]  # specs


def traced(ledger: SqliteLedger) -> set[str]:
    """Let SQLite itself say which statements it runs: how each begins. A trigger is told as the statement that set it off."""
    said: set[str] = set()
    ledger._store.connection.set_trace_callback(lambda text: said.add(re.sub(r"^(--.*\n)*", "", text)[:24]))
    return said


def steps(ledger: SqliteLedger) -> list[int]:
    """Count the steps of SQLite's machine, by hundreds."""
    counted: list[int] = []

    def count() -> int:
        counted.append(1)
        return 0

    ledger._store.connection.set_progress_handler(count, 100)
    return counted


def test_jobs_that_are_new_cost_the_same_statements_however_many_they_are(opened: Opened) -> None:
    few: list[str] = []
    many: list[str] = []
    declare(opened(few, "few.db"), spec("job"))
    declare(opened(many, "many.db"), *(spec(f"job{n}") for n in range(100)))
    assert few == many
    assert many.count("add_jobs") == many.count("open_version") == many.count("move_cursors") == 1


def test_a_hundred_fires_are_planned_and_claimed_with_four_statements(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard)
    declare(ledger, *(spec(f"job{n}", EVERY_SECOND) for n in range(100)))
    turned_once(ledger)
    heard.clear()
    said = traced(ledger)
    turn = ledger.turn("a", at(1), DECIDE, room=100)
    assert len(turn.claimed) == 100
    assert heard == [
        "begin",
        "due_jobs",
        "take_numbers",
        "write_usual_open_runs",
        "move_cursors",
        "commit",
        "committed",
    ]
    assert len(said) == 4 + 2, "SQLite ran more than those four between BEGIN and COMMIT"


def test_what_a_version_says_is_read_once(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard)
    declare(ledger, *(spec(f"job{n}", EVERY_SECOND) for n in range(100)))
    for second in range(1, 4):
        ledger.turn("a", at(second), DECIDE, room=100)
    assert heard.count("terms_of_jobs") == 1
    declare(ledger, spec("job7", EVERY_MINUTE), *(spec(f"job{n}", EVERY_SECOND) for n in range(100) if n != 7))
    ledger.turn("a", at(60), DECIDE, room=100)
    assert heard.count("terms_of_jobs") == 2, "there is a new version"
    assert len([run for run in ledger.open_runs() if run.job_name == "job7"]) == 1


def turned_once(ledger: SqliteLedger) -> None:
    """Let the ledger see what its versions say, and undo all else of it."""
    with pytest.raises(ZeroDivisionError):
        ledger.turn("a", at(1), lambda job, now: DECIDE(job, now // 0), room=100)


CLOSING = ["delete_untouched_runs", "write_usual_closed_runs", "write_tallies", "show_last"]
"""Of runs that the ledger object began itself, so that it need not read their rows."""


@pytest.mark.parametrize("reads", [False, True])
def test_a_hundred_ends_are_written_with_four_statements_or_five(opened: Opened, reads: bool) -> None:
    heard: list[str] = []
    ledger = opened(heard)
    declare(ledger, *(spec(f"job{n}", EVERY_SECOND) for n in range(100)))
    claimed = ledger.turn("a", at(1), DECIDE, room=100).claimed
    if reads:
        ledger = opened(heard)
    heard.clear()
    said = traced(ledger)
    turn = ledger.turn("a", at(1), DECIDE, closings=[ending(run, at(1)) for run in claimed], plan=False)
    assert len(turn.closed) == 100
    closing = ["find_open_runs", "delete_open_runs", *CLOSING[1:]] if reads else CLOSING
    assert sorted(heard) == sorted(["begin", *closing, "next_due", "commit", "committed"])
    assert len(said) == len(closing) + 1 + 2, "SQLite ran more than those"


def a_turn_of_all(ledger: SqliteLedger, jobs: int) -> None:
    """Close this many runs, begin as many that waited and as many that are due, and skip as many, in one turn."""
    schedules = {"closes": "", "waits": "", "due": EVERY_SECOND, "late": EVERY_SECOND}
    declare(ledger, *(spec(f"{name}{n}", schedule) for name, schedule in schedules.items() for n in range(jobs)))

    def ask(name: str) -> None:
        ledger.ask_for_runs(START, [ManualStart(job_name=f"{name}{n}") for n in range(jobs)], Change(actor="me"))

    ask("closes")
    closing = ledger.turn("a", START, DECIDE, room=jobs, plan=False).claimed
    ask("late")
    ask("waits")
    ends = [ending(run, at(1), "failed", "exception", error="e", output="o") for run in closing]
    turn = ledger.turn("a", at(1), DECIDE, closings=ends, room=3 * jobs)
    assert len(turn.closed) == jobs
    assert sorted({run.job_name.rstrip("0123456789") for run in turn.claimed}) == ["due", "late", "waits"]
    assert len(turn.claimed) == 3 * jobs


def test_the_number_of_statements_of_a_turn_does_not_grow_with_its_rows(opened: Opened) -> None:
    heard: list[list[str]] = [[], []]
    for jobs, said in zip((1, 100), heard, strict=True):
        a_turn_of_all(opened(said, name=f"{jobs}.db"), jobs)
        del said[: len(said) - said[::-1].index("begin") - 1]
    assert heard[0] == heard[1]
    twice = {name for name in heard[0] if heard[0].count(name) == 2}
    assert len(heard[0]) - len(twice) == len(set(heard[0])) > 12
    assert twice == {"write_closed_runs", "write_tallies"}, "of what ended and of what was skipped"


def test_a_node_that_is_lost_with_a_hundred_runs_costs_what_one_costs(opened: Opened) -> None:
    counts = []
    for runs in (1, 100):
        heard: list[str] = []
        ledger = opened(heard, name=f"{runs}.db")
        declare(
            ledger,
            *(
                spec(f"{on_lost}{n}", EVERY_SECOND, on_lost=on_lost)
                for on_lost in ("fail", "rerun")
                for n in range(runs)
            ),
        )
        ledger.turn("a", at(1), DECIDE, room=2 * runs)
        heard.clear()
        assert len(ledger.rescue("a", 0, at(2), max_attempts=5) or ()) == 2 * runs
        counts.append(list(heard))
    assert counts[0] == counts[1]


def test_a_second_end_under_one_fence_is_late_also_in_the_same_turn(opened: Opened) -> None:
    ledger = opened()
    declare(ledger, spec("job", EVERY_SECOND))
    (claimed,) = ledger.turn("a", at(1), DECIDE, room=1).claimed
    ends = [ending(claimed, at(2), "failed", "timeout"), ending(claimed, at(3))]
    turn = ledger.turn("a", at(3), DECIDE, closings=ends, plan=False)
    run, (attempt,) = ledger.run(claimed.run_id), list(ledger.attempts(claimed.run_id))
    assert (turn.closed, turn.late) == ((claimed.run_id,), (claimed.run_id,))
    assert run is not None
    assert (run.status, attempt.result, attempt.late_result, attempt.late_at) == ("failed", "failed", "success", at(3))


def test_a_hundred_misfires_cost_one_statement_more(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard)
    declare(ledger, *(spec(f"job{n}", EVERY_SECOND) for n in range(100)))
    turned_once(ledger)
    heard.clear()
    assert ledger.turn("a", at(3_600), DECIDE, room=100).planned == 200
    numbers = ["take_numbers", "write_usual_open_runs", "write_ranges", "move_cursors"]
    assert heard[1:-2] == ["due_jobs", *numbers, "write_tallies"]


def test_a_job_due_on_a_free_node_costs_one_commit_to_start_and_one_to_close(opened: Opened) -> None:
    heard: list[str] = []
    ledger = opened(heard)
    declare(ledger, spec("job", EVERY_SECOND))
    heard.clear()
    (claimed,) = ledger.turn("a", at(1), DECIDE, room=1).claimed
    ledger.turn("a", at(1) + 1, DECIDE, closings=[ending(claimed, at(1) + 1)], room=1)
    assert heard.count("committed") == 2


@pytest.mark.parametrize("idle", [0, 2_000])
def test_a_tick_costs_what_is_due_not_what_is_registered(opened: Opened, idle: int) -> None:
    ledger = opened()
    jobs = [spec(f"job{n}", EVERY_SECOND) for n in range(10)]
    declare(ledger, *jobs, *(spec(f"idle{n}", "0 0 0 1 1 *") for n in range(idle)))
    counted = steps(ledger)
    claimed = ledger.turn("a", at(1), DECIDE, room=10).claimed
    ledger.turn("a", at(1), DECIDE, closings=[ending(run, at(1)) for run in claimed])
    ledger.living_nodes()
    assert len(claimed) == 10
    assert len(counted) < 170, "with or without idle jobs"


def test_a_tick_costs_the_same_after_a_long_history(opened: Opened) -> None:
    ledger = opened()
    declare(ledger, *(spec(f"job{n}", EVERY_SECOND) for n in range(5)))
    costs = []
    for second in range(1, 401):
        counted = steps(ledger)
        claimed = ledger.turn("a", at(second), DECIDE, room=10).claimed
        ledger.turn("a", at(second), DECIDE, closings=[ending(run, at(second)) for run in claimed])
        ledger.open_runs()
        costs.append(len(counted))
    assert sum(costs[-10:]) <= sum(costs[5:15]) + 20, "of ten ticks together, since each is counted by hundreds"


def test_rescue_and_watch_cost_the_same_after_a_thousand_nodes(opened: Opened) -> None:
    ledger = opened()
    counted = steps(ledger)
    assert len(ledger.living_nodes()) == 1
    alone = len(counted)
    ledger._store.connection.executescript(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        " INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at,"
        " beat_at, stopped_at, fate) SELECT 'n' || i, 'run', '', '', 1, 1, '', 1, 1, 1, 1, 1, 'left' FROM n"
    )
    counted.clear()
    assert len(ledger.living_nodes()) == 1
    assert len(counted) <= alone + 1


def test_every_statement_of_the_clockwork_finds_its_rows_by_an_index(opened: Opened) -> None:
    ledger = opened()
    # What is queued is walked in due order, no further than there is room.
    allowed = re.compile(
        r"SCAN (ledger_state|CONSTANT ROW|json_each|w VIRTUAL TABLE|a$|abandoned_runs|[or] USING INDEX open_runs_waiting"
        r"|f USING INDEX jobs_for_some_nodes)"
    )
    walked = []
    for name, text in ledger._store._statements.items():
        if f"-- name: {name}\n" not in CLOCKWORK.read_text():
            continue
        named = {key: "[]" if key == "ids" else 1 for key in re.findall(r":(\w+)", text)}
        values = named or [1] * max(
            text.count("?") if "?1" not in text else 0, *map(int, re.findall(r"\?(\d)", text)), 0
        )
        plan = [row[3] for row in ledger._store.connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        walked += [(name, step) for step in plan if step.startswith("SCAN") and not allowed.match(step)]
        # A job's whole history is behind this index; only what is open is anybody's business here.
        walked += [(name, step) for step in plan if "job_runs_one_account (job_id=?)" in step]
    assert walked == []


def test_a_thousand_due_jobs_a_turn_and_more_is_said(opened: Opened) -> None:
    ledger = opened()
    declare(ledger, *(spec(f"job{n:04}", EVERY_MINUTE) for n in range(1_050)))
    first = ledger.turn("a", at(60), DECIDE, room=0)
    assert (first.planned, first.more, first.next_due) == (1_000, True, at(60))
    second = ledger.turn("a", at(60), DECIDE, room=0)
    assert (second.planned, second.more, second.next_due) == (50, False, START + 120 * SECOND)
