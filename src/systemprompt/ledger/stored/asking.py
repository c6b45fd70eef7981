"""Acts of people and programs on runs: start one here, ask for one, ask for a stop. Each once for one request id."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from systemprompt.clock import Instant
from systemprompt.errors import (
    ConflictError,
    JobAlreadyRunning,
    JobNotFound,
    NodeLost,
    RequestMismatch,
    RunClosed,
    RunNotFound,
)
from systemprompt.jobs.labels import lacking
from systemprompt.ledger.bookkeeping import Books, begun, closed_waiting, manual
from systemprompt.ledger.policy_texts import policies_of
from systemprompt.ledger.records import Change, Claimed, ManualStart, StopAsked
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.clockwork import claimed, take_numbers
from systemprompt.ledger.stored.closing import close_all, write_books
from systemprompt.ledger.stored.for_newer import refuse_unknown
from systemprompt.ledger.stored.inserting import insert_open
from systemprompt.ledger.stored.store import Row, Store
from systemprompt.node_errors import LabelsLacking, NodeDrains

__all__ = ["KEPT_REQUESTS", "ask_for_runs", "ask_to_stop", "once", "start_manual"]

KEPT_REQUESTS = 7 * 86_400_000_000
"""How long a request id does its act once, in microseconds: a week."""


def once(
    store: Store, change: Change, asked: Mapping[str, Any], now: Instant, act: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """Do an act, or return the answer that it got when it was done under the same request id; say whether it was done now.

    Act and answer commit together. Without a request id the act is simply done.

    Raises:
        RequestMismatch: the id was used for something else.
    """
    if change.request_id is None:
        return act(), True
    store.hold_request(change.request_id)
    known = {"request_id": change.request_id, "now": now}
    found = store.run("find_request", known).fetchone()
    digest = _digest(asked)
    if found is not None:
        if found["digest"] != digest:
            raise RequestMismatch(change.request_id)
        answer: dict[str, Any] = json.loads(found["answer"])
        return answer, False
    answer = act()
    store.run("forget_request", known)
    written = {"digest": digest, "answer": json.dumps(answer), "actor": change.actor, "until_at": now + KEPT_REQUESTS}
    store.run("write_request", known | written)
    return answer, True


def start_manual(
    store: Store, node_id: str, now: Instant, starts: Sequence[ManualStart], change: Change, *, skip_running: bool
) -> tuple[Claimed, ...]:
    held: list[Claimed] = []

    def act() -> dict[str, Any]:
        begun_here, skipped = _begin_here(store, node_id, now, starts, change, skip_running=skip_running)
        held.extend(begun_here)
        return {"run_ids": [run.run_id for run in begun_here] + skipped}

    once(store, change, _asked("start", starts), now, act)
    return tuple(held)


def ask_for_runs(store: Store, now: Instant, starts: Sequence[ManualStart], change: Change) -> tuple[int, ...]:
    def act() -> dict[str, Any]:
        rows = [row for row, _ in _rows(store, now, starts, change)]
        insert_open(store, rows)
        return {"run_ids": [row.run_id for row in rows]}

    answer, _ = once(store, change, _asked("run", starts), now, act)
    return tuple(answer["run_ids"])


def ask_to_stop(store: Store, run_id: int, now: Instant, change: Change) -> StopAsked:
    def act() -> dict[str, Any]:
        found = store.run("open_run", {"run_id": run_id}).fetchone()
        if found is None:
            raise _not_open(store, run_id)
        run = OpenRun.leading(found)
        store.run("ask_to_stop", {"run_id": run_id, "now": now, "actor": change.actor, "why": change.why or None})
        if run.fence is None:
            asked = run._replace(stop_asked_at=now, stop_by=change.actor, stop_why=change.why or None)
            books = Books()
            books.close(closed_waiting(asked, "cancelled", "requested", now=now, message=change.why or None))
            close_all(store, books)
        status = "cancelled" if run.fence is None else "running"
        return {"run_id": run_id, "job_name": found["job_name"], "status": status}

    answer, _ = once(store, change, {"act": "stop", "run_id": run_id}, now, act)
    return StopAsked(**answer)


def _begin_here(
    store: Store, node_id: str, now: Instant, starts: Sequence[ManualStart], change: Change, *, skip_running: bool
) -> tuple[list[Claimed], list[int]]:
    """Begin these on the node; return them, and the ids of those that are skipped because their job is running."""
    rows, held, skipped, books = [], [], [], Books()
    running: dict[int, int] = {}
    node = store.run("node_labels", {"node_id": node_id}).fetchone()
    labels = json.loads(node["labels"]) if node is not None else []
    for row, job in _rows(store, now, starts, change, node_id=node_id):
        refuse_unknown(job["job_name"], job["policies"])
        runs_on = policies_of(job["policies"]).runs_on
        if lacks := lacking(runs_on, labels):
            raise LabelsLacking(job["job_name"], runs_on, lacks)
        # Of a job that is named twice, the first start is in the way of the second.
        in_the_way = job["running_run"] or running.get(row.job_id)
        running.setdefault(row.job_id, row.run_id)
        if in_the_way is None:
            rows.append(row)
            held.append(claimed(row, job["job_name"], reruns=policies_of(job["policies"]).reruns))
        elif skip_running:
            skipped.append(row.run_id)
            waiting = row._replace(node_id=None, attempt=0, fence=None, started_at=None)
            books.close(closed_waiting(waiting, "skipped", "overlap", now=now, blocked_by=in_the_way))
        else:
            raise JobAlreadyRunning(job["job_name"], in_the_way)
    insert_open(store, rows)
    write_books(store, books)
    return held, skipped


def _rows(
    store: Store, now: Instant, starts: Sequence[ManualStart], change: Change, *, node_id: str | None = None
) -> list[tuple[OpenRun, Row]]:
    """Return a row for each start, with its job; held by the node where one is named."""
    store.hold_jobs([start.job_name for start in starts])
    jobs = [_job_to_start(store, start.job_name) for start in starts]
    fences = len(starts) if node_id is not None else 0
    taken = take_numbers(store, runs=len(starts), fences=fences, node_id=node_id)
    if taken.stopped:
        assert node_id is not None
        raise NodeLost(node_id)
    if taken.draining:
        assert node_id is not None
        raise NodeDrains(node_id)
    rows: list[tuple[OpenRun, Row]] = []
    for start, job in zip(starts, jobs, strict=True):
        row = manual(
            start,
            run_id=next(taken.run_ids),
            job_id=job["job_id"],
            version=job["version"],
            actor=change.actor,
            why=change.why,
            parameters=json.dumps(dict(start.parameters), default=str) if start.parameters else None,
            now=now,
        )
        if node_id is not None:
            row = begun(row, node_id=node_id, fence=next(taken.fences), now=now)
        rows.append((row, job))
    return rows


def _job_to_start(store: Store, name: str) -> Row:
    job: Row | None = store.run("job_to_start", {"name": name}).fetchone()
    if job is None:
        broken = [row["error"] for row in store.run("quarantined_sources")]
        raise JobNotFound(name, [row["job_name"] for row in store.run("job_names")], broken)
    if job["quarantine_error"] is not None:
        raise ConflictError(
            f"job {name!r} is quarantined: {job['quarantine_error']}",
            hint="fix what the error names, then run it again",
            details={"job_name": name},
        )
    return job


def _not_open(store: Store, run_id: int) -> Exception:
    found = store.run("run", {"run_id": run_id}).fetchone()
    return RunNotFound(run_id) if found is None else RunClosed(run_id, found["job_name"], found["status"])


def _asked(act: str, starts: Sequence[ManualStart]) -> dict[str, Any]:
    return {
        "act": act,
        "starts": [[start.job_name, dict(start.parameters), start.enforce, start.origin] for start in starts],
    }


def _digest(asked: Mapping[str, Any]) -> str:
    return sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
