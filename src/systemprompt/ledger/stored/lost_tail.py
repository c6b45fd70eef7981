"""Bring back what nodes did in a stretch that the ledger's server has lost.

First each node tells what its journal has and the ledger has not. Once all have told, what they told is lived through again, job
by job, in the order in which it happened: the job is planned up to each start and each end, as it was then, and the run is put in
its place, under its number and its fence. A run that goes on is held by its node again; one that ended is closed again. Where a
fire time has another account by now, what was done is kept beside that. Either way the attempt is marked `recovered`, in the day it
arrives in.

crash           each call is one transaction; what was told stays in the ledger until it is settled
two processes   of two that settle, the second finds it done; a job's cursor is held meanwhile, so nobody plans it
clocks          what happened is planned by the instant at which it happened, even where the new server's clock stands before it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from systemprompt.clock import Instant
from systemprompt.ledger.journaled import JournaledRun
from systemprompt.ledger.records import Claimed, Closing, Decide
from systemprompt.ledger.rows import AttemptRow, OpenRun
from systemprompt.ledger.stored.clockwork import plan_one
from systemprompt.ledger.stored.closing import close_held, write_books
from systemprompt.ledger.stored.inserting import insert_open
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["settle", "tell"]


def tell(store: Store, runs: Sequence[JournaledRun]) -> int:
    """Write down which of these runs, or of their ends, the ledger has lost; return how many. What it has is left out.

    A run whose job is not known any more is left out too: there is nothing to put it into.
    """
    asked = _asked(runs)
    running = {row["fence"]: row["job_id"] for row in store.run("journaled_runs_open", asked)}
    over = {row["fence"] for row in store.run("journaled_runs_over", asked)}
    names = json.dumps(sorted({run.claimed.job_name for run in runs if run.claimed is not None}))
    jobs = {row["job_name"]: row["job_id"] for row in store.run("jobs_by_name", {"names": names})}
    told = []
    for run in runs:
        if run.fence in over or (run.fence in running and run.closing is None):
            continue
        job_id = running.get(run.fence) or (jobs.get(run.claimed.job_name) if run.claimed is not None else None)
        if job_id is not None:
            told.append((run.fence, job_id, json.dumps(asdict(run) | _as_told(run))))
    return store.run_many("tell_lost_run", told) if told else 0


def settle(store: Store, now: Instant, decide: Decide) -> bool:
    """Live through what was told of one job, unless somebody else does it just now; False once nothing is left of any."""
    first = store.run("first_lost_job").fetchone()
    job_id = None if first is None else first["job_id"]
    if job_id is None:
        return False
    store.hold_cursors(job_id, job_id)
    rows = store.run("lost_runs_of_job", {"job_id": job_id}).fetchall()
    runs = [_told(json.loads(row["body"])) for row in rows]
    place = _Place(store, job_id, now, decide)
    events = [event for run in runs for event in _events(run, now, _begun_again(run, runs))]
    for _, is_start, _, happened in sorted(events, key=lambda event: event[:3]):
        if is_start:
            place.begin(happened)
        if not is_start or _ends_at_once(happened, now):
            place.end(happened)
    store.run("delete_lost_runs_of_job", {"job_id": job_id})
    return True


def _events(run: JournaledRun, now: Instant, again: Instant | None) -> list[_Event]:
    """Return when a run began and ended, whether it is the beginning, its fence. An end comes before a start at that instant.

    again   when it was begun once more: by then it had ended, whatever the clock of its node says
    """
    events = []
    closing = _end_of(run, now)
    if run.claimed is not None:
        events.append((_came_at(run.claimed), True, run.fence, run))
    if closing is not None and not _ends_at_once(run, now):
        events.append(
            (closing.finished_at if again is None else min(closing.finished_at, again), False, run.fence, run)
        )
    return events


def _begun_again(run: JournaledRun, runs: Sequence[JournaledRun]) -> Instant | None:
    later = [other for other in runs if other.run_id == run.run_id and other.fence > run.fence]
    return min([_came_at(other.claimed) for other in later if other.claimed is not None], default=None)


_Event: TypeAlias = tuple[Instant, bool, int, JournaledRun]


def _came_at(claimed: Claimed) -> Instant:
    """Return when an attempt began, as the job was planned by then: the first one at its fire time."""
    return _begun_at(claimed) if claimed.attempt == 1 else claimed.started_at


def _begun_at(claimed: Claimed) -> Instant:
    return claimed.started_at if claimed.fire_at is None else claimed.fire_at


def _ends_at_once(run: JournaledRun, now: Instant) -> bool:
    closing = _end_of(run, now)
    return run.claimed is not None and closing is not None and closing.finished_at <= _came_at(run.claimed)


class _Place:
    """Where the runs of one job are put back."""

    def __init__(self, store: Store, job_id: int, now: Instant, decide: Decide) -> None:
        self._store, self._job_id, self._now, self._decide = store, job_id, now, decide
        self._sealed_until: Instant = store.run("seal_state").fetchone()["sealed_until"]

    def begin(self, run: JournaledRun) -> None:
        """Put a run where it was, if that place is free, and keep the attempt."""
        claimed, store = run.claimed, self._store
        assert claimed is not None
        if self._is_open(run):
            return  # it was not lost: its end was
        if self._is_over(run):
            return  # somebody settled it since it was told
        account, gives_way = self._account(claimed)
        row = _open_run(run, claimed, self._job_id)
        waits_again = run.is_gone and run.closing is None and claimed.reruns
        put_back = gives_way and not waits_again and row.due_at >= self._sealed_until
        if put_back:
            if account is not None:
                row = self._as_it_waited(account["run_id"], row)
                store.run("delete_waiting_run", {"run_id": account["run_id"]})
            insert_open(store, [row])
        self._keep_attempt(run, claimed, claimed.run_id if put_back or account is None else account["run_id"])

    def end(self, run: JournaledRun) -> None:
        """Close a run as it was closed. What fell due before was planned while it still ran."""
        closing = _end_of(run, self._now)
        if closing is None or not self._is_open(run):
            return
        then = min(closing.finished_at, self._now)
        self._plan(then)
        # Whether it is tried again, and from when on, is decided as it was then.
        books, _ = close_held(self._store, [closing], then, self._decide)
        write_books(self._store, books)

    def _is_open(self, run: JournaledRun) -> bool:
        return bool(self._store.run("journaled_runs_open", _asked([run])).fetchall())

    def _is_over(self, run: JournaledRun) -> bool:
        return bool(self._store.run("journaled_runs_over", _asked([run])).fetchall())

    def _plan(self, until: Instant) -> bool:
        """Plan the job up to an instant, as it was then; say whether it was not yet."""
        planned = self._store.run("planned_through", {"job_id": self._job_id}).fetchone()["planned_through"]
        if planned >= until:
            return False
        plan_one(self._store, self._job_id, until, self._decide)
        return True

    def _account(self, claimed: Claimed) -> tuple[Row | None, bool]:
        """Return what accounts for the run, or for its fire time; and whether the run may take that place.

        It may where nothing accounts for it, where it waits itself, and where its fire time waits because it was planned only now:
        what was planned before may stand in the account of another one.
        """
        is_new = claimed.fire_at is not None and self._plan(claimed.fire_at)
        asked = {"run_id": claimed.run_id, "job_id": self._job_id, "fire_at": claimed.fire_at}
        account = self._store.run("account_of_run", asked).fetchone()
        if account is None:
            return None, claimed.fire_at is None
        waits = bool(account["is_open"]) and account["fence"] is None
        return account, waits and (is_new or account["run_id"] == claimed.run_id)

    def _as_it_waited(self, run_id: int, row: OpenRun) -> OpenRun:
        """Return the row with what the ledger still knew of it while it waited."""
        waited = OpenRun.leading(self._store.run("open_run", {"run_id": run_id}).fetchone())
        if run_id != row.run_id:
            return row._replace(version=waited.version, origin=waited.origin)
        return waited._replace(node_id=row.node_id, attempt=row.attempt, fence=row.fence, started_at=row.started_at)

    def _keep_attempt(self, run: JournaledRun, claimed: Claimed, run_id: int) -> None:
        store, closing = self._store, run.closing
        free = store.run("next_late_attempt", {"run_id": run_id, "attempt": claimed.attempt}).fetchone()["attempt"]
        ended_at = self._now if closing is None else closing.finished_at
        store.run(
            "keep_late_result",
            AttemptRow(
                run_id=run_id,
                attempt=free,
                kind="late",
                job_id=self._job_id,
                fence=claimed.fence,
                node_id=run.node_id,
                started_at=claimed.started_at,
                ended_at=max(ended_at, claimed.started_at),
                day_at=max(self._now, self._sealed_until),
                result="interrupted" if closing is None else closing.status,
                reason=None if closing is None else closing.reason,
                message=_MESSAGE,
                recovered=1,
            ),
        )


def _open_run(run: JournaledRun, claimed: Claimed, job_id: int) -> OpenRun:
    due_at = _begun_at(claimed)
    return OpenRun(
        run_id=claimed.run_id,
        job_id=job_id,
        version=claimed.version,
        origin=claimed.origin,
        fire_at=claimed.fire_at,
        due_at=due_at,
        available_at=due_at,
        queued_at=claimed.started_at,
        node_id=run.node_id if run.is_gone else run.holder,
        attempt=claimed.attempt,
        fence=claimed.fence,
        started_at=claimed.started_at,
        actor=claimed.actor,
        parameters=json.dumps(dict(claimed.parameters)) if claimed.parameters else None,
        enforce=None if claimed.enforce is None else int(claimed.enforce),
    )


def _end_of(run: JournaledRun, now: Instant) -> Closing | None:
    """Return how a run ended; one whose node is gone ended with it. None where it goes on, or waits again."""
    claimed = run.claimed
    if run.closing is not None or not run.is_gone or claimed is None or claimed.reruns:
        return run.closing
    return Closing(
        run_id=run.run_id,
        attempt=claimed.attempt,
        fence=run.fence,
        status="failed",
        reason="node_lost",
        finished_at=max(now, claimed.started_at),
        error=f"node {run.node_id} was lost in mid-run",
    )


def _asked(runs: Sequence[JournaledRun]) -> dict[str, str]:
    """Return what the statements that look for journaled runs are asked with."""
    return {"run_ids": json.dumps([run.run_id for run in runs]), "fences": json.dumps([run.fence for run in runs])}


def _as_told(run: JournaledRun) -> dict[str, Any]:
    return {"claimed": None if run.claimed is None else list(run.claimed)}


def _told(body: dict[str, Any]) -> JournaledRun:
    claimed, closing = body["claimed"], body["closing"]
    return JournaledRun(
        **body
        | {
            "claimed": None if claimed is None else Claimed(*claimed),
            "closing": None if closing is None else Closing(**closing),
        }
    )


_MESSAGE = "the server had lost it; the journal of its node brought it back"
