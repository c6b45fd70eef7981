"""Which days of a month match: bit masks by the shape of the month, reckoned once for each of the 28 shapes.

A month's matching days depend only on its length and the weekday it starts on. The Gregorian calendar repeats every 400
years, and in that cycle every month of every length it can have starts on every weekday: so the 28 shapes decide exactly
whether a rule ever matches.
"""

from __future__ import annotations

from datetime import date

from systemprompt.errors import CronError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.cron.expression import Expression

__all__ = ["EPOCH_ORDINAL", "FIRST_DAY", "LAST_DAY", "DayRule", "day_rule"]

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
"""A day is counted from 1970-01-01, which is day 0. `date.fromordinal(day + EPOCH_ORDINAL)` is its date."""

FIRST_DAY = date.min.toordinal() - EPOCH_ORDINAL
LAST_DAY = date.max.toordinal() - EPOCH_ORDINAL

_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class DayRule:
    """The day of month, month and day of week of an expression. Answers in days since 1970-01-01.

    Every search is by month masks: a rule that matches once in 40 years is found after 480 steps, not 14,600.
    """

    __slots__ = ("_expression", "_months", "_shapes", "_years", "daily")

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        self._months = expression.months
        self._shapes: dict[int, int] = {}
        self._years: dict[int, int] = {}
        self.daily = expression.months == _ALL_MONTHS and _is_every_day(expression)

    def matching(self, first_weekday: int, length: int) -> int:
        """Return the matching days as bits 1-31 of a month that starts on this weekday (Sunday is 0)."""
        shape = length * 8 + first_weekday
        mask = self._shapes.get(shape)
        if mask is None:
            mask = self._shapes[shape] = _matching(self._expression, first_weekday, length)
        return mask

    def month(self, year: int, month: int) -> int:
        """Return the matching days of this month, as bits 1-31."""
        if not self._months >> month & 1:
            return 0
        return self.matching(date(year, month, 1).isoweekday() % 7, _length(year, month))

    def next_day(self, day: int) -> int | None:
        """Return the first matching day at or after this one, or None past year 9999."""
        if self.daily:
            return max(day, FIRST_DAY) if day <= LAST_DAY else None
        if day < FIRST_DAY:
            day = FIRST_DAY
        elif day > LAST_DAY:
            return None
        start = date.fromordinal(day + EPOCH_ORDINAL)
        year, month = start.year, start.month
        first = day - start.day + 1
        mask = self.month(year, month) >> start.day << start.day
        while not mask:
            ahead = self._months >> (month + 1)
            if ahead:
                month += (ahead & -ahead).bit_length()
            else:
                year += 1
                month = (self._months & -self._months).bit_length() - 1
                if year > 9999:
                    return None
            mask = self.month(year, month)
            first = date(year, month, 1).toordinal() - EPOCH_ORDINAL
        return first + (mask & -mask).bit_length() - 2

    def previous_day(self, day: int) -> int | None:
        """Return the last matching day at or before this one, or None before year 1."""
        if self.daily:
            return min(day, LAST_DAY) if day >= FIRST_DAY else None
        if day > LAST_DAY:
            day = LAST_DAY
        elif day < FIRST_DAY:
            return None
        start = date.fromordinal(day + EPOCH_ORDINAL)
        year, month = start.year, start.month
        first = day - start.day + 1
        mask = self.month(year, month) & ((2 << start.day) - 1)
        while not mask:
            behind = self._months & ((1 << month) - 1)
            if behind:
                month = behind.bit_length() - 1
            else:
                year -= 1
                month = self._months.bit_length() - 1
                if year < 1:
                    return None
            mask = self.month(year, month)
            first = date(year, month, 1).toordinal() - EPOCH_ORDINAL
        return first + mask.bit_length() - 2

    def matches(self, day: int) -> bool:
        """Say whether this day of the calendar matches."""
        if self.daily:
            return True
        when = date.fromordinal(day + EPOCH_ORDINAL)
        return bool(self.month(when.year, when.month) >> when.day & 1)

    def count(self, first: int, last: int) -> int:
        """Return how many days match from the first to the last, both included: by months, and whole years at once."""
        first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
        if first > last:
            return 0
        if self.daily:
            return last - first + 1
        begin, end = date.fromordinal(first + EPOCH_ORDINAL), date.fromordinal(last + EPOCH_ORDINAL)
        # Days before the first, and days after the last, in their own years: the rest is whole years.
        total = -self._before(begin.year, begin.month, begin.day)
        total += sum(self._year(year) for year in range(begin.year, end.year))
        return total + self._before(end.year, end.month, end.day + 1)

    def _before(self, year: int, month: int, day: int) -> int:
        """Return how many days match in this year before this day."""
        whole = sum(self.month(year, earlier).bit_count() for earlier in range(1, month))
        return whole + (self.month(year, month) & ((1 << day) - 1)).bit_count()

    def _year(self, year: int) -> int:
        shape = date(year, 1, 1).weekday() * 2 + _is_leap(year)
        count = self._years.get(shape)
        if count is None:
            count = self._years[shape] = self._before(year, 12, 32)
        return count


