"""What a cron expression means: in words, in fire times, and on the nights when clocks change. Needs no profile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from systemprompt.clock import SECOND, Instant, iso
from systemprompt.cron import Schedule
from systemprompt.cron.clock_changes import ClockChange, clock_changes, clock_rule
from systemprompt.cron.remarks import remarks
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.operations.schedules import local_iso

__all__ = ["ClockNight", "DescribeScheduleParams", "NamedTime", "ScheduleDescribed", "describe_schedule", "next_times"]

_YEAR = 366 * 86_400 * SECOND
_AROUND = 2 * 3_600 * SECOND
_MOST_ON_A_NIGHT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeScheduleParams:
    """Which expression to describe."""

    expression: str = param("five or six fields, a macro or @every, in quotes: '0 3 * * *'")
    zone: str = param("the time zone it is read in: Europe/Berlin", "UTC")
    count: int = param("how many fire times to show", 5, minimum=0, maximum=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTime:
    """One fire time, ISO 8601: in UTC, and on the wall clock of the zone."""

    fire_at: str
    local_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNight:
    """One change of the clocks within the next year.

    at             the instant, ISO 8601 in UTC; `clocks` is `forward` or `back`, by so many minutes
    fire_times     those from two hours before to two hours after it, the first ten
    more           how many follow within these hours
    """

    at: str
    local_time: str
    clocks: str
    minutes: int
    fire_times: tuple[NamedTime, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDescribed:
    """A schedule as it is understood. A text that is refused is an error, and its hint says what to write.

    sentence       what it says, without its zone; true of every fire time, in a zone that keeps its clocks
    clock_rule     what it does when clocks change; empty where the zone's clocks do not within a year
    remarks        what to look at, where nobody can mean it
    """

    expression: str
    time_zone: str
    sentence: str
    next_fire_times: tuple[NamedTime, ...]
    clock_rule: str
    clock_nights: tuple[ClockNight, ...]
    remarks: tuple[str, ...]


def describe_schedule(context: OperationContext, params: DescribeScheduleParams) -> ScheduleDescribed:
    """Describe an expression in a time zone, as it stands by now.

    Raises:
        CronError: the expression or the zone cannot be read, or no date can match.
    """
    now = context.now()
    schedule = Schedule(params.expression, params.zone)
    return ScheduleDescribed(
        expression=params.expression,
        time_zone=params.zone,
        sentence=schedule.describe(),
        next_fire_times=next_times(schedule, now, params.count),
        clock_rule=clock_rule(schedule, now),
        clock_nights=tuple(_night(schedule, one) for one in clock_changes(params.zone, now, now + _YEAR)),
        remarks=remarks(params.expression),
    )


def next_times(schedule: Schedule, now: Instant, count: int) -> tuple[NamedTime, ...]:
    """Return the next fire times after now: fewer only where the calendar ends."""
    found: list[NamedTime] = []
    at = schedule.next_after(now)
    while at is not None and len(found) < count:
        found.append(_named(at, schedule))
        at = schedule.next_after(at)
    return tuple(found)


def _named(at: Instant, schedule: Schedule) -> NamedTime:
    return NamedTime(fire_at=iso(at), local_time=local_iso(at, schedule.tz))


def _night(schedule: Schedule, change: ClockChange) -> ClockNight:
    start, end = change.at - _AROUND - 1, change.at + _AROUND  # the start itself is no part of the answer
    times = tuple(_named(at, schedule) for at in islice(schedule.instants_between(start, end), _MOST_ON_A_NIGHT))
    return ClockNight(
        at=iso(change.at),
        local_time=local_iso(change.at, schedule.tz),
        clocks="forward" if change.shift > 0 else "back",
        minutes=abs(change.shift) // 60,
        fire_times=times,
        more=schedule.count_between(start, end) - len(times),
    )
