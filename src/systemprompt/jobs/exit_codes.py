"""What the exit codes of a program mean: the policy `exit_codes`."""

from __future__ import annotations

from systemprompt.errors import JobDefinitionError
from systemprompt.wording import did_you_mean

__all__ = ["HIGHEST", "MEANINGS", "exit_codes_of"]

MEANINGS = {
    "success": "a success, as 0 is",
    "nothing": "a success that had nothing to do",
    "again": "a failure that `retry` covers, whatever its `on` says",
    "final": "a failure that is not tried again",
}
"""The closed list: meaning -> in words."""

HIGHEST = 255
"""The highest exit code that a program can end with."""


def exit_codes_of(value: object) -> tuple[tuple[int, str], ...]:
    """Return what codes other than 0 mean, in order. They are given by code, which may be text, as in JSON: `{77: nothing}`.

    Raises:
        JobDefinitionError: a code is no whole number from 1 to 255, or means nothing that is known.
    """
    if value is None or value == "none":
        return ()
    if isinstance(value, tuple):
        value = dict(value)
    if not isinstance(value, dict):
        raise JobDefinitionError(f"exit_codes {value!r:.100} is no mapping", hint=_FORM)
    return tuple(sorted((_code(code), _meaning(meaning)) for code, meaning in value.items()))


def _code(said: object) -> int:
    text = str(said)
    if isinstance(said, bool) or not text.isdecimal() or not 1 <= int(text) <= HIGHEST:
        raise JobDefinitionError(f"exit_codes {said!r:.100} is not a whole number from 1 to {HIGHEST}", hint=_FORM)
    return int(text)


def _meaning(said: object) -> str:
    if not isinstance(said, str) or said not in MEANINGS:
        near = did_you_mean(str(said), MEANINGS)
        known = f"did you mean {near!r}?" if near else f"there are: {', '.join(MEANINGS)}"
        raise JobDefinitionError(f"exit_codes has no meaning {said!r:.100}", hint=known)
    return said


_FORM = "write a mapping: {77: nothing, 75: again}"
