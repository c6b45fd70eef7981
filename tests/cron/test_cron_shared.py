"""Schedules share what they have in common. Since a field is anybody's text, what is kept for it has a bound."""

from __future__ import annotations

import pytest

from systemprompt.cron import day_times as times_module
from systemprompt.cron import days as days_module
from systemprompt.cron.day_times import DayTimes, day_times
from systemprompt.cron.days import day_rule
from systemprompt.cron.expression import parse
from systemprompt.cron.fields import MINUTE, Field


def test_schedules_with_the_same_hours_minutes_and_seconds_share_their_times() -> None:
    assert day_times(parse("17 3 * * *")) is day_times(parse("0 17 3 ? * MON"))
    assert day_times(parse("17 3 * * *")) is not day_times(parse("17 4 * * *"))


def test_the_times_of_at_most_65536_schedules_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {(number, 0, 0): DayTimes(1, 1, 1) for number in range(65_535)}
    monkeypatch.setattr(times_module, "_known", kept)
    times = [day_times(parse(f"{minute} 3 * * *")) for minute in (1, 2)]
    assert len(kept) == 65_536
    assert day_times(parse("1 3 * * *")) is times[0]
    assert day_times(parse("2 3 * * *")) is not times[1]


def test_schedules_with_the_same_day_fields_share_their_rule() -> None:
    first = parse("0 3 1-7 * MON")
    assert day_rule(first, "") is day_rule(parse("30 5 1-7 * MON"), "")
    assert day_rule(first, "") is not day_rule(parse("0 3 1-7 * TUE"), "")


def test_at_most_4096_day_rules_are_kept_and_none_of_a_hundred_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {(str(number),): day_rule(parse("@daily"), "") for number in range(4_094)}
    monkeypatch.setattr(days_module, "_known", kept)
    long = ",".join(["10"] * 32) + ",1"
    assert len(long) + len("**") == 99
    longer = long + "0"
    assert day_rule(parse(f"0 3 {longer} * *"), "") is not day_rule(parse(f"0 3 {longer} * *"), "")
    assert day_rule(parse(f"0 3 {long} * *"), "") is day_rule(parse(f"0 3 {long} * *"), "")
    rules = [day_rule(parse(f"0 3 {day} * *"), "") for day in (5, 6)]
    assert len(kept) == 4_096
    assert day_rule(parse("0 3 5 * *"), "") is rules[0]
    assert day_rule(parse("0 3 6 * *"), "") is not rules[1]


def test_at_most_4096_fields_are_kept_and_none_of_64_letters() -> None:
    field = Field("minute", 0, 59)
    long = ",".join(["10"] * 21)
    assert len(long) == 62
    assert field.mask(long + ",1", "") == field.mask("1,10", "")
    assert set(field._memo) == {"1,10"}
    shorter = long[:-2] + "1,1"
    assert len(shorter) == 63
    assert field.mask(shorter, "") == field.mask("1,10", "")
    assert set(field._memo) == {"1,10", shorter}
    field._memo |= {str(number): 0 for number in range(1_000, 1_000 + 4_093)}
    field.mask("5", "")
    field.mask("6", "")
    assert "5" in field._memo
    assert "6" not in field._memo
    assert len(field._memo) == 4_096


def test_a_field_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = MINUTE.mask("7,21", "")

    def never(self: Field, item: str, text: str) -> int:
        raise AssertionError("read again")

    monkeypatch.setattr(Field, "item_mask", never)
    assert MINUTE.mask("7,21", "") == mask


def test_a_day_answers_minus_one_where_it_has_no_fire_time_left() -> None:
    times = DayTimes(1 << 12, 1 << 30, 1 << 15)
    noon = 12 * 3_600 + 30 * 60 + 15
    assert (times.next(noon), times.next(noon + 1), times.next(86_399)) == (noon, -1, -1)
    assert (times.previous(noon), times.previous(noon - 1), times.previous(0)) == (noon, -1, -1)
