"""What may stand in an expression, what it means, and how everything else is refused."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systemprompt.cron import CronError, Schedule
from systemprompt.cron.expression import parse

START = datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)
FAR = datetime(9999, 1, 1, tzinfo=UTC)


def times(expression: str, count: int = 4, form: str = "%m-%d") -> list[str]:
    return [at.strftime(form) for at in islice(Schedule(expression).between(START, FAR), count)]


def same(one: str, other: str) -> bool:
    until = START + timedelta(days=900)
    return list(islice(Schedule(one).between(START, until), 2000)) == list(
        islice(Schedule(other).between(START, until), 2000)
    )


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("  0\t3 *  * *\n", "0 0 3 * * *"),
        ("0 5\u00a0* * *", "0 0 5 * * *"),
        ("00 05 * * *", "0 0 5 * * *"),
        ("0 0 5/6 * * *", "0 0 5,11,17,23 * * *"),
        ("0 5/15 * * * *", "0 5,20,35,50 * * * *"),
        ("0 1-30/7 * * * *", "0 1,8,15,22,29 * * * *"),
        ("0 */100 * * * *", "0 0 * * * *"),
        ("0 0-59/61 * * * *", "0 0 * * * *"),
        ("0 3/100 * * * *", "0 3 * * * *"),
        ("0 */18446744073709551616 * * * *", "0 0 * * * *"),
        ("0 5-5 * * * *", "0 5 * * * *"),
        ("0 *,5 * * * *", "0 * * * * *"),
        ("0 5,*/20,7-9/2 * * * *", "0 0,5,7,9,20,40 * * * *"),
        ("0 0 0 1 jan,Mar-MAY *", "0 0 0 1 1,3-5 *"),
        ("0 0 0 1 JAN-DEC/3 *", "0 0 0 1 1,4,7,10 *"),
        ("0 0 0 * * mon-5", "0 0 0 * * 1,2,3,4,5"),
        ("0 0 0 * * 7", "0 0 0 * * 0"),
        ("0 0 0 * * FRI-SUN", "0 0 0 * * 0,5,6"),
        ("0 0 0 * * MON-SUN", "0 0 0 * * *"),
        ("0 0 0 * * 5-7", "0 0 0 * * 0,5,6"),
        ("0 0 0 * * 0-7", "0 0 0 * * *"),
        ("0 0 0 * * SUN-SUN", "0 0 0 * * 0"),
        ("0 0 0 * * SUN-TUE", "0 0 0 * * 0,1,2"),
        ("0 0 0 * * 7-SUN", "0 0 0 * * 0"),
        ("0 0 0 * * */7", "0 0 0 * * 0"),
        ("0 0 0 * * 5/2", "0 0 0 * * 0,5"),
        ("0 0 0 * * FRIL", "0 0 0 * * 5l"),
        ("0 0 0 * * 7#2", "0 0 0 * * sun#2"),
        ("0 0 0 * * 0L", "0 0 0 * * 7L"),
        ("0 0 0 ? * ?", "0 0 0 * * *"),
        ("0 0 0 L-0 * ?", "0 0 0 l * *"),
        ("0 0 0 ? * 2", "0 0 0 * * 2"),
        ("@yearly", "0 0 0 1 1 *"),
        ("@annually", "0 0 0 1 1 *"),
        ("@Monthly", "0 0 0 1 * *"),
        ("@weekly", "0 0 0 * * 0"),
        (" @DAILY ", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@hourly", "0 0 * * * *"),
        ("@minutely", "* * * * *"),
        ("@secondly", "* * * * * *"),
        ("@every 1h30m", "@every 90m"),
        ("@every 1D", "0 0 0 * * *"),
        ("@every 60s", "0 * * * * *"),
    ],
)
def test_two_spellings_of_one_schedule_fire_together(expression: str, plain: str) -> None:
    assert same(expression, plain)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 1,15,L * *", ["01-01", "01-15", "01-31", "02-01"]),
        ("0 0 5,L-3 * *", ["01-05", "01-28", "02-05", "02-26"]),
        ("0 0 L-30 * *", ["01-01", "03-01", "05-01", "07-01"]),
        ("0 0 L-3W 6 *", ["06-27", "06-27", "06-26", "06-28"]),
        ("0 0 LW,L 3 *", ["03-29", "03-31", "03-31", "03-31"]),
        ("0 0 1W 6 *", ["06-03", "06-02", "06-01", "06-01"]),
        ("0 0 31W * *", ["01-31", "03-29", "05-31", "07-31"]),
        ("0 0 15W,20 6 *", ["06-14", "06-20", "06-16", "06-20"]),
        ("0 0 * * MON#2,FRI#4", ["01-08", "01-26", "02-12", "02-23"]),
        ("0 0 * * 5L,1#1", ["01-01", "01-26", "02-05", "02-23"]),
        ("0 0 * * 1#1,3", ["01-01", "01-03", "01-10", "01-17"]),
        ("0 0 1-7 * 1", ["01-01", "01-02", "01-03", "01-04"]),
        ("0 0 */2 * 1", ["01-01", "01-15", "01-29", "02-05"]),
        ("0 0 13 * */5", ["09-13", "10-13", "12-13", "04-13"]),
        ("0 0 13 * ?", ["01-13", "02-13", "03-13", "04-13"]),
        ("0 0 15W * 1", ["01-01", "01-08", "01-15", "01-22"]),
    ],
)
def test_days_are_those_the_fields_name(expression: str, expected: list[str]) -> None:
    assert times(expression) == expected


def test_a_leap_day_on_a_fifth_friday_is_found_decades_away() -> None:
    assert times("0 0 0 29 2 ?", 3, "%Y-%m-%d") == ["2024-02-29", "2028-02-29", "2032-02-29"]
    found = times("0 0 0 */28 2 5#5", 3, "%Y-%m-%d")
    assert found == ["2036-02-29", "2064-02-29", "2092-02-29"]
    assert all(date.fromisoformat(day).weekday() == 4 for day in found)


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 0 31 2,4,6,9,11 *",
        "0 0 0 30W 2 ?",
        "0 0 0 31W 4 *",
        "0 0 0 L-29 2 *",
        "0 0 0 L-30 2,4 *",
        "0 0 0 30 2 */7",
        "0 0 0 */30 2 1#5",
        "0 0 0 */8 * 1#5,2#5L",
    ],
)
def test_a_schedule_that_can_never_fire_is_refused(expression: str) -> None:
    with pytest.raises(CronError):
        Schedule(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 24 * * *", "cron expression '0 24 * * *': hour 24 is outside 0-23"),
        ("0 0 0 L-31 * *", "'31' is outside 0-30"),
        ("0 0 0 * * 1#6", "'6' is outside 1-5"),
        ("0 */0 * * * *", "has step 0"),
        ("@every 0s", "outside 1s-36525d"),
        ("@every 99999999999999999999d", "outside 1s-36525d"),
        ("@every 1m1h", "not a duration"),
        ("@every 90", "not a duration"),
        ("@every 1.5h", "not a duration"),
        ("@every", "one duration"),
        ("@every 1h 30m", "one duration"),
        ("@daily 5", "takes nothing after it"),
        ("* * * * * * *", "it has 7 fields"),
    ],
)
def test_a_refusal_says_what_is_wrong(expression: str, message: str) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(expression)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("0 0 22-2 * * *", "22-23,0-2"),
        ("0 50-10/20 * * * *", "'10,50'"),
        ("0 0 0 * NOV-FEB *", "11-12,1-2"),
        ("0 0 0 * * FRI-MON", "5-6,0-1"),
        ("0 0 0 * * 6-0", "'6-7'"),
        ("0 0 0 * * 7-2", "'0-2'"),
        ("@reboot", "scheduler.reboot_jobs"),
        ("@dayly", "@daily"),
        ("* * * * * * *", "year"),
        ("0 0 0 * JANU *", "JAN"),
        ("0 0 0 * * L", "5L"),
        ("0 0 0 * MON *", "day of week"),
    ],
)
def test_a_refusal_shows_the_way_out(expression: str, hint: str) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(expression)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("wrong", ["22-2", "23-0", "20-4/3", "5-3/7", "1-0"])
def test_the_spelling_in_the_hint_is_accepted(wrong: str) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(f"0 {wrong} * * *")
    hint = caught.value.hint or ""
    Schedule(f"0 {hint.split(chr(39))[1]} * * *")


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "0 0 1-L * *",
            "0 0 L/2 * *",
            "0 0 1-5W * *",
            "0 0 15W/2 * *",
            "0 0 ?/2 * *",
            "0 0 ?,5 * *",
            "? * * * *",
            "* ? * * *",
        ),
        *(
            "0 0 5L * *",
            "0 0 W15 * *",
            "0 0 WL * *",
            "0 0 * * L5",
            "0 0 * * 1-5#2",
            "0 0 * * 5L#1",
            "0 0 * * 1#1L",
            "0 0 * ? *",
        ),
        *(
            "1,,2 * * * *",
            "1, * * * *",
            ",1 * * * *",
            "*5 * * * *",
            "5* * * * *",
            "** * * * *",
            "*-5 * * * *",
            "1-* * * * *",
        ),
        *(
            "0 0 * * +1",
            "+5 * * * *",
            "5.0 * * * *",
            "0x5 * * * *",
            "1/2/3 * * * *",
            "*/-5 * * * *",
            "*/+5 * * * *",
            "*/5.0 * * * *",
            "--1 * * * *",
        ),
        *("0 0 * * FRı", "0 0 * * ſUN", "٣ * * * *", "0 0 * JANUARY *", "0 0 * * MONDAY", "@", "@@daily", "@every -5s"),
        *(
            "0 0 0 L- * *",
            "0 0 0 LL * *",
            "0 0 0 L-W * *",
            "0 0 0 LWW * *",
            "0 0 0 -L * *",
            "\x000 0 * * *",
            "H * * * *",
        ),
        "9" * 5000 + " * * * *",
        "*/" + "9" * 5000 + "x * * * *",
        "1-" + "9" * 5000 + " * * * *",
    ],
)
def test_garbage_is_refused(expression: str) -> None:
    with pytest.raises(CronError):
        Schedule(expression)


_cronish = st.text(alphabet="0123456789*/,-#?LWlw@ \tJANMONFRIeveryhms²ı~", max_size=40)


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.text(max_size=40), _cronish, st.lists(_cronish, min_size=5, max_size=6).map(" ".join)))
def test_any_text_is_a_schedule_or_a_cron_error(text: str) -> None:
    try:
        schedule = Schedule(text)
    except CronError:
        return
    assert schedule.next_after(0) is not None
    assert schedule.describe()


def test_the_wrong_types_and_options_are_cron_errors() -> None:
    wrong: list[tuple[Any, ...]] = [(None,), (5,), ("* * * * *", None), ("* * * * *", UTC)]
    for arguments in wrong:
        with pytest.raises(CronError):
            Schedule(*arguments)
    with pytest.raises(CronError, match="dst_gap 'later' is none of run, skip"):
        Schedule("* * * * *", dst_gap="later")
    with pytest.raises(CronError, match="dst_fold 'twice' is none of first, second, both"):
        Schedule("* * * * *", dst_fold="twice")


@pytest.mark.parametrize(
    "zone", ["Europe/Pariss", "europe", "America", "", "../UTC", "/etc/passwd", "a\0b", "UTC ", "Ü", "a/" * 1_000]
)
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(CronError, match="time zone"):
        Schedule("* * * * *", zone)


def test_a_time_zone_almost_right_gets_a_did_you_mean() -> None:
    with pytest.raises(CronError) as caught:
        Schedule("* * * * *", "Europe/Pariss")
    assert caught.value.hint == "did you mean 'Europe/Paris'?"


def test_a_schedule_is_a_value() -> None:
    one = Schedule("0 3 * * *", "Europe/Berlin", dst_fold="both")
    assert one == Schedule("0 3 * * *", "Europe/Berlin", dst_fold="both")
    assert hash(one) == hash(Schedule("0 3 * * *", "Europe/Berlin", dst_fold="both"))
    assert one != Schedule("0 3 * * *", "Europe/Berlin")
    assert one != "0 3 * * *"
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert repr(one) == "Schedule('0 3 * * *', 'Europe/Berlin', dst_fold='both')"
    assert (one.expression, one.tz, one.dst_gap, one.dst_fold) == ("0 3 * * *", "Europe/Berlin", "run", "both")
    with pytest.raises(AttributeError, match="never changes"):
        one.tz = "UTC"
    with pytest.raises(AttributeError, match="never changes"):
        del one.tz


def test_an_expression_keeps_its_fields_as_they_were_written() -> None:
    assert parse(" 05 4 *  * Mon ").fields == ("0", "05", "4", "*", "*", "Mon")
    assert parse("@Daily").fields == ("0", "0", "0", "*", "*", "*")
    assert parse("@every 1H30m").fields == ("@every", "1H30m")


def test_a_period_may_be_as_long_as_a_hundred_years_and_as_short_as_a_second() -> None:
    assert parse("@every 36525d").every == 36_525 * 86_400
    assert parse("@every 1s").every == 1
    assert parse("@every 1d2h3m4s").every == 93_784
