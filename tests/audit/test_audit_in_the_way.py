"""What was in the way of a fire time: it may be gone by now, have ended at an instant before, or be far behind in the ledger.

Each is a life that the stateful campaign came upon, and that the audit was once wrong about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from support.audited_ledger import AuditedLedger
from support.ledger_stage import berlin_spec as spec
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.records import Change, Claimed, ClockEvent, Closing, ManualStart
from systemprompt.ledger.seals import DAY

START = 1_767_225_600 * SECOND + DAY // 2


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[AuditedLedger]:
    with closing(AuditedLedger(tmp_path / "ledger.db", now=START)) as audited:
        yield audited


def test_a_run_started_by_hand_under_a_clock_set_back_may_be_pruned_before_what_it_was_in_the_way_of(
    audited: AuditedLedger,
) -> None:
    declare(audited, START, "0 * * * * *")
    set_back(audited, START - 3 * DAY, by=3 * DAY)
    (run,) = audited.ledger.start_manual("a", START - 3 * DAY, [ManualStart(job_name="one")], Change(actor="me"))
    audited.ledger.turn("a", START + 60 * SECOND, audited.decide)
    end(audited, run, START + 62 * SECOND)

    assert seal_closed_days(audited.ledger, now=START + 63 * SECOND, alive=lambda _: None).report.ok
    assert audited.ledger.prune(START - DAY, limit=10) == 1

    assert audited.ledger.run(run.run_id) is None
    assert faults(audited, START + 63 * SECOND) == []


def test_a_run_that_was_open_ended_at_an_earlier_instant_where_the_clock_was_set_back_in_between(
    audited: AuditedLedger,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(audited)
    set_back(audited, START - 2 * DAY, by=3 * DAY)
    end(audited, run, START - 2 * DAY + SECOND)

    assert faults(audited, START - 2 * DAY + SECOND) == []


def test_a_run_that_had_ended_the_day_before_was_in_nobodys_way_though_the_clock_was_set_back_at_another_time(
    audited: AuditedLedger,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(audited)
    set_back(audited, START + 10 * DAY, by=3 * DAY)
    end(audited, run, START + 2 * SECOND)

    assert [fault for fault in faults(audited, START + 10 * DAY) if "had ended" in fault] == [
        f"job 'one': run {run.run_id + 1} says run {run.run_id} was in the way, which had ended at 2026-01-01T12:00:02Z"
    ]


def test_a_run_that_was_open_explains_a_range_however_many_runs_lie_between_them(audited: AuditedLedger) -> None:
    """The clock was once an hour behind, so the runs of an hour may have been written before the range that comes ahead of them."""
    declare(audited, START, "*/10 * * * * *")
    (run,) = audited.ledger.turn("a", START + 10 * SECOND, audited.decide, room=1).claimed
    set_back(audited, START - 3_590 * SECOND, by=3_600 * SECOND)
    declare(audited, START + 28_810 * SECOND, "*/10 * * * * *", catch_up="all")
    end(audited, run, START + 2 * DAY)

    assert [account.reason for account in audited.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert sum(one.status == "queued" for one in audited.ledger.open_runs()) > 16
    assert faults(audited, START + 2 * DAY) == []


@pytest.mark.parametrize(("minutes", "told"), [(5, False), (90, True)])
def test_a_run_was_in_the_way_until_its_closing_was_written_which_a_database_that_is_away_holds_up(
    audited: AuditedLedger, minutes: int, told: bool
) -> None:
    declare(audited, START, "*/10 * * * * *")
    audited.now = START + 10 * SECOND
    (run,) = audited.claim(room=1)
    ended = audited.end(run)
    audited.now += minutes * 60 * SECOND
    audited.claim(room=0)  # another node is the first to be back
    audited.claim(ended, room=0)

    assert [account.reason for account in audited.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert any("no run of it was open" in fault for fault in faults(audited, audited.now)) is told


def test_code_that_cannot_be_stopped_explains_a_range_though_its_run_is_closed(audited: AuditedLedger) -> None:
    declare(audited, START, "*/10 * * * * *")
    audited.now = START + 10 * SECOND
    (run,) = audited.claim(room=1)
    audited.claim(replace(audited.end(run, "failed", "timeout"), abandoned=True), room=0)
    audited.now += 3_600 * SECOND
    audited.claim()
    audited.now += SECOND
    audited.claim(audited.end(run), room=0)

    assert [account.reason for account in audited.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert faults(audited, audited.now) == []


@pytest.mark.parametrize("pruned", [False, True])
def test_what_waits_behind_code_that_cannot_be_stopped_is_not_passed_over(audited: AuditedLedger, pruned: bool) -> None:
    """Nor is it afterwards: it has waited only since that code came back."""
    audited.now = START
    audited.declare(spec("one", "@every 100h", catch_up="all"), spec("two", "0 * * * * *"))
    audited.now = START + 400 * 3_600 * SECOND
    begun = {run.job_name: run for run in audited.claim(room=9)}
    stuck = begun["one"]
    audited.claim(replace(audited.end(stuck, "failed", "timeout"), abandoned=True), audited.end(begun["two"]), room=0)
    for _ in range(5):
        audited.now += DAY
        audited.finish(*audited.claim(room=9))
    if pruned:
        seal_closed_days(audited.ledger, now=audited.now, alive=lambda _: None)
        audited.ledger.prune(audited.now, limit=10_000)
        assert audited.ledger.run(stuck.run_id) is None
    assert list(audited.ledger.abandoned_runs()) == [stuck.run_id]
    assert any(run.status == "queued" and run.job_name == "one" for run in audited.ledger.open_runs())
    assert faults(audited, audited.now) == []
    audited.claim(audited.end(stuck), room=0)
    assert list(audited.ledger.abandoned_runs()) == []
    assert faults(audited, audited.now + SECOND) == []


def test_the_tries_of_a_pruned_run_go_one_by_one_and_a_late_result_of_the_first_after_them(
    audited: AuditedLedger,
) -> None:
    audited.declare(spec("one", "0 0 14 * * *", catch_up="latest", on_lost="rerun"))
    audited.join("c")
    audited.now = START + 3_600 * SECOND
    (first,) = audited.claim(room=1)
    for lost, heir in (("a", "b"), ("b", "c")):
        audited.lose(lost, max_attempts=5)
        (run,) = audited.turn(node=heir, room=1, plan=False).claimed
    audited.turn(audited.end(run), node="c", room=0, plan=False)
    audited.now += DAY
    assert audited.turn(audited.end(first), node="c", room=0).late == (first.run_id,)
    assert seal_closed_days(audited.ledger, now=audited.now + DAY, alive=lambda _: None).report.ok

    kept = []
    for _ in range(5):
        audited.ledger.prune(START + DAY // 2, limit=1)
        kept.append(len(list(audited.ledger.attempts(first.run_id))))
        assert faults(audited, audited.now) == []
    assert kept[:2] == [1, 0]


def test_a_node_may_be_lost_after_the_clock_was_set_back_twice(audited: AuditedLedger) -> None:
    declare(audited, START, "*/10 * * * * *")
    audited.now = START + 10 * SECOND
    (run,) = audited.turn(node="b", room=1).claimed
    for hours in (1, 2):
        set_back(audited, START - hours * 3_600 * SECOND, by=3_600 * SECOND)
    audited.now = START - 7_195 * SECOND
    audited.lose("b", max_attempts=3)
    audited.claim(audited.end(run), room=0)

    assert faults(audited, audited.now) == []


# -- words for it -----------------------------------------------------------------------------------------------------------


def begin_a_run_and_find_it_in_the_way_a_day_later(audited: AuditedLedger) -> Claimed:
    declare(audited, START, "@every 1s")
    audited.now = START + SECOND
    (run,) = audited.claim(room=1)
    declare(audited, START + SECOND, "0 0 13 * * *")  # in Berlin: noon, UTC
    audited.now = START + DAY
    audited.claim(room=0)
    return run


def declare(audited: AuditedLedger, now: Instant, schedule: str, catch_up: str = "latest") -> None:
    audited.now = now
    audited.declare(spec("one", schedule, catch_up=catch_up))


def set_back(audited: AuditedLedger, seen_at: Instant, *, by: int) -> None:
    audited.ledger.record_clock_event(
        ClockEvent(seen_at=seen_at, kind="backward", delta_us=-by, action="", node_id="a")
    )


def end(audited: AuditedLedger, run: Claimed, now: Instant) -> None:
    ending = Closing(run_id=run.run_id, attempt=1, fence=run.fence, status="success", finished_at=now)
    audited.now = now
    audited.claim(ending, room=0)


def faults(audited: AuditedLedger, now: Instant) -> list[str]:
    audited.now = now
    return [finding.sentence for finding in audited.audit().findings]
