"""Which nodes have a ledger open, in words, for who wants them to stop."""

from __future__ import annotations

from systemprompt.clock import Instant
from systemprompt.errors import DatabaseError
from systemprompt.ledger.reader import LedgerUpkeep
from systemprompt.nodes.identity import is_gone, this_machine

__all__ = ["nodes_at_work"]


def nodes_at_work(upkeep: LedgerUpkeep, *, heard_since: Instant | None = None) -> str:
    """Name the nodes that have not stopped and whose processes are not gone; empty where there is none, or no reading.

    heard_since   leave out a node of another machine whose last heartbeat, plus its lease, was before
    """
    try:
        ledger = upkeep.open()
    except DatabaseError:
        return ""
    try:
        machine = this_machine()
        nodes = [node for node in ledger.living_nodes() if node.stopped_at is None]
    finally:
        ledger.close()
    told = []
    for node in nodes:
        gone = is_gone(node, machine)
        if gone is None and heard_since is not None:
            gone = node.beat_at + node.lease_ms * 1_000 < heard_since
        if not gone:
            told.append(f"{node.kind} node {node.node_id}, pid {node.pid} on {node.host}")
    return ", ".join(told)
