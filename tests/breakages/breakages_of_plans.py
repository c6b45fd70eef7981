"""Broken planner, cursor and ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from breaking import Breakage, Breaker, Guard

from support.ledger_stage import AUTUMN
from systemprompt.clock import SECOND
from systemprompt.cron import Schedule
from systemprompt.ledger.records import Decision, JobToPlan, PlannedRange
from systemprompt.planning import judging, planner
from systemprompt.planning.judging import Fate
from systemprompt.planning.pieces import Piece
from systemprompt.planning.planner import Planner

Decide: TypeAlias = Callable[[Planner, JobToPlan, int], Decision]
Alter: TypeAlias = Callable[[JobToPlan, int, Decision], Decision]


def altered(alter: Alter) -> Callable[[Breaker], None]:
    """Let the planner decide, and alter what it decided."""

    def make(decide: Decide) -> Decide:
        return lambda self, job, now: alter(job, now, decide(self, job, now))

    return lambda breaker: breaker.patch(Planner, "decide", make)


def asked(ask: Callable[[JobToPlan, int], tuple[JobToPlan, int]]) -> Callable[[Breaker], None]:
    """Let the planner decide something else than it was asked."""

    def make(decide: Decide) -> Decide:
        return lambda self, job, now: decide(self, *ask(job, now))

    return lambda breaker: breaker.patch(Planner, "decide", make)


def with_policies(job: JobToPlan, **policies: Any) -> JobToPlan:
    return replace(job, policies=replace(job.policies, **policies))


def ranges(**change: Callable[[PlannedRange], Any]) -> Callable[[Breaker], None]:
    """Let every range be written with these fields changed."""

    def alter(job: JobToPlan, now: int, decision: Decision) -> Decision:
        spans = (replace(span, **{name: of(span) for name, of in change.items()}) for span in decision.ranges)
        return replace(decision, ranges=tuple(spans))

    return altered(alter)


def cursors(moved: Callable[[int, int], int]) -> Callable[[Breaker], None]:
    """Move every cursor somewhere else than was decided: `moved` is told where to, and where it stood."""

    def change(row: Any) -> Any:
        through, next_due, next_run, job_id, before = row
        return moved(through, before), next_due, next_run, job_id, before

    return lambda breaker: breaker.given("move_cursors", change)


def range_rows(**change: Callable[[Any], Any]) -> Callable[[Breaker], None]:
    """Write every range with these columns changed, below the planner."""

    def changed(row: Any) -> Any:
        values = dict(zip(_OF_A_RANGE, row, strict=True))
        return tuple(change[name](values[name]) if name in change else values[name] for name in _OF_A_RANGE)

    return lambda breaker: breaker.given("write_ranges", changed)


_OF_A_RANGE = ("job_id", "version", "first_at", "last_at", "count", "status", "reason", "written_at")


def schedule_made_with(**change: str) -> Callable[[Breaker], None]:
    def make(_: object) -> Callable[[str, str, str, str], Schedule]:
        def schedule(expression: str, time_zone: str, dst_gap: str, dst_fold: str) -> Schedule:
            made = {"time_zone": time_zone, "dst_gap": dst_gap, "dst_fold": dst_fold, **change}
            return Schedule(expression, made["time_zone"], dst_gap=made["dst_gap"], dst_fold=made["dst_fold"])

        return schedule

    return lambda breaker: breaker.patch(planner, "_schedule", make)


def _starts_nothing(job: JobToPlan, now: int, decision: Decision) -> Decision:
    """What `latest` would start is told as one range with what it supersedes, or as a range of its own."""
    if len(decision.ranges) != 1 or not decision.runs:
        return decision
    (span,) = decision.ranges
    last = decision.runs[-1].fire_at
    return replace(decision, runs=(), ranges=(replace(span, last_at=last, count=span.count + len(decision.runs)),))


def _without_last_fire_time(count: Callable[[PlannedRange], Any]) -> Callable[[Breaker], None]:
    def make(real: Callable[..., PlannedRange]) -> Callable[..., PlannedRange]:
        def made(schedule: Schedule, after: int, until: int, fate: Fate) -> PlannedRange:
            last = schedule.last_before(until + 1)
            before = None if last is None else schedule.last_before(last)
            return real(schedule, after, before if before is not None and before > after else until, fate)

        return made

    return lambda breaker: breaker.patch(planner, "_range", make)


def _everything_by_one_range(job: JobToPlan, now: int, decision: Decision) -> Decision:
    if job.policies.catch_up != "all" or len(decision.runs) < 3:
        return decision
    *old, last = decision.runs
    span = PlannedRange(
        first_at=old[0].fire_at, last_at=old[-1].fire_at, count=len(old), status="missed", reason="superseded"
    )
    return replace(decision, runs=(last,), ranges=(span,))


def _said(job: JobToPlan, now: int, decision: Decision, **reasons: str) -> Decision:
    spans = (replace(span, reason=reasons.get(span.reason, span.reason)) for span in decision.ranges)
    return replace(decision, ranges=tuple(spans))


def _late_judged_as(**facts: bool) -> Callable[[Breaker], None]:
    """Judge pieces of a job that has a `start_deadline` as if these facts held."""

    def make(real: Callable[..., Fate]) -> Callable[..., Fate]:
        def judge(job: JobToPlan, piece: Piece, in_order: bool, clock_jumped: bool) -> Fate:
            if job.policies.start_deadline_s is not None:
                piece = piece._replace(**facts)
            return real(job, piece, in_order, clock_jumped)

        return judge

    return lambda breaker: breaker.decision(judging.judge, make)


def _too_late_elsewhere(job: JobToPlan, now: int, decision: Decision) -> Decision:
    return (
        decision
        if job.policies.start_deadline_s is not None
        else _said(job, now, decision, superseded="start_deadline")
    )


OF_PLANS = (
    Breakage(
        what="begins what its start_deadline forbids",
        area="planner",
        kinds=("deadline",),
        plant=_late_judged_as(too_late=False),
    ),
    Breakage(
        what="gives up what could begin within its start_deadline",
        area="planner",
        kinds=("unexplained",),
        plant=_late_judged_as(too_late=True),
    ),
    Breakage(
        what="says start_deadline of a job that has none",
        area="planner",
        kinds=("unexplained",),
        plant=altered(_too_late_elsewhere),
    ),
    Breakage(
        what="drops the newest fire time of each look",
        area="planner",
        kinds=("missing",),
        plant=altered(lambda job, now, made: replace(made, runs=made.runs[:-1])),
    ),
    Breakage(
        what="drops the last fire time of a time without nodes",
        area="planner",
        kinds=("missing",),
        plant=_without_last_fire_time(lambda span: span.count),
    ),
    Breakage(
        what="forgets that an overlap needs an account",
        area="planner",
        kinds=("missing",),
        plant=altered(
            lambda job, now, made: replace(made, runs=tuple(run for run in made.runs if run.reason != "overlap"))
        ),
    ),
    Breakage(
        what="reads every schedule in UTC, whatever zone its version says",
        area="planner",
        kinds=("extra", "missing"),
        plant=schedule_made_with(time_zone="UTC"),
    ),
    Breakage(
        what="fires twice in the hour that comes twice",
        area="planner",
        kinds=("range_count",),
        plant=schedule_made_with(dst_fold="both"),
    ),
    Breakage(
        what="plans a minute past now",
        area="planner",
        kinds=("misdated",),
        plant=asked(lambda job, now: (job, now + (60 * SECOND if now > AUTUMN + 600 * SECOND else 0))),
    ),
    Breakage(
        what="plans a disabled job as if it were enabled",
        area="planner",
        kinds=("unexplained",),
        plant=asked(lambda job, now: (replace(job, enabled=True), now)),
    ),
    Breakage(
        what="calls an enabled job disabled",
        area="planner",
        kinds=("unexplained",),
        plant=asked(lambda job, now: (replace(job, enabled=False), now)),
    ),
    Breakage(
        what="does not say which run was in the way",
        area="planner",
        kinds=("unexplained",),
        plant=altered(
            lambda job, now, made: replace(made, runs=tuple(replace(run, blocked_by=None) for run in made.runs))
        ),
    ),
    Breakage(
        what="queues the next run while one is open",
        area="planner",
        kinds=("concurrent",),
        plant=asked(lambda job, now: (replace(job, open_run=None, open_runs=0), now)),
    ),
    Breakage(
        what="starts a misfire of a job that says catch_up: skip",
        area="planner",
        kinds=("unexplained",),
        plant=asked(lambda job, now: (with_policies(job, catch_up="latest"), now)),
    ),
    Breakage(
        what="misses what catch_up: latest would start",
        area="planner",
        kinds=("unexplained",),
        plant=asked(lambda job, now: (with_policies(job, catch_up="skip"), now)),
    ),
    Breakage(
        what="tells a backlog that catch_up: all would work off as superseded",
        area="planner",
        kinds=("unexplained",),
        plant=altered(_everything_by_one_range),
    ),
    Breakage(
        what="says superseded where nothing ran in its place",
        area="planner",
        kinds=("unexplained",),
        plant=altered(_starts_nothing),
    ),
    Breakage(
        what="blames a jump of the clock that nobody saw",
        area="planner",
        kinds=("unexplained",),
        plant=altered(lambda job, now, made: _said(job, now, made, down="clock_jump", superseded="clock_jump")),
    ),
    Breakage(
        what="never looks at a job again",
        area="planner",
        kinds=("cursor",),
        plant=altered(
            lambda job, now, made: replace(made, next_due=None if job.job_name == "abroad" else made.next_due)
        ),
    ),
    Breakage(
        what="looks at a job an hour too late",
        area="planner",
        kinds=("cursor",),
        plant=altered(lambda job, now, made: replace(made, next_due=(made.next_due or 0) + 3_600 * SECOND)),
    ),
    Breakage(
        what="shows a next run that is not the next fire time",
        area="planner",
        kinds=("cursor",),
        plant=altered(lambda job, now, made: replace(made, next_run=made.next_run and made.next_run + SECOND)),
    ),
)

OF_CURSORS = (
    Breakage(
        what="moves the cursor and loses the rows",
        area="cursor",
        kinds=("missing",),
        plant=lambda breaker: breaker.inserted("open", lambda run: run if run.run_id % 2 else None),
    ),
    Breakage(
        what="moves the cursor and loses the ranges",
        area="cursor",
        kinds=("missing",),
        plant=lambda breaker: breaker.rows("write_ranges", lambda rows: []),
    ),
    Breakage(
        what="moves the cursor ten seconds further than was decided",
        area="cursor",
        kinds=("missing",),
        plant=cursors(lambda through, before: through + 10 * SECOND),
    ),
    Breakage(
        what="writes the rows and leaves the cursor where it was",
        area="cursor",
        kinds=("extra",),
        guards=(Guard.one_account,),
        plant=cursors(lambda through, before: before),
    ),
    Breakage(
        what="moves the cursor back by a minute each time",
        area="cursor",
        kinds=("double",),
        guards=(Guard.cursor_forward, Guard.one_account),
        plant=cursors(lambda through, before: through - 60 * SECOND),
    ),
    Breakage(
        what="passes a due job over, again and again",
        area="cursor",
        kinds=("passed_over",),
        plant=lambda breaker: breaker.found("due_jobs", lambda rows: [r for r in rows if r["job_name"] != "again"]),
    ),
    Breakage(
        what="forgets how far it has ever planned",
        area="cursor",
        kinds=("cursor",),
        plant=lambda breaker: breaker.own("planned up to is forgotten"),
    ),
)

OF_RANGES = (
    Breakage(
        what="counts one fire time too many",
        area="range",
        kinds=("range_count",),
        plant=ranges(count=lambda span: span.count + 1),
    ),
    Breakage(
        what="lets a range begin a second early",
        area="range",
        kinds=("range_count",),
        plant=ranges(first_at=lambda span: span.first_at - SECOND),
    ),
    Breakage(
        what="lets a range end at the look, not at its last fire time",
        area="range",
        kinds=("range_count",),
        plant=altered(
            lambda job, now, made: replace(
                made,
                ranges=tuple(replace(span, last_at=min(span.last_at + SECOND, now)) for span in made.ranges),
            )
        ),
    ),
    Breakage(
        what="lets a range begin where the last look ended, one fire time late",
        area="range",
        kinds=("missing",),
        plant=ranges(
            first_at=lambda span: (
                span.first_at if span.count == 1 else span.first_at + (span.last_at - span.first_at) // (span.count - 1)
            )
        ),
    ),
    Breakage(
        what="covers the run that follows as well",
        area="range",
        kinds=("double",),
        guards=(Guard.one_account,),
        plant=altered(
            lambda job, now, made: replace(
                made,
                ranges=tuple(
                    replace(span, last_at=made.runs[-1].fire_at if made.runs else span.last_at) for span in made.ranges
                ),
            )
        ),
    ),
    Breakage(
        what="writes each range twice",
        area="range",
        kinds=("double",),
        guards=(Guard.one_account,),
        plant=lambda breaker: breaker.rows("write_ranges", lambda rows: rows * 2),
    ),
    Breakage(
        what="tells disabled fire times as missed",
        area="range",
        kinds=("unexplained",),
        plant=ranges(
            status=lambda span: "missed" if span.reason == "disabled" else span.status,
            reason=lambda span: "down" if span.reason == "disabled" else span.reason,
        ),
    ),
    Breakage(
        what="tells a reason under a status that does not have it",
        area="range",
        kinds=("unexplained",),
        guards=(Guard.reasons,),
        plant=ranges(status=lambda span: "skipped"),
    ),
    Breakage(
        what="names the version before",
        area="range",
        kinds=("wrong_version",),
        plant=range_rows(version=lambda version: max(1, version - 1)),
    ),
    Breakage(
        what="writes a range before its fire times have come",
        area="range",
        kinds=("misdated",),
        plant=range_rows(written_at=lambda at: at - 3_600 * SECOND),
    ),
)
