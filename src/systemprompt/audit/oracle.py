"""The audit's own engine: which fire times a schedule names. It shares no code with `systemprompt.cron`, on purpose.

Fields are read and dates matched by `cronsim`, on naive times only; the forms it does not know (`L-3`, `15W`, `FRI-SUN`, `@every`)
are worked out here by brute force, day by day. Zones are this module's own arithmetic: it probes the UTC offset at each hour
of a UTC day, cuts the day where the offset changes, and matches wall times piece by piece. Slower than the engine that
plans, and plain enough to be checked by eye.

The rules of DST are DESIGN section 6. A schedule whose minute or hour starts with `*`, and `@every`, follows elapsed time: it fires
at every instant whose wall time matches. Any other is fixed: wall times inside a spring gap become one at the gap's end, and of
an autumn hour that comes twice the first pass counts; `dst_gap` and `dst_fold` change that.
"""

from __future__ import annotations

import calendar
from array import array
from bisect import bisect_left
from collections import deque
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from systemprompt.clock import SECOND
from systemprompt.errors import CronError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.clock import Instant

    _Piece = tuple[int, int, int | None]  # [first, stop) in seconds UTC, and the offset there

__all__ = ["Oracle", "oracle_for"]


class Oracle:
    """The fire times of one schedule, recomputed. Instants in microseconds UTC; windows are (start, end].

    An empty schedule names none. Raises CronError where the text or the zone cannot be read.
    """

    def __init__(self, schedule: str, time_zone: str, *, dst_gap: str = "run", dst_fold: str = "first") -> None:
        words = schedule.split()
        self._engine: _Calendar | _Every | None
        if not words:
            self._engine = None
        elif words[0].lower() == "@every":
            self._engine = _Every(_period(schedule, words))
        else:
            self._engine = _Calendar(schedule, _zone(schedule, time_zone), dst_gap, dst_fold)

    def between(self, start: Instant, end: Instant) -> Iterator[Instant]:
        """Yield the fire times in (start, end], in order, one UTC day in memory at a time."""
        if self._engine is not None:
            for low, high in _days(start, end):
                for second in self._engine.times(low, high):
                    yield second * SECOND

    def count(self, start: Instant, end: Instant) -> int:
        """Return how many fire times (start, end] has. A day costs a few look-ups, however many it holds."""
        if self._engine is None:
            return 0
        return sum(self._engine.count(low, high) for low, high in _days(start, end))

    def names(self, at: Instant) -> bool:
        """Say whether this instant is a fire time."""
        return self.count(at - 1, at) == 1

    def first_in(self, start: Instant, end: Instant) -> Instant | None:
        """Return the first fire time in (start, end], or None."""
        return next(self.between(start, end), None)

    def first_after(self, start: Instant) -> Instant | None:
        """Return the first fire time after an instant, or None where the next 400 years (the calendar's cycle) have none."""
        return self.first_in(start, start + _CYCLE)

    def last_in(self, start: Instant, end: Instant) -> Instant | None:
        """Return the last fire time in (start, end], or None."""
        if self._engine is not None:
            for low, high in _days(start, end, backward=True):
                found = deque(self._engine.times(low, high), maxlen=1)
                if found:
                    return found[0] * SECOND
        return None


@lru_cache(maxsize=512)
def oracle_for(schedule: str, time_zone: str, dst_gap: str, dst_fold: str) -> Oracle:
    """Return the oracle of these settings; thousands of jobs share a few schedules."""
    return Oracle(schedule, time_zone, dst_gap=dst_gap, dst_fold=dst_fold)


_DAY = 86_400
_CYCLE = 146_097 * _DAY * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
# Two days inside what datetime can hold, so that no zone's offset leads out of it.
_FIRST_DAY = 3 - _EPOCH
_LAST_DAY = date.max.toordinal() - 3 - _EPOCH


