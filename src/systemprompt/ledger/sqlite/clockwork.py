"""A node's transaction: close what ended, plan what is due, claim what may start."""

from __future__ import annotations

import json
from functools import lru_cache
from operator import attrgetter

from systemprompt.errors import ConflictError, JobAlreadyRunning, JobNotFound, LedgerBroken, NodeLost
from systemprompt.ledger.records import Claimed, JobToPlan, Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.ledger.records import Closing, Decide, Decision, ManualStart
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["JOBS_A_TURN", "plan_new", "plan_one", "start_manual", "turn"]

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
    planned, more, next_due = _plan_due(store, now, decide) if plan else (0, False, _next_due(store))
    claimed = _claim(store, node_id, now, room) if room > 0 else ()
    return Turn(closed=closed, late=late, planned=planned, claimed=claimed, next_due=next_due, more=more)


def plan_one(store: Store, job_id: str, now: Instant, decide: Decide) -> Instant:
    """Plan one job through `now` under its present version, due or not; return its cursor."""
    row = store.run("one_job_to_plan", {"job_id": job_id}).fetchone()
    job = _job_to_plan(row)
    decision = decide(job, now)
    _write(store, [(job, decision)], now)
    return decision.planned_through


def plan_new(store: Store, job_ids: Sequence[str], now: Instant, decide: Decide) -> None:
    """Plan jobs through `now` that were just added."""
    rows = store.run("new_jobs_to_plan", {"ids": json.dumps(job_ids)}).fetchall()
    _write(store, [(job, decide(job, now)) for job in map(_job_to_plan, rows)], now)


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
        held = store.run("claim_one_run", claim).fetchone()
        if held is None:
            raise NodeLost(node_id)
        claimed.append(_claimed(held))
    return tuple(claimed)


def _close(store: Store, closings: Sequence[Closing]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if not closings:
        return (), ()
    # Under one fence the first end stands; another is what code that was given up on brought after all.
    first: dict[tuple[int, int], Closing] = {}
    for closing in closings:
        first.setdefault((closing.run_id, closing.fence), closing)
    rows = json.dumps(
        [
            [_storable(value) if value.__class__ is str else value for value in _values(closing)]
            for closing in first.values()
        ]
    )
    held = {(row["run_id"], row["fence"]) for row in store.run("close_runs", {"rows": rows}).fetchall()}
    accepted = {key: closing for key, closing in first.items() if key in held}
    closed, late = [], []
    for closing in closings:
        if accepted.get((closing.run_id, closing.fence)) is closing:
            closed.append(closing.run_id)
        else:
            values = {name: _storable(getattr(closing, name)) for name in _CLOSING}
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
_values = attrgetter(*_CLOSING)


def _storable(value: Any) -> Any:
    # A file name that is not UTF-8 gets into a traceback as lone surrogates, which no engine stores; nor does every one store NUL.
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    return value


def _plan_due(store: Store, now: Instant, decide: Decide) -> tuple[int, bool, Instant | None]:
    due = store.run("due_jobs", {"now": now, "limit": JOBS_A_TURN}).fetchall()
    decisions = [(job, decide(job, now)) for job in map(_job_to_plan, due)]
    planned = _write(store, decisions, now)
    if not due or len(due) == JOBS_A_TURN:
        return planned, bool(due), _next_due(store)
    looks = [due[0]["following"], *(decision.next_due for _, decision in decisions)]
    return planned, False, min((at for at in looks if at is not None), default=None)


def _next_due(store: Store) -> Instant | None:
    at: Instant | None = store.run("next_due").fetchone()["next_due"]
    return at


def _write(store: Store, decisions: Sequence[tuple[JobToPlan, Decision]], now: Instant) -> int:
    runs = [
        (job.job_id, job.version, run.origin, run.fire_at, run.status, run.reason, run.blocked_by)
        for job, decision in decisions
        for run in decision.runs
    ]
    ranges = [
        (job.job_id, job.version, span.first_at, span.last_at, span.count, span.status, span.reason)
        for job, decision in decisions
        for span in decision.ranges
    ]
    cursors = [
        (job.job_id, decision.planned_through, decision.next_due, decision.next_run, job.planned_through)
        for job, decision in decisions
    ]
    if ranges:
        store.run("write_ranges", {"rows": json.dumps(ranges), "now": now})
    if runs:
        store.run("write_runs", {"rows": json.dumps(runs), "now": now})
    if cursors:
        moved = store.run("move_cursors", {"rows": json.dumps(cursors)}).rowcount
        if moved != len(cursors):
            raise LedgerBroken(
                f"{len(cursors) - moved} of {len(cursors)} cursors were moved by somebody else in mid-turn"
            )
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
