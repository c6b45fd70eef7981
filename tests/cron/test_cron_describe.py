"""Schedules in words."""

from __future__ import annotations

import pytest

from systemprompt.cron import Schedule


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 * * * *", "Every hour"),
        ("0 */15 * * * *", "Every 15 minutes"),
        ("0 */30 * * * *", "Every 30 minutes"),
        ("0 0 */2 * * *", "Every 2 hours"),
        ("0 0 3 * * *", "Daily at 3:00 AM"),
        ("0 30 2 * * *", "Daily at 2:30 AM"),
        ("0 0 0 * * 0", "Weekly on Sunday at midnight"),
        ("0 0 0 1 * *", "Monthly on the 1st at midnight"),
    ],
)
def test_the_seeds_schedules_have_the_seeds_words(expression: str, words: str) -> None:
    assert Schedule(expression).describe() == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * * *", "Every second"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("* * * * *", "Every minute"),
        ("15 * * * *", "Every hour at 15 minutes past"),
        ("@hourly", "Every hour"),
        ("@daily", "Daily at midnight"),
        ("0 12 * * *", "Daily at noon"),
        ("30 5,17 * * *", "Daily at 5:30 AM and 5:30 PM"),
        ("1 0 0 ? * ?", "Daily at 12:00:01 AM"),
        ("0 9 * * MON-FRI", "Weekdays at 9:00 AM"),
        ("0 9 * * 6,7", "Weekends at 9:00 AM"),
        ("0 9 * * 1,3,5", "Weekly on Monday, Wednesday and Friday at 9:00 AM"),
        ("0 0 1,15 * *", "Monthly on the 1st and 15th at midnight"),
        ("0 0 L * *", "Monthly on the last day at midnight"),
        ("0 0 LW * *", "Monthly on the last weekday at midnight"),
        ("0 0 15W * *", "Monthly on the weekday nearest the 15th at midnight"),
        ("0 0 * * 1#2", "Monthly on the second Monday at midnight"),
        ("0 0 * * 5L", "Monthly on the last Friday at midnight"),
        ("@yearly", "Yearly on January 1 at midnight"),
        ("@every 1s", "Every second"),
        ("@every 90s", "Every 1 minute 30 seconds"),
        ("@every 2h", "Every 2 hours"),
    ],
)
def test_common_families_are_told_as_people_say_them(expression: str, words: str) -> None:
    assert Schedule(expression).describe() == words


def test_other_forms_are_told_by_the_library() -> None:
    words = Schedule("*/5 9-17 * * 1-5").describe()
    assert words == "Every 5 minutes, between 09:00 AM and 05:59 PM, Monday through Friday"


@pytest.mark.parametrize("expression", ["0 0 L-3W * *", "0 0 1,L-3 * *", "0 0 * 1 1#2,3#1", "0 0 */2 * 1"])
def test_a_form_the_library_would_tell_wrongly_is_shown_as_it_is(expression: str) -> None:
    assert Schedule(expression).describe() == f"At the times of 0 {expression}"


def test_the_time_zone_is_no_part_of_the_words() -> None:
    assert Schedule("0 3 * * *", "Europe/Berlin").describe() == "Daily at 3:00 AM"


def test_the_words_do_not_depend_on_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert Schedule("0 9 * 6 1").describe() == "At 09:00 AM, only on Monday, only in June"
