"""A sentence is true: read back by somebody who knows no cron, it names the fire times and no others."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_reader import meaning_of

from systemprompt.cron import CronError, Schedule
from systemprompt.cron.day_times import bits
from systemprompt.cron.days import EPOCH_ORDINAL, day_rule
from systemprompt.cron.expression import parse

HERE = Path(__file__).parent
VECTORS = sorted({case["expr"] for case in json.loads((HERE / "vectors.json").read_text("utf-8"))})
FIRST, LAST = date(2024, 1, 1), date(2033, 12, 31)
DATES = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

FOUND = {
    "0 9 1,15 * MON-FRI": "At 9:00 AM on the 1st and 15th, or on Monday to Friday",
    "0 0 1-7 * MON#1": "At midnight on the 1st to 7th, or on the first Monday",
    "0 0 13 * 0-7": "Daily at midnight",
    "*/50 * * * *": "Every hour at minutes 0 and 50",
    "0 */5 * * *": "Daily at midnight, 5:00 AM, 10:00 AM, 3:00 PM and 8:00 PM",
    "*/5 * * * 5/2": "Every 5 minutes on Friday and Sunday",
    "59/2 * * * * *": "Every minute at second 59",
    "0 8-10,14-16 * * *": "Daily at 8:00 AM, 9:00 AM, 10:00 AM, 2:00 PM, 3:00 PM and 4:00 PM",
    "0 0 * */2 *": "Daily at midnight in January, March, May, July, September and November",
    "0 0 1 */5 *": "At midnight on the 1st of January, June and November",
    "0 0 */2 * *": "At midnight on odd days of the month",
    "0 9-17 * * MON-FRI": "Hourly from 9:00 AM to 5:00 PM, on Monday to Friday",
    "5,35 9 * * *": "Daily at 9:05 AM and 9:35 AM",
    "0 0 31 * *": "At midnight on the 31st of the months that have one",
    "0 0 L-1 * *": "At midnight, one day before the last of the month",
    "* */5 * * *": "Every minute of the hours 0, 5, 10, 15 and 20",
    "5,35 8-18 1,2 * *": "At minutes 5 and 35 of the hours 8 to 18, on the 1st and 2nd",
    "0 0 */2 * 1": "At midnight on odd days of the month, if that is also a Monday",
    "0 0 29 2 *": "At midnight on the 29th of February in leap years",
    "0 0 31 1,2 *": "Yearly on January 31 at midnight",
    "0 0 * * 1#5": "At midnight on the fifth Monday",
    "* * 9 * * *": "Every second from 9:00 AM to 9:59:59 AM",
}


@pytest.mark.parametrize(("expression", "words"), FOUND.items())
def test_what_was_told_wrongly_is_told_in_true_words(expression: str, words: str) -> None:
    assert Schedule(expression).describe() == words
    hold(expression)


@pytest.mark.parametrize("part", range(8))
def test_the_sentences_of_the_vectors_name_the_fire_times_of_ten_years(part: int) -> None:
    for expression in VECTORS[part::8]:
        hold(expression)


numbers = {"s": (0, 59), "h": (0, 23), "d": (1, 31), "m": (1, 12), "w": (0, 7)}


@st.composite
def fields(draw: st.DrawFn, kind: str) -> str:
    low, high = numbers[kind]
    number = st.integers(low, high)
    first, last = sorted((draw(number), draw(number)))
    step = draw(st.integers(1, 40))
    items = [
        "*",
        f"*/{step}",
        str(first),
        f"{first}-{last}",
        f"{first}-{last}/{step}",
        f"{first}/{step}",
        f"{first},{last}",
    ]
    if kind == "d":
        items += ["L", "LW", f"L-{last - 1}", f"L-{last - 1}W", f"{first}W", f"{first},L", f"*,{first}", "?"]
    if kind == "w":
        items += [
            f"{first}L",
            f"{first}#{draw(st.integers(1, 5))}",
            f"{first},{last}L",
            f"{first}#1,{last}#5",
            "1-5",
            "?",
        ]
    return draw(st.sampled_from(items))


expressions = st.tuples(*(fields(kind) for kind in "sshdmw")).map(" ".join)


@settings(deadline=None, max_examples=400)
@given(expressions)
def test_the_sentence_of_any_schedule_is_true(expression: str) -> None:
    try:
        Schedule(expression)
    except CronError:
        return
    hold(expression)


@pytest.mark.parametrize("expression", ["*/7 3 */9 * 1", "17 */4 L * *", "0 0 1 1 1", "5/20 10-12 * 2 MON#5"])
def test_the_reader_and_the_fire_times_agree_without_the_masks(expression: str) -> None:
    meaning = meaning_of(Schedule(expression).describe())
    start = datetime(2024, 1, 1, tzinfo=UTC)
    named = [
        start + timedelta(days=n, seconds=second)
        for n, day in enumerate(DATES)
        if meaning.matches(day)
        for second in sorted(meaning.seconds)
    ]
    until = datetime(2033, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert named == list(Schedule(expression).between(start - timedelta(microseconds=1), until))


def hold(expression: str) -> None:
    """Hold the sentence against the masks, second by second of a day, and day by day of ten years."""
    parsed = parse(expression)
    sentence = Schedule(expression).describe()
    if parsed.every:
        return
    meaning = meaning_of(sentence)
    seconds, minutes, hours = (bits(mask) for mask in (parsed.seconds, parsed.minutes, parsed.hours))
    expected = {h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds}
    assert meaning.seconds == expected, sentence
    rule = day_rule(parsed, expression)
    wrong = [day for day in DATES if meaning.matches(day) is not rule.matches(day.toordinal() - EPOCH_ORDINAL)]
    assert not wrong, (sentence, wrong[:5])
