"""A schedule in words that are true of every fire time, in a zone that never changes its clocks.

The masks are read, not the text: `0 3 * * *`, `0 0 3 * * *` and `0 0 03 ? * ?` are all "Daily at 3:00 AM".
"""

from __future__ import annotations

from systemprompt.cron.day_words import days_in_words
from systemprompt.cron.expression import parse
from systemprompt.cron.time_words import clock_times, rhythm

__all__ = ["describe"]


def describe(text: str) -> str:
    """Return a valid expression in English words, without its time zone. Raises CronError for an invalid one.

    "Every N" keeps its distance within each day and span of hours that the sentence names; "or" joins days of which either
    matches, "that is also" those of which both must.
    """
    expression = parse(text)
    if expression.every:
        return _every_period(expression.every)
    days = days_in_words(expression)
    times = clock_times(expression)
    if times is None:
        said = rhythm(expression)
        comma = "," if days.on and (" from " in said or " of the " in said or " at " in said) else ""
        said = f"{said}{comma} {days.on}".rstrip()
    elif days.lead == "Daily":
        said = f"Daily at {times} {days.on}".rstrip()
    elif days.lead:
        said = f"{days.lead} at {times}"
    else:
        said = f"at {times}{'' if days.on.startswith('on ') else ','} {days.on}"
    return said[0].upper() + said[1:]


def _every_period(seconds: int) -> str:
    parts = []
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}{'s' if count > 1 else ''}")
    if len(parts) == 1:
        return "Every " + parts[0].removeprefix("1 ")
    return "Every " + " ".join(parts)