def _days(start: Instant, end: Instant, *, backward: bool = False) -> Iterator[tuple[int, int]]:
    """Cut (start, end] at UTC midnights: pieces [low, high) in whole seconds."""
    first, stop = start // SECOND + 1, end // SECOND + 1
    days = range(max(first // _DAY, _FIRST_DAY), min((stop - 1) // _DAY, _LAST_DAY) + 1)
    for day in reversed(days) if backward else days:
        low, high = max(first, day * _DAY), min(stop, (day + 1) * _DAY)
        if low < high:
            yield low, high


# --- @every ----------------------------------------------------------------------------------------------------------


class _Every:
    """The multiples of a period since the Unix epoch."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def times(self, low: int, high: int) -> range:
        return range(-(-low // self._seconds) * self._seconds, high, self._seconds)

    def count(self, low: int, high: int) -> int:
        return len(self.times(low, high))


_UNITS = {"D": 86_400, "H": 3_600, "M": 60, "S": 1}


def _period(schedule: str, words: list[str]) -> int:
    total, digits = 0, ""
    for letter in words[1].upper() if len(words) == 2 else "?":
        if letter.isdigit():
            digits += letter
        elif letter in _UNITS and digits:
            total, digits = total + int(digits) * _UNITS[letter], ""
        else:
            raise _unreadable(schedule, "@every has no duration such as 90s or 1h30m")
    if digits or not total:
        raise _unreadable(schedule, "@every has no duration such as 90s or 1h30m")
    return total


# --- six fields ------------------------------------------------------------------------------------------------------


class _Calendar:
    """A schedule of five or six fields: a set of days, a set of times of day, a zone and the rules of DST."""

    def __init__(self, schedule: str, zone: ZoneInfo, dst_gap: str, dst_fold: str) -> None:
        second, minute, hour, day, month, weekday = _six_fields(schedule)
        self._zone = zone
        self._elapsed = minute[0] == "*" or hour[0] == "*"
        self._gap, self._fold = dst_gap, dst_fold
        try:
            self._clock = _clock_times(_plain(second), _plain(minute), _plain(hour))
            self._dates = _Dates(day, month, weekday)
        except (CronSimError, ValueError, AssertionError) as error:
            raise _unreadable(schedule, str(error) or type(error).__name__) from error
        self._matches: dict[int, bool] = {}

    def times(self, low: int, high: int) -> Iterator[int]:
        """Yield the fire times in [low, high), both on one UTC day."""
        for first, stop, offset in _within(self._pieces(low // _DAY), low, high):
            if offset is None:
                yield first
            else:
                for wall in self._wall_times(first + offset, stop + offset):
                    yield wall - offset

    def count(self, low: int, high: int) -> int:
        """Return how many fire times [low, high) has, both on one UTC day."""
        return sum(
            1 if offset is None else self._wall_count(first + offset, stop + offset)
            for first, stop, offset in _within(self._pieces(low // _DAY), low, high)
        )

    def _pieces(self, day: int) -> list[_Piece]:
        """Cut one UTC day into [first, stop) with one offset each, leaving out what the fold's rule leaves out.

        A piece without an offset is a single fire time: the end of a gap that swallowed some.
        """
        # No zone is further than two days from UTC, not even where a whole day was skipped.
        if not any(self._is_match(day + near) for near in (-2, -1, 0, 1, 2)):
            return []
        start, end = day * _DAY, (day + 1) * _DAY
        changes = [change for near in (day - 1, day, day + 1) for change in _changes(self._zone, near)]
        pieces: list[_Piece] = []
        offset = _offset(self._zone, start)
        for at, _, after in changes:
            if start < at < end:
                pieces.append((start, at, offset))
                start, offset = at, after
        pieces.append((start, end, offset))
        if not self._elapsed:
            for at, before, after in changes:
                self._apply(at, before, after, day, pieces)
        return pieces

    def _apply(self, at: int, before: int, after: int, day: int, pieces: list[_Piece]) -> None:
        """Apply the rules for fixed times to one change of offset."""
        if after < before and self._fold == "first":
            pieces[:] = _without(pieces, at, at + before - after)
        elif after < before and self._fold == "second":
            pieces[:] = _without(pieces, at - before + after, at)
        elif after > before and self._gap == "run" and at // _DAY == day and self._wall_count(at + before, at + after):
            pieces[:] = sorted([*_without(pieces, at, at + 1), (at, at + 1, None)], key=lambda piece: piece[0])

    def _wall_times(self, low: int, high: int) -> Iterator[int]:
        """Yield the matching wall times in [low, high), as seconds of a calendar without zones."""
        for day in range(low // _DAY, (high - 1) // _DAY + 1):
            if self._is_match(day):
                midnight = day * _DAY
                first = bisect_left(self._clock, low - midnight)
                stop = bisect_left(self._clock, high - midnight)
                for second in self._clock[first:stop]:
                    yield midnight + second

    def _wall_count(self, low: int, high: int) -> int:
        total = 0
        for day in range(low // _DAY, (high - 1) // _DAY + 1):
            if self._is_match(day):
                midnight = day * _DAY
                total += bisect_left(self._clock, high - midnight) - bisect_left(self._clock, low - midnight)
        return total

    def _is_match(self, day: int) -> bool:
        known = self._matches.get(day)
        if known is None:
            if len(self._matches) > 1_000:
                self._matches.clear()
            known = self._matches[day] = self._dates.match(date.fromordinal(day + _EPOCH))
        return known


@lru_cache(maxsize=64)
def _clock_times(second: str, minute: str, hour: str) -> array[int]:
    """Return the matching times of day, as seconds since midnight, in order."""
    fields = CronSim(f"{second} {minute} {hour} * * *", datetime(2000, 1, 1))  # noqa: DTZ001 - naive is the point
    hours, minutes, seconds = sorted(fields.hours), sorted(fields.minutes), sorted(fields.seconds)
    return array("i", [h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds])


class _Dates:
    """Day of month, month and day of week. `cronsim` matches what it can read; `L-3`, `15W` and `L-3W` are matched here."""

    def __init__(self, day: str, month: str, weekday: str) -> None:
        # Debian: either field matches, unless one of them starts with a star (or is `?`); then both must.
        self._both = day[0] in "*?" or weekday[0] in "*?"
        items = ("*" if day == "?" else day).split(",")
        self._odd = [item for item in items if item[-1] == "W" or item.startswith("L-")]
        plain = [_plain(item) for item in items if item not in self._odd]
        self._any_plain = bool(plain)
        for item in self._odd:
            _odd(item, date(2000, 1, 1))  # what it cannot read it refuses now
        naive = datetime(2000, 1, 1)  # noqa: DTZ001 - naive is the point
        self._months: set[int] = CronSim(f"0 0 1 {_plain(month, _MONTHS)} *", naive).months
        self._cronsim = CronSim(f"0 0 {','.join(plain) or '*'} * {_weekdays(weekday)}", naive)

    def match(self, when: date) -> bool:
        if when.month not in self._months:
            return False
        day = (self._any_plain and self._cronsim.match_dom(when)) or any(_odd(item, when) for item in self._odd)
        weekday: bool = self._cronsim.match_dow(when)
        return (day and weekday) if self._both else (day or weekday)


def _odd(item: str, when: date) -> bool:
    """Match `15W`, `LW`, `L-3`, `L-3W` by looking at every day of the month."""
    last = calendar.monthrange(when.year, when.month)[1]
    base = item.removesuffix("W")
    day = last - int(base[2:] or 0) if base.startswith("L") else int(base)
    if not 1 <= day <= last:
        return False
    if item[-1] != "W":
        return when.day == day
    working = [other for other in range(1, last + 1) if date(when.year, when.month, other).weekday() < 5]
    return when.day == min(working, key=lambda other: abs(other - day))


# --- text ------------------------------------------------------------------------------------------------------------

_MACROS = {
    "@YEARLY": "0 0 0 1 1 *",
    "@ANNUALLY": "0 0 0 1 1 *",
    "@MONTHLY": "0 0 0 1 * *",
    "@WEEKLY": "0 0 0 * * 0",
    "@DAILY": "0 0 0 * * *",
    "@MIDNIGHT": "0 0 0 * * *",
    "@HOURLY": "0 0 * * * *",
    "@MINUTELY": "0 * * * * *",
    "@SECONDLY": "* * * * * *",
}
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: str(number) for number, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}


def _six_fields(schedule: str) -> list[str]:
    text = schedule.strip().upper()
    words = _MACROS.get(text, text).split()
    if len(words) == 5:
        words.insert(0, "0")
    if len(words) != 6:
        raise _unreadable(schedule, f"it has {len(words)} fields")
    return words


def _plain(word: str, names: dict[str, str] | None = None) -> str:
    """Spell a field as cronsim reads it: `5-5/2` is 5 here, but 5, 7, 9... there; names as numbers."""
    names = names or {}
    spelled = []
    for item in word.split(","):
        base, slash, step = item.partition("/")
        first, dash, last = base.partition("-")
        first, last = names.get(first, first), names.get(last, last)
        if dash and first.isdigit() and last.isdigit() and int(first) == int(last):
            spelled.append(first)
        else:
            spelled.append(first + dash + last + slash + step)
    return ",".join(spelled)


def _weekdays(word: str) -> str:
    """Spell the day of week as cronsim reads it: `FRI-SUN` as 5-7, `FRIL` as 5L, `?` as a star."""
    spelled = []
    for item in ("*" if word == "?" else word).split(","):
        base, slash, step = item.partition("/")
        first, dash, last = base.partition("-")
        if item[-1] == "L":
            spelled.append(_WEEKDAYS.get(item[:-1], item[:-1]) + "L")
        elif dash and last == "SUN" and _WEEKDAYS.get(first, first).strip("0"):
            spelled.append(f"{first}-7{slash}{step}")
        else:
            spelled.append(item)
    return _plain(",".join(spelled), _WEEKDAYS)


def _unreadable(schedule: str, why: str) -> CronError:
    return CronError(schedule, f"the audit's oracle cannot read it: {why}")


# --- zones -----------------------------------------------------------------------------------------------------------


def _zone(schedule: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, RecursionError) as error:  # RecursionError: hundreds of slashes
        raise _unreadable(schedule, f"{name!r} is not a time zone") from error


def _offset(zone: ZoneInfo, second: int) -> int:
    """Return the seconds that local time is ahead of UTC at this instant."""
    ahead = datetime.fromtimestamp(second, zone).utcoffset()
    assert ahead is not None
    return ahead.days * _DAY + ahead.seconds


@lru_cache(maxsize=16_384)
def _changes(zone: ZoneInfo, day: int) -> tuple[tuple[int, int, int], ...]:
    """Return the changes of offset on one UTC day: the first second of the new offset, the old offset, the new one."""
    if not _FIRST_DAY <= day <= _LAST_DAY or zone.key == "UTC":
        return ()
    found = []
    low, before = day * _DAY - 1, _offset(zone, day * _DAY - 1)
    for hour in range(24):
        high = day * _DAY + hour * 3_600 + 3_599
        after = _offset(zone, high)
        if after != before:
            known, new = low, high
            while new - known > 1:
                middle = (known + new) // 2
                if _offset(zone, middle) == before:
                    known = middle
                else:
                    new = middle
            found.append((new, before, after))
        low, before = high, after
    return tuple(found)


def _without(pieces: list[_Piece], first: int, stop: int) -> list[_Piece]:
    """Return the pieces with [first, stop) cut out."""
    return _within(pieces, pieces[0][0], first) + _within(pieces, stop, pieces[-1][1]) if pieces else []


def _within(pieces: list[_Piece], first: int, stop: int) -> list[_Piece]:
    """Return what of the pieces lies in [first, stop)."""
    return [
        (max(low, first), min(high, stop), offset) for low, high, offset in pieces if max(low, first) < min(high, stop)
    ]
