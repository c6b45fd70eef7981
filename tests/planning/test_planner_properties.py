"""Whatever the schedule, the policies and the gap: every fire time up to the new cursor has exactly one account."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from systemprompt.clock import SECOND, from_datetime
from systemprompt.cron import Schedule
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import REASONS, Decision, JobToPlan
from systemprompt.planning import planner as planner_module
from systemprompt.planning.judging import Fate
from systemprompt.planning.pieces import Piece
from systemprompt.planning.planner import BACKLOG, Planner

MINUTE, HOUR, DAY = 60, 3_600, 86_400

# Each with a gap (seconds) that holds enough of its fire times to matter and few enough to count by hand.
SCHEDULES = (
    ("* * * * * *", 2_000),
    ("*/7 * * * * *", 10_000),
    ("0 * * * * *", 2 * DAY),
    ("0 */15 * * * *", 20 * DAY),
    ("30 0 2 * * *", 900 * DAY),
    ("0 30 2 * * *", 900 * DAY),
    ("0 0 * * * *", 60 * DAY),
    ("0 0 0 1 * *", 3_000 * DAY),
    ("0 0 12 L * 5#2", 3_000 * DAY),
    ("@every 90s", 2 * DAY),
    ("@every 7h", 100 * DAY),
    ("0 0 0 29 2 *", 9_000 * DAY),
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")
BASE = from_datetime(datetime(2024, 1, 1, tzinfo=UTC))


@st.composite
def planned(draw: st.DrawFn) -> tuple[JobToPlan, int, Planner]:
    expression, longest = draw(st.sampled_from(SCHEDULES))
    open_runs = draw(st.sampled_from((0, 0, 1, 2, 40, 99, 100, 150)))
    cursor = BASE + draw(st.integers(0, 900 * DAY * SECOND))
    gap = draw(st.one_of(st.integers(-longest, longest), st.sampled_from((0, 1, 9, 10, 11, 60)))) * SECOND
    job = JobToPlan(
        job_id=1,
        job_name="job",
        version=1,
        schedule=expression,
        time_zone=draw(st.sampled_from(ZONES)),
        policies=Policies(
            catch_up=draw(st.sampled_from(("latest", "skip", "all"))),
            start_deadline_s=draw(st.sampled_from((None, None, 5.0, 60.0, 86_400.0))),
            dst_gap=draw(st.sampled_from(("run", "skip"))),
            dst_fold=draw(st.sampled_from(("first", "second", "both"))),
        ),
        enabled=draw(st.integers(0, 4)) > 0,
        quarantined=draw(st.integers(0, 4)) == 0,
        planned_through=cursor,
        open_run=7 if open_runs else None,
        open_runs=open_runs,
        catching_up=bool(open_runs) and draw(st.booleans()),
    )
    return job, cursor + gap + draw(st.integers(-1, 1)), Planner(clock_jumped=draw(st.booleans()))


def schedule_of(job: JobToPlan) -> Schedule:
    return Schedule(job.schedule, job.time_zone, dst_gap=job.policies.dst_gap, dst_fold=job.policies.dst_fold)


def assert_each_owed_once(job: JobToPlan, decision: Decision) -> None:
    """Rows and ranges are in order, have nothing in common, and are together the fire times between the cursors."""
    owed = list(schedule_of(job).instants_between(job.planned_through, decision.planned_through))
    rows = [(run.fire_at, run.fire_at, 1) for run in decision.runs]
    spans = [(span.first_at, span.last_at, span.count) for span in decision.ranges]
    assert (rows, spans) == (sorted(rows), sorted(spans))
    told: list[int] = []
    for first, last, count in sorted(rows + spans):
        inside = [at for at in owed if first <= at <= last]
        assert (inside[0], inside[-1], len(inside)) == (first, last, count)
        told += inside
    assert told == owed


FATES = (
    Fate("queued", None, in_rows=True),
    Fate("skipped", "overlap", in_rows=True, blocked_by=7),
    Fate("missed", "down", in_rows=False),
    Fate("missed", "superseded", in_rows=False),
    Fate("skipped", "disabled", in_rows=False),
)


@settings(deadline=None, max_examples=400)
@given(planned(), st.lists(st.sampled_from(FATES), min_size=4, max_size=4), st.integers(0, 5_000))
def test_whatever_the_fate_of_each_piece_every_fire_time_owed_has_one_account(
    case: tuple[JobToPlan, int, Planner], fates: list[Fate], grace: int
) -> None:
    job, now, _ = case
    of_pieces: dict[Piece, Fate] = {}

    def judged(_job: JobToPlan, piece: Piece, _in_order: bool, _clock_jumped: bool) -> Fate:
        return of_pieces.setdefault(piece, fates[len(of_pieces)])

    with patch.object(planner_module, "judge", judged):
        decision = Planner(grace=grace * SECOND).decide(job, now)
    assert_each_owed_once(job, decision)
    told = {(span.status, span.reason) for span in decision.ranges}
    assert told | {(run.status, run.reason) for run in decision.runs} <= {(one.status, one.reason) for one in fates}
    assert len(decision.ranges) <= len(list(groupby(of_pieces.values()))), "neighbours with one fate are one range"


@settings(deadline=None, max_examples=400)
@given(planned())
def test_runs_and_ranges_are_exactly_the_fire_times_between_the_cursors(case: tuple[JobToPlan, int, Planner]) -> None:
    job, now, planner = case
    decision = planner.decide(job, now)
    assert job.planned_through <= decision.planned_through <= max(now, job.planned_through)
    assert_each_owed_once(job, decision)


@settings(deadline=None, max_examples=400)
@given(planned())
def test_every_account_has_a_status_and_a_reason_of_the_closed_list(case: tuple[JobToPlan, int, Planner]) -> None:
    job, now, planner = case
    decision = planner.decide(job, now)
    for run in decision.runs:
        if run.status == "queued":
            assert (run.reason, run.blocked_by) == (None, None)
            assert run.origin == ("schedule" if run.fire_at >= now - planner.grace else "catch_up")
        else:
            assert run.reason in REASONS[run.status]
            assert run.reason != "overlap" or run.blocked_by == job.open_run
    for span in decision.ranges:
        assert span.reason in REASONS[span.status]
        assert span.status != "missed" or not planner.clock_jumped or span.reason in ("clock_jump", "start_deadline")
        if span.reason == "start_deadline":
            assert job.policies.start_deadline_s is not None
            assert now - span.last_at > job.policies.start_deadline_s * SECOND


@settings(deadline=None, max_examples=400)
@given(planned())
def test_what_starts_is_what_the_policies_allow(case: tuple[JobToPlan, int, Planner]) -> None:
    job, now, planner = case
    decision = planner.decide(job, now)
    queued = [run for run in decision.runs if run.status == "queued"]
    if job.quarantined or not job.enabled:
        assert not decision.runs
        assert {span.reason for span in decision.ranges} <= {"disabled" if not job.enabled else "quarantined"}
    elif job.policies.catch_up == "all":
        assert job.open_runs + len(queued) <= max(BACKLOG, job.open_runs)
        assert not [span for span in decision.ranges if span.reason in ("superseded", "down")]
    else:
        assert len(queued) <= (1 if job.open_run is None else 0)
        if job.policies.catch_up == "skip":
            assert all(run.fire_at >= now - planner.grace for run in queued)


@settings(deadline=None, max_examples=400)
@given(planned())
def test_the_next_look_is_ahead_and_never_past_a_fire_time_that_would_start(
    case: tuple[JobToPlan, int, Planner],
) -> None:
    job, now, planner = case
    decision = planner.decide(job, now)
    assert decision.next_due is not None
    assert decision.next_due > now
    following = schedule_of(job).next_after(decision.planned_through)
    if job.quarantined or not job.enabled:
        assert decision.next_run is None
    else:
        assert decision.next_run == following
        if decision.planned_through >= now:
            assert decision.next_due == following
    assert planner.decide(job, now) == decision, "pure"


@settings(deadline=None, max_examples=100)
@given(planned(), st.lists(st.integers(0, 5_000), min_size=1, max_size=6))
@example(
    (
        JobToPlan(
            job_id=1, job_name="job", version=1, schedule="* * * * * *", time_zone="UTC",
            policies=Policies(catch_up="all"),
            enabled=True, quarantined=False, planned_through=BASE, open_run=3, open_runs=1, catching_up=False,
        ),
        BASE + HOUR * SECOND,
        Planner(),
    ),
    [5],
)  # fmt: skip
def test_planning_in_many_steps_forgets_nothing_and_repeats_nothing(
    case: tuple[JobToPlan, int, Planner], pauses: list[int]
) -> None:
    job, now, planner = case
    decisions: list[Decision] = []
    for pause in pauses:
        decisions.append(planner.decide(job, now))
        values = {name: getattr(job, name) for name in job.__dataclass_fields__}
        job = JobToPlan(**{**values, "planned_through": decisions[-1].planned_through})
        now += pause * SECOND
    accounted = sum(len(one.runs) + sum(span.count for span in one.ranges) for one in decisions)
    owed = schedule_of(job).count_between(case[0].planned_through, job.planned_through)
    assert accounted == owed
