"""Decide what is owed of one job up to now. Pure: no clock, no database.

The fire times owed are those after the cursor and up to now, under the job's present version. Each gets exactly one account:

    cut       the stretch from the cursor to now falls into pieces: `planning.pieces`
    judge     each piece has one fate: `planning.judging`
    account   neighbours with the same fate become rows, one a fire time, or one range

Ranges are counted by arithmetic, so downtime costs a few steps, however long it was. Rows are bounded where they are runs to be:
a job has at most `BACKLOG` of them open, and the cursor waits for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice

from systemprompt.clock import SECOND, Instant
from systemprompt.cron import CronError, Schedule
from systemprompt.ledger.records import Decision, JobToPlan, PlannedRange, PlannedRun
from systemprompt.planning.judging import Fate, judge, works_off
from systemprompt.planning.pieces import Piece, cut

__all__ = ["BACKLOG", "Planner"]

BACKLOG = 100
"""Under `catch_up: all`, how many runs of a job may be open at once; more are planned as these are worked off."""

_SOON = SECOND
"""How soon to look at a backlog again."""

_DAY = 86_400 * SECOND
"""A disabled or quarantined job is accounted for once a day, and whenever it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """The planner of one installation; hand `decide` to the ledger.

    grace          microseconds; a fire time seen later than this is a misfire
    clock_jumped   say so in the accounts of what was missed: the wall clock leapt forward just now
    """

    grace: int = 10 * SECOND
    clock_jumped: bool = False

    def decide(self, job: JobToPlan, now: Instant) -> Decision:
        """Return the rows, the ranges and the cursor for one job.

        With `now` before the cursor (the clock went back) nothing is owed and the cursor stays, so nothing fires twice.
        """
        if not job.schedule:
            return Decision(planned_through=max(now, job.planned_through), next_due=None, next_run=None)
        try:
            schedule = _schedule(job.schedule, job.time_zone, job.policies.dst_gap, job.policies.dst_fold)
        except CronError:
            # It was checked when the version was made, so its zone has left this machine. Leave the cursor and look again.
            return Decision(planned_through=job.planned_through, next_due=now + 60 * SECOND, next_run=None)
        oldest = _next_after(schedule, job.planned_through)
        if oldest is None or oldest > now:
            return _decision(job, max(now, job.planned_through), oldest)
        late_until = now - self.grace - 1
        deadline = job.policies.start_deadline_s
        too_late_until = None if deadline is None else now - round(deadline * SECOND) - 1
        in_order = works_off(job, oldest, late_until)
        following = _next_after(schedule, oldest)
        if following is None or following > now:
            # Nearly always one fire time is owed: there is nothing to cut and nothing to count.
            too_late = too_late_until is not None and oldest <= too_late_until
            only = Piece(job.planned_through, now, on_time=oldest > late_until, newest=True, too_late=too_late)
            fate = judge(job, only, in_order, self.clock_jumped)
            if fate.in_rows and job.open_runs < BACKLOG:
                return _decision(job, now, following, runs=tuple(_rows((oldest,), fate)))
            return _account(job, schedule, now, [(fate, [only])])
        newest = _last_before(schedule, now + 1)
        assert newest is not None, "two fire times are owed"
        pieces = cut(job.planned_through, now, newest=newest, late_until=late_until, too_late_until=too_late_until)
        fates = groupby(pieces, lambda piece: judge(job, piece, in_order, self.clock_jumped))
        return _account(job, schedule, now, fates)


def _account(
    job: JobToPlan, schedule: Schedule, now: Instant, judged: Iterable[tuple[Fate, Iterable[Piece]]]
) -> Decision:
    """Return rows and ranges for neighbouring pieces, each group with its fate, as far as there is room for runs."""
    runs: list[PlannedRun] = []
    ranges: list[PlannedRange] = []
    cursor, room = job.planned_through, max(0, BACKLOG - job.open_runs)
    for fate, group in judged:
        alike = list(group)
        after, until = alike[0].after, alike[-1].until
        if not fate.in_rows:
            span = _range(schedule, after, until, fate)
            if span is not None:
                ranges.append(span)
                cursor = span.last_at
            continue
        queued = fate.status == "queued"
        owed = list(islice(schedule.instants_between(after, until), room + 1 if queued else None))
        taken = owed[:room] if queued else owed
        if taken:
            runs += _rows(taken, fate)
            cursor = taken[-1]
        if len(taken) < len(owed):
            look, waits = now + _SOON, owed[room]
            return Decision(
                planned_through=cursor, next_due=look, next_run=waits, runs=tuple(runs), ranges=tuple(ranges)
            )
        if queued:
            room -= len(taken)
    return _decision(job, now, _next_after(schedule, now), runs=tuple(runs), ranges=tuple(ranges))


def _decision(
    job: JobToPlan,
    cursor: Instant,
    following: Instant | None,
    runs: tuple[PlannedRun, ...] = (),
    ranges: tuple[PlannedRange, ...] = (),
) -> Decision:
    """Return the decision that accounts for everything up to the new cursor. `following`: the next fire time."""
    if job.quarantined or not job.enabled:
        return Decision(planned_through=cursor, next_due=cursor + _DAY, next_run=None, runs=runs, ranges=ranges)
    return Decision(planned_through=cursor, next_due=following, next_run=following, runs=runs, ranges=ranges)


def _rows(fire_times: Iterable[Instant], fate: Fate) -> list[PlannedRun]:
    status, reason, _, origin, blocked_by = fate
    return [
        PlannedRun(fire_at=at, status=status, origin=origin, reason=reason, blocked_by=blocked_by) for at in fire_times
    ]


def _range(schedule: Schedule, after: Instant, until: Instant, fate: Fate) -> PlannedRange | None:
    """Return the range of the fire times in (after, until], None where there is none."""
    count = schedule.count_between(after, until)
    if not count:
        return None
    first, last = _next_after(schedule, after), _last_before(schedule, until + 1)
    assert first is not None, "there are some"
    assert last is not None, "there are some"
    assert fate.reason is not None, "what gets a range does not run"
    return PlannedRange(first_at=first, last_at=last, count=count, status=fate.status, reason=fate.reason)


@lru_cache(maxsize=65_536)
def _schedule(expression: str, time_zone: str, dst_gap: str, dst_fold: str) -> Schedule:
    return Schedule(expression, time_zone, dst_gap=dst_gap, dst_fold=dst_fold)


# Thousands of jobs that are due at once share a handful of schedules, and are planned from the same instant.
@lru_cache(maxsize=1024)
def _last_before(schedule: Schedule, at: Instant) -> Instant | None:
    return schedule.last_before(at)


@lru_cache(maxsize=1024)
def _next_after(schedule: Schedule, at: Instant) -> Instant | None:
    return schedule.next_after(at)
