"""Fire times as instants: wall-clock arithmetic within stretches of one offset, and the rule for the nights between them.

Everything here is whole seconds. A *wall* time counts seconds since 1970-01-01 00:00 on the wall; an instant counts them in UTC.
Within a stretch of one offset the two differ by a constant, so a question about instants is a question about a window of wall
times. What a window is decides daylight saving:

- a schedule that follows elapsed time has each stretch whole: nothing in the gap, both passes of a fold;
- a fixed-time schedule has each wall time once: the second pass of a fold (or the first) is cut off its stretch, and wall
  times that a gap swallowed become one fire time at the gap's end, which is the instant the next stretch starts.

Source of the rule: Debian's cron(8), section on daylight saving time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date

from systemprompt.cron.day_times import bits, day_times
from systemprompt.cron.days import EPOCH_ORDINAL, FIRST_DAY, LAST_DAY, day_rule
from systemprompt.cron.zones import FIRST_SECOND, LAST_SECOND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Generic, TypeAlias, TypeVar

    from systemprompt.cron.day_times import DayTimes
    from systemprompt.cron.expression import Expression
    from systemprompt.cron.zones import Zone

    T = TypeVar("T")
    Table: TypeAlias = tuple[tuple[int, ...], tuple[T, ...]]
    Chunk: TypeAlias = tuple[int, int, bool, tuple[T, ...]]
else:
    T = None
    Generic = {T: object}  # `Generic[T]` is a plain class at run time: `typing` is slow to load

__all__ = ["FireTimes", "PeriodicFireTimes", "WallFireTimes"]

_DAY = 86_400


class WallFireTimes:
    """The fire times of an expression on a wall clock that nobody ever changes."""

    __slots__ = ("days", "times")

    def __init__(self, expression: Expression, text: str) -> None:
        self.days = day_rule(expression, text)
        self.times = day_times(expression)

    def next(self, wall: int) -> int | None:
        """Return the first fire time at or after this one, or None past year 9999."""
        day, second = divmod(wall, _DAY)
        matching = self.days.next_day(day)
        if matching == day:
            found = self.times.next(second)
            if found >= 0:
                return day * _DAY + found
            matching = self.days.next_day(day + 1)
        return None if matching is None else matching * _DAY + self.times.first

    def previous(self, wall: int) -> int | None:
        """Return the last fire time at or before this one, or None before year 1."""
        day, second = divmod(wall, _DAY)
        matching = self.days.previous_day(day)
        if matching == day:
            found = self.times.previous(second)
            if found >= 0:
                return day * _DAY + found
            matching = self.days.previous_day(day - 1)
        return None if matching is None else matching * _DAY + self.times.last

    def next_within(self, first: int, last: int) -> int | None:
        """Return the first fire time from first to last, both included, or None. For windows of a day or so."""
        for day in range(max(first // _DAY, FIRST_DAY), min(last // _DAY, LAST_DAY) + 1):
            if self.days.matches(day):
                found = self.times.next(max(first - day * _DAY, 0))
                if found >= 0:
                    return day * _DAY + found if day * _DAY + found <= last else None
        return None

    def previous_within(self, first: int, last: int) -> int | None:
        """Return the last fire time from first to last, both included, or None. For windows of a day or so."""
        for day in range(min(last // _DAY, LAST_DAY), max(first // _DAY, FIRST_DAY) - 1, -1):
            if self.days.matches(day):
                found = self.times.previous(min(last - day * _DAY, _DAY - 1))
                if found >= 0:
                    return day * _DAY + found if day * _DAY + found >= first else None
        return None

    def count(self, first: int, last: int) -> int:
        """Return how many there are from the first to the last second, both included."""
        if first > last:
            return 0
        (first_day, begin), (last_day, end) = divmod(first, _DAY), divmod(last + 1, _DAY)
        total = self.days.count(first_day, last_day - 1) * self.times.per_day
        if begin and self.days.count(first_day, first_day):
            total -= self.times.before(begin)
        if end and self.days.count(last_day, last_day):
            total += self.times.before(end)
        return total

    def chunks(self, first: int, last: int, tables: _Tables[T]) -> Iterator[tuple[int, tuple[T, ...]]]:
        """Yield the fire times from first to last, both included, as (base, seconds after it), by month, day, hour or minute.

        The seconds come converted by `tables`, each table once an iteration: a caller adds them to the base in one sweep.
        """
        if self.times.per_day <= _MONTHLY_CHUNKS:
            source = self._month_chunks(first, last, tables)
        elif self.times.per_day <= _DAILY_CHUNKS:
            source = self._day_chunks(first, last, tables)
        elif self.times.in_hour <= _HOURLY_CHUNKS:
            source = self._hour_chunks(first, last, tables)
        else:
            source = self._minute_chunks(first, last, tables)
        for base, (seconds, converted) in source:
            if base + seconds[0] < first or base + seconds[-1] > last:
                part = converted[bisect_left(seconds, first - base) : bisect_right(seconds, last - base)]
                if part:
                    yield base, part
            else:
                yield base, converted

    def _month_chunks(self, first: int, last: int, tables: _Tables[T]) -> Iterator[tuple[int, Table[T]]]:
        day = self.days.next_day(first // _DAY)
        while day is not None and day * _DAY <= last:
            when = date.fromordinal(day + EPOCH_ORDINAL)
            mask = self.days.month(when.year, when.month)
            start = day - when.day
            yield start * _DAY, tables.of_month(mask)
            day = self.days.next_day(start + mask.bit_length())

    def _day_chunks(self, first: int, last: int, tables: _Tables[T]) -> Iterator[tuple[int, Table[T]]]:
        of_day = tables.of_day()
        day = self.days.next_day(first // _DAY)
        while day is not None and day * _DAY <= last:
            yield day * _DAY, of_day
            day = self.days.next_day(day + 1)

    def _hour_chunks(self, first: int, last: int, tables: _Tables[T]) -> Iterator[tuple[int, Table[T]]]:
        of_hour, hours = tables.of_hour(), bits(self.times.hours)
        day = self.days.next_day(first // _DAY)
        while day is not None and day * _DAY <= last:
            for hour in hours:
                base = day * _DAY + hour * 3600
                if base + 3599 >= first:
                    if base > last:
                        return
                    yield base, of_hour
            day = self.days.next_day(day + 1)

    def _minute_chunks(self, first: int, last: int, tables: _Tables[T]) -> Iterator[tuple[int, Table[T]]]:
        of_minute, minutes, hours = tables.of_minute(), bits(self.times.minutes), bits(self.times.hours)
        day = self.days.next_day(first // _DAY)
        while day is not None and day * _DAY <= last:
            for hour in hours:
                base = day * _DAY + hour * 3600
                if base + 3599 >= first:
                    for minute in minutes:
                        if base + minute * 60 + 59 >= first:
                            if base + minute * 60 > last:
                                return
                            yield base + minute * 60, of_minute
            day = self.days.next_day(day + 1)


# A chunk's table is made anew for each iteration, so it is kept small beside what it saves.
_MONTHLY_CHUNKS = 8
_DAILY_CHUNKS = 240
_HOURLY_CHUNKS = 240


class FireTimes:
    """The fire times of an expression in a zone, as seconds since the epoch. Strictly rising, and each exists on the wall."""

    __slots__ = ("_first_pass", "_gap_runs", "_latest", "_second_pass", "_wall", "_zone")

    def __init__(self, expression: Expression, text: str, zone: Zone, *, gap: str, fold: str) -> None:
        # Most questions are about the day of the latest answer again: (its first second, the last that is known to be plain).
        self._latest = (0, -1)
        self._wall = WallFireTimes(expression, text)
        self._zone = zone
        self._gap_runs = not expression.elapsed and gap == "run"
        self._first_pass = expression.elapsed or fold != "second"
        self._second_pass = expression.elapsed or fold != "first"

    def next(self, second: int) -> int | None:
        """Return the first fire time at or after this second, or None past the calendar."""
        midnight, last = self._latest
        if midnight <= second <= last:
            found = self._wall.times.next(second - midnight)
            if 0 <= found <= last - midnight:
                return midnight + found
        return self._next(second)

    def _next(self, second: int) -> int | None:
        second = max(second, FIRST_SECOND)
        if second > LAST_SECOND:
            return None
        zone, wall = self._zone, self._wall
        index = zone.index(second)
        if second == zone.starts[index] and self._runs_after_gap(index):
            return second
        first, last = self._window(index)
        found = wall.next(max(second + zone.offsets[index], first))
        while found is not None and found > last:
            if zone.start_after(index) > LAST_SECOND:
                return None
            index += 1
            if self._runs_after_gap(index):
                return zone.starts[index]
            first, last = self._window(index)
            # Of a second pass only the wall times below the ones already searched are new.
            again = wall.next_within(first, min(last, zone.walls[index] - 1)) if first < zone.walls[index] else None
            if again is not None:
                found = again
            elif found < first:
                found = wall.next(first)
        offset = zone.offsets[index]
        if found is None or found - offset > LAST_SECOND:
            return None
        # A day is not plain if its start is cut off by its stretch or by the calendar; if its end is, it is plain until there.
        midnight = found // _DAY * _DAY
        if midnight > first and midnight - offset > max(zone.starts[index], FIRST_SECOND):
            self._latest = (midnight - offset, min(midnight + _DAY - 1 - offset, last - offset, LAST_SECOND))
        return found - offset

    def previous(self, second: int) -> int | None:
        """Return the last fire time at or before this second, or None before the calendar."""
        second = min(second, LAST_SECOND)
        if second < FIRST_SECOND:
            return None
        zone, wall = self._zone, self._wall
        index = zone.index(second)
        first, last = self._window(index)
        searched = min(second + zone.offsets[index], last)
        found = wall.previous(searched)
        while found is None or found < first:
            if self._runs_after_gap(index):
                return zone.starts[index]
            if found is None or index == 0:
                return None
            index -= 1
            first, last = self._window(index)
            # Before a fold the wall showed later times than after it.
            later = wall.previous_within(searched + 1, last) if last > searched else None
            if later is not None:
                found = later
            elif found > last:
                found = wall.previous(last)
            searched = last
        return found - zone.offsets[index] if found - zone.offsets[index] >= FIRST_SECOND else None

    def count(self, first: int, last: int) -> int:
        """Return how many there are from the first to the last second, both included: arithmetic, no walk."""
        total = 0
        for index, begin, end in self._stretches(first, last):
            low, high = self._window(index)
            offset = self._zone.offsets[index]
            total += self._wall.count(max(begin + offset, low), min(end + offset, high))
            total += begin == self._zone.starts[index] and self._runs_only_for_gap(index)
        return total

    def chunks(self, first: int, last: int, convert: Callable[[int], T]) -> Iterator[Chunk[T]]:
        """Yield the fire times from first to last, both included, as (wall time, offset, second pass, converted seconds).

        A fire time is the wall time and one of the seconds after it; less the offset it is an instant.
        """
        tables = _Tables(self._wall.times, convert)
        zone = self._zone
        for index, begin, end in self._stretches(first, last):
            offset, start = zone.offsets[index], zone.starts[index]
            if begin == start and self._runs_only_for_gap(index):
                yield start + offset, offset, False, (convert(0),)
            low, high = self._window(index)
            low, high = max(begin + offset, low), min(end + offset, high)
            again = min(high, zone.walls[index] - 1)
            if low <= again:
                for base, seconds in self._wall.chunks(low, again, tables):
                    yield base, offset, True, seconds
                low = again + 1
            if low <= high:
                for base, seconds in self._wall.chunks(low, high, tables):
                    yield base, offset, False, seconds

    def _stretches(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Yield (index, first second, last second) of each stretch between the two, clipped to them."""
        first, last = max(first, FIRST_SECOND), min(last, LAST_SECOND)
        zone = self._zone
        index = zone.index(first)
        while first <= last:
            following = zone.start_after(index)
            yield index, first, min(last, following - 1)
            first = following
            index += 1

    def _window(self, index: int) -> tuple[int, int]:
        """Return the first and the last wall time of a stretch that this schedule takes from it."""
        zone = self._zone
        offset = zone.offsets[index]
        following = zone.start_after(index)
        first, last = zone.starts[index] + offset, following + offset - 1
        if not self._second_pass:
            first = max(first, zone.walls[index])
        if not self._first_pass and index + 1 < len(zone.starts):
            last = min(last, following + zone.offsets[index + 1] - 1)
        return first, last

    def _runs_after_gap(self, index: int) -> bool:
        """Say whether wall times that the gap before this stretch swallowed make a run at its end."""
        if not self._gap_runs or index == 0:
            return False
        zone = self._zone
        first, last = zone.walls[index], zone.starts[index] + zone.offsets[index] - 1
        return first <= last and self._wall.next_within(first, last) is not None

    def _runs_only_for_gap(self, index: int) -> bool:
        """Say the same where the gap's end is no fire time anyway."""
        start = self._zone.starts[index] + self._zone.offsets[index]
        return self._runs_after_gap(index) and self._wall.next_within(start, start) is None


