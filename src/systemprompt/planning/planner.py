"""Decide what is owed of one job up to now. Pure: no clock, no database.

The fire times owed are those after the cursor and up to now, under the job's present version. Each gets exactly one account:

    newest       starts if it is on time, that is not older than the grace; if it is older, `catch_up: latest` starts it all the
                 same and `skip` misses it. Where an earlier run of the job is open it is skipped for `overlap`
    older ones   missed: `superseded` by the newest, or `down` where catch-up is `skip`
    catch_up: all    every one is queued in order, a bounded number ahead; the cursor waits for the rest
    disabled, quarantined   skipped with that reason

Fire times that share a fate become one range, so downtime costs a few steps of arithmetic, however long it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from systemprompt.clock import SECOND, Instant
from systemprompt.cron import CronError, Schedule
from systemprompt.ledger.records import Decision, JobToPlan, PlannedRange, PlannedRun

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
            # It was checked when the version was made, so its zone has left this machine. Owe it, and look again.
            return Decision(planned_through=job.planned_through, next_due=now + 60 * SECOND, next_run=None)
        newest = _last_before(schedule, now + 1) if now > job.planned_through else None
        if newest is not None and newest <= job.planned_through:
            newest = None
        if job.quarantined or not job.enabled:
            return self._passed_over(job, schedule, newest, now)
        if newest is None:
            return self._decision(job, schedule, now)
        if job.policies.catch_up == "all" and self._owes_all(job, schedule, now):
            return self._every_one(job, schedule, now)
        if job.open_run is not None:
            return self._blocked(job, schedule, now)
        return self._newest(job, schedule, newest, now)

    def _owes_all(self, job: JobToPlan, schedule: Schedule, now: Instant) -> bool:
        # If a run is in the way: an on-time fire is an overlap; misfires and backlog are queued in order.
        if job.catching_up or job.open_run is None:
            return True
        oldest = schedule.next_after(job.planned_through)
        return oldest is not None and oldest < now - self.grace

    def _newest(self, job: JobToPlan, schedule: Schedule, newest: Instant, now: Instant) -> Decision:
        on_time = newest >= now - self.grace
        if not on_time and job.policies.catch_up == "skip":
            return self._decision(job, schedule, now, ranges=(self._missed(job, schedule, newest, "down"),))
        run = PlannedRun(fire_at=newest, status="queued", origin="schedule" if on_time else "catch_up")
        older = _last_before(schedule, newest)
        if older is None or older <= job.planned_through:
            return self._decision(job, schedule, now, runs=(run,))
        reason = "down" if job.policies.catch_up == "skip" else "superseded"
        return self._decision(job, schedule, now, runs=(run,), ranges=(self._missed(job, schedule, older, reason),))

    def _blocked(self, job: JobToPlan, schedule: Schedule, now: Instant) -> Decision:
        boundary = max(job.planned_through, now - self.grace - 1)
        runs = tuple(
            PlannedRun(fire_at=at, status="skipped", reason="overlap", blocked_by=job.open_run)
            for at in schedule.instants_between(boundary, now)
        )
        late = schedule.last_before(boundary + 1)
        if late is None or late <= job.planned_through:
            return self._decision(job, schedule, now, runs=runs)
        return self._decision(job, schedule, now, runs=runs, ranges=(self._missed(job, schedule, late, "down"),))

    def _every_one(self, job: JobToPlan, schedule: Schedule, now: Instant) -> Decision:
        room = max(0, BACKLOG - job.open_runs)
        owed = tuple(islice(schedule.instants_between(job.planned_through, now), room + 1))
        taken = owed[:room]
        runs = tuple(
            PlannedRun(fire_at=at, status="queued", origin="schedule" if at >= now - self.grace else "catch_up")
            for at in taken
        )
        if len(owed) <= room:
            return self._decision(job, schedule, now, runs=runs)
        cursor = taken[-1] if taken else job.planned_through
        return Decision(planned_through=cursor, next_due=now + _SOON, next_run=owed[room], runs=runs)

    def _passed_over(self, job: JobToPlan, schedule: Schedule, newest: Instant | None, now: Instant) -> Decision:
        ranges: tuple[PlannedRange, ...] = ()
        if newest is not None:
            # `disabled` is said first: it is what the operator chose, and stays true when the module is mended.
            reason = "quarantined" if job.enabled else "disabled"
            ranges = (_range(job, schedule, newest, "skipped", reason),)
        cursor = max(now, job.planned_through)
        return Decision(planned_through=cursor, next_due=cursor + _DAY, next_run=None, ranges=ranges)

    def _missed(self, job: JobToPlan, schedule: Schedule, last: Instant, reason: str) -> PlannedRange:
        return _range(job, schedule, last, "missed", "clock_jump" if self.clock_jumped else reason)

    def _decision(
        self,
        job: JobToPlan,
        schedule: Schedule,
        now: Instant,
        runs: tuple[PlannedRun, ...] = (),
        ranges: tuple[PlannedRange, ...] = (),
    ) -> Decision:
        cursor = max(now, job.planned_through)
        following = _next_after(schedule, cursor)
        return Decision(planned_through=cursor, next_due=following, next_run=following, runs=runs, ranges=ranges)


def _range(job: JobToPlan, schedule: Schedule, last: Instant, status: str, reason: str) -> PlannedRange:
    first = schedule.next_after(job.planned_through)
    assert first is not None, "a range has a last fire time, so it has a first"
    count = schedule.count_between(job.planned_through, last)
    return PlannedRange(first_at=first, last_at=last, count=count, status=status, reason=reason)


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
