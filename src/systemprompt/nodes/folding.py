"""When a node folds the tallies that commits have left: it costs a commit, and nobody waits for it."""

from __future__ import annotations

from systemprompt.clock import Clock
from systemprompt.ledger.protocol import Ledger

__all__ = ["Folding"]


class Folding:
    """One node's share of it: when there is nothing else to do, and every few seconds also when there is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_left = True
        self._folded_at = clock.monotonic()

    def leaves(self, any_tallies: bool) -> None:
        """Say whether a turn has left tallies."""
        self._is_left = self._is_left or any_tallies

    def step(self, ledger: Ledger, *, busy: bool) -> None:
        """Fold, if it is time."""
        now = self._clock.monotonic()
        if self._is_left and now - self._folded_at >= (_BUSY_S if busy else _IDLE_S):
            self._is_left = ledger.fold()
            self._folded_at = now


_IDLE_S, _BUSY_S = 1.0, 5.0
