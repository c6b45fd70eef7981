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

__all__ = ["is_in_force", "may_plan", "take_over"]


def may_plan(store: Store, node_id: str) -> tuple[bool, bool]:
    """Say whether no serving node has newer data than this one, and whether its data are to be put in force: see `take_over`.

    A node that was killed counts until it is declared lost.
    """
    mine, newest, in_force = _data(store, node_id)
    return mine in (None, newest), _comes_into_force(mine, newest, in_force)


def take_over(store: Store, node_id: str, now: Instant) -> None:
    """Put this node's release in force, if it still is to be. Two nodes do not do so at once: the caller holds the catalogue."""
    mine, newest, in_force = _data(store, node_id)
    if _comes_into_force(mine, newest, in_force):
        store.run("change_zone_data", {"now": now, "zone_data": mine, "node_id": node_id})
        # When the next fire time comes was computed by the data of before.
        store.run("look_again_at_zones", {"now": now})


def is_in_force(store: Store, zone_data: str | None) -> bool:
    """Say whether a node with this release may plan in this transaction; one that the ledger does not know may."""
    found = store.run("zone_data_in_force").fetchone()
    return zone_data is None or found is None or bool(found["zone_data"] == zone_data)


def _comes_into_force(mine: str | None, newest: str, in_force: str) -> bool:
    return mine is not None and mine == newest != in_force


def _data(store: Store, node_id: str) -> tuple[str | None, str, str]:
    """Return this node's release, None where it does not plan, the newest of those that do, and the one that is in force."""
    rows = store.fetch("zone_data_of_nodes")
    # Releases are a year and a letter, so they sort as text; one that is not known is the oldest.
    by_node = {row["node_id"]: row["zone_data"] for row in rows}
    return by_node.get(node_id), max(by_node.values(), default=""), rows[0]["in_force"] if rows else ""
