"""How people write a duration: a number of seconds, a timedelta, or text such as `90s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

from datetime import timedelta

from systemprompt.errors import JobDefinitionError

__all__ = ["seconds_of"]


def seconds_of(duration: float | timedelta | str | None) -> float | None:
    """Return seconds from a number, a timedelta, or text such as `90s`, `5m`, `1h30m`, `2d`.

    Raises:
        JobDefinitionError: it is none of these, or the duration is not positive and finite.
    """
    if duration is None:
        return None
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        seconds = _parse(duration)
    else:
        try:
            seconds = float(duration)
        except (TypeError, ValueError, OverflowError) as error:
            raise JobDefinitionError(f"{duration!r:.100} is not a duration", hint=_FORMS) from error
    if not 0 < seconds < float("inf"):
        raise JobDefinitionError(f"duration {duration!r} is not positive and finite")
    return seconds


_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORMS = "write a number of seconds, or 90s, 5m, 1h30m, 2d"


def _parse(text: str) -> float:
    total, number = 0.0, ""
    for character in text.strip().lower():
        if character in "0123456789.":
            number += character
        elif character in _UNITS and number and number.count(".") <= 1 and number != ".":
            total += float(number) * _UNITS[character]
            number = ""
        else:
            break
    else:
        if not number and total:
            return total
        if number and not total and number.count(".") <= 1 and number != ".":
            return float(number)
    raise JobDefinitionError(f"{text!r} is not a duration", hint=_FORMS)
