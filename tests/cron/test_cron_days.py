"""Which days match: every day of some telling years, and the two ends of the calendar, against a walk from day to day."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product

import pytest

from systemprompt.cron.days import EPOCH_ORDINAL, FIRST_DAY, LAST_DAY, DayRule, day_rule
from systemprompt.cron.expression import parse
from systemprompt.errors import CronError

DAY = timedelta(days=1)


def last_of(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def nearest_weekday(number: int, day: date) -> int:
    """The day from Monday to Friday of this month that is nearest to this one."""
    days = [date(day.year, day.month, n) for n in range(1, last_of(day) + 1)]
    return min((abs(one.day - number), one.day) for one in days if one.weekday() < 5)[1]


RULES: list[tuple[str, Callable[[date], bool]]] = [
    ("* * *", lambda day: True),
    ("? * ?", lambda day: True),
    ("* * 0-6", lambda day: True),
    ("1-31 * 1", lambda day: True),
    ("5 * 0-6", lambda day: True),
    ("31 12 *", lambda day: (day.month, day.day) == (12, 31)),
    ("1 1 *", lambda day: (day.month, day.day) == (1, 1)),
    ("29 2 *", lambda day: (day.month, day.day) == (2, 29)),
    ("28 2-3 *", lambda day: day.month in (2, 3) and day.day == 28),
    ("L 2,11 *", lambda day: day.month in (2, 11) and day.day == last_of(day)),
    ("L-27,3 * *", lambda day: day.day in (3, last_of(day) - 27)),
    ("15W * *", lambda day: day.day == nearest_weekday(15, day)),
    ("1W * *", lambda day: day.day == nearest_weekday(1, day)),
    ("31W * *", lambda day: last_of(day) == 31 and day.day == nearest_weekday(31, day)),
    ("LW,2 * *", lambda day: day.day in (2, nearest_weekday(last_of(day), day))),
    ("L-2W 6 *", lambda day: day.month == 6 and day.day == nearest_weekday(28, day)),
    ("* * 5L", lambda day: day.weekday() == 4 and day.day + 7 > last_of(day)),
    ("* * 0#1,1#5", lambda day: (day.isoweekday(), (day.day - 1) // 7) in ((7, 0), (1, 4))),
    ("* 1,12 SUN", lambda day: day.month in (1, 12) and day.weekday() == 6),
    ("13 * FRI", lambda day: day.day == 13 or day.weekday() == 4),
    ("31 * MON", lambda day: day.day == 31 or day.weekday() == 0),
    ("*/2 * MON", lambda day: day.day % 2 == 1 and day.weekday() == 0),
]
# The ends of the calendar; a February of 28 days and one of 29 in a year that is a hundred's; this one.
SPANS = [
    (date.min, date(4, 3, 1)),
    (date(1899, 12, 1), date(1900, 3, 31)),
    (date(1999, 12, 31), date(2001, 1, 1)),
    (date(2023, 12, 30), date(2025, 1, 2)),
    (date(9996, 2, 28), date.max),
]

_NEW_YEARS = ("2023-01-01", "2024-01-01", "2030-01-01", "2025-01-01", "2026-01-01", "2021-01-01", "2022-01-01")
"""The first from 2021 on that is a Sunday, a Monday, ..."""


def number(day: date) -> int:
    return day.toordinal() - EPOCH_ORDINAL


@pytest.mark.parametrize("span", SPANS, ids=lambda span: f"{span[0]}")
@pytest.mark.parametrize(("text", "fits"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_days_are_those_of_a_walk(text: str, fits: Callable[[date], bool], span: tuple[date, date]) -> None:
    rule = DayRule(parse(f"0 0 {text}"))
    first, last = number(span[0]), number(span[1])
    found = [day for day in range(first, last + 1) if fits(date.fromordinal(day + EPOCH_ORDINAL))]

    assert [day for day in range(first, last + 1) if rule.matches(day)] == found
    ahead = iter([*found, None])
    following = next(ahead)
    for day in range(first, last + 1):
        if following is not None and day > following:
            following = next(ahead)
        if following is None:
            break
        assert rule.next_day(day) == following, day
    back = iter([*reversed(found), None])
    preceding = next(back)
    for day in range(last, first - 1, -1):
        if preceding is not None and day < preceding:
            preceding = next(back)
        if preceding is None:
            break
        assert rule.previous_day(day) == preceding, day

    edges = {first, last, *(one + step for one in (*found[:2], *found[-2:]) for step in (-1, 0, 1))}
    edges |= {number(date(year, 1, 1)) + step for year in range(span[0].year + 1, span[1].year + 1) for step in (-1, 0)}
    edges = {day for day in edges if first <= day <= last}
    for begin, end in product(sorted(edges), repeat=2):
        assert rule.count(begin, end) == sum(begin <= day <= end for day in found), (begin, end)


@pytest.mark.parametrize(("text", "fits"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_before_the_first_day_and_after_the_last_there_is_none(text: str, fits: Callable[[date], bool]) -> None:
    rule = DayRule(parse(f"0 0 {text}"))
    oldest, newest = date.min, date.max
    while not fits(oldest):
        oldest += DAY
    while not fits(newest):
        newest -= DAY
    first, last = number(oldest), number(newest)
    for beyond in (0, 1, 1_000):
        assert rule.next_day(FIRST_DAY - beyond) == first
        assert rule.previous_day(LAST_DAY + beyond) == last
        assert rule.previous_day(first - 1 - beyond) is None
        assert rule.next_day(last + 1 + beyond) is None
        assert rule.count(FIRST_DAY - beyond, first) == 1
        assert rule.count(last, LAST_DAY + beyond) == 1
        assert rule.count(FIRST_DAY - 1 - beyond, FIRST_DAY - 1) == 0
        assert rule.count(LAST_DAY + 1, LAST_DAY + 1 + beyond) == 0
    assert (rule.next_day(last), rule.previous_day(first)) == (last, first)


@pytest.mark.parametrize(
    ("text", "daily"),
    [
        *((text, True) for text in ("* * *", "? * ?", "1-31 * *", "* 1-12 0-6", "5 * 0-6", "1-31 * 1")),
        *((text, False) for text in ("* 1-11 *", "1-30 * *", "* * 0-5", "2 * ?", "? * 1", "*/2 * *", "* 2-12 *")),
    ],
)
def test_a_rule_knows_whether_it_matches_every_day(text: str, daily: bool) -> None:
    assert day_rule(parse(f"0 0 {text}"), "").daily is daily


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        # Only in a February of 28 days can its last day be the fourth Monday, only in one of 29 the fifth.
        ("*/30,L 2 1#4", "2022-02-28"),
        ("*/31,29 2 1#5", "2044-02-29"),
        # Only in a month that starts on this weekday is its first day the first of them.
        *((f"*/31 1 {weekday}#1", day) for weekday, day in enumerate(_NEW_YEARS)),
    ],
)
def test_a_rule_that_one_shape_of_a_month_fulfils_is_accepted(text: str, fires: str) -> None:
    day = day_rule(parse(f"0 0 {text}"), "").next_day(number(date(2021, 1, 1)))
    assert day is not None
    assert str(date.fromordinal(day + EPOCH_ORDINAL)) == fires


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("30 2 *", 29),
        ("30 2 */7", 29),
        ("31 4 *", 30),
        ("31 2,11 *", 30),
    ],
)
def test_a_rule_whose_dates_no_month_has_is_refused_with_the_days_its_months_have(text: str, longest: int) -> None:
    day, month, _ = text.split()
    with pytest.raises(CronError) as caught:
        day_rule(parse(f"0 0 {text}"), f"0 0 {text}")
    assert str(caught.value) == (
        f"cron expression '0 0 {text}': it never fires: day of month {day!r} with month {month!r} is no date of the calendar "
        f"(allowed: 1-{longest})"
    )
    assert (caught.value.field, caught.value.value, caught.value.allowed) == ("day of month", day, f"1-{longest}")


@pytest.mark.parametrize(
    ("text", "none_of_them"),
    [
        # In a month of 27 days, or a February of 30, the day named from the end would be in the week that is named.
        ("*/31,L-13 2 1#2", "the second Monday"),
        ("*/31,L-15 2 1#3", "the third Monday"),
        ("*/10 2 MON#5", "the fifth Monday"),
        ("*/31 1 1#5", "the fifth Monday"),
        ("*/31 * 1#5", "the fifth Monday"),
        ("*/31 2-4 1#5", "the fifth Monday"),
    ],
)
def test_dates_that_exist_and_are_never_the_weekday_are_refused_as_such(text: str, none_of_them: str) -> None:
    with pytest.raises(CronError) as caught:
        day_rule(parse(f"0 0 {text}"), f"0 0 {text}")
    assert caught.value.reason == (
        f"it never fires: these dates exist, but none of them is {none_of_them}, and both must match"
    )
    assert (caught.value.field, caught.value.value) == ("day of week", text.split()[2])
