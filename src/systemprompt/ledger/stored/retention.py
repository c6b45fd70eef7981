"""Sealing days, and pruning what is sealed in bounded batches, oldest first."""

from __future__ import annotations

from systemprompt.clock import Instant
from systemprompt.ledger.seals import Seal, SealDraft, chained, first_previous
from systemprompt.ledger.stored.store import Store
from systemprompt.ledger.tallies import tallies_of

__all__ = ["prune", "seal", "sealed_until"]


def seal(store: Store, draft: SealDraft, now: Instant) -> Seal | None:
    store.hold_closed_days()
    values = {
        "last_run": draft.last_run,
        "last_range": draft.last_range,
        "last_attempt": draft.last_attempt,
        "versions": draft.versions,
        "runs": draft.content.runs,
        "attempts": draft.content.attempts,
        "ranges": draft.content.ranges,
        "from": draft.from_at,
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
    store.run("count_seal", {"seal": made.seal, "until_at": made.until_at})
    return made


def prune(store: Store, before: Instant, *, limit: int) -> int:
    store.hold_pruning()
    until = store.run("last_sealed_before", {"before": before}).fetchone()["until"]
    if until is not None:
        store.run("mark_ledger_pruned", {"until": until})
    going = store.run("prune_batch", {"limit": limit}).fetchall()
    through = {row["job_id"]: row["at"] for row in going if row["owed"]}
    runs = [(row["id"],) for row in going if row["kind"] == "run"]
    ranges = [(row["id"],) for row in going if row["kind"] == "range"]
    if runs:
        for name in ("prune_runs", "prune_texts", "prune_marks"):
            store.run_many(name, runs)
        store.run("mark_runs_pruned", {"run_id": max(run_id for (run_id,) in runs)})
    if ranges:
        store.run_many("prune_ranges", ranges)
    if going:
        gone = [(row["job_id"], row["at"], row["status"], row["origin"]) for row in going]
        store.run_many("write_tallies", tallies_of(gone, sign=-1))
    if through:
        store.run_many("mark_jobs_pruned", [{"job_id": job_id, "at": at} for job_id, at in through.items()])
    store.run("prune_attempts", {"limit": limit})
    store.run("prune_nodes", {"before": before, "limit": limit})
    store.run("prune_requests", {"before": before})
    return len(going)


def sealed_until(store: Store) -> Instant:
    return int(store.run("seal_state").fetchone()["sealed_until"])
