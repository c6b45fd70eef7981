"""Whether schedules are being kept: which nodes serve, which are silent, and whether the clock is right."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import SECOND, iso
from systemprompt.nodes.identity import is_gone, this_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.ledger.node_identity import NodeIdentity
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.views import JobView

__all__ = ["ServingNode", "condition", "is_overdue", "last_served", "node_state", "overdue_since"]

_BEHIND_BY = 5 * SECOND
"""A clock that is corrected goes back by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingNode:
    """One node that serves, and since when. Instants are ISO 8601 in UTC."""

    node_id: str
    host: str
    pid: int
    since: str
    last_beat: str


def condition(ledger: LedgerReader, now: Instant) -> dict[str, Any]:
    """Return what every list of jobs says of those who look after them; empty `serving`: no schedule starts anything.

    serving         nodes that plan and start runs; one that drains does not
    silent          nodes that serve and were not heard for longer than their lease: stopped, hanging, or cut off
    clock_behind_s  how far this clock stands behind what the ledger has decided: until then nothing fires; 0 where it does not, or
                    where the server's clock decides
    """
    found: dict[str, list[ServingNode]] = {"serving": [], "silent": []}
    machine = this_machine()
    for node in ledger.living_nodes():
        state = node_state(node, now, machine)
        if node.kind == "serve" and state in found and (state == "silent" or node.draining_at is None):
            found[state].append(_shown(node))
    behind = ledger.decided_up_to() - now if ledger.decides_by == "host" else 0
    return {
        **{state: tuple(nodes) for state, nodes in found.items()},
        "clock_behind_s": behind // SECOND if behind > _BEHIND_BY else 0,
    }


def node_state(node: NodeIdentity, now: Instant, machine: str) -> str:
    """Return `serving`, `silent` (not heard for longer than its lease) or `gone` (left, or its process is no more)."""
    if node.stopped_at is not None or is_gone(node, machine):
        return "gone"
    return "silent" if now - node.beat_at > node.lease_ms * 1_000 else "serving"


def last_served(ledger: LedgerReader) -> Instant | None:
    """Return when a node that served was last heard of; None where none ever served, as far as the ledger remembers."""
    return max((node.stopped_at or node.beat_at for node in ledger.nodes() if node.kind == "serve"), default=None)


def overdue_since(ledger: LedgerReader, now: Instant, grace: Instant) -> Instant | None:
    """Return the oldest fire time that passed more than `grace` microseconds ago and has no account yet, None where all have."""
    return min((job.next_run for job in ledger.jobs() if job.next_run and is_overdue(job, now - grace)), default=None)


def is_overdue(job: JobView, at: Instant) -> bool:
    """Say whether a fire time of this job that passed before `at` is not planned yet."""
    return job.next_run is not None and job.next_run < at and job.enabled and job.quarantine is None


def _shown(node: NodeIdentity) -> ServingNode:
    return ServingNode(
        node_id=node.node_id, host=node.host, pid=node.pid, since=iso(node.started_at), last_beat=iso(node.beat_at)
    )
