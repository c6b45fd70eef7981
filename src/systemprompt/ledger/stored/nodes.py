"""Nodes come, beat and go; the runs of a lost one are settled once."""

from __future__ import annotations

import json
from dataclasses import asdict

from systemprompt.clock import Instant
from systemprompt.ledger.bookkeeping import Books, Lost, Requeued, lost
from systemprompt.ledger.policy_texts import policies_of, unknown_in
from systemprompt.ledger.records import Change, Claimed, ClockEvent, NodeIdentity, Rescued
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.clockwork import claimed
from systemprompt.ledger.stored.closing import close_all, queue_again
from systemprompt.ledger.stored.store import Row, Store
from systemprompt.node_errors import NodeNotFound

__all__ = ["drain", "held", "join", "leave", "record_clock_event", "rescue"]


def join(store: Store, node: NodeIdentity) -> None:
    # The statement names those of the fields that a new node has.
    store.run("join_node", asdict(node) | {"labels": json.dumps(list(node.labels))})


def leave(store: Store, node_id: str, now: Instant) -> None:
    store.run("leave", {"node_id": node_id, "now": now})
    store.run("end_abandoned_of_node", {"node_id": node_id})


def held(store: Store, node_id: str) -> tuple[Claimed, ...]:
    rows = store.fetch("held_runs", {"node_id": node_id})
    return tuple(
        claimed(OpenRun.leading(row), row["job_name"], reruns=policies_of(row["policies"]).reruns) for row in rows
    )


def drain(store: Store, node_id: str, now: Instant, change: Change) -> None:
    asked = {"node_id": node_id, "now": now, "actor": change.actor, "why": change.why or None}
    if not store.run("drain_node", asked).rowcount and store.run("node", {"node_id": node_id}).fetchone() is None:
        living = store.run("living_nodes").fetchall()
        raise NodeNotFound(node_id, [node["node_id"] for node in living])


def rescue(store: Store, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
    declared = store.run("declare_lost", {"node_id": node_id, "beat": seen_beat, "now": now}).rowcount
    if not declared:
        node = store.run("node_has_stopped", {"node_id": node_id}).fetchone()
        if node is None or not node["stopped"]:
            return None
    store.run("end_abandoned_of_node", {"node_id": node_id})
    rescued, books, requeued = [], Books(), list[Requeued]()
    for row in store.run("runs_to_rescue", {"node_id": node_id}).fetchall():
        if unknown_in(row["policies"]):
            continue  # whether it may be started again is for a newer node to say: it stays open, and its node is looked at again
        settled = _settled(row, node_id, now, max_attempts=max_attempts)
        if isinstance(settled, Requeued):
            requeued.append(settled)
            status = "queued"
        else:
            books.close(settled.run, error=settled.error)
            status = settled.run.status
        rescued.append(Rescued(run_id=row["run_id"], job_name=row["job_name"], node_id=node_id, status=status))
    queue_again(store, requeued)
    close_all(store, books)
    return rescued


def _settled(row: Row, node_id: str, now: Instant, *, max_attempts: int) -> Requeued | Lost:
    run = OpenRun.leading(row)
    reruns = policies_of(row["policies"]).reruns
    again = reruns and row["interrupted"] + 1 < max_attempts
    tries = f" on attempt {run.attempt}, the last" if reruns and not again else ""
    return lost(run, again=again, now=now, error=f"node {node_id} was lost in mid-run{tries}")


def record_clock_event(store: Store, event: ClockEvent) -> None:
    store.run("record_clock_event", asdict(event))
