"""A node's transaction: close what ended, start what waits, plan what is due and start it where there is room."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any, NamedTuple

from systemprompt.clock import Instant
from systemprompt.errors import LedgerBroken
from systemprompt.jobs.labels import lacking
from systemprompt.ledger.bookkeeping import Books, begun, closed_when_planned, planned
from systemprompt.ledger.policy_texts import policies_of, unknown_in
from systemprompt.ledger.records import Claimed, Closing, Decide, Decision, JobToPlan, Turn
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.closing import Ended, close_all, close_held, write_books
from systemprompt.ledger.stored.for_newer import ForNewer
from systemprompt.ledger.stored.giving_up import outlived, too_late
from systemprompt.ledger.stored.inserting import insert_open
from systemprompt.ledger.stored.remembered import Remembered, Terms
from systemprompt.ledger.stored.store import Due, Numbers, Row, Store
from systemprompt.ledger.stored.zone_data import is_in_force

__all__ = ["JOBS_A_TURN", "Offer", "claim", "claimed", "plan_new", "plan_one", "take_numbers", "turn"]

JOBS_A_TURN = 1_000
"""Due jobs planned in one transaction. It bounds how long other processes wait for the write lock."""


class Offer(NamedTuple):
    """What a node offers in one turn: room for so many runs of jobs that need no other labels than its own, and whether it plans.

    patience   microseconds for which a due job may wait for room before it is planned without
    """

    node_id: str
    room: int
    plan: bool
    patience: int


def turn(
    store: Store,
    remembered: Remembered,
    for_newer: ForNewer,
    offer: Offer,
    now: Instant,
    decide: Decide,
    closings: Sequence[Closing],
) -> tuple[Turn, list[OpenRun]]:
    """Return what the turn did, and the rows of the runs that it began: to be remembered once it is committed.

    Jobs that are `for_newer` nodes are neither planned nor begun, and nothing waits for them here.

    Raises:
        HeldRunChanged: a run is not as it is remembered. The transaction must be undone, and the turn done again.
    """
    labels = remembered.labels(store, offer.node_id) if offer.plan or offer.room else "[]"
    zone_data = remembered.zone_data(store, offer.node_id) if offer.plan else None
    left_to_newer = for_newer.listed(store)
    with store.together():
        ended = _close(store, remembered, closings, now, decide) if closings else Ended()
        due = (
            _due(store, offer, labels, zone_data, left_to_newer, now)
            if offer.plan
            else _nothing_due(store, left_to_newer, now)
        )
    found: list[Row] = []
    if offer.room > 0 and due.waiting:
        values = {"now": now, "room": offer.room, "labels": labels, "left_to_newer": left_to_newer}
        found = store.waiting_runs(values)
    waiting = for_newer.may_begin(store, found)
    ours, terms = for_newer.ours(store, due.rows, remembered.terms(store, due.rows))
    given_up = _give_up(store, outlived(store, ours, terms, now)) | _give_up(store, too_late(waiting, now))
    if given_up:
        waiting = [row for row in waiting if row["run_id"] not in given_up]
    plans = _plans(ours, terms, now, decide, given_up)
    started = _write(store, plans, now, _Taker(offer.node_id, offer.room, waiting, labels))
    overdue = _is_overdue(due.rows, offer, now)
    left = bool(due.rows) and len(due.rows) >= (JOBS_A_TURN if overdue else min(offer.room, JOBS_A_TURN))
    # Where the room is used up, what is left waits for the next end, or until it has waited long enough.
    # What turned out to be for newer nodes is not looked at again, so that the next turn finds what stands behind it.
    is_news = len(ours) < len(due.rows) or len(waiting) < len(found)
    more = is_news or (left and (len(started) < offer.room or overdue))
    if left or is_news or due.left_out or not due.rows:
        seen = _nothing_due(store, left_to_newer, now) if due.rows else due
        next_due = _next_look(seen, offer, now, more=more, has_room=len(started) < offer.room)
        is_owed = offer.plan and not due.rows and seen.first is not None and seen.first <= now
        if is_owed and not is_in_force(store, zone_data):
            next_due = None  # whoever has the zone data in force looks; this node hears of it at its next heartbeat
    else:
        following = [due.following, *[plan.decision.next_due for plan in plans]]
        next_due = min([look for look in following if look is not None], default=None)
    # What was queued again in this turn may not be seen by its own look.
    looks = [next_due, *[available_at for _, available_at in ended.again]]
    if due.waiting and offer.plan:
        looks.append(store.run("first_later", {"now": now}).fetchone()["at"])
    done = Turn(
        closed=ended.closed,
        late=ended.late,
        again=ended.again,
        planned=sum([len(plan.decision.runs) + len(plan.decision.ranges) for plan in plans]),
        claimed=tuple([claimed(run, name, reruns=reruns) for run, name, reruns in started]),
        next_due=min([at for at in looks if at is not None], default=None),
        more=more,
    )
    return done, [run for run, _, _ in started]


def _close(store: Store, remembered: Remembered, closings: Sequence[Closing], now: Instant, decide: Decide) -> Ended:
    books, ended = close_held(store, closings, now, decide, remembered)
    write_books(store, books)
    return ended


def _give_up(store: Store, books: Books) -> frozenset[int]:
    """Close runs that wait and are not to begin any more; return which."""
    close_all(store, books)
    return frozenset(run.run_id for run in books.closed)


def _nothing_due(store: Store, left_to_newer: str, now: Instant) -> Due:
    found = store.run("next_due", {"now": now, "left_to_newer": left_to_newer}).fetchone()
    return Due([], waiting=True, left_out=False, first=found["next_due"], following=found["following"])


def _due(store: Store, offer: Offer, labels: str, zone_data: str | None, left_to_newer: str, now: Instant) -> Due:
    """Return the due jobs that this turn plans: those there is room for, or all of them once one has waited long enough.

    There is no room here for a job that this node may not run: a node that may begins it in the turn that plans it.
    """
    values: dict[str, Any] = {
        "now": now,
        "overdue": now - offer.patience,
        "limit": JOBS_A_TURN,
        "room": min(offer.room, JOBS_A_TURN),
    }
    values |= {"labels": labels, "zone_data": zone_data, "left_to_newer": left_to_newer, "node_id": offer.node_id}
    return store.due_jobs(values)


def _is_overdue(due: Sequence[Row], offer: Offer, now: Instant) -> bool:
    return bool(due) and due[0]["next_due"] <= now - offer.patience


def plan_one(store: Store, job_id: int, now: Instant, decide: Decide) -> Instant:
    """Plan one job through `now` under its present version, due or not; return its cursor.

    The cursor stands where a newer release has to plan the job: see `for_newer`.
    """
    store.hold_cursors(job_id, job_id)
    (row,) = store.run("jobs_by_id_to_plan", {"first": job_id, "last": job_id}).fetchall()
    if unknown_in(row["policies"]):
        return int(row["planned_through"])
    (plan,) = _plan_rows(store, [row], now, decide)
    return plan.decision.planned_through


def plan_new(store: Store, first: int, last: int, now: Instant, decide: Decide) -> None:
    """Plan jobs through `now` that were just added, by the range of their ids."""
    store.hold_cursors(first, last)
    _plan_rows(store, store.run("jobs_by_id_to_plan", {"first": first, "last": last}).fetchall(), now, decide)


def _plan_rows(store: Store, rows: Sequence[Row], now: Instant, decide: Decide) -> list[_Plan]:
    # Their versions may have been written in this very transaction, so nothing is remembered of them.
    plans = _plans(rows, [Terms._make(row[-len(Terms._fields) :]) for row in rows], now, decide)
    _write(store, plans, now)
    return plans


def claim(store: Store, runs: Sequence[OpenRun]) -> None:
    """Write down that a node holds these runs from now on."""
    rows = [(run.node_id, run.attempt, run.fence, run.started_at, run.run_id) for run in runs]
    if store.run_many("claim_runs", rows) != len(rows):
        raise LedgerBroken("a run was to be claimed that does not wait")


def claimed(run: OpenRun, job_name: str, *, reruns: bool) -> Claimed:
    """Return what a node is told of a run that it holds."""
    parameters = json.loads(run.parameters) if run.parameters else {}
    enforce = None if run.enforce is None else bool(run.enforce)
    begins = (run.run_id, job_name, run.version, run.origin, run.fire_at, run.attempt, run.fence, run.started_at)
    return _claimed((*begins, run.actor, parameters, enforce, reruns))


# A turn makes thousands: `_make` would call Python for each.
_claimed: Callable[[tuple[Any, ...]], Claimed] = partial(tuple.__new__, Claimed)


def take_numbers(store: Store, *, runs: int, fences: int, node_id: str | None, through: Instant = 0) -> Numbers:
    """Take so many run ids and fences, and say that the ledger is planned up to `through`."""
    return store.take_numbers({"runs": runs, "fences": fences, "through": through, "node_id": node_id})


class _Plan(NamedTuple):
    """What was decided of one job. `in_the_way`: the run that the next one has to wait for."""

    job_id: int
    job_name: str
    version: int
    planned_through: Instant
    in_the_way: int | None
    policies: str
    decision: Decision


_plan: Callable[[tuple[Any, ...]], _Plan] = partial(tuple.__new__, _Plan)


class _Taker(NamedTuple):
    """The node that takes what may start: how much room it has, what waits, in the order in which it may start, and its labels."""

    node_id: str
    room: int
    waiting: Sequence[Row]
    labels: str

    def may_run(self, policies: str) -> bool:
        runs_on = policies_of(policies).runs_on
        return not runs_on or not lacking(runs_on, json.loads(self.labels))


def _plans(
    rows: Sequence[Row], terms: Sequence[Terms], now: Instant, decide: Decide, given_up: Container[int] = ()
) -> list[_Plan]:
    """Return what is owed of each of these jobs. The rows begin with the columns of the view `jobs_to_plan`, in its order.

    given_up   runs that were open when the rows were read, and are closed by now

    Thousands of jobs that are due at once differ in their names alone: what is owed of them is decided once.
    """
    decided: dict[tuple[object, ...], Decision] = {}
    plans = []
    for row, said in zip(rows, terms, strict=True):
        # By place: taken by name, a row of sqlite3 costs twice as much.
        job_id, job_name, version, *state = row[:8]
        if state[2] in given_up:
            state[2:4] = None, state[3] - 1
        alike = (said, *state)
        decision = decided.get(alike)
        if decision is None:
            job = _job_to_plan(job_id, job_name, version, state, said)
            decision = decided[alike] = decide(job, now)
        plans.append(_plan((job_id, job_name, version, state[0], state[2], said.policies, decision)))
    return plans


def _job_to_plan(job_id: int, job_name: str, version: int, state: Sequence[Any], said: Terms) -> JobToPlan:
    planned_through, quarantined, in_the_way, open_runs, catching_up = state
    return JobToPlan(
        job_id=job_id,
        job_name=job_name,
        version=version,
        schedule=said.schedule,
        time_zone=said.time_zone,
        policies=policies_of(said.policies),
        enabled=bool(said.enabled),
        quarantined=bool(quarantined),
        planned_through=planned_through,
        open_run=in_the_way,
        open_runs=open_runs,
        catching_up=bool(catching_up),
    )


def _write(
    store: Store, plans: Sequence[_Plan], now: Instant, taker: _Taker | None = None
) -> list[tuple[OpenRun, str, bool]]:
    """Write what was decided; begin what the taker has room for.

    Returns the runs that begin, each with its job's name and whether others may start it again. What waits comes first. A due job
    that nothing stands in the way of is then written as already running.
    """
    started: list[tuple[OpenRun, str, bool]] = []
    books = Books()
    with store.together():
        if plans or (taker is not None and taker.waiting):
            waiting, at_once = (taker.waiting, _at_once(plans, taker)) if taker is not None else ((), set[int]())
            number = sum([len(plan.decision.runs) for plan in plans])
            through = max([plan.decision.planned_through for plan in plans], default=0)
            node_id = None if taker is None else taker.node_id
            fences, run_ids, stopped, draining = take_numbers(
                store, runs=number, fences=len(waiting) + len(at_once), through=through, node_id=node_id
            )
            begins = not stopped and not draining
            if taker is not None and waiting and begins:
                started = [
                    (_begun(row, taker, next(fences), now), row["job_name"], policies_of(row["policies"]).reruns)
                    for row in waiting
                ]
                claim(store, [run for run, _, _ in started])
            fresh: list[OpenRun] = []
            for plan in plans:
                for run in plan.decision.runs:
                    job_id, version, run_id = plan.job_id, plan.version, next(run_ids)
                    if run.status != "queued":
                        books.close(closed_when_planned(run, job_id=job_id, version=version, run_id=run_id, now=now))
                        continue
                    row = planned(run, job_id=job_id, version=version, run_id=run_id, now=now)
                    if taker is not None and begins and job_id in at_once:
                        at_once.remove(job_id)
                        row = begun(row, node_id=taker.node_id, fence=next(fences), now=now)
                        started.append((row, plan.job_name, policies_of(plan.policies).reruns))
                    fresh.append(row)
            if fresh:
                insert_open(store, fresh)
        ranges = [(plan, span) for plan in plans for span in plan.decision.ranges]
        if ranges:
            spans = [(p.job_id, p.version, s.first_at, s.last_at, s.count, s.status, s.reason, now) for p, s in ranges]
            store.run_many("write_ranges", spans)
        if plans:
            _move_cursors(store, plans)
        write_books(store, books, [(plan.job_id, span.last_at, span.status) for plan, span in ranges])
    return started


def _at_once(plans: Sequence[_Plan], taker: _Taker) -> set[int]:
    """Return the jobs whose first planned run begins at once, in due order, as far as there is room after what waits."""
    free = taker.room - len(taker.waiting)
    jobs: set[int] = set()
    for plan in plans:
        if len(jobs) >= free:
            break
        runs = plan.decision.runs
        if plan.in_the_way is None and runs and runs[0].status == "queued" and taker.may_run(plan.policies):
            jobs.add(plan.job_id)
    return jobs


def _begun(row: Row, taker: _Taker, fence: int, now: Instant) -> OpenRun:
    return begun(OpenRun.leading(row), node_id=taker.node_id, fence=fence, now=now)


def _move_cursors(store: Store, plans: Sequence[_Plan]) -> None:
    cursors = [
        (
            plan.decision.planned_through,
            plan.decision.next_due,
            plan.decision.next_run,
            plan.job_id,
            plan.planned_through,
        )
        for plan in plans
    ]
    moved = store.run_many("move_cursors", cursors)
    if moved != len(cursors):
        raise LedgerBroken(f"{len(cursors) - moved} of {len(cursors)} cursors were moved by somebody else in mid-turn")


def _next_look(seen: Due, offer: Offer, now: Instant, *, more: bool, has_room: bool) -> Instant | None:
    if seen.first is None or seen.first > now or more:
        return seen.first
    # What is due and was left waits for room, or for a node that may run it, until it has waited long enough.
    look = seen.first + offer.patience
    return min(look, seen.following) if has_room and seen.following is not None else look
