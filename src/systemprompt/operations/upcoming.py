"""The fire times to come, computed from the schedules in force. The ledger never writes the future."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import SECOND, iso
from systemprompt.operations.instants import known_job
from systemprompt.operations.parameters import param
from systemprompt.operations.schedules import schedule_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.clock import Instant
    from systemprompt.ledger.views import JobView, VersionView
    from systemprompt.operations.context import OperationContext

__all__ = ["LeftOut", "Upcoming", "UpcomingParams", "UpcomingRun", "upcoming"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingParams:
    """Which fire times to show."""

    job: str | None = param("only this job", None)
    limit: int = param("how many to show", 20, minimum=1)
    hours: float | None = param("only those within so many hours", None, minimum=0)


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
    """Fire times of all jobs in order; `total` says how many are shown. Jobs that run only by hand are no part of it."""

    entries: tuple[UpcomingRun, ...]
    total: int
    left_out: tuple[LeftOut, ...]


def upcoming(context: OperationContext, params: UpcomingParams) -> Upcoming:
    """Return the next fire times after now, in order.

    Raises:
        JobNotFound: `job` names no job.
    """
    from heapq import merge
    from itertools import islice

    now = context.now()
    with context.open_ledger() as ledger, ledger.snapshot():
        views = [known_job(ledger, params.job)] if params.job is not None else ledger.jobs()
        versions = {version.job_id: version for version in ledger.versions() if version.valid_until is None}
    until = None if params.hours is None else now + round(params.hours * 3600 * SECOND)
    left_out = [LeftOut(job_name=view.name, why=why) for view in views if (why := _why_not(view)) is not None]
    streams = []
    for view in views:
        if view.schedule and _why_not(view) is None and view.retired_at is None:
            try:
                streams.append(_times(view, versions.get(view.job_id), now, until))
            except ValueError as error:  # CronError: a time zone that left the machine's data
                left_out.append(LeftOut(job_name=view.name, why=str(error)))
    runs = tuple(
        UpcomingRun(
            job_name=view.name,
            fire_at=iso(at),
            local_time=_local(at, view.time_zone),
            time_zone=view.time_zone,
            in_seconds=(at - now) // SECOND,
        )
        for at, _, view in islice(merge(*streams), params.limit)
    )
    return Upcoming(entries=runs, total=len(runs), left_out=tuple(sorted(left_out, key=lambda one: one.job_name)))


def _why_not(view: JobView) -> str | None:
    if view.quarantine_error is not None:
        return "quarantined"
    return None if view.enabled or not view.schedule else "disabled"


def _times(
    view: JobView, version: VersionView | None, now: Instant, until: Instant | None
) -> Iterator[tuple[Instant, str, JobView]]:
    schedule = schedule_of(view, version)

    def walk() -> Iterator[tuple[Instant, str, JobView]]:
        at = schedule.next_after(now)
        while at is not None and (until is None or at <= until):
            yield at, view.name, view
            at = schedule.next_after(at)

    return walk()


def _local(at: Instant, time_zone: str) -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return datetime.fromtimestamp(at // SECOND, ZoneInfo(time_zone)).isoformat()
