"""What a valid schedule probably does not mean. A remark never refuses anything."""

from __future__ import annotations

from systemprompt.cron.expression import parse

__all__ = ["remarks"]


def remarks(text: str) -> tuple[str, ...]:
    """Return what to look at in a valid expression, as sentences with what to write; empty for most. Raises CronError."""
    expression = parse(text)
    words = text.split()
    if expression.every or words[0].startswith("@"):
        return ()
    six = len(words) == 6
    second, minute, hour, day, month, weekday = words if six else ["0", *words]
    found = []
    if minute == "*" and second != "*" and _narrow(hour):
        meant = " ".join([*words[:-5], "0", *words[-4:]])
        found.append(f"{60 * expression.seconds.bit_count()} runs in each of these hours; {meant!r} is once an hour")
    if second == "*" and (minute != "*" or _narrow(hour)):
        found.append(f"60 runs in each of these minutes; {' '.join(['0', *words[1:]])!r} is once in each")
    if six and hour == day == "*" and month != "*" and weekday in ("*", "?") and not month[:1].isalpha():
        meant = " ".join(words[:5])
        found.append(f"six fields begin with the second: if the last one is meant as the year, write {meant!r}")
    elif six and second.isdigit() and int(second) and minute.isdigit() and hour == day == month == "*":
        meant = " ".join([weekday, *words[:5]]) if weekday.isdigit() else ""
        if meant and int(minute) < 24:
            found.append(f"six fields begin with the second: if the last one is meant as the second, write {meant!r}")
    return tuple(found)


def _narrow(hour: str) -> bool:
    """Say whether the hours are single ones or steps, at which a minute field of `*` is hardly meant."""
    return hour != "*" and "-" not in hour
