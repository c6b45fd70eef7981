"""What time it is: one wall clock for decisions, one monotonic clock for patience.

Inside the package an instant is a whole number of microseconds since the Unix epoch, in UTC: two instants are equal when
they are the same number, in memory, in SQL and in a key. Aware datetimes stand only at the public edge.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias
else:
    Protocol = object

__all__ = [
    "SECOND",
    "Clock",
    "Instant",
    "ManualClock",
    "SystemClock",
    "from_datetime",
    "iso",
    "micros",
    "to_datetime",
]

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND = 1_000_000
"""Microseconds in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where the program reads time. Passed in everywhere, so that tests move it by hand."""

    def now(self) -> Instant:
        """Return the wall clock's instant. It may jump either way."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back and counts the time the machine was suspended."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Instant:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        # CLOCK_MONOTONIC stands still while a laptop sleeps; a lease must not.
        return time.clock_gettime(_SUSPEND_AWARE)


class ManualClock:
    """A clock that moves only when told to: time never passes in tests."""

    def __init__(self, now: Instant | datetime = 0) -> None:
        self._now = from_datetime(now) if isinstance(now, datetime) else now
        self._monotonic = 0.0

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, by: timedelta | float) -> None:
        """Let this much time pass on both clocks. A bare number is seconds."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError(f"time does not pass backwards: {by!r}; step() moves the wall clock alone")
        self._now += round(seconds * SECOND)
        self._monotonic += seconds

    def step(self, by: timedelta | float) -> None:
        """Move the wall clock alone, as an operator or NTP would."""
        self._now += round((by.total_seconds() if isinstance(by, timedelta) else by) * SECOND)

    def set(self, now: Instant | datetime) -> None:
        """Set the wall clock alone."""
        self._now = from_datetime(now) if isinstance(now, datetime) else now


def from_datetime(at: datetime) -> Instant:
    """Return the instant of an aware datetime, exact to the microsecond. Naive ones are refused."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone: an instant needs one")
    return (at - _EPOCH) // timedelta(microseconds=1)


def to_datetime(at: Instant) -> datetime:
    """Return an instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def iso(at: Instant) -> str:
    """Return an instant as `2026-01-14T10:30:02Z`; a fraction has the digits that it needs, such as `.5`, and no more."""
    text = to_datetime(at).isoformat()[:-6]
    return (text.rstrip("0") if at % SECOND else text) + "Z"


def micros(duration: timedelta) -> int:
    """Return a duration in microseconds."""
    return duration // timedelta(microseconds=1)


_SUSPEND_AWARE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
