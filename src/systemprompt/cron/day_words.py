"""The days of a schedule in words. A day that some months lack is never called monthly."""

from __future__ import annotations

from systemprompt.cron.day_times import bits
from systemprompt.cron.days import DayRule
from systemprompt.cron.time_words import joined, runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron.expression import Expression

__all__ = ["Days", "days_in_words", "weekdays_in_words"]


class Days:
    """The days of an expression in words.

    lead   how a sentence with times of day begins, such as "Monthly on the 1st"; empty where no such word is true
    on     the same after a time or a rhythm, such as "on the 1st"; empty for every day
    """

    __slots__ = ("lead", "on")

    def __init__(self, lead: str, on: str) -> None:
        self.lead = lead
        self.on = on


def days_in_words(expression: Expression) -> Days:
    """Return the days of an expression, with its months, in words."""
    rule = DayRule(expression)
    all_months = expression.months == _ALL_MONTHS
    # A month that can never match is not named: `0 0 31 1,2 *` is about January alone.
    months = expression.months if all_months else _months_that_match(rule, expression.months)
    in_months = "" if all_months else f"in {_months(months)}"
    any_day, any_weekday = expression.days == _ALL_DAYS, expression.weekdays == 0x7F
    if (any_day and any_weekday) or (not expression.both_days and (any_day or any_weekday)):
        return Days("Daily", in_months)
    if any_day:
        on = f"on {weekdays_in_words(expression)}"
        return Days(_weekly(expression) if all_months else "", f"{on} {in_months}".rstrip())
    groups, certain = _days_of_month(expression, months)
    dated = ", and ".join(groups)
    if months == _FEBRUARY and any_weekday and groups == [f"on the 29th {_OF_SOME}"]:
        return Days("", "on the 29th of February in leap years")
    if any_weekday or not groups:
        on = dated if groups else f"on {weekdays_in_words(expression)}"
        if not all_months and len(groups) == 1 and certain and on.startswith("on the "):
            return Days(_yearly(expression, months), f"{on} of {_months(months)}")
        lead = "Monthly " + on if all_months and certain and len(groups) == 1 and _few(expression) else ""
        return Days(lead, f"{on}{', ' if in_months else ''}{in_months}")
    if expression.both_days:
        on = f"{dated}, if that is also {weekdays_in_words(expression, single=True)}"
    else:
        on = f"{dated}, or on {weekdays_in_words(expression)}"
    return Days("", f"{on}{', ' if in_months else ''}{in_months}")


