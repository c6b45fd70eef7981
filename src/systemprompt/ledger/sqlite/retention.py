"""Old accounts go in bounded batches, oldest first, so that what is left of a job is a whole suffix."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["prune"]


def prune(store: Store, before: Instant, *, limit: int) -> int:
    gone = 0
    for job in store.run("prune_floor", {"before": before}).fetchall():
        if gone >= limit:
            break
        values = {"job_id": job["job_id"], "floor": job["floor"], "limit": limit - gone}
        batch = store.run("prune_cut", values).fetchone()
        if not batch["n"]:
            continue
        values["cut"] = batch["cut"]
        gone += store.run("prune_runs", values).rowcount + store.run("prune_ranges", values).rowcount
        # Only a manual start can be due inside a range that stays; the range is then kept whole.
        straddling = store.run("straddling_range", values).fetchone()["first_at"]
        store.run("mark_pruned", {**values, "cut": batch["cut"] if straddling is None else straddling - 1})
    store.run("prune_nodes", {"before": before})
    return gone
