"""Sealing days, and pruning what is sealed: bounded batches, oldest first, so that what is left of a job is a whole suffix."""

from __future__ import annotations

import json

from systemprompt.ledger.seals import chained, first_previous

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant
    from systemprompt.ledger.seals import Seal, SealDraft
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["give_back", "prune", "seal", "sealed_until"]

_INCREMENTAL = 2
_PAGES_AT_ONCE = 1_000


def seal(store: Store, draft: SealDraft, now: Instant) -> Seal | None:
    values = {
        "last_run": draft.last_run,
        "last_range": draft.last_range,
        "versions": draft.versions,
        "until": draft.until_at,
    }
    if store.run("day_moved_on", values).fetchone()["moved_on"]:
        return None
    state = store.run("seal_state").fetchone()
    last = store.run("last_seal").fetchone()
    if (last is None) != (state["seals"] == 0) or (last is not None and last["until_at"] != draft.from_at):
        return None  # somebody else sealed it, or the chain is not whole, which is for the audit to say
    made = chained(
        draft,
        seal=state["seals"] + 1,
        previous=first_previous(state["ledger_id"]) if last is None else last["digest"],
        sealed_at=now,
    )
    store.run("write_seal", {name: getattr(made, name) for name in made.__slots__})
    return made


def prune(store: Store, before: Instant, *, limit: int) -> int:
    until = store.run("last_sealed_before", {"before": before}).fetchone()["until"]
    if until is not None:
        store.run("mark_ledger_pruned", {"until": until})
    going = store.run("prune_batch", {"limit": limit}).fetchall()
    through: dict[str, Instant] = {}
    ids: dict[str, list[int]] = {"run": [], "range": []}
    for row in going:
        ids[row["kind"]].append(row["id"])
        if row["owed"]:
            through[row["job_id"]] = row["at"]
    if ids["run"]:
        store.run("prune_runs", {"ids": json.dumps(ids["run"])})
    if ids["range"]:
        store.run("prune_ranges", {"ids": json.dumps(ids["range"])})
    if through:
        store.run("mark_jobs_pruned", {"rows": json.dumps(list(through.items()))})
    store.run("prune_nodes", {"before": before, "limit": limit})
    return len(going)


def give_back(store: Store) -> int | None:
    pages = store.run("free_pages").fetchone()
    if pages["auto_vacuum"] != _INCREMENTAL:
        return None
    # SQLite gives back a page a step, and `sqlite3` takes one step of what has no columns: asked for 1,000 at once, it gives one.
    for _ in range(min(pages["free"], _PAGES_AT_ONCE)):
        store.run("give_back_a_page")
    return int(store.run("free_pages").fetchone()["free"])


def sealed_until(store: Store) -> Instant:
    return int(store.run("seal_state").fetchone()["sealed_until"])
