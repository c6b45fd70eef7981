"""Notice where the wall clock jumps against the monotonic one, and keep that in the ledger."""

from __future__ import annotations

from systemprompt.clock import SECOND, Clock
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import ClockEvent
from systemprompt.own_log import own_log

__all__ = ["JUMP", "ClockJumps"]

log = own_log("systemprompt.node")

JUMP = 2 * SECOND
"""A smaller step is none: clocks are set by so much all the time."""


class ClockJumps:
    """What one node saw of its clocks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._mono = clock.now(), clock.monotonic()
        self._noted: list[ClockEvent] = []

    def step(self) -> int:
        """Return by how many microseconds the wall clock jumped since the last step; 0 where it did not."""
        wall, mono = self._clock.now(), self._clock.monotonic()
        delta = (wall - self._wall) - round((mono - self._mono) * SECOND)
        self._wall, self._mono = wall, mono
        return delta if abs(delta) > JUMP else 0

    def note(self, kind: str, delta: int, action: str, node_id: str) -> None:
        """Say that a clock jumped, and what is done about it. It is in the ledger after the next `record`."""
        log.warning("the wall clock jumped %s by %.1f s: %s", kind, abs(delta) / SECOND, action)
        self._noted.append(
            ClockEvent(seen_at=self._clock.now(), kind=kind, delta_us=delta, action=action, node_id=node_id)
        )

    def record(self, ledger: Ledger) -> None:
        """Write down what was noted: before the turn that acts on it, and again in the next round where the database was busy."""
        while self._noted:
            ledger.record_clock_event(self._noted[0])
            del self._noted[0]
