"""From when on a look for due cursors has to look: what lies before are dead entries of the index."""

from __future__ import annotations

import time
from collections.abc import Sequence

from systemprompt.clock import SECOND, Instant

__all__ = ["DueFrom"]

_EVER = -(2**62)
_ALL_AGAIN_S = 10.0
_AT_WORK = 2 * SECOND
"""Whoever changes the catalogue decides by an instant that may be so far back when it commits."""


class DueFrom:
    """A bound before which no cursor is due, kept by one handle from look to look.

    A cursor is moved to a later instant, whoever moves it. Only a change of the catalogue brings an earlier one, which lies after
    the instant that the change decides by. If the change takes longer than two seconds, the next look at everything finds it: one
    comes with the hint that follows the change, every ten seconds, and whenever the clock stands before the last look.
    """

    def __init__(self) -> None:
        self.bound: Instant = _EVER
        self._looked_at: Instant = _EVER
        self._all_at = time.monotonic()

    def forget(self) -> None:
        """Let the next look see everything."""
        self.bound = _EVER

    def since(self, now: Instant) -> Instant:
        """Return where a look at `now` begins."""
        if now < self._looked_at or time.monotonic() - self._all_at > _ALL_AGAIN_S:
            self.bound, self._all_at = _EVER, time.monotonic()
        return self.bound

    def found(self, first: Instant | None, now: Instant) -> None:
        """Take what a look saw: when the first of all cursors is due, before anything was moved."""
        self._looked_at = now
        self.bound = now - _AT_WORK if first is None else min(first, now - _AT_WORK)

    def moved(self, next_dues: Sequence[Instant | None]) -> None:
        """Take where cursors were moved to from here."""
        self.bound = min([self.bound, *[due for due in next_dues if due is not None]])
