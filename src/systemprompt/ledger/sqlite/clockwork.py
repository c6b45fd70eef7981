"""A node's transaction: close what ended, start what waits, plan what is due and start it where there is room."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from systemprompt.errors import LedgerBroken
from systemprompt.ledger.bookkeeping import Books, begun, closed_when_planned, planned
from systemprompt.ledger.records import Claimed, JobToPlan, Turn
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.sqlite.closing import Ended, close_held, write_books
from systemprompt.ledger.sqlite.inserting import insert_open

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from systemprompt.clock import Instant
    from systemprompt.ledger.records import Closing, Decide, Decision
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["JOBS_A_TURN", "Numbers", "Offer", "claim", "claimed", "plan_new", "plan_one", "take_numbers", "turn"]

JOBS_A_TURN = 1_000
"""Due jobs planned in one transaction. It bounds how long other processes wait for the write lock."""


class Offer(NamedTuple):
    """What a node offers in one turn: room for so many runs, and whether it plans.

    patience   microseconds for which a due job may wait for room before it is planned without
    """

    node_id: str
    room: int
    plan: bool
    patience: int


def turn(store: Store, offer: Offer, now: Instant, decide: Decide, closings: Sequence[Closing]) -> Turn:
    books, ended = close_held(store, closings, now) if closings else (Books(), Ended())
    due = _due(store, offer, now) if offer.plan else []
    waiting: list[sqlite3.Row] = []
    if offer.room > 0 and (not due or due[0]["waiting"]):
        waiting = store.run("waiting_runs", {"now": now, "room": offer.room}).fetchall()
    decisions = [(job, decide(job, now)) for job in map(_job_to_plan, due)]
    started = _write(store, books, decisions, now, _Taker(offer.node_id, offer.room, waiting))
    left = len(due) >= (JOBS_A_TURN if _is_overdue(due, offer, now) else min(offer.room, JOBS_A_TURN))
    # Where the room is used up, what is left waits for the next end, or until it has waited long enough.
    more = left and bool(due) and (len(started) < offer.room or _is_overdue(due, offer, now))
    if left or not due:
        next_due = _next_due(store)
        if next_due is not None and next_due <= now and not more:
            next_due += offer.patience
    else:
        looks = [due[0]["following"], *(decision.next_due for _, decision in decisions)]
        next_due = min((at for at in looks if at is not None), default=None)
    return Turn(
        closed=ended.closed,
        late=ended.late,
        planned=sum(len(decision.runs) + len(decision.ranges) for _, decision in decisions),
        claimed=started,
        next_due=next_due,
        more=more,
    )


def _due(store: Store, offer: Offer, now: Instant) -> list[sqlite3.Row]:
    """Return the due jobs that this turn plans: those there is room for, or all of them once one has waited long enough."""
    values = {"now": now, "overdue": now - offer.patience, "limit": JOBS_A_TURN, "room": min(offer.room, JOBS_A_TURN)}
    return store.run("due_jobs", values).fetchall()


def _is_overdue(due: Sequence[sqlite3.Row], offer: Offer, now: Instant) -> bool:
    return bool(due) and due[0]["next_due"] <= now - offer.patience


def plan_one(store: Store, job_id: int, now: Instant, decide: Decide) -> Instant:
    """Plan one job through `now` under its present version, due or not; return its cursor."""
    job = _job_to_plan(store.run("one_job_to_plan", {"job_id": job_id}).fetchone())
    decision = decide(job, now)
    _write(store, Books(), [(job, decision)], now)
    return decision.planned_through


def plan_new(store: Store, first: int, last: int, now: Instant, decide: Decide) -> None:
    """Plan jobs through `now` that were just added, by the range of their ids."""
    rows = store.run("new_jobs_to_plan", {"first": first, "last": last}).fetchall()
    _write(store, Books(), [(job, decide(job, now)) for job in map(_job_to_plan, rows)], now)


def claim(store: Store, runs: Sequence[OpenRun]) -> None:
    """Write down that a node holds these runs from now on."""
    rows = [(run.node_id, run.attempt, run.fence, run.started_at, run.run_id) for run in runs]
    if store.run_many("claim_runs", rows) != len(rows):
        raise LedgerBroken("a run was to be claimed that does not wait")


def claimed(run: OpenRun, job_name: str, *, reruns: bool) -> Claimed:
    """Return what a node is told of a run that it holds."""
    assert run.fence is not None and run.started_at is not None  # noqa: PT018  # one fact
    return Claimed(
        run_id=run.run_id,
        job_name=job_name,
        version=run.version,
        origin=run.origin,
        fire_at=run.fire_at,
        attempt=run.attempt,
        fence=run.fence,
        started_at=run.started_at,
        actor=run.actor,
        parameters=json.loads(run.parameters) if run.parameters else {},
        enforce=None if run.enforce is None else bool(run.enforce),
        reruns=reruns,
    )


class Numbers(NamedTuple):
    """Fences and run ids that nobody else has or gets; `stopped` where the node that takes them was declared lost."""

    fences: Iterator[int]
    run_ids: Iterator[int]
    stopped: bool


def take_numbers(store: Store, *, runs: int, fences: int, node_id: str | None, through: Instant = 0) -> Numbers:
    """Take so many run ids and fences, and say that the ledger is planned up to `through`. A lost node may use none."""
    values = {"runs": runs, "fences": fences, "through": through, "node_id": node_id}
    (state,) = store.run("take_numbers", values).fetchall()
    return Numbers(count(state["fence"] - fences + 1), count(state["last_run"] - runs + 1), bool(state["stopped"]))


class _Taker(NamedTuple):
    """The node that takes what may start: how much room it has, and what waits, in the order in which it may start."""

    node_id: str
    room: int
    waiting: Sequence[sqlite3.Row]


def _write(
    store: Store,
    books: Books,
    decisions: Sequence[tuple[JobToPlan, Decision]],
    now: Instant,
    taker: _Taker | None = None,
) -> tuple[Claimed, ...]:
    """Write what the planner decided and what the books close; begin what the taker has room for.

    What waits comes first. A due job that nothing stands in the way of is then written as already running.
    """
    started: list[tuple[OpenRun, str, bool]] = []
    if decisions or (taker is not None and taker.waiting):
        waiting, at_once = (taker.waiting, _at_once(decisions, taker)) if taker is not None else ((), set[int]())
        number = sum(len(decision.runs) for _, decision in decisions)
        through = max((decision.planned_through for _, decision in decisions), default=0)
        node_id = None if taker is None else taker.node_id
        fences, run_ids, stopped = take_numbers(
            store, runs=number, fences=len(waiting) + len(at_once), through=through, node_id=node_id
        )
        if taker is not None and waiting and not stopped:
            started = [(_begun(row, taker, next(fences), now), row["job_name"], bool(row["reruns"])) for row in waiting]
            claim(store, [run for run, _, _ in started])
        fresh: list[OpenRun] = []
        for job, decision in decisions:
            for run in decision.runs:
                if run.status != "queued":
                    books.close(closed_when_planned(job, run, run_id=next(run_ids), now=now))
                    continue
                row = planned(job, run, run_id=next(run_ids), now=now)
                if taker is not None and not stopped and job.job_id in at_once:
                    at_once.remove(job.job_id)
                    row = begun(row, node_id=taker.node_id, fence=next(fences), now=now)
                    started.append((row, job.job_name, job.policies.get("on_lost") == "rerun"))
                fresh.append(row)
        if fresh:
            insert_open(store, fresh)
    ranges = [(job, span) for job, decision in decisions for span in decision.ranges]
    if ranges:
        spans = [(j.job_id, j.version, s.first_at, s.last_at, s.count, s.status, s.reason, now) for j, s in ranges]
        store.run_many("write_ranges", spans)
    if decisions:
        _move_cursors(store, decisions)
    write_books(store, books, [(job.job_id, span.last_at, span.status) for job, span in ranges])
    return tuple(claimed(run, name, reruns=reruns) for run, name, reruns in started)


def _at_once(decisions: Sequence[tuple[JobToPlan, Decision]], taker: _Taker) -> set[int]:
    """Return the jobs whose first planned run begins at once, in due order, as far as there is room after what waits."""
    free = taker.room - len(taker.waiting)
    jobs: set[int] = set()
    for job, decision in decisions:
        if len(jobs) >= free:
            break
        if job.open_run is None and decision.runs and decision.runs[0].status == "queued":
            jobs.add(job.job_id)
    return jobs


def _begun(row: sqlite3.Row, taker: _Taker, fence: int, now: Instant) -> OpenRun:
    return begun(OpenRun.leading(row), node_id=taker.node_id, fence=fence, now=now)


def _move_cursors(store: Store, decisions: Sequence[tuple[JobToPlan, Decision]]) -> None:
    cursors = [(d.planned_through, d.next_due, d.next_run, job.job_id, job.planned_through) for job, d in decisions]
    moved = store.run_many("move_cursors", cursors)
    if moved != len(cursors):
        raise LedgerBroken(f"{len(cursors) - moved} of {len(cursors)} cursors were moved by somebody else in mid-turn")


def _next_due(store: Store) -> Instant | None:
    at: Instant | None = store.run("next_due").fetchone()["next_due"]
    return at


def _job_to_plan(row: sqlite3.Row) -> JobToPlan:
    # In the order of the view `jobs_to_plan`: taken by name, a row of sqlite3 costs twice as much.
    (
        job_id,
        job_name,
        version,
        schedule,
        time_zone,
        policies,
        enabled,
        quarantined,
        planned_through,
        _next_due,
        in_the_way,
        open_runs,
        catching_up,
    ) = row[:13]
    return JobToPlan(
        job_id=job_id,
        job_name=job_name,
        version=version,
        schedule=schedule,
        time_zone=time_zone,
        policies=_policies(policies),
        enabled=bool(enabled),
        quarantined=bool(quarantined),
        planned_through=planned_through,
        open_run=in_the_way,
        open_runs=open_runs,
        catching_up=bool(catching_up),
    )


@lru_cache(maxsize=1024)
def _policies(text: str) -> Mapping[str, object]:
    # Thousands of jobs share a handful of policy texts.
    loaded: dict[str, object] = json.loads(text)
    return loaded
