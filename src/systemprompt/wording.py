"""How long a message may be, whatever the values that it was made of."""

from __future__ import annotations

__all__ = ["readable"]


def readable(text: str) -> str:
    """Return a text in which a line past 2,000 characters has lost its middle, and the whole what is past 100,000."""
    if len(text) <= _LONGEST_LINE:
        return text
    return _cut("\n".join(_cut(line, _LONGEST_LINE) for line in text.split("\n")), _LONGEST_TEXT)


def _cut(text: str, longest: int) -> str:
    # What was wrong begins a message, and what is true ends it.
    half = longest // 2
    if len(text) <= longest:
        return text
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters left out) ... {text[-half:]}"


_LONGEST_LINE = 2_000
_LONGEST_TEXT = 100_000
