"""Which fire time somebody means: `02:30`, `yesterday`, `2h` ago, a time that clocks leave out or show twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from systemprompt.clock import SECOND, Instant, from_datetime
from systemprompt.operations.instants import read_instant
from systemprompt.operations.schedules import zone_of

__all__ = ["Meant", "read_fire_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a text means on one wall.

    at      the instants it may mean: two where the clocks show the time twice, else one
    exact   whether that instant is meant; else the last fire time at or before it
    gap     where clocks leave the time out: its hour and minute; else empty. Then `at` is when the gap ends
    """

    at: tuple[Instant, ...]
    exact: bool = True
    gap: str = ""


def read_fire_time(text: str, now: Instant, time_zone: str) -> Meant:
    """Return what `text` means in a time zone: a time of the last day that had it, `yesterday`, so long ago, or an ISO instant.

    Raises:
        UsageError: it is none of these, or outside the years 1 to 9999.
    """
    words = text.strip().lower().removesuffix(" ago")
    zone = zone_of(time_zone)
    here = datetime.fromtimestamp(now // SECOND, zone)
    if words in ("now", "today", "yesterday"):
        midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return Meant(at=(from_datetime(midnight) - 1 if words == "yesterday" else now,), exact=False)
    if words[-1:].isalpha() and words[-1:] != "z":
        return Meant(at=(read_instant(words, "at", now, lambda: zone.key),), exact=False)
    of_day = _time_of_day(words)
    if of_day is not None:
        for days_ago in range(3):
            meant = _on_the_wall(datetime.combine(here.date() - timedelta(days=days_ago), of_day), zone)
            passed = tuple(at for at in meant.at if at <= now)
            if passed:
                return Meant(at=passed, gap=meant.gap)
    try:
        when = datetime.fromisoformat(words.upper())
        if when.tzinfo is None and 1 < when.year < 9999:  # beyond, an offset may lead off the calendar
            return _on_the_wall(when, zone)
    except ValueError:
        pass  # read_instant says what is wrong
    return Meant(at=(read_instant(text, "at", now, lambda: zone.key),))


def _time_of_day(words: str) -> time | None:
    try:
        return datetime.strptime(words, "%H:%M" if words.count(":") == 1 else "%H:%M:%S").time()  # noqa: DTZ007  # a wall time
    except ValueError:
        return None


def _on_the_wall(when: datetime, zone: ZoneInfo) -> Meant:
    first, second = (from_datetime(when.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if first < second:
        return Meant(at=(first, second))
    if first > second:
        # The offset from before the gap leads past it, by as much as the time lies in it.
        return Meant(at=(_gap_end(second, first, zone),), gap=f"{when:%H:%M}")
    return Meant(at=(first,))


def _gap_end(low: Instant, high: Instant, zone: ZoneInfo) -> Instant:
    """Return when the clocks jumped between two instants, to the second."""
    before = datetime.fromtimestamp(low // SECOND, zone).utcoffset()
    first, last = low // SECOND, high // SECOND
    while last - first > 1:
        middle = (first + last) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            first = middle
        else:
            last = middle
    return last * SECOND
