"""Which files a glob names, in time that grows with path and pattern alone: the matcher never goes back to try again."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

__all__ = ["Pattern", "pattern_of"]


@lru_cache(maxsize=64)
def pattern_of(text: str) -> Pattern:
    """Return the pattern of a glob: `**` is any number of folders, `*`, `?` and `[a-z]`, `[!a-z]` stay within one."""
    return Pattern(text)


class Pattern:
    """A glob, read once. It keeps every place in the glob that the path so far may have led to, and takes one step a character.

    A place is twice the number of a sign, one more inside a folder's name that `**/` is taking.
    """

    def __init__(self, text: str) -> None:
        self._signs = list(_SIGN.findall(text))
        self._end = 2 * len(self._signs)
        self._start = _Places(self._with_skipped({0}))
        self._steps = 0

    def matches(self, path: str) -> bool:
        """Say whether the glob names the whole path, relative and with `/`."""
        if self._steps > _MOST_STEPS:  # what is remembered is for speed, and must not grow without end
            self._start, self._steps = _Places(self._start.places), 0
        at = self._start
        for char in path:
            at = at.after.get(char) or self._step(at, char)
        return self._end in at.places

    def _step(self, at: _Places, char: str) -> _Places:
        found = set()
        for place in at.places:
            if place == self._end:
                continue
            sign = self._signs[place // 2]
            if sign == "**/":
                if char != "/":
                    found.add(place | 1)
                elif place % 2:
                    found.add(place - 1)
            elif sign == "**" or (sign == "*" and char != "/"):
                found.add(place)
            elif sign != "*" and _takes(sign, char):
                found.add(place + 2)
        at.after[char] = after = _Places(self._with_skipped(found))
        self._steps += 1
        return after

    def _with_skipped(self, places: set[int]) -> frozenset[int]:
        """Add the places after each run of stars: a star may take nothing."""
        for place in list(places):
            here = place
            while not here % 2 and here < self._end and self._signs[here // 2] in ("*", "**", "**/"):
                here += 2
                places.add(here)
        return frozenset(places)


class _Places:
    """Places in a glob, and where each character met so far leads from there."""

    __slots__ = ("after", "places")

    def __init__(self, places: frozenset[int]) -> None:
        self.places = places
        self.after: dict[str, _Places] = {}


_Range: TypeAlias = tuple[str, str]

_SIGN = re.compile(r"\*\*/|\*\*|\[[^\]]+\]|.", re.DOTALL)
_MOST_STEPS = 10_000


def _takes(sign: str, char: str) -> bool:
    if sign == "?":
        return char != "/"
    if len(sign) == 1:
        return char == sign
    is_inverted, ranges = _ranges_of(sign)
    return char != "/" and any(low <= char <= high for low, high in ranges) != is_inverted


@lru_cache(maxsize=256)
def _ranges_of(sign: str) -> tuple[bool, tuple[_Range, ...]]:
    is_inverted = sign[1] == "!" and len(sign) > 3
    inside = sign[2:-1] if is_inverted else sign[1:-1]
    found = re.findall(r"(.)-(.)|(.)", inside, re.DOTALL)
    return is_inverted, tuple((low, high) if low else (single, single) for low, high, single in found)
