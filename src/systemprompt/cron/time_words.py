"""The time of day of a schedule in words. "Every N" is said only where N divides the whole, so that the distance never varies."""

from __future__ import annotations

import itertools

from systemprompt.cron.day_times import bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron.expression import Expression

__all__ = ["clock", "clock_times", "joined", "numbers", "rhythm", "runs"]

_FEW_TIMES = 6
_FEW_SPANS = 3


def clock_times(expression: Expression) -> str | None:
    """Return "9:05 AM and 9:35 AM" where a list of times says it best, else None."""
    hours, minutes, seconds = expression.hours, expression.minutes, expression.seconds
    if _hours_step(expression) or hours == _ALL_HOURS:
        return None
    count = hours.bit_count() * minutes.bit_count() * seconds.bit_count()
    irregular = minutes.bit_count() == seconds.bit_count() == 1 and not _is_regular(hours)
    if count > _FEW_TIMES and not irregular:
        return None
    return joined([clock(hour, m, s) for hour in bits(hours) for m in bits(minutes) for s in bits(seconds)])


def rhythm(expression: Expression) -> str:
    """Return "every 5 minutes from 9:00 AM to 5:55 PM": any time of day that is no short list."""
    hours, minutes, seconds = expression.hours, expression.minutes, expression.seconds
    if step := _hours_step(expression):
        return _every(step, "hour")
    if minutes.bit_count() == seconds.bit_count() == 1:
        if hours == _ALL_HOURS:
            return _once_an_hour(expression)
        if _is_regular(hours):
            found = runs(hours)
            distance = bits(hours)[1] - bits(hours)[0]
            spans = found if distance == 1 else [(bits(hours)[0], bits(hours)[-1])]
            return f"{'hourly' if distance == 1 else _every(distance, 'hour')} {_spans(expression, spans)}"
    within, steady = _within_the_hour(expression)
    if hours == _ALL_HOURS:
        return (
            within
            if steady or "every minute" in within or within.startswith("every hour")
            else f"{within} of every hour"
        )
    found = runs(hours)
    if steady and len(found) <= _FEW_SPANS:
        return f"{steady} {_spans(expression, found)}"
    return f"{within} of {_the('hour', hours)}"


def clock(hour: int, minute: int, second: int = 0) -> str:
    """Return a time of day as it is spelled everywhere: `8:00 AM`, `midnight`, `noon`."""
    if minute == second == 0 and hour in (0, 12):
        return "noon" if hour else "midnight"
    seconds = f":{second:02}" if second else ""
    return f"{hour % 12 or 12}:{minute:02}{seconds} {'AM' if hour < 12 else 'PM'}"


def joined(names: list[str], word: str = "and") -> str:
    """Return "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def runs(mask: int) -> list[tuple[int, int]]:
    """Return the first and the last number of each unbroken run of bits."""
    found: list[tuple[int, int]] = []
    for number in bits(mask):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def numbers(noun: str, mask: int) -> str:
    """Return "minute 5", "minutes 0 and 50" or "hours 8 to 18 and 22"."""
    said = []
    for first, last in runs(mask):
        said += [f"{first} to {last}"] if last - first > 1 else [str(number) for number in range(first, last + 1)]
    return f"{noun}{'s' if mask.bit_count() > 1 else ''} {joined(said)}"


_ALL_60 = (1 << 60) - 1
_ALL_HOURS = (1 << 24) - 1


def _every(count: int, word: str) -> str:
    return f"every {word}" if count == 1 else f"every {count} {word}s"


def _step(mask: int, size: int) -> int | None:
    """Return n where the mask is exactly every nth value from 0 and n divides the field, and there is more than one."""
    for step in range(1, size):
        if size % step == 0 and mask == sum(1 << value for value in range(0, size, step)):
            return step
    return None


def _hours_step(expression: Expression) -> int | None:
    """Return n for "every n hours" of the whole day, from midnight on."""
    return _step(expression.hours, 24) if expression.minutes == expression.seconds == 1 else None


def _is_regular(hours: int) -> bool:
    """Say whether the hours are a few unbroken runs, or one row at the same distance: then a span tells them."""
    found = bits(hours)
    if len(found) <= _FEW_TIMES:
        return False
    few_runs = runs(hours)
    return len({later - earlier for earlier, later in itertools.pairwise(found)}) == 1 or (
        len(few_runs) <= _FEW_SPANS and all(last - first > 1 for first, last in few_runs)
    )


def _once_an_hour(expression: Expression) -> str:
    minute, second = expression.minutes.bit_length() - 1, expression.seconds.bit_length() - 1
    if second:
        return f"every hour at minute {minute}, second {second}"
    return f"every hour at {minute} minute{'s' if minute > 1 else ''} past" if minute else "every hour"


def _within_the_hour(expression: Expression) -> tuple[str, str]:
    """Return what happens within each hour, and the same without its second where the distance is steady all over the hour."""
    minutes, seconds = expression.minutes, expression.seconds
    by_second, by_minute = _step(seconds, 60), _step(minutes, 60)
    if minutes == _ALL_60 and by_second:
        steady = _every(by_second, "second")
        return steady, steady
    if seconds.bit_count() == 1 and by_minute:
        steady = _every(by_minute, "minute")
        return steady if seconds == 1 else f"{steady} at {numbers('second', seconds)}", steady
    if seconds == 1:
        every_hour = "every hour " if expression.hours == _ALL_HOURS else ""
        return f"{every_hour}at {numbers('minute', minutes)}", ""
    said = _every(by_second, "second") if by_second else f"at {numbers('second', seconds)}"
    return f"{said} of {'every minute' if minutes == _ALL_60 else _the('minute', minutes)}", ""


def _the(noun: str, mask: int) -> str:
    return f"{'the ' if mask.bit_count() > 1 else ''}{numbers(noun, mask)}"


def _spans(expression: Expression, spans: list[tuple[int, int]]) -> str:
    minutes, seconds = bits(expression.minutes), bits(expression.seconds)
    return joined(
        [
            f"from {clock(first, minutes[0], seconds[0])} to {clock(last, minutes[-1], seconds[-1])}"
            for first, last in spans
        ]
    )