def weekdays_in_words(expression: Expression, *, single: bool = False) -> str:
    """Return "Monday to Friday, the first Sunday and the last Saturday"; `single` for one such day: "a Monday or a Friday"."""
    said = [f"the {_nth_name(bit)}" for bit in bits(expression.nth_weekdays) if not expression.weekdays >> bit % 7 & 1]
    said += [
        f"the last {_WEEKDAYS[day]}" for day in bits(expression.last_weekdays) if not expression.weekdays >> day & 1
    ]
    # A run is read from Monday on, as FRI-SUN is written.
    from_monday = (expression.weekdays >> 1) | (expression.weekdays & 1) << 6
    plain: list[str] = []
    for first, last in runs(from_monday):
        names = [_WEEKDAYS[(day + 1) % 7] for day in range(first, last + 1)]
        spans = [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names
        plain += [f"a day from {span}" if " to " in span else f"a {span}" for span in spans] if single else spans
    return joined(plain + said, "or" if single else "and")


_ALL_DAYS = 0xFFFF_FFFE
_ALL_MONTHS = 0b1_1111_1111_1110
_FEBRUARY = 1 << 2
_OF_SOME = "of the months that have one"
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NTH = ("first", "second", "third", "fourth", "fifth")
_MONTHS = (
    *("", "January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _months_that_match(rule: DayRule, months: int) -> int:
    def may(month: int) -> bool:
        lengths = (28, 29) if month == 2 else (_LENGTHS[month],)
        return any(rule.matching(first, length) for first in range(7) for length in lengths)

    return sum(1 << month for month in bits(months) if may(month)) or months


def _months(months: int) -> str:
    said = []
    for first, last in runs(months):
        long = last - first > 1
        said += [f"{_MONTHS[first]} to {_MONTHS[last]}"] if long else [_MONTHS[one] for one in range(first, last + 1)]
    return joined(said)


def _weekly(expression: Expression) -> str:
    special = expression.nth_weekdays or expression.last_weekdays
    if not special:
        named = {0b0111110: "Weekdays", 0b1000001: "Weekends"}.get(expression.weekdays)
        return named or f"Weekly on {joined([_WEEKDAYS[day] for day in bits(expression.weekdays)])}"
    if expression.weekdays or expression.nth_weekdays >> 28:  # a fifth one: not in each month
        return ""
    names = [_nth_name(bit) for bit in bits(expression.nth_weekdays)]
    names += [f"last {_WEEKDAYS[day]}" for day in bits(expression.last_weekdays)]
    return f"Monthly on the {joined(names)}"


def _nth_name(bit: int) -> str:
    return f"{_NTH[bit // 7]} {_WEEKDAYS[bit % 7]}"


def _yearly(expression: Expression, months: int) -> str:
    plain = not (expression.days_from_end or expression.near_weekdays or expression.near_weekdays_from_end)
    if plain and months.bit_count() == expression.days.bit_count() == 1:
        return f"Yearly on {_MONTHS[months.bit_length() - 1]} {expression.days.bit_length() - 1}"
    return ""


def _few(expression: Expression) -> bool:
    return expression.days.bit_count() <= 5


def _days_of_month(expression: Expression, months: int) -> tuple[list[str], bool]:
    """Return the day-of-month field as phrases, and whether each of the months has all of these days."""
    lengths = [_LENGTHS[month] for month in bits(months)]
    shortest, longest = min(lengths), max(29 if length == 28 else length for length in lengths)
    possible = (2 << longest) - 2
    days, near = expression.days & possible, expression.near_weekdays & possible
    ends = expression.days_from_end & possible >> 1
    near_ends = expression.near_weekdays_from_end & possible >> 1
    if days in (0x5555_5554 & possible, 0xAAAA_AAAA & possible) and not (near or ends or near_ends):
        return [f"on {'odd' if days & 2 else 'even'} days of the month"], False
    always = (2 << shortest) - 2
    names = _ordinals(days & always) + _nearest(near & always)
    names += ["last day"] * (ends & 1) + ["last weekday"] * (near_ends & 1)
    groups = [f"on the {joined(names)}"] if names else []
    rare = _ordinals(days & ~always) + _nearest(near & ~always)
    if rare:
        groups += [f"on the {name} {_OF_SOME}" for name in rare]
    for mask, before in ((ends, ""), (near_ends, "on the weekday nearest ")):
        for count in bits(mask & ~1):
            where = "the month" if count < shortest else "the months that have such a day"
            # A bare number here could be read as one more of the hours before it.
            day = (
                f"{_COUNTS[count]} day{'s' if count > 1 else ''}"
                if count < 4
                else f"{'' if before else 'on '}the day {count} days"
            )
            groups.append(f"{before}{day} before the last of {where}")
    certain = not rare and not (ends | near_ends) & ~1
    return groups, certain


_COUNTS = ("", "one", "two", "three")


def _ordinals(days: int) -> list[str]:
    said = []
    for first, last in runs(days):
        long = last - first > 4
        said += (
            [f"{_ordinal(first)} to {_ordinal(last)}"] if long else [_ordinal(day) for day in range(first, last + 1)]
        )
    return said


def _nearest(days: int) -> list[str]:
    return [f"weekday nearest the {_ordinal(day)}" for day in bits(days)]


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
