"""Nodes come, beat and go; the runs of a lost one are settled once."""

from __future__ import annotations

from systemprompt.ledger.records import Rescued

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant
    from systemprompt.ledger.records import ClockEvent, NodeIdentity
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["join", "record_clock_event", "rescue"]

_IDENTITY = (
    "node_id",
    "kind",
    "host",
    "machine",
    "pid",
    "pid_started_at",
    "program",
    "lease_ms",
    "capacity",
    "started_at",
)


def join(store: Store, node: NodeIdentity) -> None:
    store.run("join_node", {name: getattr(node, name) for name in _IDENTITY})


def rescue(store: Store, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
    declared = store.run("declare_lost", {"node_id": node_id, "beat": seen_beat, "now": now}).rowcount
    if not declared:
        node = store.run("node_has_stopped", {"node_id": node_id}).fetchone()
        if node is None or not node["stopped"]:
            return None
    rescued = []
    for run in store.run("runs_to_rescue", {"node_id": node_id}).fetchall():
        again = run["on_lost"] == "rerun" and run["attempt"] < max_attempts
        values = {"run_id": run["run_id"], "node_id": node_id, "now": now}
        if again:
            store.run("requeue_run", values)
        else:
            tries = f" on attempt {run['attempt']}, the last" if run["on_lost"] == "rerun" else ""
            store.run("fail_lost_run", {**values, "error": f"node {node_id} was lost in mid-run{tries}"})
        status = "queued" if again else "failed"
        rescued.append(Rescued(run_id=run["run_id"], job_name=run["job_name"], node_id=node_id, status=status))
    return rescued


def record_clock_event(store: Store, event: ClockEvent) -> None:
    names = ("seen_at", "kind", "delta_us", "action", "node_id")
    store.run("record_clock_event", {name: getattr(event, name) for name in names})
