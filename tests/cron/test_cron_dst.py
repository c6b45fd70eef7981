"""The nights when clocks change, and the ends of the calendar, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from systemprompt.clock import from_datetime
from systemprompt.cron import CronError, Schedule

NAIVE = datetime(2025, 1, 1)  # noqa: DTZ001 - naive on purpose


def night(expression: str, zone: str, start: str, count: int, **options: str) -> list[str]:
    """The first fire times after a wall time without a change, as wall time and offset."""
    begin = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(Schedule(expression, zone, **options).between(begin, begin + timedelta(days=800)), count)
    return [at.isoformat()[5:] for at in found]


def test_a_fixed_time_in_the_gap_runs_once_at_its_end() -> None:
    assert night("30 2 * * *", "Europe/Berlin", "2025-03-29 12:00", 2) == [
        "03-30T03:00:00+02:00",
        "03-31T02:30:00+02:00",
    ]


def test_all_fixed_times_in_the_gap_are_one_run() -> None:
    assert night("*/20 5,15,45 2 * * *", "Europe/Berlin", "2025-03-29 12:00", 2)[0] == "03-30T03:00:00+02:00"
    assert night("*/20 5,15,45 2 * * *", "Europe/Berlin", "2025-03-29 12:00", 2)[1] == "03-31T02:05:00+02:00"


def test_the_run_for_the_gap_is_one_with_a_fire_time_at_its_end() -> None:
    assert night("0 0,30 2,3 * * *", "Europe/Berlin", "2025-03-30 00:00", 3) == [
        "03-30T03:00:00+02:00",
        "03-30T03:30:00+02:00",
        "03-31T02:00:00+02:00",
    ]


def test_dst_gap_skip_has_nothing_for_the_gap() -> None:
    assert night("30 2 * * *", "Europe/Berlin", "2025-03-29 12:00", 1, dst_gap="skip") == ["03-31T02:30:00+02:00"]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        ("first", ["10-26T02:30:00+02:00", "10-27T02:30:00+01:00"]),
        ("second", ["10-26T02:30:00+01:00", "10-27T02:30:00+01:00"]),
        ("both", ["10-26T02:30:00+02:00", "10-26T02:30:00+01:00"]),
    ],
)
def test_dst_fold_chooses_the_pass(fold: str, expected: list[str]) -> None:
    assert night("30 2 * * *", "Europe/Berlin", "2025-10-25 12:00", 2, dst_fold=fold) == expected


def test_options_do_not_touch_a_schedule_that_follows_elapsed_time() -> None:
    for fold in ("first", "second", "both"):
        assert night("*/30 2 * * *", "Europe/Berlin", "2025-10-26 00:00", 4, dst_fold=fold) == [
            "10-26T02:00:00+02:00",
            "10-26T02:30:00+02:00",
            "10-26T02:00:00+01:00",
            "10-26T02:30:00+01:00",
        ]
    assert night("*/30 2 * * *", "Europe/Berlin", "2025-03-30 00:00", 1) == ["03-31T02:00:00+02:00"]


def test_a_yearly_wildcard_in_the_fold_has_both_passes() -> None:
    assert night("*/40 2 26 10 *", "Europe/Berlin", "2025-01-01 00:00", 5) == [
        "10-26T02:00:00+02:00",
        "10-26T02:40:00+02:00",
        "10-26T02:00:00+01:00",
        "10-26T02:40:00+01:00",
        "10-26T02:00:00+01:00",
    ]


def test_a_star_after_the_start_of_the_field_is_a_fixed_time() -> None:
    assert night("0 0-23 * * *", "Europe/Berlin", "2025-10-26 01:30", 2) == [
        "10-26T02:00:00+02:00",
        "10-26T03:00:00+01:00",
    ]
    assert night("0 *,3 * * *", "Europe/Berlin", "2025-10-26 01:30", 2) == [
        "10-26T02:00:00+02:00",
        "10-26T02:00:00+01:00",
    ]


def test_a_day_that_never_was_gives_one_run_at_the_start_of_the_next() -> None:
    assert night("0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00", 1) == ["12-31T00:00:00+14:00"]
    assert night("0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00", 1, dst_gap="skip") == ["12-30T12:00:00+14:00"]


def test_a_change_of_two_hours() -> None:
    assert night("30 1,2 * * *", "Antarctica/Troll", "2025-03-29 12:00", 2) == [
        "03-30T03:00:00+02:00",
        "03-31T01:30:00+02:00",
    ]


def test_local_mean_time_has_seconds() -> None:
    found = Schedule("0 0 * * *", "Europe/Amsterdam").after(datetime(1890, 5, 1, tzinfo=UTC))
    assert found.utcoffset() == ZoneInfo("Europe/Amsterdam").utcoffset(found)
    assert (found.hour, found.minute, found.second) == (0, 0, 0)


def test_the_instant_of_the_start_is_what_counts_and_not_its_wall_time() -> None:
    # The two 02:30 of one night are equal on the wall.
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2025, 10, 26, 2, 30, tzinfo=zone)
    schedule = Schedule("*/30 * * * *", "Europe/Berlin")
    assert schedule.before(first.replace(fold=1)).isoformat() == "2025-10-26T02:00:00+01:00"
    assert schedule.after(first).isoformat() == "2025-10-26T02:00:00+01:00"
    assert len(list(schedule.between(first, first.replace(fold=1)))) == 2


def test_a_zone_other_than_the_schedules_is_welcome() -> None:
    schedule = Schedule("0 9 * * *", "Asia/Tokyo")
    start = datetime(2025, 5, 1, tzinfo=ZoneInfo("America/New_York"))
    assert schedule.after(start).isoformat() == "2025-05-02T09:00:00+09:00"
    assert schedule.after(start).tzinfo is ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize("method", ["after", "before"])
def test_a_naive_datetime_is_refused(method: str) -> None:
    schedule = Schedule("0 9 * * *")
    with pytest.raises(ValueError, match="has no time zone"):
        getattr(schedule, method)(NAIVE)
    with pytest.raises(ValueError, match="has no time zone"):
        schedule.between(NAIVE, NAIVE.replace(tzinfo=UTC))
    with pytest.raises(ValueError, match="has no time zone"):
        schedule.between(NAIVE.replace(tzinfo=UTC), NAIVE)


def test_between_excludes_its_start_and_includes_its_end() -> None:
    schedule = Schedule("0 * * * *")
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert [at.hour for at in schedule.between(start, start + timedelta(hours=2))] == [1, 2]
    assert [at.hour for at in schedule.between(start - timedelta(microseconds=1), start)] == [0]
    assert list(schedule.between(start, start)) == []
    assert list(schedule.between(start, start - timedelta(days=1))) == []
    assert schedule.count_between(from_datetime(start), from_datetime(start) - 10**12) == 0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("expression", ["* * * * * *", "0 0 0 * * *", "0 0 0 1 1 *", "0 0 0 31 12 *", "@every 7h"])
def test_the_calendar_has_two_ends(zone: str, expression: str) -> None:
    schedule = Schedule(expression, zone)
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    newest = schedule.before(last)
    oldest = schedule.after(first)
    assert newest.year in {9998, 9999}
    assert oldest.year in {1, 2}
    assert schedule.next_after(from_datetime(newest)) in {None, from_datetime(last)}
    assert schedule.last_before(from_datetime(oldest)) in {None, from_datetime(first)}
    assert schedule.next_after(10**20) is None
    assert schedule.last_before(-(10**20)) is None
    assert schedule.next_after(-(10**20)) is not None
    assert schedule.last_before(10**20) is not None
    with pytest.raises(CronError, match="no fire time after"):
        schedule.after(last)
    with pytest.raises(CronError, match="no fire time before"):
        schedule.before(first)
    assert list(schedule.between(newest, last)) in ([], [last])


def test_a_fire_time_that_daylight_saving_always_swallows_ends_with_the_calendar() -> None:
    # New York has no 02:00 on the second Sunday of March, and a wildcard takes no run for it.
    schedule = Schedule("*/30 2 * 3 0#2", "America/New_York")
    assert schedule.next_after(from_datetime(datetime(2024, 1, 1, tzinfo=UTC))) is None
