"""The planner's rules one by one, at their edges: jobs made by hand, a schedule of whole seconds, and decisions compared whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from systemprompt.clock import SECOND, from_datetime
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import Decision, JobToPlan, PlannedRange, PlannedRun
from systemprompt.planning import planner as planner_module
from systemprompt.planning.judging import Fate
from systemprompt.planning.pieces import Piece
from systemprompt.planning.planner import BACKLOG, Planner

MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
NOON = from_datetime(datetime(2026, 3, 2, 12, tzinfo=UTC))
GRACE = 10 * SECOND
PLANNER = Planner()

# Due at every full minute, and accounted for through noon.
JOB = JobToPlan(
    job_id=1,
    job_name="job",
    version=1,
    schedule="0 * * * * *",
    time_zone="UTC",
    policies=Policies(),
    enabled=True,
    quarantined=False,
    planned_through=NOON,
)
SKIP = replace(JOB, policies=Policies(catch_up="skip"))
ALL = replace(JOB, policies=Policies(catch_up="all"))


def minute(number: int) -> int:
    return NOON + number * MINUTE


def busy(job: JobToPlan, open_runs: int = 1, *, catching_up: bool = False) -> JobToPlan:
    return replace(job, open_run=7, open_runs=open_runs, catching_up=catching_up)


def queued(*numbers: int, origin: str = "schedule") -> tuple[PlannedRun, ...]:
    return tuple(PlannedRun(fire_at=minute(number), status="queued", origin=origin) for number in numbers)


def overlaps(*numbers: int) -> tuple[PlannedRun, ...]:
    return tuple(
        PlannedRun(fire_at=minute(number), status="skipped", reason="overlap", blocked_by=7) for number in numbers
    )


def missed(first: int, last: int, reason: str) -> tuple[PlannedRange, ...]:
    count = last - first + 1
    span = PlannedRange(first_at=minute(first), last_at=minute(last), count=count, status="missed", reason=reason)
    return (span,)


def decided(
    at: int, following: int, runs: tuple[PlannedRun, ...] = (), ranges: tuple[PlannedRange, ...] = ()
) -> Decision:
    """The decision that accounts for everything up to this instant and looks again at the following minute."""
    due = minute(following)
    return Decision(planned_through=at, next_due=due, next_run=due, runs=runs, ranges=ranges)


# --- what is owed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [JOB, SKIP, ALL, busy(JOB), busy(ALL)])
def test_a_fire_time_at_the_cursor_has_its_account_already(job: JobToPlan) -> None:
    assert PLANNER.decide(job, NOON) == decided(NOON, 1)
    assert PLANNER.decide(job, NOON + 1) == decided(NOON + 1, 1)


@pytest.mark.parametrize("job", [JOB, SKIP, ALL])
def test_a_fire_time_is_owed_from_its_own_instant_on(job: JobToPlan) -> None:
    assert PLANNER.decide(job, minute(1) - 1) == decided(minute(1) - 1, 1)
    assert PLANNER.decide(job, minute(1)) == decided(minute(1), 2, queued(1))


@pytest.mark.parametrize("job", [JOB, SKIP, ALL, busy(JOB)])
def test_when_the_clock_went_back_nothing_is_owed_and_the_cursor_stays(job: JobToPlan) -> None:
    assert PLANNER.decide(job, minute(-5)) == decided(NOON, 1)


def test_a_job_without_a_schedule_owes_nothing_and_is_never_looked_at_again() -> None:
    job = replace(JOB, schedule="")
    later = Decision(planned_through=minute(5), next_due=None, next_run=None)
    assert PLANNER.decide(job, minute(5)) == later
    assert PLANNER.decide(job, minute(-5)) == replace(later, planned_through=NOON)


def test_a_zone_that_left_the_machine_leaves_everything_owed_and_is_looked_for_in_a_minute() -> None:
    job = replace(JOB, time_zone="Mars/Olympus")
    decision = PLANNER.decide(job, minute(5))
    assert decision == Decision(planned_through=NOON, next_due=minute(6), next_run=None)


@pytest.mark.parametrize(
    ("policies", "fires"),
    [
        (Policies(), "2025-03-30T01:00"),
        (Policies(dst_gap="run"), "2025-03-30T01:00"),
        (Policies(dst_gap="skip"), "2025-03-31T00:30"),
        (Policies(dst_fold="first"), "2025-10-26T00:30"),
        (Policies(dst_fold="second"), "2025-10-26T01:30"),
    ],
)
def test_the_policies_for_the_nights_of_the_clocks_reach_the_schedule(policies: Policies, fires: str) -> None:
    # Berlin has no 02:30 on 30 March and two on 26 October.
    due = from_datetime(datetime.fromisoformat(fires).replace(tzinfo=UTC))
    job = replace(JOB, schedule="0 30 2 * * *", time_zone="Europe/Berlin", policies=policies)
    eve = replace(job, planned_through=due - DAY // 2)
    assert PLANNER.decide(eve, due - 1).next_run == due
    assert PLANNER.decide(eve, due).runs == (PlannedRun(fire_at=due, status="queued"),)


# --- the grace -------------------------------------------------------------------------------------------------------


def test_the_grace_is_ten_seconds_and_no_clock_has_jumped_unless_told_otherwise() -> None:
    assert Planner() == Planner(grace=10 * SECOND, clock_jumped=False)


@pytest.mark.parametrize("job", [JOB, SKIP, ALL])
@pytest.mark.parametrize("grace", [GRACE, 0, 25 * SECOND])
def test_a_fire_time_as_old_as_the_grace_is_on_time(job: JobToPlan, grace: int) -> None:
    now = minute(1) + grace
    assert Planner(grace=grace).decide(job, now) == decided(now, 2, queued(1))


@pytest.mark.parametrize("job", [JOB, ALL])
@pytest.mark.parametrize("grace", [GRACE, 0, 25 * SECOND])
def test_a_fire_time_older_than_the_grace_is_caught_up(job: JobToPlan, grace: int) -> None:
    now = minute(1) + grace + 1
    assert Planner(grace=grace).decide(job, now) == decided(now, 2, queued(1, origin="catch_up"))


def test_without_catch_up_a_fire_time_older_than_the_grace_is_missed() -> None:
    now = minute(1) + GRACE + 1
    assert PLANNER.decide(SKIP, now) == decided(now, 2, (), missed(1, 1, "down"))


# --- latest and skip -------------------------------------------------------------------------------------------------


def test_only_the_newest_starts_and_the_older_ones_are_superseded() -> None:
    now = minute(4) + GRACE + 1
    assert PLANNER.decide(JOB, now) == decided(now, 5, queued(4, origin="catch_up"), missed(1, 3, "superseded"))
    assert PLANNER.decide(JOB, minute(4)) == decided(minute(4), 5, queued(4), missed(1, 3, "superseded"))


def test_the_newest_is_the_last_that_is_due_and_not_the_next() -> None:
    now = minute(5) - 1
    assert PLANNER.decide(JOB, now) == decided(now, 5, queued(4, origin="catch_up"), missed(1, 3, "superseded"))


def test_after_the_last_fire_time_of_the_calendar_nothing_follows() -> None:
    last = from_datetime(datetime(9999, 1, 1, tzinfo=UTC))
    job = replace(JOB, schedule="0 0 0 1 1 *", planned_through=last - DAY)
    assert PLANNER.decide(job, last) == Decision(
        planned_through=last, next_due=None, next_run=None, runs=(PlannedRun(fire_at=last, status="queued"),)
    )


def test_latest_is_the_policy_where_none_is_given() -> None:
    named = replace(JOB, policies=Policies(catch_up="latest"))
    assert PLANNER.decide(named, minute(4)) == PLANNER.decide(JOB, minute(4))


def test_without_catch_up_the_newest_starts_on_time_and_the_older_ones_are_missed() -> None:
    assert PLANNER.decide(SKIP, minute(4)) == decided(minute(4), 5, queued(4), missed(1, 3, "down"))
    now = minute(4) + GRACE + 1
    assert PLANNER.decide(SKIP, now) == decided(now, 5, (), missed(1, 4, "down"))


def test_of_two_fire_times_owed_the_older_one_is_a_range_of_one() -> None:
    assert PLANNER.decide(JOB, minute(2)) == decided(minute(2), 3, queued(2), missed(1, 1, "superseded"))


@pytest.mark.parametrize(("job", "runs"), [(JOB, queued(4)), (SKIP, queued(4)), (busy(JOB), overlaps(4))])
def test_what_was_missed_when_the_clock_leapt_says_so(job: JobToPlan, runs: tuple[PlannedRun, ...]) -> None:
    decision = Planner(clock_jumped=True).decide(job, minute(4))
    assert decision == decided(minute(4), 5, runs, missed(1, 3, "clock_jump"))


# --- an earlier run is open ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [busy(JOB), busy(SKIP), busy(ALL), busy(ALL, BACKLOG)])
def test_while_a_run_is_open_a_fire_time_as_old_as_the_grace_is_an_overlap(job: JobToPlan) -> None:
    assert PLANNER.decide(job, minute(1)) == decided(minute(1), 2, overlaps(1))
    now = minute(1) + GRACE
    assert PLANNER.decide(job, now) == decided(now, 2, overlaps(1))


@pytest.mark.parametrize("job", [busy(JOB), busy(SKIP)])
def test_while_a_run_is_open_a_fire_time_older_than_the_grace_is_missed(job: JobToPlan) -> None:
    now = minute(1) + GRACE + 1
    assert PLANNER.decide(job, now) == decided(now, 2, (), missed(1, 1, "down"))


@pytest.mark.parametrize("job", [busy(JOB), busy(SKIP)])
def test_while_a_run_is_open_each_fire_time_is_an_overlap_or_missed_and_none_is_both(job: JobToPlan) -> None:
    planner, now = Planner(grace=2 * MINUTE), minute(5)
    assert planner.decide(job, now) == decided(now, 6, overlaps(3, 4, 5), missed(1, 2, "down"))
    assert planner.decide(job, now + 1) == decided(now + 1, 6, overlaps(4, 5), missed(1, 3, "down"))
    assert planner.decide(job, now - 1) == decided(now - 1, 5, overlaps(3, 4), missed(1, 2, "down"))


@pytest.mark.parametrize("job", [busy(JOB), busy(SKIP)])
def test_while_a_run_is_open_one_fire_time_may_be_missed_and_the_next_an_overlap(job: JobToPlan) -> None:
    decision = Planner(grace=MINUTE - 1).decide(job, minute(2))
    assert decision == decided(minute(2), 3, overlaps(2), missed(1, 1, "down"))


@pytest.mark.parametrize("job", [busy(JOB), busy(SKIP), busy(ALL)])
def test_while_a_run_is_open_the_grace_does_not_reach_back_over_the_cursor(job: JobToPlan) -> None:
    planner, now = Planner(grace=10 * MINUTE), minute(2)
    assert planner.decide(job, now) == decided(now, 3, overlaps(1, 2))
    between = replace(job, planned_through=NOON + 1)
    assert planner.decide(between, now) == decided(now, 3, overlaps(1, 2))


# --- catch_up: all ---------------------------------------------------------------------------------------------------


def test_catch_up_all_queues_every_fire_time_in_order_and_says_which_were_late() -> None:
    now = minute(3) + GRACE
    assert PLANNER.decide(ALL, now) == decided(now, 4, queued(1, 2, origin="catch_up") + queued(3))
    assert PLANNER.decide(ALL, now + 1) == decided(now + 1, 4, queued(1, 2, 3, origin="catch_up"))


def test_under_catch_up_all_a_misfire_beside_an_open_run_is_queued_with_all_that_follow() -> None:
    # One microsecond earlier the first of them is an overlap.
    now = minute(1) + GRACE + 1
    assert PLANNER.decide(busy(ALL), now) == decided(now, 2, queued(1, origin="catch_up"))
    assert PLANNER.decide(busy(ALL), minute(2)) == decided(minute(2), 3, queued(1, origin="catch_up") + queued(2))


def test_under_catch_up_all_what_is_on_time_queues_behind_a_backlog() -> None:
    job = busy(ALL, catching_up=True)
    assert PLANNER.decide(job, minute(1)) == decided(minute(1), 2, queued(1))


def test_under_catch_up_all_a_hundred_runs_of_a_job_may_be_open() -> None:
    assert len(PLANNER.decide(ALL, minute(100)).runs) == 100
    assert len(PLANNER.decide(ALL, minute(101)).runs) == 100


@pytest.mark.parametrize("job", [ALL, busy(ALL, 1, catching_up=True), busy(ALL, 98, catching_up=True)])
def test_a_backlog_with_just_room_enough_is_queued_whole(job: JobToPlan) -> None:
    room = BACKLOG - job.open_runs
    now = minute(room) + GRACE + 1
    assert PLANNER.decide(job, now) == decided(now, room + 1, queued(*range(1, room + 1), origin="catch_up"))


@pytest.mark.parametrize("job", [ALL, busy(ALL, 1, catching_up=True), busy(ALL, 98, catching_up=True)])
@pytest.mark.parametrize("beyond", [1, 2, 50])
def test_of_a_backlog_without_room_the_cursor_waits_at_the_last_that_was_queued(job: JobToPlan, beyond: int) -> None:
    room = BACKLOG - job.open_runs
    now = minute(room + beyond) + GRACE + 1
    assert PLANNER.decide(job, now) == Decision(
        planned_through=minute(room),
        next_due=now + SECOND,
        next_run=minute(room + 1),
        runs=queued(*range(1, room + 1), origin="catch_up"),
    )


@pytest.mark.parametrize("owed", [1, 3])
@pytest.mark.parametrize("open_runs", [BACKLOG, BACKLOG + 1, 3 * BACKLOG])
def test_a_full_backlog_takes_nothing_and_the_cursor_stays(open_runs: int, owed: int) -> None:
    now = minute(owed)
    decision = PLANNER.decide(busy(ALL, open_runs, catching_up=True), now)
    assert decision == Decision(planned_through=NOON, next_due=now + SECOND, next_run=minute(1))


def test_a_range_before_a_full_backlog_is_told_and_the_cursor_waits_at_its_end() -> None:
    def judged(_job: JobToPlan, piece: Piece, _in_order: bool, _clock_jumped: bool) -> Fate:
        # No policy asks for both yet.
        return Fate("queued", None, in_rows=True) if piece.on_time else Fate("missed", "down", in_rows=False)

    with patch.object(planner_module, "judge", judged):
        decision = Planner(grace=2 * MINUTE - 1).decide(busy(ALL, BACKLOG), minute(5))
    assert decision == Decision(
        planned_through=minute(3),
        next_due=minute(5) + SECOND,
        next_run=minute(4),
        ranges=missed(1, 3, "down"),
    )


# --- disabled, quarantined -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enabled", "quarantined", "reason"),
    [(False, False, "disabled"), (True, True, "quarantined"), (False, True, "disabled")],
)
@pytest.mark.parametrize("job", [JOB, SKIP, ALL, busy(JOB), busy(ALL)])
def test_a_job_that_may_not_start_has_its_fire_times_skipped_once_a_day(
    job: JobToPlan, enabled: bool, quarantined: bool, reason: str
) -> None:
    job = replace(job, enabled=enabled, quarantined=quarantined)
    span = PlannedRange(first_at=minute(1), last_at=minute(3), count=3, status="skipped", reason=reason)
    now = minute(3) + 1
    quiet = Decision(planned_through=now, next_due=now + DAY, next_run=None)
    assert PLANNER.decide(job, now) == replace(quiet, ranges=(span,))
    assert PLANNER.decide(replace(job, planned_through=minute(3)), now) == quiet
    assert PLANNER.decide(job, minute(-5)) == replace(quiet, planned_through=NOON, next_due=NOON + DAY)
