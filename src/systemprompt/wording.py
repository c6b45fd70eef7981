"""How messages put counts and sizes, and how long they may be, whatever the values that they were made of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["counted", "did_you_mean", "duration", "labels_text", "readable", "size_text"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 file`, `2 files`, `1,000 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def labels_text(labels: Collection[str]) -> str:
    """Return labels, of which there is at least one, as a sentence has them: `label gpu`, `labels eu and gpu`."""
    *others, last = labels
    return f"labels {', '.join(others)} and {last}" if others else f"label {last}"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that this one begins, where there is but one; else the nearest, or None where nothing is near."""
    from difflib import get_close_matches  # it loads `re`, which a command that works has no need of

    words = list(known)
    if len(word) > 3 * max(map(len, words), default=0):
        return None  # near nothing, and a megabyte would take its time to compare
    begun = [one for one in words if one.startswith(word)] if len(word) > 1 else []
    near = begun if len(begun) == 1 else get_close_matches(word, words, n=1, cutoff=0.6)
    return near[0] if near else None


def duration(milliseconds: int | None) -> str:
    """Return a duration as people say it: `64 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`."""
    if milliseconds is None:
        return ""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f} s"
    minutes, seconds = divmod(milliseconds // 1_000, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


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
