"""Schedules in words."""

from __future__ import annotations

import pytest
from cron_descriptor.Exception import FormatError, WrongArgumentError

from systemprompt.cron import Schedule
from systemprompt.cron import describe as module
from systemprompt.cron.describe import _other
from systemprompt.cron.expression import parse


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
        ("0 0 22,23,31 * *", "Monthly on the 22nd, 23rd and 31st at midnight"),
        ("0 0 4,20,30 * *", "Monthly on the 4th, 20th and 30th at midnight"),
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
        ("0 0 * * 0#5,6#3,2#4", "Monthly on the third Saturday, fourth Tuesday and fifth Sunday at midnight"),
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


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * * *", "Every second"),
        ("*/2 * * * * *", "Every 2 seconds"),
        ("*/30 * * * * *", "Every 30 seconds"),
        ("* * * * *", "Every minute"),
        ("*/2 * * * *", "Every 2 minutes"),
        ("*/30 * * * *", "Every 30 minutes"),
        ("0 * * * *", "Every hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("0 */12 * * *", "Every 12 hours"),
        ("1 * * * *", "Every hour at 1 minute past"),
        ("0 3 * * *", "Daily at 3:00 AM"),
    ],
)
def test_the_commonest_forms_need_no_library(monkeypatch: pytest.MonkeyPatch, expression: str, words: str) -> None:
    monkeypatch.setattr(module, "_other", lambda expression: "told by the library")
    assert Schedule(expression).describe() == words


@pytest.mark.parametrize("expression", ["*/7 * * * * *", "*/7 * * * *", "*/5 * * * 1", "0 */5 * * *", "0 */24 1 1 1"])
def test_a_step_that_does_not_divide_its_field_is_no_common_form(
    monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    # Its last step is shorter than the others.
    monkeypatch.setattr(module, "_other", lambda expression: "told by the library")
    assert Schedule(expression).describe() == "told by the library"


@pytest.mark.parametrize(
    "expression",
    [
        "*/7 * * * *",
        "*/30 * * * *",
        "*/20 * * * * *",
        "* */30 * * * *",
        "0 */12 * * *",
        "0 */5 * * *",
        "30 * * * * *",
        "1 1 * * * *",
        "0 1-5 * * *",
        "0 5,35 9 * * *",
        "0,30 0 9 * * *",
        "0 0 1-6 * *",
        "0 0 L-1 * *",
        "0 0 L-1W * *",
        "0 0 29 2 *",
        "0 0 1,2 1 *",
        "0 0 1 1,2 *",
        "0 0 L 1 *",
        "0 0 1 1 1",
        "0 0 * 1 *",
        "0 0 * * 1,2#1",
        "0 0 * * 1,5L",
        "0 0 13 * 5",
        "0 0 */2 * 1",
        "*/5 9 * * *",
        "0 0 * 6 5L",
        "0 0 1W 6 *",
        "* 9 * * *",
        "* * 9 * * *",
        "0 */2 * * 1",
        "*/15 * * * 1",
        "0 * * * 1",
        "0 0 * * 1,3#2",
        "0 0 LW,L-2W * *",
        "0 0 5 * 1L",
        "0 0 1,2,3,4,5,6 * *",
    ],
)
def test_what_no_family_tells_exactly_is_left_to_the_library(expression: str) -> None:
    assert Schedule(expression).describe() == _other(parse(expression))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 L 1 *", "At 12:00 AM, on the last day of the month, only in January"),
        ("0 0 LW 6 *", "At 12:00 AM, on the last weekday of the month, only in June"),
        ("0 0 1,2 1 *", "At 12:00 AM, on day 1 and 2 of the month, only in January"),
        ("0 0 * 6 5L", "At 12:00 AM, on the last Friday of the month, only in June"),
        ("0 0 * 6 1,2", "At 12:00 AM, only on Monday and Tuesday, only in June"),
        ("0 0 L-1W * *", "At the times of 0 0 0 L-1W * *"),
        ("0 0 5,L 1 *", "At the times of 0 0 0 5,L 1 *"),
        ("0 0 5,15W 1 *", "At the times of 0 0 0 5,15W 1 *"),
        ("0 0 5,LW 1 *", "At the times of 0 0 0 5,LW 1 *"),
        ("0 0 */10 * 1", "At the times of 0 0 0 */10 * 1"),
    ],
)
def test_the_library_tells_what_it_tells_rightly_and_the_expression_stands_for_the_rest(
    expression: str, words: str
) -> None:
    assert Schedule(expression).describe() == words


def test_a_day_field_that_names_every_day_makes_a_weekday_no_limit() -> None:
    # Either matches, so this fires daily: "Weekly on Monday" would be wrong.
    assert "Weekly" not in Schedule("0 0 1-31 * 1").describe()


@pytest.mark.parametrize("problem", [FormatError, WrongArgumentError, ValueError, IndexError, KeyError, TypeError])
def test_an_expression_that_the_library_trips_over_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def trip(*arguments: object) -> str:
        raise problem("no such form")

    monkeypatch.setattr("cron_descriptor.get_description", trip)
    assert Schedule("0 0 * jan *").describe() == "At the times of 0 0 0 * JAN *"
