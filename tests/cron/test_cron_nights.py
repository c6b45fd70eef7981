"""Around a change of the clocks, each question second by second where the answer changes, against the walker's list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from test_cron_properties import Case, walk

from systemprompt.cron.expression import parse
from systemprompt.cron.fire_times import FireTimes, PeriodicFireTimes
from systemprompt.cron.zones import load_zone

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPRING, AUTUMN = ({"gap": "run"}, {"gap": "skip"}), ({"fold": "first"}, {"fold": "second"}, {"fold": "both"})
# St John's changed its clocks a minute after midnight: the hour that comes again belongs to two days.
NIGHTS = [
    ("Europe/Berlin", "2025-03-30T01:00", SPRING),
    ("Europe/Berlin", "2025-10-26T01:00", AUTUMN),
    ("America/St_Johns", "2010-03-14T03:31", SPRING),
    ("America/St_Johns", "2010-11-07T02:31", AUTUMN),
    ("Australia/Lord_Howe", "2025-04-05T15:00", AUTUMN),
    ("Pacific/Apia", "2011-12-30T10:00", SPRING),
    ("Antarctica/Troll", "2025-03-30T01:00", SPRING),
]
_BEFORE_THE_GAP = ["2025-03-30T00:00:00", "2025-03-30T00:00:59", "2025-03-30T00:59:00", "2025-03-30T00:59:59"]
_AFTER_THE_GAP = ["2025-03-30T01:00:00", "2025-03-30T01:00:59", "2025-03-30T01:59:00", "2025-03-30T01:59:59"]
_BEFORE_THE_FOLD = ["2025-10-25T23:00:00", "2025-10-25T23:00:59", "2025-10-25T23:59:00", "2025-10-25T23:59:59"]
_AFTER_THE_FOLD = ["2025-10-26T02:00:00", "2025-10-26T02:00:59", "2025-10-26T02:59:00", "2025-10-26T02:59:59"]
ALWAYS = frozenset(range(1, 32))


def case(minutes: set[int], hours: set[int], days: frozenset[int] = ALWAYS, *, star: bool = False) -> Case:
    return Case(minutes=frozenset(minutes), hours=frozenset(hours), days=days, minute_star=False, hour_star=star)


CASES = [
    case({0, 1, 30, 59}, set(range(24))),
    case({0, 30}, set(range(24)), star=True),
    case({0}, {0}),
    case({0}, {0}, frozenset({7, 14, 26, 30, 31})),
    case({30}, {2}),
    case({0}, {1}),
    case({59}, {23}, frozenset({6, 13, 25, 29})),
    case({0}, {2, 3}),
    case({0, 30}, {12}),
]


def swept(times: FireTimes | PeriodicFireTimes, first: int, last: int) -> list[int]:
    """The fire times of a sweep. Each knows whether the clocks show its wall time for the second time; for `@every`, whether
    they may."""
    zone, found = times._zone.tzinfo(), []
    for wall, offset, again, part in times.chunks(first, last, int):
        for one in part:
            found.append(wall - offset + one)
            fold = datetime.fromtimestamp(found[-1], zone).fold
            assert fold <= again if isinstance(times, PeriodicFireTimes) else fold == again
    return found


@pytest.mark.parametrize(("zone", "at", "options"), [(*night[:2], one) for night in NIGHTS for one in night[2]])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.expression)
def test_each_question_about_the_night_is_answered_as_by_the_walker(
    case: Case, zone: str, at: str, options: dict[str, str]
) -> None:
    gap, fold = options.get("gap", "run"), options.get("fold", "first")
    change = datetime.fromisoformat(at).replace(tzinfo=UTC)
    fires = [int(one.timestamp()) for one in walk(case, ZoneInfo(zone), change - 2 * DAY, change + 2 * DAY, gap, fold)]
    times = FireTimes(parse(case.expression), case.expression, load_zone(zone), gap=gap, fold=fold)
    middle = int(change.timestamp())
    near = [middle + step for step in (-3_600, 0, 1_800, 3_600)]
    near += [one for one in fires if abs(one - middle) <= 2 * 3_600] or [
        one for one in fires if abs(one - middle) < 86_400
    ]
    edges = sorted({one + step for one in near for step in (-1, 0, 1)})

    for second in (*edges, *reversed(edges)):
        if second <= fires[-1]:
            assert times.next(second) == next(one for one in fires if one >= second), second
        if second >= fires[0]:
            assert times.previous(second) == next(one for one in reversed(fires) if one <= second), second
    for first, last in product(edges, (edges[0], middle - 1, middle, middle + 1, edges[-1])):
        inside = [one for one in fires if first <= one <= last]
        assert swept(times, first, last) == inside, (first, last)
        assert times.count(first, last) == len(inside), (first, last)


@pytest.mark.parametrize(
    ("expression", "options", "expected"),
    [
        # In spring 01:59:59 is followed by 03:00:00.
        ("59 59 1 30 3 *", {}, ["2025-03-30T00:59:59"]),
        ("59 59 1 30 3 *", {"gap": "skip"}, ["2025-03-30T00:59:59"]),
        ("0 0 3 30 3 *", {}, ["2025-03-30T01:00:00"]),
        ("1 0 3 30 3 *", {}, ["2025-03-30T01:00:01"]),
        ("0 0 2 30 3 *", {}, ["2025-03-30T01:00:00"]),
        ("59 59 2 30 3 *", {}, ["2025-03-30T01:00:00"]),
        ("0,59 0,59 1,2,3 30 3 *", {}, [*_BEFORE_THE_GAP, *_AFTER_THE_GAP]),
        ("0,59 0,59 1-2 30 3 *", {}, [*_BEFORE_THE_GAP, _AFTER_THE_GAP[0]]),
        ("0,59 0,59 1-2 30 3 *", {"gap": "skip"}, _BEFORE_THE_GAP),
        # In autumn 02:59:59 is followed by 02:00:00 and the hour comes again.
        ("59 59 2 26 10 *", {}, ["2025-10-26T00:59:59"]),
        ("59 59 2 26 10 *", {"fold": "second"}, ["2025-10-26T01:59:59"]),
        ("59 59 2 26 10 *", {"fold": "both"}, ["2025-10-26T00:59:59", "2025-10-26T01:59:59"]),
        ("0 0 2 26 10 *", {}, ["2025-10-26T00:00:00"]),
        ("0 0 2 26 10 *", {"fold": "second"}, ["2025-10-26T01:00:00"]),
        ("0 0 2 26 10 *", {"fold": "both"}, ["2025-10-26T00:00:00", "2025-10-26T01:00:00"]),
        ("59,0 59,0 1-3/2 26 10 *", {"fold": "second"}, [*_BEFORE_THE_FOLD, *_AFTER_THE_FOLD]),
        ("59,0 59,0 1-3/2 26 10 *", {}, [*_BEFORE_THE_FOLD, *_AFTER_THE_FOLD]),
    ],
)
def test_the_last_second_before_a_change_and_the_first_after_it_count(
    expression: str, options: dict[str, str], expected: list[str]
) -> None:
    gap, fold = options.get("gap", "run"), options.get("fold", "first")
    times = FireTimes(parse(expression), expression, load_zone("Europe/Berlin"), gap=gap, fold=fold)
    fires = [(datetime.fromisoformat(at).replace(tzinfo=UTC) - EPOCH) // SECOND for at in expected]
    eve, morrow = fires[0] - 86_400, fires[-1] + 86_400
    assert swept(times, eve, morrow) == fires
    assert times.count(eve, morrow) == len(fires)
    for before, at in pairwise([eve, *fires]):
        assert (times.next(before + 1), times.next(at)) == (at, at)
        assert (times.count(before + 1, at), times.count(at, at)) == (1, 1)
        assert swept(times, before + 1, at) == swept(times, at, at) == [at]
    for at, after in pairwise([*fires, morrow]):
        assert (times.previous(after - 1), times.previous(at)) == (at, at)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("year", [1500, 1700, 1969, 2300, 5000])
def test_an_answer_far_away_says_nothing_about_another_day(zone: str, year: int) -> None:
    asked = [day + step for day in (-86_400, 0, 86_400) for step in (-2, -1, 0, 1, 2, 43_200)]
    alone = [FireTimes(parse("@daily"), "", load_zone(zone), gap="run", fold="first").next(at) for at in asked]
    times = FireTimes(parse("@daily"), "", load_zone(zone), gap="run", fold="first")
    for at, expected in zip(asked, alone, strict=True):
        assert times.next((datetime(year, 6, 1, tzinfo=UTC) - EPOCH) // SECOND) is not None
        assert times.next(at) == expected


def test_the_first_day_of_all_is_no_day_that_is_known_already() -> None:
    # Most answers come from the day of the latest one; before the first question there is none.
    times = FireTimes(parse("0-2 0 0 * * *"), "", load_zone("America/New_York"), gap="run", fold="first")
    midnight = 5 * 3_600
    assert [times.next(second) for second in (-1, 0, 1, 2)] == [midnight] * 4


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", "0001-01-01T00:00:00", "9999-12-31T23:59:59"),
        # Ahead of UTC the wall reaches the end of the calendar first, behind it the beginning last.
        ("Asia/Tokyo", "0001-01-01T00:00:00", "9999-12-31T14:59:59"),
        ("Pacific/Auckland", "0001-01-01T00:00:00", "9999-12-31T10:59:59"),
        ("Pacific/Honolulu", "0001-01-01T10:31:26", "9999-12-31T23:59:59"),
    ],
)
def test_fire_times_lie_where_both_the_wall_and_utc_have_a_date(zone: str, first: str, last: str) -> None:
    oldest, newest = ((datetime.fromisoformat(at).replace(tzinfo=UTC) - EPOCH) // SECOND for at in (first, last))
    times = FireTimes(parse("* * * * * *"), "", load_zone(zone), gap="run", fold="first")
    # Twice: the second time the day of the latest answer is known.
    for beyond in (0, 1, 3_600, 86_400, 10**12) * 2:
        assert times.next(oldest - beyond) == oldest
        assert times.previous(newest + beyond) == newest
        assert times.previous(oldest - 1 - beyond) is None
        assert times.next(newest - 1) == newest - 1
        assert times.next(newest + 1 + beyond) is None
        assert times.count(oldest - beyond, oldest + 1) == 2
        assert times.count(newest - 1, newest + beyond) == 2
        assert swept(times, oldest - beyond, oldest + 1) == [oldest, oldest + 1]
        assert swept(times, newest - 1, newest + beyond) == [newest - 1, newest]
    assert (times.next(newest), times.previous(oldest)) == (newest, oldest)


@pytest.mark.parametrize("period", [1, 7, 3_600, 86_400])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Pacific/Honolulu"])
def test_every_leaves_out_the_outermost_days_of_the_calendar(zone: str, period: int) -> None:
    times = PeriodicFireTimes(period, load_zone(zone))
    begin, end = (
        (at - EPOCH) // SECOND for at in (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC))
    )
    oldest, newest = begin + -begin % period, end - end % period
    for beyond in (0, 1, 86_400, 10**12):
        assert times.next(oldest - beyond) == oldest
        assert times.previous(newest + beyond) == newest
        assert times.previous(oldest - 1 - beyond) is None
        assert times.next(newest + 1 + beyond) is None
        assert times.count(oldest - beyond, oldest + period) == len(swept(times, oldest - beyond, oldest + period)) == 2
        assert times.count(newest - period, newest + beyond) == len(swept(times, newest - period, newest + beyond)) == 2
        assert times.count(oldest - 1 - beyond, oldest - 1) == times.count(newest + 1, newest + 1 + beyond) == 0
    assert (times.count(newest, newest), times.count(newest, newest - 1)) == (1, 0)


@pytest.mark.parametrize("period", [1, 7, 60, 3_599, 3_600, 3_601, 10_000])
@pytest.mark.parametrize(("zone", "at"), [night[:2] for night in NIGHTS])
def test_every_is_swept_over_a_change_of_the_clocks(zone: str, at: str, period: int) -> None:
    times = PeriodicFireTimes(period, load_zone(zone))
    middle = (datetime.fromisoformat(at).replace(tzinfo=UTC) - EPOCH) // SECOND
    for first, last in product(
        (middle - 7_200, middle - 1, middle), (middle - 1, middle, middle + 3_600, middle + 7_200)
    ):
        fires = [second for second in range(first, last + 1) if second % period == 0]
        assert swept(times, first, last) == fires
        assert times.count(first, last) == len(fires)
