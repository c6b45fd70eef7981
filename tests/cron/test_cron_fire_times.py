"""Fire times on a wall clock that nobody changes, against a plain list of them; and what the search may look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product

import pytest

from systemprompt.cron import fire_times as module
from systemprompt.cron.days import LAST_DAY, DayRule
from systemprompt.cron.expression import parse
from systemprompt.cron.fire_times import FireTimes, PeriodicFireTimes, WallFireTimes, _Tables
from systemprompt.cron.zones import FIRST_SECOND, LAST_SECOND, load_zone

MINUTE, HOUR, DAY = 60, 3_600, 86_400
NEW_YEAR = (date(2026, 1, 1) - date(1970, 1, 1)).days
"""Days are counted from this Thursday."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An expression, and its fire times from 30 December 2025 to 4 February 2026 as sets of numbers."""

    expression: str
    days: Iterable[int]
    hours: Iterable[int]
    minutes: Iterable[int]
    seconds: Iterable[int]

    @property
    def fires(self) -> list[int]:
        parts = product(self.days, self.hours, self.minutes, self.seconds)
        return [(NEW_YEAR + day) * DAY + hour * HOUR + minute * MINUTE + second for day, hour, minute, second in parts]


ALL_DAYS = range(-2, 35)
# One for each size of the tables that a long sweep is made of: by month, day, hour and minute.
CASES = [
    Case(expression="59 0,59 0,23 * * *", days=ALL_DAYS, hours=(0, 23), minutes=(0, 59), seconds=(59,)),
    Case(expression="0 0 12 2,L 1,12 *", days=(-1, 1, 30), hours=(12,), minutes=(0,), seconds=(0,)),
    Case(expression="0 0 0 1,3 * *", days=(0, 2, 31, 33), hours=(0,), minutes=(0,), seconds=(0,)),
    Case(
        expression="0 */10 * 1-3 * *",
        days=(0, 1, 2, 31, 32, 33),
        hours=range(24),
        minutes=range(0, 60, 10),
        seconds=(0,),
    ),
    Case(
        expression="0,15,30,59 * 0,17 * * FRI,MON",
        days=(1, 4, 8, 11, 15, 18, 22, 25, 29, 32),
        hours=(0, 17),
        minutes=range(60),
        seconds=(0, 15, 30, 59),
    ),
    Case(
        expression="0-20,40-59 0,7-59 0,23 1-2 1 *",
        days=(0, 1),
        hours=(0, 23),
        minutes=(0, *range(7, 60)),
        seconds=(*range(21), *range(40, 60)),
    ),
]


def edges(fires: list[int]) -> list[int]:
    """The instants at which an answer could change by one: fire times, midnights and full hours, and the seconds beside them."""
    first, last = (NEW_YEAR - 2) * DAY, (NEW_YEAR + 35) * DAY - 1
    chosen = {fires[0], fires[len(fires) // 3], fires[len(fires) // 2], fires[-1]}
    days = {NEW_YEAR + day for day in (0, 1, 2, 31)}
    chosen |= {day * DAY for day in days} | {NEW_YEAR * DAY + hour * HOUR for hour in (9, 12, 23)}
    beside = {at + step for at in chosen for step in (-1, 0, 1)}
    return sorted({first, last, *(at for at in beside if first <= at <= last)})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.expression)
def test_each_question_about_a_window_is_answered_as_by_a_list_of_its_fire_times(case: Case) -> None:
    fires = case.fires
    wall = WallFireTimes(parse(case.expression), case.expression)
    for first, last in product(edges(fires), repeat=2):
        inside = [at for at in fires if first <= at <= last]
        tables = _Tables(wall.times, int)
        swept = [base + second for base, seconds in wall.chunks(first, last, tables) for second in seconds]
        assert swept == inside, (first, last)
        assert wall.count(first, last) == len(inside), (first, last)
        assert wall.next_within(first, last) == (inside[0] if inside else None), (first, last)
        assert wall.previous_within(first, last) == (inside[-1] if inside else None), (first, last)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.expression)
