"""Properties over all IANA zones, against a walker that looks at every minute of the wall."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systemprompt.clock import from_datetime, to_datetime
from systemprompt.cron import Schedule
from systemprompt.cron.zones import Zone, load_zone

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
MINUTE = timedelta(minutes=1)
OLDEST = datetime(1900, 1, 1)  # noqa: DTZ001 - Hypothesis takes naive bounds
NEWEST = datetime(2500, 1, 1)  # noqa: DTZ001 - as above
ODD = [
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Africa/Monrovia",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A schedule as sets of numbers, so that the walker shares no parser with what it checks."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    minute_star: bool
    hour_star: bool

    @property
    def expression(self) -> str:
        minute = "*" if self.minute_star else ",".join(map(str, sorted(self.minutes)))
        hour = "*" if self.hour_star else ",".join(map(str, sorted(self.hours)))
        day = "*" if len(self.days) == 31 else ",".join(map(str, sorted(self.days)))
        return f"{minute} {hour} {day} * *"

    def matches(self, wall: datetime) -> bool:
        return (
            (self.minute_star or wall.minute in self.minutes)
            and (self.hour_star or wall.hour in self.hours)
            and wall.day in self.days
        )


def walk(case: Case, zone: ZoneInfo, start: datetime, end: datetime, gap: str, fold: str) -> Iterator[datetime]:
    """Yield the fire times after start up to end: look at every wall minute, one after another."""
    elapsed = case.minute_star or case.hour_star
    at = start.replace(second=0, microsecond=0)
    before = at.astimezone(zone)
    while at <= end:
        wall = at.astimezone(zone)
        if wall.utcoffset() != before.utcoffset():
            at = change_before(at, zone)
            wall = at.astimezone(zone)
        missed = [
            minute
            for minute in minutes_between(before.replace(tzinfo=None), wall.replace(tzinfo=None))
            if not elapsed and gap == "run" and case.matches(minute)
        ]
        fires = wall.second == 0 and case.matches(wall) and (elapsed or counts(wall, fold))
        if (fires or missed) and start < at <= end:
            yield at
        before = wall
        # Offsets with seconds: stay on the wall's full minutes.
        at += MINUTE - timedelta(seconds=wall.second)


def minutes_between(before: datetime, after: datetime) -> Iterator[datetime]:
    minute = before.replace(second=0) + MINUTE
    while minute < after:
        if minute > before:
            yield minute
        minute += MINUTE


def counts(wall: datetime, fold: str) -> bool:
    twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
    return not twice or fold == "both" or (wall.fold == 1) == (fold == "second")


def change_before(at: datetime, zone: ZoneInfo) -> datetime:
    offset = at.astimezone(zone).utcoffset()
    while (at - timedelta(seconds=1)).astimezone(zone).utcoffset() == offset:
        at -= timedelta(seconds=1)
    return at


def changes(zone: Zone) -> list[int]:
    """The changes of the clocks from 1900 to 2060."""
    zone.index(2_840_140_800)
    return [second for second in zone.starts if -2_208_988_800 < second < 2_840_140_800]


def random_case(chance: random.Random, near: datetime) -> Case:
    hours = frozenset(chance.sample(range(24), chance.choice([1, 2, 5, 24])))
    days = frozenset(range(1, 32)) if chance.random() < 0.7 else frozenset({near.day, chance.randint(1, 31)})
    return Case(
        minutes=frozenset(chance.sample(range(60), chance.choice([1, 2, 4]))),
        hours=hours,
        days=days | {1},
        minute_star=chance.random() < 0.15,
        hour_star=chance.random() < 0.15,
    )


def check(case: Case, name: str, start: datetime, end: datetime, gap: str, fold: str) -> None:
    zone = ZoneInfo(name)
    schedule = Schedule(case.expression, name, dst_gap=gap, dst_fold=fold)
    expected = list(walk(case, zone, start, end, gap, fold))
    first, last = from_datetime(start), from_datetime(end)
    found = list(schedule.instants_between(first, last))

    assert [to_datetime(at) for at in found] == expected, (case.expression, name, gap, fold, start, end)
    assert schedule.count_between(first, last) == len(expected)
    aware = list(schedule.between(start, end))
    assert [from_datetime(at) for at in aware] == found
    for at in aware:
        assert at.tzinfo is zone
        # It exists: the wall shows it, and shows it at this instant.
        again = at.astimezone(UTC).astimezone(zone)
        assert (again.replace(tzinfo=None), again.fold) == (at.replace(tzinfo=None), at.fold)
    assert all(one < other for one, other in pairwise(found))
    for index, instant in enumerate(found):
        earlier = found[index - 1] if index else None
        assert schedule.next_after(earlier if earlier is not None else first) == instant
        before = schedule.last_before(instant)
        assert before == earlier if earlier is not None else before is None or before <= first
        assert schedule.last_before(instant + 1) == instant


@pytest.mark.parametrize("part", range(8))
def test_around_a_change_of_the_clocks_in_every_zone_the_walker_agrees(part: int) -> None:
    chance = random.Random(part)
    for name in ZONES[part::8]:
        known = changes(load_zone(name))
        second = chance.choice(known) if known else chance.randint(-2_208_988_800, 2_840_140_800)
        middle = datetime.fromtimestamp(second, UTC)
        start = middle - timedelta(seconds=chance.randint(0, 86_400))
        end = middle + timedelta(seconds=chance.randint(0, 86_400))
        near = middle.astimezone(ZoneInfo(name))
        check(
            random_case(chance, near),
            name,
            start,
            end,
            chance.choice(["run", "skip"]),
            chance.choice(["first", "second", "both"]),
        )


@pytest.mark.parametrize("name", ODD)
def test_every_change_of_the_oddest_zones_agrees_with_the_walker(name: str) -> None:
    chance = random.Random(name)
    known = changes(load_zone(name))
    for second in chance.sample(known, min(len(known), 25)):
        middle = datetime.fromtimestamp(second, UTC)
        start, end = middle - timedelta(hours=chance.randint(1, 30)), middle + timedelta(hours=chance.randint(1, 30))
        check(
            random_case(chance, middle.astimezone(ZoneInfo(name))),
            name,
            start,
            end,
            "run",
            chance.choice(["first", "both"]),
        )


@settings(max_examples=150, deadline=None)
@given(
    chance=st.randoms(use_true_random=False),
    name=st.sampled_from(ZONES),
    start=st.datetimes(OLDEST, NEWEST),
    hours=st.integers(1, 40),
)
def test_on_any_day_the_walker_agrees(chance: random.Random, name: str, start: datetime, hours: int) -> None:
    begin = start.replace(tzinfo=UTC)
    check(random_case(chance, begin), name, begin, begin + timedelta(hours=hours), "run", "first")


_field = st.sampled_from(["*", "0", "*/7", "5/15", "10-50/9", "1,2,30"])


@settings(max_examples=150, deadline=None)
@given(
    second=_field,
    minute=_field,
    hour=st.sampled_from(["*", "0", "2", "*/5", "1-3", "23"]),
    day=st.sampled_from(["*", "1", "L", "15W", "LW", "L-2", "31", "*/2"]),
    weekday=st.sampled_from(["*", "?", "1", "FRIL", "2#2", "MON-FRI", "SUN"]),
    name=st.sampled_from(ZONES),
    start=st.datetimes(OLDEST, NEWEST),
    gap=st.sampled_from(["run", "skip"]),
    fold=st.sampled_from(["first", "second", "both"]),
)
def test_next_previous_between_and_count_tell_one_story(
    second: str, minute: str, hour: str, day: str, weekday: str, name: str, start: datetime, gap: str, fold: str
) -> None:
    schedule = Schedule(f"{second} {minute} {hour} {day} * {weekday}", name, dst_gap=gap, dst_fold=fold)
    begin = start.replace(tzinfo=UTC)
    at, walked = begin, []
    for _ in range(40):
        at = schedule.after(at)
        walked.append(at)
    instants = [from_datetime(at) for at in walked]

    assert all(one < other for one, other in pairwise(instants))
    assert list(schedule.between(begin, at)) == walked
    assert [(at.utcoffset(), at.fold) for at in schedule.between(begin, at)] == [
        (at.utcoffset(), at.fold) for at in walked
    ]
    assert list(schedule.instants_between(from_datetime(begin), instants[-1])) == instants
    assert schedule.count_between(from_datetime(begin), instants[-1]) == len(instants)
    assert schedule.count_between(from_datetime(begin), instants[-1] - 1) == len(instants) - 1
    assert schedule.count_between(instants[3], instants[-1]) == len(instants) - 4
    back = [at]
    for _ in walked[1:]:
        at = schedule.before(at)
        back.insert(0, at)
    assert [from_datetime(at) for at in back] == instants


@settings(max_examples=60, deadline=None)
@given(
    period=st.integers(1, 200_000),
    name=st.sampled_from(ZONES),
    start=st.datetimes(OLDEST, NEWEST),
)
def test_every_is_the_multiples_of_its_period_since_the_epoch(period: int, name: str, start: datetime) -> None:
    schedule = Schedule(f"@every {period}s", name)
    begin = from_datetime(start.replace(tzinfo=UTC))
    end = begin + period * 30_000_000
    expected = (
        [second * 1_000_000 for second in range(begin // 1_000_000 + 1, end // 1_000_000 + 1) if second % period == 0]
        if (period < 3000)
        else None
    )
    found = list(schedule.instants_between(begin, end))

    assert expected is None or found == expected
    assert len(found) == schedule.count_between(begin, end) == 30
    assert [from_datetime(at) for at in schedule.between(to_datetime(begin), to_datetime(end))] == found
    assert all(at % (period * 1_000_000) == 0 for at in found)
    assert schedule.next_after(begin) == found[0]
    assert schedule.last_before(end + 1) == found[-1]


@pytest.mark.parametrize("part", range(4))
def test_every_zone_has_the_offsets_that_zoneinfo_has(part: int) -> None:
    chance = random.Random(part)
    for name in ZONES[part::4]:
        zone, info = load_zone(name), ZoneInfo(name)
        far = 16_725_225_600 if chance.random() < 0.03 else 4_102_444_800
        for second in [chance.randint(-2_208_988_800, far) for _ in range(60)]:
            offset = datetime.fromtimestamp(second, UTC).astimezone(info).utcoffset()
            assert timedelta(seconds=zone.offsets[zone.index(second)]) == offset, (name, second)


def test_an_every_second_month_is_counted_and_not_walked() -> None:
    month = 30 * 86_400 * 1_000_000
    schedule = Schedule("* * * * * *", "Europe/Berlin")
    asked = 0

    class Counting:
        """Stands in for the fire times and counts what is asked of them one by one."""

        def __getattr__(self, name: str) -> object:
            nonlocal asked
            asked += name != "count"
            return getattr(times, name)

    times = schedule._times
    object.__setattr__(schedule, "_times", Counting())
    assert schedule.count_between(0, month) == 30 * 86_400
    assert asked == 0
