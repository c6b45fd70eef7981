"""Read a schedule's sentence back: what a person who knows no cron would take it to mean. Shares no code with the writer."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

__all__ = ["Meaning", "meaning_of"]

DayTest = Callable[[date], bool]

CLOCK = r"(?:midnight|noon|\d{1,2}:\d\d(?::\d\d)? [AP]M)"
CLOCKS = rf"{CLOCK}(?:, {CLOCK})*(?: and {CLOCK})?"
NUMBER = r"\d+(?: to \d+)?"
NUMBERS = rf"{NUMBER}(?:, {NUMBER})*(?: and {NUMBER})?"
SPAN = rf"from {CLOCK} to {CLOCK}"
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NTH = ["first", "second", "third", "fourth", "fifth"]
SIZES = {"second": 1, "minute": 60, "hour": 3600}
COUNTS = {"one": 1, "two": 2, "three": 3}


@dataclass(frozen=True)
class Meaning:
    """The seconds of the day, and which dates."""

    seconds: frozenset[int]
    matches: DayTest


def meaning_of(sentence: str) -> Meaning:
    """Return what a sentence says. A sentence outside the grammar is an error: a new form must be taught here first."""
    text = sentence[0].lower() + sentence[1:]
    lead = re.fullmatch(
        rf"(daily|weekdays|weekends|weekly on .+?|monthly .+?|yearly on \w+ \d+) at ({CLOCKS})(.*)", text
    )
    if lead:
        seconds = frozenset(map(clock, re.findall(CLOCK, lead[2])))
        return Meaning(seconds, led(lead[1], lead[3]))
    listed = re.fullmatch(rf"at ({CLOCKS})(.*)", text)
    if listed:
        return Meaning(frozenset(map(clock, re.findall(CLOCK, listed[1]))), days(listed[2]))
    seconds, rest = rhythm(text)
    return Meaning(seconds, days(rest))


def rhythm(text: str) -> tuple[frozenset[int], str]:
    found = re.fullmatch(rf"(hourly|every (?:\d+ )?(?:second|minute|hour)s?) ({SPAN}(?:(?:,| and) {SPAN})*)(.*)", text)
    if found:
        step = period("every hour" if found[1] == "hourly" else found[1])
        every: set[int] = set()
        for first, last in re.findall(rf"from ({CLOCK}) to ({CLOCK})", found[2]):
            assert (clock(last) - clock(first)) % step == 0, "the span ends between two fire times"
            assert clock(first) < clock(last)
            every |= set(range(clock(first), clock(last) + 1, step))
        return frozenset(every), found[3]
    found = re.fullmatch(r"every hour at minute (\d+), second (\d+)(.*)", text)
    if found:
        return within(range(24), [int(found[1])], [int(found[2])]), found[3]
    found = re.fullmatch(r"every hour at (\d+) minutes? past(.*)", text)
    if found:
        return within(range(24), [int(found[1])], [0]), found[2]
    found = re.fullmatch(rf"every hour at minutes ({NUMBERS})(.*)", text)
    if found:
        return within(range(24), values(found[1]), [0]), found[2]
    return fields(text)


def fields(text: str) -> tuple[frozenset[int], str]:
    """Read seconds of minutes of hours, in which a part that is not named is every one."""
    hours: list[int] | range = range(24)
    minutes: list[int] | range = range(60)
    found = re.match(rf"every (?:\d+ )?(second|minute|hour)s?|at (second|minute)s? ({NUMBERS})", text)
    assert found, text
    rest = text[found.end() :]
    if found[3] is None:
        step, unit = period(found[0]) // SIZES[found[1]], found[1]
        size = 24 if unit == "hour" else 60
        assert (size % step == 0 and step < size) or step == 1, "the distance varies where the field ends"
        steps = range(0, size, step)
    else:
        steps, unit = values(found[3]), found[2]  # type: ignore[assignment]
    if unit == "hour":
        return within(steps, [0], [0]), rest
    seconds: list[int] | range = steps if unit == "second" else [0]
    minutes = steps if unit == "minute" else minutes
    second = re.match(rf" at seconds? ({NUMBERS})", rest)
    if second:
        assert unit == "minute"
        seconds, rest = values(second[1]), rest[second.end() :]
    of_minutes = re.match(rf" of (?:every minute|(?:the )?minutes? ({NUMBERS}))", rest)
    if of_minutes:
        minutes = values(of_minutes[1]) if of_minutes[1] else minutes
        rest = rest[of_minutes.end() :]
    of_hours = re.match(rf" of (?:every hour|(?:the )?hours? ({NUMBERS}))", rest)
    if of_hours:
        hours = values(of_hours[1]) if of_hours[1] else hours
        rest = rest[of_hours.end() :]
    assert of_hours or found[3] is None or of_minutes, f"it does not say of which hours: {text}"
    return within(hours, minutes, seconds), rest


def within(hours: object, minutes: object, seconds: object) -> frozenset[int]:
    return frozenset(h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds)  # type: ignore[attr-defined]


def period(text: str) -> int:
    words = text.split()
    return int(words[1] if len(words) == 3 else 1) * SIZES[words[-1].rstrip("s")]


def values(text: str) -> list[int]:
    found: list[int] = []
    for one in re.findall(NUMBER, text):
        ends = [int(number) for number in one.split(" to ")]
        found += range(ends[0], ends[-1] + 1)
    return found


def clock(text: str) -> int:
    if text in ("midnight", "noon"):
        return 0 if text == "midnight" else 12 * 3600
    time, half = text.split()
    hour, minute, second = [*map(int, time.split(":")), 0][:3]
    assert 1 <= hour <= 12
    return (hour % 12 + (12 if half == "PM" else 0)) * 3600 + minute * 60 + second


# --- days ------------------------------------------------------------------------------------------------------------


def led(lead: str, rest: str) -> DayTest:
    if lead == "daily":
        return days(rest)
    assert not rest, rest
    if lead in ("weekdays", "weekends"):
        return lambda day: (day.weekday() < 5) is (lead == "weekdays")
    if lead.startswith("yearly on "):
        month, number = lead.removeprefix("yearly on ").split()
        return lambda day: (day.month, day.day) == (MONTHS.index(month) + 1, int(number))
    period_word, _, on = lead.partition(" ")
    test = days(f" {on}")
    if period_word == "monthly":
        months = [(year, month) for year in range(2024, 2034) for month in range(1, 13)]
        assert all(any(test(date(*one, day)) for day in range(1, monthrange(*one)[1] + 1)) for one in months), lead
    return test


def days(text: str) -> DayTest:
    text = text.removeprefix(",").strip()
    if text == "on the 29th of February in leap years":
        return lambda day: (day.month, day.day) == (2, 29)
    names = "|".join(MONTHS)
    months = re.search(rf"(?:^|,? )(?:in|of) ((?:(?:{names})(?: to |, | and )?)+)$", text)
    allowed = set(range(1, 13))
    if months:
        allowed = {1 + n for n in spans(months[1], MONTHS)}
        text = text[: months.start()]
    test = _either_or_both(text)
    return lambda day: day.month in allowed and test(day)


def _either_or_both(text: str) -> DayTest:
    if not text:
        return lambda day: True
    if ", if that is also " in text:
        one, other = (any_of(part) for part in text.split(", if that is also "))
        return lambda day: one(day) and other(day)
    return any_of(*text.split(", or "))


def any_of(*texts: str) -> DayTest:
    tests: list[DayTest] = []
    for text in texts:
        for group in re.split(r", and (?=on |(?:one|two|three|\d+) days? before)", text):
            bare = group.removeprefix("on ").removesuffix(" of the months that have one")
            tests += [_one(part) for part in re.split(r", | and | or (?=an? |the )", bare)]
    return lambda day: any(test(day) for test in tests)


def _one(text: str) -> DayTest:
    text = re.sub(r"^(the|a day from|an?) ", "", text.strip())
    before = re.fullmatch(
        r"(weekday nearest )?(?:the day |day )?(\w+) days? before the last of the month(?:s that have such a day)?",
        text,
    )
    if before:
        count = COUNTS.get(before[2]) or int(before[2])
        if before[1]:
            return lambda day: last(day) > count and day.day == nearest(day, last(day) - count)
        return lambda day: last(day) - day.day == count
    if text in ("odd days of the month", "even days of the month"):
        return lambda day: day.day % 2 == (text[0] == "o")
    if text == "last day":
        return lambda day: day.day == last(day)
    if text == "last weekday":
        return lambda day: day.day == nearest(day, last(day))
    near = re.fullmatch(r"weekday nearest the (\d+)..", text)
    if near:
        return lambda day: int(near[1]) <= last(day) and day.day == nearest(day, int(near[1]))
    ordinals = re.fullmatch(r"(\d+)(?:st|nd|rd|th)(?: to (\d+)(?:st|nd|rd|th))?", text)
    if ordinals:
        return lambda day: int(ordinals[1]) <= day.day <= int(ordinals[2] or ordinals[1])
    nth = re.fullmatch(rf"({'|'.join(NTH)}|last) (\w+)", text)
    if nth:
        weekday = WEEKDAYS.index(nth[2])
        if nth[1] == "last":
            return lambda day: day.weekday() == weekday and day.day + 7 > last(day)
        return lambda day: day.weekday() == weekday and (day.day - 1) // 7 == NTH.index(nth[1])
    found = set(spans(text, WEEKDAYS))
    return lambda day: day.weekday() in found


def spans(text: str, names: list[str]) -> list[int]:
    found: list[int] = []
    for part in re.split(r", | and ", text):
        first, _, until = part.partition(" to ")
        begin, end = names.index(first), names.index(until or first)
        assert begin <= end
        found += range(begin, end + 1)
    return found


def last(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def nearest(day: date, number: int) -> int:
    options = [n for n in range(1, last(day) + 1) if day.replace(day=n).weekday() < 5]
    return min(options, key=lambda n: (abs(n - number), day.replace(day=number).weekday() == 6 and n < number))
