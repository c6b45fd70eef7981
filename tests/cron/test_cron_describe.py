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


def test_the_time_zone_is_no_part_of_the_words() -> None:
    assert Schedule("0 3 * * *", "Europe/Berlin").describe() == "Daily at 3:00 AM"


def test_the_words_do_not_depend_on_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert Schedule("0 9 * 6 1").describe() == "At 9:00 AM on Monday in June"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1 * * * *", "Every hour at 1 minute past"),
        ("59 * * * *", "Every hour at 59 minutes past"),
        ("2 * * * *", "Every hour at 2 minutes past"),
        ("*/60 * * * *", "Every hour"),
        ("@every 1d", "Every day"),
        ("@every 2d", "Every 2 days"),
        ("@every 1m", "Every minute"),
        ("@every 1h1m", "Every 1 hour 1 minute"),
        ("@every 1d1h1m1s", "Every 1 day 1 hour 1 minute 1 second"),
        ("@every 2d2h2m2s", "Every 2 days 2 hours 2 minutes 2 seconds"),
        ("@every 61s", "Every 1 minute 1 second"),
        ("@every 59s", "Every 59 seconds"),
        ("0 1,2,3,4 * * *", "Daily at 1:00 AM, 2:00 AM, 3:00 AM and 4:00 AM"),
        ("30 12 * * *", "Daily at 12:30 PM"),
        ("30 0 * * *", "Daily at 12:30 AM"),
        ("0 11 * * *", "Daily at 11:00 AM"),
        ("0 13 * * *", "Daily at 1:00 PM"),
        ("0 23 * * *", "Daily at 11:00 PM"),
        ("1 0 12 * * *", "Daily at 12:00:01 PM"),
        ("1 0 0 * * *", "Daily at 12:00:01 AM"),
        ("0 0,12 * * *", "Every 12 hours"),
        ("0 30 9,21 * * *", "Daily at 9:30 AM and 9:30 PM"),
        ("0 0 1,2,3,4,5 * *", "Monthly on the 1st, 2nd, 3rd, 4th and 5th at midnight"),
        ("0 0 2,3,11 * *", "Monthly on the 2nd, 3rd and 11th at midnight"),
        ("0 0 12,13,21 * *", "Monthly on the 12th, 13th and 21st at midnight"),
        ("0 0 22,23,31 * *", "At midnight on the 22nd and 23rd, and on the 31st of the months that have one"),
        ("0 0 4,20,30 * *", "At midnight on the 4th and 20th, and on the 30th of the months that have one"),
        ("0 0 L,15 * *", "Monthly on the 15th and last day at midnight"),
        ("0 0 1W,15W * *", "Monthly on the weekday nearest the 1st and weekday nearest the 15th at midnight"),
        ("0 0 1,15W,L,LW * *", "Monthly on the 1st, weekday nearest the 15th, last day and last weekday at midnight"),
        ("0 0 28 2 *", "Yearly on February 28 at midnight"),
        ("0 0 29 3 *", "Yearly on March 29 at midnight"),
        ("0 0 25 12 *", "Yearly on December 25 at midnight"),
        ("0 0 * * 0,1", "Weekly on Sunday and Monday at midnight"),
        ("0 0 * * 1-6", "Weekly on Monday, Tuesday, Wednesday, Thursday, Friday and Saturday at midnight"),
        ("0 0 * * 2", "Weekly on Tuesday at midnight"),
        ("0 0 * * 1L,3L", "Monthly on the last Monday and last Wednesday at midnight"),
        ("0 0 * * 1#1,5L", "Monthly on the first Monday and last Friday at midnight"),
        ("0 0 * * 0#5,6#3,2#4", "At midnight on the third Saturday, the fourth Tuesday and the fifth Sunday"),
        ("0 0 1 * *", "Monthly on the 1st at midnight"),
        ("0 0 1-31 * *", "Daily at midnight"),
        ("0 9 * * 0-6", "Daily at 9:00 AM"),
        ("0 9 ? * 6", "Weekly on Saturday at 9:00 AM"),
        ("0 9 * 1-12 *", "Daily at 9:00 AM"),
        ("30 2 * * SUN", "Weekly on Sunday at 2:30 AM"),
        ("0 0 10 * *", "Monthly on the 10th at midnight"),
        ("0 0 14 * *", "Monthly on the 14th at midnight"),
        ("0 0 24 * *", "Monthly on the 24th at midnight"),
        ("0 0 1,15,L * *", "Monthly on the 1st, 15th and last day at midnight"),
        ("0 0 * * 1#2,3L", "Monthly on the second Monday and last Wednesday at midnight"),
        ("0 0 1,2,3,4,5,6W * *", "Monthly on the 1st, 2nd, 3rd, 4th, 5th and weekday nearest the 6th at midnight"),
    ],
)
def test_the_words_are_right_at_the_edges_of_each_family(expression: str, words: str) -> None:
    assert Schedule(expression).describe() == words


def test_a_day_field_that_names_every_day_makes_a_weekday_no_limit() -> None:
    # Either matches, so this fires daily: "Weekly on Monday" would be wrong.
    assert "Weekly" not in Schedule("0 0 1-31 * 1").describe()
