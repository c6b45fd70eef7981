"""How messages put counts and sizes, and how long they may be, whatever the values that they were made of."""

from __future__ import annotations

__all__ = ["counted", "readable", "size_text"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 file`, `2 files`, `1,000 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes as `512 B`, `1.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


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
