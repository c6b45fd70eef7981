"""Which nodes may plan by their time zone data: those with the newest release among the nodes that serve.

Two releases may name different fire times of one job, and the audit recomputes all of them by one. So one release is in force at
a time: the last row of `zone_data_changes`.

crash           the row and the second look at all cursors commit together
two processes   a turn sees which release is in force after it holds its cursors. A node that takes over has every job of a zone
                looked at again, and waits for cursors that are held: what an older release decided before stands, and it decides
                nothing later
clocks          releases are compared, no instants
"""

from __future__ import annotations

from systemprompt.clock import Instant
from systemprompt.ledger.stored.store import Store

__all__ = ["is_in_force", "may_plan", "take_over", "takes_over"]


def may_plan(store: Store, node_id: str) -> bool:
    """Say whether no serving node has newer data than this one: a node that was killed counts until it is declared lost."""
    by_node = _by_node(store)
    return node_id not in by_node or by_node[node_id] == max(by_node.values())


def takes_over(store: Store, node_id: str) -> bool:
    """Say whether this node may plan, and its release is not in force yet."""
    by_node = _by_node(store)
    return node_id in by_node and by_node[node_id] == max(by_node.values()) != _in_force(store)


def take_over(store: Store, node_id: str, now: Instant) -> None:
    """Put this node's release in force, if it still is to be. Two nodes do not do so at once: the caller holds the catalogue."""
    if takes_over(store, node_id):
        store.run("change_zone_data", {"now": now, "zone_data": _by_node(store)[node_id], "node_id": node_id})
        # When the next fire time comes was computed by the data of before.
        store.run("look_again_at_zones", {"now": now})


def is_in_force(store: Store, zone_data: str | None) -> bool:
    """Say whether a node with this release may plan in this transaction; one that the ledger does not know may."""
    found = store.run("zone_data_in_force").fetchone()
    return zone_data is None or found is None or bool(found["zone_data"] == zone_data)


def _in_force(store: Store) -> str:
    found = store.run("zone_data_in_force").fetchone()
    return "" if found is None else str(found["zone_data"])


def _by_node(store: Store) -> dict[str, str]:
    # Releases are a year and a letter, so they sort as text; one that is not known is the oldest.
    return {row["node_id"]: row["zone_data"] for row in store.run("zone_data_of_nodes")}