def test_the_next_and_the_previous_one_are_those_of_the_list(case: Case) -> None:
    fires = case.fires
    wall = WallFireTimes(parse(case.expression), case.expression)
    for at in edges(fires):
        if at <= fires[-1]:
            assert wall.next(at) == next(fire for fire in fires if fire >= at), at
        if at >= fires[0]:
            assert wall.previous(at) == next(fire for fire in reversed(fires) if fire <= at), at


@pytest.mark.parametrize(
    ("hours", "minutes", "seconds"),
    [
        ((0, 23), (59,), (59,)),
        (range(24), range(0, 60, 10), (0,)),
        ((0, 23), range(60), (0, 15, 30, 59)),
        ((23,), range(60), range(60)),
    ],
)
def test_a_sweep_ends_with_the_calendar(hours: Iterable[int], minutes: Iterable[int], seconds: Iterable[int]) -> None:
    text = " ".join(",".join(map(str, part)) for part in (seconds, minutes, hours)) + " * * *"
    wall = WallFireTimes(parse(text), text)
    days = (LAST_DAY - 1, LAST_DAY)
    fires = [day * DAY + h * HOUR + m * MINUTE + s for day, h, m, s in product(days, hours, minutes, seconds)]
    swept = wall.chunks((LAST_DAY - 1) * DAY, (LAST_DAY + 3) * DAY, _Tables(wall.times, int))
    assert [base + second for base, seconds in swept for second in seconds] == fires


class Asked(DayRule):
    """Writes down which days it is asked about."""

    __slots__ = ("asked",)

    def __init__(self, text: str) -> None:
        super().__init__(parse(text))
        self.asked: list[int] = []

    def matches(self, day: int) -> bool:
        self.asked.append(day)
        return super().matches(day)


@pytest.mark.parametrize("last", [NEW_YEAR * DAY + 5, (NEW_YEAR + 2) * DAY, (NEW_YEAR + 3) * DAY - 1])
def test_the_search_within_a_window_looks_at_the_days_of_the_window_alone(last: int) -> None:
    text = "0 0 0 29 2 *"
    wall = WallFireTimes(parse(text), text)
    days = list(range(NEW_YEAR, last // DAY + 1))

    wall.days = ahead = Asked(text)
    assert wall.next_within(NEW_YEAR * DAY, last) is None
    wall.days = back = Asked(text)
    assert wall.previous_within(NEW_YEAR * DAY, last) is None

    assert ahead.asked == days
    assert back.asked == days[::-1]


def test_a_day_counts_from_the_first_of_january_1970() -> None:
    wall = WallFireTimes(parse("0 0 0 1 1 *"), "")
    assert wall.next(-DAY) == 0
    assert wall.next(1) == datetime(1971, 1, 1, tzinfo=UTC).timestamp()


# -- the ends of the calendar, and of a fold ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["UTC", "America/New_York"])
def test_the_last_second_of_the_calendar_is_a_fire_time_and_none_comes_after_it(name: str) -> None:
    def times() -> FireTimes:
        return FireTimes(parse("* * * * * *"), "", load_zone(name), gap="run", fold="first")

    assert times().next(LAST_SECOND) == LAST_SECOND
    assert times().next(LAST_SECOND + 1) is None


def test_before_the_calendar_there_is_none_though_its_first_day_was_looked_at() -> None:
    times = FireTimes(parse("* * * * * *"), "", load_zone("Asia/Tokyo"), gap="run", fold="first")
    assert times.next(FIRST_SECOND) == FIRST_SECOND
    assert times.next(FIRST_SECOND - 100) == FIRST_SECOND


def test_each_second_that_a_period_may_have_is_one_for_a_period_of_a_second() -> None:
    times = PeriodicFireTimes(1, load_zone("UTC"))
    assert times.next(module._LAST) == times.previous(module._LAST + 9) == module._LAST
    assert times.previous(module._FIRST) == times.next(module._FIRST - 9) == module._FIRST
    assert (times.next(module._LAST + 1), times.previous(module._FIRST - 1)) == (None, None)


def test_the_last_second_of_an_hour_that_comes_twice_is_found_in_both_passes() -> None:
    times = FireTimes(parse("59 59 2 * * *"), "", load_zone("Europe/Berlin"), gap="run", fold="both")
    first = int(datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC).timestamp())
    assert times.next(first - 3_600) == first
    assert times.next(first + 1) == first + 3_600
