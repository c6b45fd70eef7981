"""Whether any node takes runs of a job, by the labels that it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from systemprompt.clock import Instant
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.wording import labels_text

__all__ = ["no_node_for", "takers"]


def takers(nodes: Iterable[NodeIdentity], now: Instant) -> list[NodeIdentity]:
    """Return those of the nodes that begin runs: they serve, were heard within their lease, and do not drain."""
    return [
        node
        for node in nodes
        if node.kind == "serve"
        and node.stopped_at is None
        and node.draining_at is None
        and now - node.beat_at <= node.lease_ms * 1_000
    ]


def no_node_for(runs_on: Collection[str], nodes: Iterable[NodeIdentity]) -> str | None:
    """Say that none of these nodes has all the labels: `no node with the label gpu takes runs now`. None where one has."""
    if not runs_on or any(set(runs_on) <= set(node.labels) for node in nodes):
        return None
    return f"no node with the {labels_text(runs_on)} takes runs now"