def day_rule(expression: Expression, text: str) -> DayRule:
    """Return the rule of this expression, shared with others that have the same three day fields.

    Raises CronError where no date of the calendar's 400-year cycle matches.
    """
    key = (*expression.fields[3:],)
    rule = _known.get(key)
    if rule is None:
        rule = DayRule(expression)
        if not _ever_matches(rule, expression.months):
            raise _never_fires(expression, text)
        # Bounded, since a field is anybody's text.
        if len(_known) < 4096 and sum(map(len, key)) < 100:
            _known[key] = rule
    return rule


_known: dict[tuple[str, ...], DayRule] = {}
_ALL_MONTHS = 0b1_1111_1111_1110


def _ever_matches(rule: DayRule, months: int) -> bool:
    if rule.daily:
        return True
    return any(rule.matching(first_weekday, length) for first_weekday, length in _shapes(months))


def _shapes(months: int) -> Iterator[tuple[int, int]]:
    """Yield the weekday that a month starts on and its length, for each shape that these months can have."""
    for month in range(1, 13):
        if months >> month & 1:
            for length in (28, 29) if month == 2 else (_LENGTHS[month],):
                yield from ((first_weekday, length) for first_weekday in range(7))


def _never_fires(expression: Expression, text: str) -> CronError:
    day, month, weekday = expression.fields[3:]
    months = [number for number in range(1, 13) if expression.months >> number & 1]
    longest = max(29 if number == 2 else _LENGTHS[number] for number in months)
    if any(_days(expression, first, length) & (2 << length) - 2 for first, length in _shapes(expression.months)):
        from systemprompt.cron.day_words import weekdays_in_words  # it reads days by this module

        wanted = weekdays_in_words(expression, single=True)
        return CronError(
            text,
            f"it never fires: these dates exist, but none of them is {wanted}, and both must match",
            field="day of week",
            value=weekday,
        )
    return CronError(
        text,
        f"it never fires: day of month {day!r} with month {month!r} is no date of the calendar (allowed: 1-{longest})",
        field="day of month",
        value=day,
        allowed=f"1-{longest}",
    )


def _is_every_day(expression: Expression) -> bool:
    days, weekdays = expression.days == 0xFFFF_FFFE, expression.weekdays == 0x7F
    return (days and weekdays) if expression.both_days else (days or weekdays)


def _matching(expression: Expression, first_weekday: int, length: int) -> int:
    days = _days(expression, first_weekday, length)
    weekdays = _weekdays(expression, first_weekday, length)
    matching = days & weekdays if expression.both_days else days | weekdays
    return matching & ((2 << length) - 2)


def _days(expression: Expression, first_weekday: int, length: int) -> int:
    days = expression.days
    if expression.days_from_end:
        days |= sum(1 << (length - n) for n in range(length) if expression.days_from_end >> n & 1)
    near = expression.near_weekdays
    if expression.near_weekdays_from_end:
        near |= sum(1 << (length - n) for n in range(length) if expression.near_weekdays_from_end >> n & 1)
    if near:
        for day in range(1, length + 1):
            if near >> day & 1:
                days |= 1 << _nearest_weekday(day, first_weekday, length)
    return days


def _nearest_weekday(day: int, first_weekday: int, length: int) -> int:
    """Return the day from Monday to Friday nearest to this one. It never leaves the month."""
    weekday = (first_weekday + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _weekdays(expression: Expression, first_weekday: int, length: int) -> int:
    days = 0
    for day in range(1, length + 1):
        weekday = (first_weekday + day - 1) % 7
        if (
            expression.weekdays >> weekday & 1
            or expression.nth_weekdays >> (7 * ((day - 1) // 7) + weekday) & 1
            or (day + 7 > length and expression.last_weekdays >> weekday & 1)
        ):
            days |= 1 << day
    return days


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _length(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _LENGTHS[month]
