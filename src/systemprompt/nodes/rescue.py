"""Find the nodes that stopped beating and settle what they held.

A node is lost when its process is gone for certain (same machine, same process namespace), or when its beat stood still for
its whole lease on *our own* monotonic clock. No wall clock is compared, so a wrong one can expire nobody. Time in which we could
not look does not count: while the database is away, or this machine is paused, nobody's beat moves, and nobody is lost for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from systemprompt.clock import Clock
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import INTERRUPTIONS, NodeIdentity, Rescued
from systemprompt.nodes.identity import is_gone, this_machine

__all__ = ["Rescue"]


class Rescue:
    """One node's watch over the others. Call `step` about once a heartbeat; any number of nodes may watch at once."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        gone: Callable[[NodeIdentity, str], bool | None] = is_gone,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._gone = gone
        self._machine = this_machine()
        self._seen: dict[str, _Seen] = {}

    def step(self, own_id: str) -> list[Rescued]:
        """Look at every other node once; return the runs that were settled.

        The ledger checks again, in the settling transaction, that the beat is still the one seen here.
        """
        rescued: list[Rescued] = []
        nodes = [node for node in self._ledger.living_nodes() if node.node_id != own_id]
        for node in nodes:
            if self._is_lost(node):
                settled = self._ledger.rescue(node.node_id, node.beat, self._clock.now(), max_attempts=INTERRUPTIONS)
                rescued += settled or ()
        self._seen = {node.node_id: self._seen[node.node_id] for node in nodes if node.node_id in self._seen}
        return rescued

    def _is_lost(self, node: NodeIdentity) -> bool:
        if node.stopped_at is not None:
            return True
        if self._gone(node, self._machine):
            return True
        now, lease = self._clock.monotonic(), node.lease_ms / 1000
        seen = self._seen.get(node.node_id)
        if seen is None or seen.beat != node.beat:
            self._seen[node.node_id] = _Seen(node.beat, now, 0.0)
            return False
        stood_s = seen.stood_s + min(now - seen.looked_at, lease * _BETWEEN)
        self._seen[node.node_id] = _Seen(node.beat, now, stood_s)
        return stood_s > lease


class _Seen(NamedTuple):
    """Another node's beat, when we looked at it last, and for how long we have watched it stand still."""

    beat: int
    looked_at: float
    stood_s: float


_BETWEEN = 0.4
"""So much of a lease may pass between two looks and count: a node looks five times a lease, if nothing keeps it from looking."""
