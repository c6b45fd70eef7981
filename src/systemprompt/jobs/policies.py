"""What a job wants done when things do not go to plan."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

from systemprompt.errors import JobDefinitionError, did_you_mean

__all__ = ["CHOICES", "Policies", "seconds_of"]

CHOICES: dict[str, tuple[str, ...]] = {
    "catch_up": ("latest", "skip", "all"),
    "overlap": ("skip",),
    "on_lost": ("fail", "rerun"),
    "isolation": ("thread", "process"),
    "dst_gap": ("run", "skip"),
    "dst_fold": ("first", "second", "both"),
}
"""Every policy that is a choice, with the choices; the first is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """One immutable set of answers; part of a job's version, so the ledger keeps every set that was ever in force.

    catch_up   fire times nobody could start on time: run the `latest`, `skip` them, or run `all` in order
    overlap    due while still running: `skip`, with an account that names the blocking run
    on_lost    the node died in mid-run: `fail` (side effects at most once) or `rerun` (at least once)
    isolation  where plain functions run: in a `thread`, or in a `process` of their own that can be ended for certain
    timeout_s  seconds until the work is stopped and the run fails with reason `timeout`; None means no limit
    dst_gap, dst_fold   as `systemprompt.cron.Schedule` takes them
    """

    catch_up: str = "latest"
    overlap: str = "skip"
    on_lost: str = "fail"
    isolation: str = "thread"
    timeout_s: float | None = None
    dst_gap: str = "run"
    dst_fold: str = "first"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                near = did_you_mean(str(value), allowed)
                raise JobDefinitionError(
                    f"{name} {value!r} is not one of {', '.join(allowed)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        timeout: object = self.timeout_s
        if timeout is not None and not (isinstance(timeout, (int, float)) and 0 < timeout < _MOST):
            raise JobDefinitionError(f"timeout {timeout!r} is not a positive number of seconds")

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form that a version keeps."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = tuple(one.name for one in fields(Policies))


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
_MOST = 1e308
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
