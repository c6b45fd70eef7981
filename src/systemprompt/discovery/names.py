"""What a job and a time zone may be called."""

from __future__ import annotations

from zoneinfo import available_timezones

from systemprompt.cron.fields import shortened
from systemprompt.cron.zones import load_zone
from systemprompt.errors import JobDefinitionError, did_you_mean

__all__ = ["LONGEST_NAME", "check_name", "check_time_zone"]

LONGEST_NAME = 100
"""Characters in a job name at most."""

_NOT_ZONES = {"localtime", "posixrules", "Factory"}  # files among the zone data that mean another zone on each machine
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ALLOWED = frozenset(_LETTERS + "_-.")


def check_name(name: object) -> str:
    """Return a job name that can stand in a shell line, a URL and a file name: `nightly_report`.

    Raises:
        JobDefinitionError: it is not 1 to 100 of a-z, 0-9, `_`, `-` and `.`, beginning with a letter or a digit.
    """
    if not isinstance(name, str):
        raise JobDefinitionError(f"job name {name!r} is not text")
    if not name:
        raise JobDefinitionError("the job has no name", hint="set `name`, for example nightly_report")
    if len(name) > LONGEST_NAME:
        raise JobDefinitionError(
            f"job name {name[:20] + '...'!r} has {len(name)} characters and {LONGEST_NAME} are allowed"
        )
    wrong = sorted({character for character in name if character not in _ALLOWED})
    if wrong or name[0] not in _LETTERS:
        what = f"has {', '.join(map(repr, wrong))}" if wrong else f"begins with {name[0]!r}"
        better = _mended(name)
        raise JobDefinitionError(
            f"job name {name!r} {what}; a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit",
            hint=f"{better!r} would do" if better else None,
        )
    return name


def check_time_zone(name: object) -> str:
    """Return the name of a zone that the IANA data on this machine knows, and that means the same on any other.

    Raises:
        JobDefinitionError: it does not; the hint has the nearest one.
    """
    if not isinstance(name, str):
        raise JobDefinitionError(f"time zone {name!r} is not text", hint="write an IANA name such as Europe/Berlin")
    try:
        if name in _NOT_ZONES or name.startswith(("right/", "posix/")):
            raise LookupError(name)
        load_zone(name)
    except LookupError as error:
        near = _nearest_zone(name[:64], available_timezones() - _NOT_ZONES)
        raise JobDefinitionError(
            f"time zone {shortened(name)} is not known",
            hint=f"did you mean {near!r}?" if near else "write an IANA name such as Europe/Berlin",
        ) from error
    return name


def _mended(name: str) -> str:
    words = "".join(character if character in _ALLOWED else "_" for character in name.strip().lower())
    return words.strip("_-.")


def _nearest_zone(name: str, zones: set[str]) -> str | None:
    by_lower = {zone.lower(): zone for zone in sorted(zones)}
    for lower, zone in by_lower.items():
        if lower == name.lower() or lower.endswith("/" + name.lower().replace(" ", "_")):
            return zone
    near = did_you_mean(name.lower(), by_lower)
    return by_lower[near] if near else None
