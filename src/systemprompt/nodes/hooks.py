"""How fast a node's loop goes, and what it tells the node it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from systemprompt.clock import Instant
from systemprompt.ledger.records import Claimed, NodeIdentity, Rescued

__all__ = ["Hooks", "Pace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a node's clockwork goes, in seconds.

    poll          how often to look for other processes' changes; an edit is noticed within twice this
    heartbeat     how often to beat; lease   how long a silent node keeps its runs
    """

    poll: float = 0.2
    heartbeat: float = 6.0
    lease: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the loop tells the node it belongs to. Called from the loop's thread; each must return at once.

    claimed     runs whose claim is durable: start them
    closed      runs whose end is durable; ends that came after the fence had passed on; and of the first those that are tried
                again, each with the instant from which it may begin
    rescued     runs settled for a lost node
    asked_to_stop   these runs of the node are to stop: somebody asked. May name a run again
    asked_to_drain  somebody asked this node to take no more: who, and why. Said once
    lease_lost  stop these runs, for others may start them (`database`: the lease cannot be kept) or have taken them (`fenced`);
                the others go on. Returns a fresh identity to go on under
    failed      the loop cannot go on; the node must end
    watch       look after dead nodes: `nodes.rescue.Rescue.step`
    """

    claimed: Callable[[Sequence[Claimed]], None]
    closed: Callable[[Sequence[int], Sequence[int], Mapping[int, Instant]], None]
    rescued: Callable[[Sequence[Rescued]], None]
    lease_lost: Callable[[str, Sequence[int]], NodeIdentity]
    asked_to_stop: Callable[[Sequence[int]], None]
    asked_to_drain: Callable[[str, str], None]
    failed: Callable[[Exception], None]
    watch: Callable[[str], list[Rescued]]