class PeriodicFireTimes:
    """The fire times of `@every`: the multiples of its period since the epoch, whatever the wall shows.

    Stateless on purpose: restarts and other nodes agree without having to remember when anything began.
    """

    __slots__ = ("_period", "_zone")

    def __init__(self, period: int, zone: Zone) -> None:
        self._period = period
        self._zone = zone

    def next(self, second: int) -> int | None:
        """Return the first fire time at or after this second, or None past the calendar."""
        found = -(-max(second, _FIRST) // self._period) * self._period
        return found if found <= _LAST else None

    def previous(self, second: int) -> int | None:
        """Return the last fire time at or before this second, or None before the calendar."""
        found = min(second, _LAST) // self._period * self._period
        return found if found >= _FIRST else None

    def count(self, first: int, last: int) -> int:
        """Return how many there are from the first to the last second, both included."""
        first, last = max(first, _FIRST), min(last, _LAST)
        return last // self._period - (first - 1) // self._period if first <= last else 0

    def chunks(self, first: int, last: int, convert: Callable[[int], T]) -> Iterator[Chunk[T]]:
        """Yield the fire times from first to last, both included, in the shape of `FireTimes.chunks`."""
        zone, period = self._zone, self._period
        first, last = max(first, _FIRST), min(last, _LAST)
        table = tuple(convert(number * period) for number in range(max(1, min(1000, 3600 // period))))
        at = self.next(first)
        while at is not None and at <= last:
            index = zone.index(at)
            offset, following = zone.offsets[index], zone.start_after(index)
            whole = (min(last + 1, following, at + period * len(table)) - at - 1) // period + 1
            yield at + offset, offset, at + offset < zone.walls[index], table[:whole]
            at += whole * period


class _Tables(Generic[T]):
    """The offsets of a month's, day's, hour's or minute's fire times in seconds, and each converted, made on first use."""

    __slots__ = ("_convert", "_known", "_times")

    def __init__(self, times: DayTimes, convert: Callable[[int], T]) -> None:
        self._times = times
        self._convert = convert
        self._known: dict[int, Table[T]] = {}

    def of_minute(self) -> Table[T]:
        return self._known.get(-3) or self._learn(-3, bits(self._times.seconds))

    def of_hour(self) -> Table[T]:
        return self._known.get(-1) or self._learn(-1, self._times.of_hour())

    def of_day(self) -> Table[T]:
        return self._known.get(-2) or self._learn(-2, self._times.of_day())

    def of_month(self, days: int) -> Table[T]:
        """Return the table of a month with these matching days, counted from the day before the month."""
        known = self._known.get(days)
        if known is not None:
            return known
        of_day = self._times.of_day()
        return self._learn(days, tuple(day * _DAY + second for day in bits(days) for second in of_day))

    def _learn(self, key: int, seconds: tuple[int, ...]) -> Table[T]:
        table = self._known[key] = (seconds, tuple(map(self._convert, seconds)))
        return table


# The outermost day of the calendar is no date in every zone, so none of its instants is a fire time.
_FIRST = FIRST_SECOND + _DAY
_LAST = LAST_SECOND - _DAY
