"""The oracle agrees with the engine that plans, with the agreed vectors, and shares no code with what it judges."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from systemprompt.audit.oracle import Oracle, oracle_for
from systemprompt.clock import SECOND, from_datetime
from systemprompt.cron import CronError, Schedule
from systemprompt.cron.zones import MACHINE_FILES

VECTORS = json.loads((Path(__file__).parent.parent / "cron" / "vectors.json").read_text())
DAY = 86_400 * SECOND
ZONES = sorted(
    {"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"}
    | {"Asia/Kolkata", "Africa/Casablanca", "America/St_Johns", "Asia/Gaza", "Antarctica/Troll", "Europe/Dublin"}
)


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text))


# --- agreement -------------------------------------------------------------------------------------------------------


def test_the_oracle_names_the_fire_times_that_other_engines_agree_on() -> None:
    for case in VECTORS:
        expected = [at(text) for text in case["expected"]]
        start, end = at(case["start"]), expected[-1]
        oracle = Oracle(case["expr"], case["tz"])

        assert list(oracle.between(start, end)) == expected, case
        assert oracle.count(start, end) == len(expected), case
        assert oracle.first_after(start) == expected[0], case
        assert oracle.last_in(start, end) == end, case


def numbers(low: int, high: int, names: str = "") -> st.SearchStrategy[str]:
    plain = st.integers(low, high).map(str)
    return plain | st.sampled_from(names.split()) if names else plain


def fields(low: int, high: int, names: str = "") -> st.SearchStrategy[str]:
    number = numbers(low, high, names)
    step = st.integers(1, 20).map(lambda n: f"/{n}")
    item = st.one_of(
        number,
        st.just("*"),
        st.builds("*{}".format, step),
        st.builds("{}{}".format, number, step),
        st.builds("{}-{}{}".format, number, number, step | st.just("")),
    )
    return st.just("*") | st.lists(item, min_size=1, max_size=3).map(",".join)


MONTHS = "JAN feb MAR APR MAY JUN Jul AUG SEP OCT NOV DEC"
WEEKDAYS = "SUN mon TUE WED THU Fri SAT"
DAYS = st.one_of(
    st.sampled_from(["*", "?", "L", "LW"]),
    fields(1, 31),
    st.integers(0, 30).map("L-{}".format),
    st.integers(1, 31).map("{}W".format),
    st.integers(0, 9).map("L-{}W".format),
)
OF_WEEK = st.one_of(
    st.sampled_from(["*", "?", "FRI-SUN"]),
    fields(0, 7, WEEKDAYS),
    numbers(0, 7, WEEKDAYS).map("{}L".format),
    st.builds("{}#{}".format, numbers(0, 7, WEEKDAYS), st.integers(1, 5)),
)
SIX = st.tuples(st.just("0") | fields(0, 59), fields(0, 59), fields(0, 23), DAYS, fields(1, 12, MONTHS), OF_WEEK)
EXPRESSIONS = st.one_of(
    SIX.map(" ".join),
    st.sampled_from(["0 30 2 * * *", "0 0 0 * * *", "15 */20 1-3 * * *", "* 59 23 * * *", "30 1 * * *"]),
    st.sampled_from(["@hourly", "@Daily", "@weekly", "@every 90s", "@every 1h30m", "@every 11s"]),
)


def near_a_change(zone: str, start: int) -> int:
    """Return an instant within a day after the zone's next change of offset, or `start` where none comes within a year."""
    info = ZoneInfo(zone)
    offsets = (
        (hour, datetime.fromtimestamp(hour, info).utcoffset()) for hour in range(start, start + 366 * 86_400, 86_400)
    )
    _, first = next(offsets)
    return next((hour for hour, offset in offsets if offset != first), start)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    gap=st.sampled_from(["run", "skip"]),
    fold=st.sampled_from(["first", "second", "both"]),
    second=st.integers(0, 2_100_000_000),
    lead=st.integers(0, 2 * DAY),
    width=st.integers(0, 5 * DAY),
)
def test_the_oracle_and_the_planning_engine_agree(
    expression: str, zone: str, gap: str, fold: str, second: int, lead: int, width: int
) -> None:
    try:
        schedule = Schedule(expression, zone, dst_gap=gap, dst_fold=fold)
    except CronError:
        assume(False)
    start = near_a_change(zone, second) * SECOND - lead
    end = start + width
    oracle = Oracle(expression, zone, dst_gap=gap, dst_fold=fold)

    times = list(islice(oracle.between(start, end), 3_000))

    assert times == list(islice(schedule.instants_between(start, end), 3_000))
    assert oracle.count(start, end) == schedule.count_between(start, end)
    assert oracle.first_after(start) == schedule.next_after(start)
    last = schedule.last_before(end + 1)
    assert oracle.last_in(start, end) == (last if last is not None and last > start else None)
    assert all(oracle.names(moment) for moment in times[:5])


