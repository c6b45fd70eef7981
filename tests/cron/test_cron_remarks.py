"""What a valid schedule probably does not mean, and what it does when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from systemprompt.clock import from_datetime
from systemprompt.cron import Schedule
from systemprompt.cron.clock_changes import clock_changes, clock_rule
from systemprompt.cron.remarks import remarks

NOW = from_datetime(datetime(2026, 1, 14, tzinfo=UTC))
END = from_datetime(datetime(2027, 1, 14, tzinfo=UTC))


@pytest.mark.parametrize(
    ("expression", "remark"),
    [
        ("* */5 * * *", "60 runs in each of these hours; '0 */5 * * *' is once an hour"),
        ("* 3 * * *", "60 runs in each of these hours; '0 3 * * *' is once an hour"),
        ("0 * */2 * * *", "60 runs in each of these hours; '0 0 */2 * * *' is once an hour"),
        ("* 0 3 * * *", "60 runs in each of these minutes; '0 0 3 * * *' is once in each"),
        (
            "0 9 * * 1-5 *",
            "six fields begin with the second: if the last one is meant as the year, write '0 9 * * 1-5'",
        ),
        (
            "* * * * 1-5 *",
            "six fields begin with the second: if the last one is meant as the year, write '* * * * 1-5'",
        ),
        (
            "35 10 * * * 3",
            "six fields begin with the second: if the last one is meant as the second, write '3 35 10 * * *'",
        ),
    ],
)
def test_a_schedule_that_nobody_can_mean_gets_a_remark_with_what_to_write(expression: str, remark: str) -> None:
    assert remarks(expression) == (remark,)


@pytest.mark.parametrize(
    "expression",
    [
        "0 3 * * *",
        "* * * * *",
        "*/5 9-17 * * 1-5",
        "* 9-17 * * *",
        "* * * * * *",
        "*/10 * * * * *",
        "@daily",
        "@every 5m",
    ],
)
def test_a_plain_schedule_gets_none(expression: str) -> None:
    assert remarks(expression) == ()


def test_the_changes_of_a_year_are_found_with_their_direction() -> None:
    assert [
        (datetime.fromtimestamp(one.at // 10**6, UTC).isoformat(), one.shift)
        for one in clock_changes("Europe/Berlin", NOW, END)
    ] == [
        ("2026-03-29T01:00:00+00:00", 3600),
        ("2026-10-25T01:00:00+00:00", -3600),
    ]
    assert clock_changes("UTC", NOW, END) == clock_changes("Asia/Tokyo", NOW, END) == ()


@pytest.mark.parametrize(("one", "other"), [("0 */2 * * *", "0 0/2 * * *"), ("0 * * * *", "0 0-23 * * *")])
def test_schedules_that_differ_only_on_those_nights_read_alike_and_are_told_apart(one: str, other: str) -> None:
    stars, fixed = Schedule(one, "Europe/Berlin"), Schedule(other, "Europe/Berlin")
    assert stars.describe() == fixed.describe()
    assert clock_rule(stars, NOW) != clock_rule(fixed, NOW)
    assert clock_rule(Schedule(one), NOW) == ""


def test_a_fixed_time_says_what_the_job_chose() -> None:
    said = clock_rule(Schedule("30 2 * * *", "Europe/Berlin", dst_gap="skip", dst_fold="both"), NOW)
    assert (
        said
        == "a fixed time: one in the hour that spring leaves out is skipped, one in autumn's double hour fires in both passes"
    )


@pytest.mark.parametrize("expression", ["0 3 * * *", "30 2 1 1 *", "*/5 9-17 * * *"])
def test_a_schedule_that_no_change_touches_has_nothing_to_say(expression: str) -> None:
    assert clock_rule(Schedule(expression, "Europe/Berlin"), NOW) == ""
