"""The fire times to come, computed from the schedules in force. The ledger never writes the future."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import SECOND, iso
from systemprompt.operations.cursors import cursor_at, place_of
from systemprompt.operations.instants import known_job
from systemprompt.operations.parameters import CURSOR, FIELDS, param
from systemprompt.operations.schedules import local_iso, schedule_of
from systemprompt.operations.serving import ServingNode, condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.clock import Instant
    from systemprompt.cron import Schedule
    from systemprompt.ledger.views import JobView
    from systemprompt.operations.context import OperationContext

__all__ = ["LeftOut", "Upcoming", "UpcomingParams", "UpcomingRun", "upcoming"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingParams:
    """Which fire times to show."""

    job: tuple[str, ...] = param("only this job", ())
    limit: int = param("how many to show", 20, minimum=1, maximum=10_000)
    hours: float | None = param("only those within so many hours", None, minimum=0)
    cursor: str | None = param(CURSOR, None)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingRun:
    """One fire time to come. `fire_at` is ISO 8601 in UTC; `local_time` is the same instant on the job's own wall clock."""

    job_name: str
    fire_at: str
    local_time: str
    time_zone: str
    in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A job whose schedule will start nothing, and why: `disabled`, `quarantined`, or what is wrong with its schedule."""

    job_name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """Fire times of all jobs in order. Jobs that run only by hand are no part of it.

    total, shown   how many there are within `hours`, null without it, since they never end; and how many are here
    next_cursor    leads to those that follow, null where there are none
    serving, silent, clock_behind_s   whether schedules are kept: see `systemprompt.operations.serving.condition`
    """

    entries: tuple[UpcomingRun, ...]
    total: int | None
    shown: int
    next_cursor: str | None
    left_out: tuple[LeftOut, ...]
    serving: tuple[ServingNode, ...]
    silent: tuple[ServingNode, ...]
    clock_behind_s: int


def upcoming(context: OperationContext, params: UpcomingParams) -> Upcoming:
    """Return the next fire times after now, in order.

    Raises:
        JobNotFound: `job` names no job.
        UsageError: `cursor` is none, or that of another question.
    """
    from heapq import merge
    from itertools import islice

    with context.open_ledger() as ledger, ledger.snapshot():
        now = context.now()
        begin, *after = place_of(params, int, int, str) or [now]
        until = None if params.hours is None else begin + round(params.hours * 3600 * SECOND)
        views = [known_job(ledger, name) for name in dict.fromkeys(params.job)] if params.job else ledger.jobs()
        state = condition(ledger, now)
        versions = {version.job_id: version for version in ledger.versions() if version.valid_until is None}
    left_out = [LeftOut(job_name=view.name, why=why) for view in views if (why := _why_not(view)) is not None]
    schedules: list[tuple[JobView, Schedule]] = []
    for view in views:
        if view.schedule and _why_not(view) is None and view.retired_at is None:
            try:
                schedules.append((view, schedule_of(view, versions.get(view.job_id))))
            except ValueError as error:  # CronError: a time zone that left the machine's data
                left_out.append(LeftOut(job_name=view.name, why=str(error)))
    start = after[0] - 1 if after else begin
    # What is planned has its account: where the ledger is ahead of the clock, nothing fires before the clock has caught up.
    times = merge(*(_times(view, one, max(start, view.planned_through), until) for view, one in schedules))
    left = list(islice((one for one in times if [*one[:2]] > after), params.limit + 1))
    shown = left[: params.limit]
    return Upcoming(
        entries=tuple(
            UpcomingRun(
                job_name=name,
                fire_at=iso(at),
                local_time=local_iso(at, view.time_zone),
                time_zone=view.time_zone,
                in_seconds=(at - now) // SECOND,
            )
            for at, name, view in shown
        ),
        total=None
        if until is None
        else sum(one.count_between(max(begin, view.planned_through), until) for view, one in schedules),
        shown=len(shown),
        next_cursor=cursor_at(params, begin, *shown[-1][:2]) if len(shown) < len(left) else None,
        left_out=tuple(sorted(left_out, key=lambda one: one.job_name)),
        **state,
    )


def _why_not(view: JobView) -> str | None:
    if view.quarantine_error is not None:
        return "quarantined"
    return None if view.enabled or not view.schedule else "disabled"


def _times(
    view: JobView, schedule: Schedule, after: Instant, until: Instant | None
) -> Iterator[tuple[Instant, str, JobView]]:
    at = schedule.next_after(after)
    while at is not None and (until is None or at <= until):
        yield at, view.name, view
        at = schedule.next_after(at)
