"""A node's loop on a clock moved by hand. In place of a runner it has the runs that it holds: the test ends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support.ledger_stage import node
from systemprompt.clock import Instant, ManualClock
from systemprompt.ledger.records import Claimed, NodeIdentity, Rescued
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.journal import Journal
from systemprompt.nodes.loop import Loop
from systemprompt.nodes.rescue import Rescue
from systemprompt.planning.planner import Planner

PACE = Pace(heartbeat=6.0, lease=30.0)


class LoopNode:
    """One node: its ids are `name-1`, and after a lost lease `name-2`. What its loop told it is kept here.

    held      the runs that were claimed and not yet ended
    closed    runs whose end is durable; late  those whose end came after others had settled them; again  those that are tried again
    drained   who asked it to drain, and why
    lost      why the lease was lost, each time; stopped  the runs to stop for it
    """

    ledger: Any
    """A ledger, or what stands in its place."""

    def __init__(
        self,
        ledger: Any,
        clock: ManualClock,
        name: str,
        *,
        pace: Pace = PACE,
        capacity: int = 9,
        rescue: Rescue | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.ledger, self.clock, self.pace, self.capacity = ledger, clock, pace, capacity
        self.held: list[Claimed] = []
        self.closed: list[int] = []
        self.late: list[int] = []
        self.again: dict[int, Instant] = {}
        self.lost: list[str] = []
        self.stopped: list[int] = []
        self.asked_to_stop: list[int] = []
        self.drained: list[tuple[str, str]] = []
        self.rescued: list[Rescued] = []
        self.failed: list[Exception] = []
        self._name, self._names = name, 0
        self.rescue = rescue or Rescue(ledger=ledger, clock=clock, gone=lambda node, machine: None)
        self.loop = Loop(
            ledger=ledger,
            clock=clock,
            planner=Planner(),
            identity=self._identity(),
            hooks=Hooks(
                claimed=self.hold,
                closed=self._closed,
                rescued=self.rescued.extend,
                lease_lost=self._lease_lost,
                asked_to_stop=self._asked_to_stop,
                asked_to_drain=lambda by, why: self.drained.append((by, why)),
                failed=self._failed,
                watch=self.rescue.step,
            ),
            pace=pace,
            plans=True,
            journal=journal,
        )

    def step(self, seconds: float = 0.0) -> float:
        self.clock.advance(seconds)
        return self.loop.step()

    def hold(self, claimed: Sequence[Claimed]) -> None:
        self.held += claimed

    def identity(self, node_id: str) -> NodeIdentity:
        """Return a node of this pace, on a machine of its own."""
        lease_ms = round(self.pace.lease * 1000)
        return node(node_id, self.clock.now(), machine=self._name, lease_ms=lease_ms, capacity=self.capacity)

    def _identity(self) -> NodeIdentity:
        self._names += 1
        return self.identity(f"{self._name}-{self._names}")

    def _closed(self, closed: Sequence[int], late: Sequence[int], again: Mapping[int, Instant]) -> None:
        self.again.update(again)
        self.closed += closed
        self.late += late

    def _lease_lost(self, why: str, run_ids: Sequence[int]) -> NodeIdentity:
        self.lost.append(why)
        self.stopped += run_ids
        return self._identity()

    def _asked_to_stop(self, run_ids: Sequence[int]) -> None:
        self.asked_to_stop += run_ids

    def _failed(self, error: Exception) -> None:
        self.failed.append(error)