def test_both_engines_agree_on_every_zone_in_the_nights_when_its_clocks_change() -> None:
    new_year = 1_704_067_200
    for zone in sorted(available_timezones() - MACHINE_FILES):
        change = near_a_change(zone, new_year)
        start, end = (change - 86_400) * SECOND, (change + 86_400) * SECOND
        for expression in ("0 */20 1-3 * * *", "0 30 */6 * * *"):
            times = list(Schedule(expression, zone).instants_between(start, end))

            assert list(Oracle(expression, zone).between(start, end)) == times, zone


# --- the rules of DST, by hand ---------------------------------------------------------------------------------------

SPRING = (at("2024-03-31T00:00:00+01:00"), at("2024-03-31T06:00:00+02:00"))
AUTUMN = (at("2024-10-27T00:00:00+02:00"), at("2024-10-27T06:00:00+01:00"))


@pytest.mark.parametrize(
    ("expression", "options", "expected"),
    [
        ("0 0,20,40 2 * * *", {}, ["03:00+02"]),
        ("0 0,20,40 2-3 * * *", {}, ["03:00+02", "03:20+02", "03:40+02"]),
        ("0 20 2 * * *", {"dst_gap": "skip"}, []),
        ("0 30 * * * *", {}, ["00:30+01", "01:30+01", "03:30+02", "04:30+02", "05:30+02"]),
        ("@every 2h", {}, ["01:00+01", "04:00+02", "06:00+02"]),
    ],
)
def test_in_the_spring_gap(expression: str, options: dict[str, str], expected: list[str]) -> None:
    times = Oracle(expression, "Europe/Berlin", **options).between(*SPRING)

    assert list(times) == [at(f"2024-03-31T{text[:5]}:00{text[5:]}:00") for text in expected]


@pytest.mark.parametrize(
    ("expression", "options", "expected"),
    [
        ("0 30 2 * * *", {}, ["02:30+02"]),
        ("0 30 2 * * *", {"dst_fold": "second"}, ["02:30+01"]),
        ("0 30 2 * * *", {"dst_fold": "both"}, ["02:30+02", "02:30+01"]),
        ("0 30 */2 * * *", {}, ["00:30+02", "02:30+02", "02:30+01", "04:30+01"]),
        ("0 0 3 * * *", {"dst_fold": "second"}, ["03:00+01"]),
    ],
)
def test_in_the_autumn_fold(expression: str, options: dict[str, str], expected: list[str]) -> None:
    times = Oracle(expression, "Europe/Berlin", **options).between(*AUTUMN)

    assert list(times) == [at(f"2024-10-27T{text[:5]}:00{text[5:]}:00") for text in expected]


# --- windows, counts, faults -----------------------------------------------------------------------------------------


def test_a_window_leaves_out_its_start_and_has_its_end() -> None:
    oracle = Oracle("* * * * * *", "UTC")

    assert list(oracle.between(10 * SECOND, 12 * SECOND)) == [11 * SECOND, 12 * SECOND]
    assert list(oracle.between(10 * SECOND - 1, 12 * SECOND - 1)) == [10 * SECOND, 11 * SECOND]
    assert list(oracle.between(12 * SECOND, 10 * SECOND)) == []
    assert oracle.names(10 * SECOND)
    assert not oracle.names(10 * SECOND + 1)


def test_a_year_of_seconds_is_counted_not_walked() -> None:
    start, end = at("2024-01-01T00:00:00+01:00"), at("2025-01-01T00:00:00+01:00")

    assert Oracle("* * * * * *", "Europe/Berlin").count(start, end) == 366 * 86_400


def test_an_empty_schedule_names_nothing() -> None:
    oracle = Oracle("", "UTC")

    assert list(oracle.between(0, DAY)) == []
    assert oracle.count(0, DAY) == 0
    assert oracle.first_after(0) is None
    assert oracle.last_in(0, DAY) is None


@pytest.mark.parametrize(
    "text", ["now", "* * *", "0 99 * * * *", "@every soon", "@every", "0 0 0 X * *", "0 0 0 W * *"]
)
def test_what_the_oracle_cannot_read_is_a_cron_error(text: str) -> None:
    with pytest.raises(CronError, match="oracle cannot read"):
        Oracle(text, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "Europe", "../etc/passwd", "a/" * 1_000])
def test_an_unknown_zone_is_a_cron_error(zone: str) -> None:
    with pytest.raises(CronError, match="is not a time zone"):
        Oracle("0 0 0 * * *", zone)


def test_jobs_with_one_schedule_share_one_oracle() -> None:
    assert oracle_for("@daily", "UTC", "run", "first") is oracle_for("@daily", "UTC", "run", "first")


def test_the_oracle_loads_nothing_of_what_it_judges() -> None:
    code = "import sys, systemprompt.audit.oracle as o; o.Oracle('@daily', 'Europe/Berlin').first_after(0); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    ours = {name for name in loaded if name.startswith("systemprompt")}
    assert ours == {
        "systemprompt",
        "systemprompt.audit",
        "systemprompt.audit.oracle",
        "systemprompt.clock",
        "systemprompt.errors",
        "systemprompt.wording",
    }


def test_what_the_package_offers_can_be_had() -> None:
    from systemprompt import audit

    assert {name: getattr(audit, name).__class__ is not None for name in audit.__all__} == dict.fromkeys(
        audit.__all__, True
    )
