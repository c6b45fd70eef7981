"""What a job and a time zone may be called."""

from __future__ import annotations

from systemprompt.cron.fields import shortened
from systemprompt.cron.zone_names import zone_hint
from systemprompt.cron.zones import load_zone
from systemprompt.errors import JobDefinitionError

__all__ = ["LONGEST_NAME", "check_name", "check_time_zone"]

LONGEST_NAME = 100
"""Characters in a job name at most."""

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
        JobDefinitionError: it does not; the hint says what to write.
    """
    if not isinstance(name, str):
        raise JobDefinitionError(
            f"time zone {name!r} is not text", hint="a zone is named by a city, such as Europe/Berlin"
        )
    try:
        load_zone(name)
    except LookupError as error:
        raise JobDefinitionError(f"time zone {shortened(name)} is not known", hint=zone_hint(name)) from error
    return name


def _mended(name: str) -> str:
    words = "".join(character if character in _ALLOWED else "_" for character in name.strip().lower())
    return words.strip("_-.")
