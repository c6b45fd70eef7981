"""A node's transaction: close what ended, plan what is due, claim what may start."""

from __future__ import annotations

import json
from functools import lru_cache

from systemprompt.errors import ConflictError, JobAlreadyRunning, JobNotFound, LedgerBroken
from systemprompt.ledger.records import Claimed, JobToPlan, Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.ledger.records import Closing, Decide, Decision, ManualStart
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["JOBS_A_TURN", "plan_one", "start_manual", "turn"]

JOBS_A_TURN = 1_000
"""Due jobs planned in one transaction. It bounds how long other processes wait for the write lock."""


def turn(
    store: Store,
    node_id: str,
    now: Instant,
    decide: Decide,
    *,
    closings: Sequence[Closing],
    room: int,
    plan: bool,
) -> Turn:
    closed, late = _close(store, closings)
    planned, more = _plan_due(store, now, decide) if plan else (0, False)
    claimed = _claim(store, node_id, now, room) if room > 0 else ()
    next_due = store.run("next_due").fetchone()["next_due"]
    return Turn(closed=closed, late=late, planned=planned, claimed=claimed, next_due=next_due, more=more)


def plan_one(store: Store, job_id: str, now: Instant, decide: Decide) -> Instant:
    """Plan one job through `now` under its present version, due or not; return its cursor."""
    row = store.run("one_job_to_plan", {"job_id": job_id}).fetchone()
    job = _job_to_plan(row)
    decision = decide(job, now)
    _write(store, [(job, decision)], now)
    return decision.planned_through


def start_manual(
    store: Store, node_id: str, now: Instant, starts: Sequence[ManualStart], *, skip_running: bool
) -> tuple[Claimed, ...]:
    claimed = []
    for start in starts:
        job = store.run("job_for_manual_start", {"name": start.job_name}).fetchone()
        if job is None:
            raise JobNotFound(start.job_name, [row["job_name"] for row in store.run("job_names")])
        if job["quarantine_error"] is not None:
            raise ConflictError(
                f"job {start.job_name!r} is quarantined: {job['quarantine_error']}",
                hint="mend what the error names, then run it again",
                details={"job_name": start.job_name},
            )
        busy = job["running"] > 0
        if busy and not skip_running:
            raise JobAlreadyRunning(start.job_name, job["running_run"])
        written = store.run(
            "write_manual_run",
            {
                "job_id": job["job_id"],
                "version": job["version"],
                "origin": start.origin,
                "now": now,
                "status": "skipped" if busy else "queued",
                "reason": "overlap" if busy else None,
                "blocked_by": job["running_run"] if busy else None,
                "actor": start.actor,
                "parameters": json.dumps(dict(start.parameters), default=str) if start.parameters else None,
                "enforce": start.enforce,
            },
        ).fetchone()
        if busy:
            continue
        claim = {"run_id": written["run_id"], "node_id": node_id, "now": now}
        claimed.append(_claimed(store.run("claim_one_run", claim).fetchone()))
    return tuple(claimed)


def _close(store: Store, closings: Sequence[Closing]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    closed, late = [], []
    for closing in closings:
        values = {name: getattr(closing, name) for name in _CLOSING}
        if store.run("close_run", values).rowcount == 1:
            closed.append(closing.run_id)
        else:
            store.run("keep_late_result", values)
            late.append(closing.run_id)
    return tuple(closed), tuple(late)


_CLOSING = (
    "run_id",
    "fence",
    "status",
    "reason",
    "started_at",
    "finished_at",
    "duration_ms",
    "items_processed",
    "items_failed",
    "message",
    "error",
    "exit_code",
    "output",
)


def _plan_due(store: Store, now: Instant, decide: Decide) -> tuple[int, bool]:
    due = store.run("due_jobs", {"now": now, "limit": JOBS_A_TURN}).fetchall()
    jobs = [_job_to_plan(row) for row in due]
    return _write(store, [(job, decide(job, now)) for job in jobs], now), len(due) == JOBS_A_TURN


def _write(store: Store, decisions: Iterable[tuple[JobToPlan, Decision]], now: Instant) -> int:
    runs: list[dict[str, Any]] = []
    ranges: list[dict[str, Any]] = []
    cursors: list[dict[str, Any]] = []
    for job, decision in decisions:
        identity = {"job_id": job.job_id, "version": job.version, "now": now}
        runs += [
            {
                **identity,
                "origin": run.origin,
                "fire_at": run.fire_at,
                "status": run.status,
                "reason": run.reason,
                "blocked_by": run.blocked_by,
            }
            for run in decision.runs
        ]
        ranges += [
            {
                **identity,
                "first_at": span.first_at,
                "last_at": span.last_at,
                "count": span.count,
                "status": span.status,
                "reason": span.reason,
            }
            for span in decision.ranges
        ]
        cursors.append(
            {
                "job_id": job.job_id,
                "planned_through": decision.planned_through,
                "next_due": decision.next_due,
                "next_run": decision.next_run,
                "old": job.planned_through,
            }
        )
    if ranges:
        store.run_many("write_range", ranges)
    if runs:
        store.run_many("write_run", runs)
    if cursors:
        moved = store.run_many("move_cursor", cursors)
        if moved != len(cursors):
            raise LedgerBroken(
                f"{len(cursors) - moved} of {len(cursors)} cursors were moved by somebody else in mid-turn"
            )
    if runs or ranges:
        store.run("raise_high_water", {"now": now})
    return len(runs) + len(ranges)


def _claim(store: Store, node_id: str, now: Instant, room: int) -> tuple[Claimed, ...]:
    rows = store.run("claim_queued_runs", {"node_id": node_id, "now": now, "room": room}).fetchall()
    return tuple(sorted((_claimed(row) for row in rows), key=lambda run: run.fence))


def _claimed(row: sqlite3.Row) -> Claimed:
    return Claimed(
        run_id=row["run_id"],
        job_name=row["job_name"],
        version=row["version"],
        origin=row["origin"],
        fire_at=row["fire_at"],
        attempt=row["attempt"],
        fence=row["fence"],
        started_at=row["started_at"],
        actor=row["actor"],
        parameters=json.loads(row["parameters"]) if row["parameters"] else {},
        enforce=None if row["enforce"] is None else bool(row["enforce"]),
    )


def _job_to_plan(row: sqlite3.Row) -> JobToPlan:
    return JobToPlan(
        job_id=row["job_id"],
        job_name=row["job_name"],
        version=row["version"],
        schedule=row["schedule"],
        time_zone=row["time_zone"],
        policies=_policies(row["policies"]),
        enabled=bool(row["enabled"]),
        quarantined=bool(row["quarantined"]),
        planned_through=row["planned_through"],
        open_run=row["open_run"],
        open_runs=row["open_runs"],
        catching_up=bool(row["catching_up"]),
    )


@lru_cache(maxsize=1024)
def _policies(text: str) -> Mapping[str, object]:
    # Thousands of jobs share a handful of policy texts.
    loaded: dict[str, object] = json.loads(text)
    return loaded
