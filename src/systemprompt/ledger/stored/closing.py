"""Move runs from the open table into the closed one: the same rows, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from systemprompt.clock import Instant
from systemprompt.errors import LedgerBroken
from systemprompt.ledger.bookkeeping import Books, Requeued, count_in, late_attempt, settle, storable
from systemprompt.ledger.records import Closing, Decide
from systemprompt.ledger.rows import ClosedRun, OpenRun
from systemprompt.ledger.stored.inserting import insert_closed
from systemprompt.ledger.stored.remembered import HeldRunChanged, Remembered
from systemprompt.ledger.stored.retrying import waits_of
from systemprompt.ledger.stored.store import Store

__all__ = ["Ended", "close_all", "close_held", "queue_again", "write_books"]


class Ended(NamedTuple):
    """What became of a turn's closings: run ids whose end is written, and those whose result is kept as late.

    again   those of the first that are tried again, each with the instant from which it may begin
    """

    closed: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    again: tuple[tuple[int, Instant], ...] = ()


def close_held(
    store: Store, closings: Sequence[Closing], now: Instant, decide: Decide, remembered: Remembered | None = None
) -> tuple[Books, Ended]:
    """Take the runs that these closings end out of the open table, and queue those again that are tried again.

    The books are still to be written, in this transaction.

    Rows that are remembered from when they began are not read again. Abandoned work is written at once: what begins in the same
    transaction must see that it is in the way.

    Raises:
        HeldRunChanged: a row is not as it is remembered. The transaction must be undone; done again, it reads the rows.
    """
    rows = remembered.take(closings) if remembered is not None else []
    waits = waits_of(store, closings, now, decide)
    if rows and not waits:
        books = settle(rows, closings)
        if _deleted(store, "delete_untouched_runs", books.closed) != len(books.closed):
            raise HeldRunChanged
    else:
        ids = json.dumps([closing.run_id for closing in closings])
        books = settle(map(OpenRun.leading, store.run("find_open_runs", {"ids": ids}).fetchall()), closings, waits)
        _take_out(store, books.closed)
        queue_again(store, books.requeued)
    if books.abandoned:
        store.run_many("write_abandoned", books.abandoned)
    again = tuple([(one.run.run_id, one.run.available_at) for one in books.requeued])
    over = [run.run_id for run in books.closed] + [run_id for run_id, _ in again]
    if not books.late:
        return books, Ended(tuple(over), (), again)
    closed, late = set(over), []
    for closing in books.late:
        if _is_told_again(store, books, closing, now):
            closed.add(closing.run_id)
        else:
            late.append(closing.run_id)
    return books, Ended(tuple(closed), tuple(late), again)


def queue_again(store: Store, requeued: Sequence[Requeued]) -> None:
    """Let runs wait again, and keep the attempts that are over. Whatever their former holders bring finds nothing to close.

    Raises:
        LedgerBroken: one of them was not there under its fence. The transaction must be undone.
    """
    if not requeued:
        return
    rows = [(one.run.queued_at, one.run.available_at, one.run.run_id, one.attempt.fence) for one in requeued]
    if store.run_many("requeue_runs", rows) != len(rows):
        raise LedgerBroken("a run was to be queued again, and nobody held it")
    store.run_many("write_attempts", [one.attempt for one in requeued])


def close_all(store: Store, books: Books) -> None:
    """Close the runs of these books that stand in the open table, if there are any: take each out, and write its account.

    Raises:
        LedgerBroken: one of them was not there under its fence. The transaction must be undone.
    """
    if books.closed:
        _take_out(store, books.closed)
        write_books(store, books)


def _take_out(store: Store, runs: Sequence[ClosedRun]) -> None:
    """Delete the open rows of runs that are being closed.

    Raises:
        LedgerBroken: one of them was not there under its fence. The transaction must be undone.
    """
    deleted = _deleted(store, "delete_open_runs", runs)
    if deleted != len(runs):
        raise LedgerBroken(f"{len(runs)} runs were to be closed, and {deleted} of them were open")


def _deleted(store: Store, name: str, runs: Sequence[ClosedRun]) -> int:
    return store.run_many(name, [(run.run_id, run.fence) for run in runs])


def write_books(store: Store, books: Books, ranges: Iterable[tuple[int, Instant, str]] = ()) -> None:
    """Insert the accounts, and what is counted and shown of them.

    Raises:
        LedgerBroken: not every account was inserted. The transaction must be undone.
    """
    again = [run.run_id for run in books.closed if run.fence is None and run.attempt]
    count_in(books, ranges=ranges, begun_before={run_id: _last_attempt(store, run_id) for run_id in again})
    with store.together():
        if books.closed:
            written = insert_closed(store, books.closed)
            if written != len(books.closed):
                raise LedgerBroken(f"{len(books.closed)} runs were to be closed, and {written} accounts were written")
        for name, rows in (
            ("write_texts", books.texts),
            ("write_tallies", books.tallies),
            ("show_last", books.last),
        ):
            if rows:
                store.run_many(name, rows)


def _last_attempt(store: Store, run_id: int) -> tuple[int, Instant]:
    row = store.run("last_attempt", {"run_id": run_id}).fetchone()
    return row["fence"], row["started_at"]


def _is_told_again(store: Store, books: Books, closing: Closing, now: Instant) -> bool:
    """Say whether the ledger has this very closing already: then it was told twice. Otherwise keep it as a late result.

    A late result says that abandoned code has ended. One of a run that nobody knows (any more) has no place and is dropped.
    """
    mine = [run for run in books.closed if (run.run_id, run.fence) == (closing.run_id, closing.fence)]
    found = _Holder.of(mine[0]) if mine else _holder(store, closing)
    if found is not None and found.ended_as(closing):
        return True
    store.run("end_abandoned", {"run_id": closing.run_id, "fence": closing.fence})
    if found is not None:
        arrived_at = max(now, store.run("seal_state").fetchone()["sealed_until"])
        late = late_attempt(closing, job_id=found.job_id, node_id=found.node_id, arrived_at=arrived_at)
        store.run("keep_late_result", late)
    return False


class _Holder(NamedTuple):
    """Whose attempt a fence was, and how it ended; the columns of `holder_of_fence`."""

    job_id: int
    node_id: str | None
    started_at: Instant | None
    finished_at: Instant
    status: str
    reason: str | None
    message: str | None
    abandoned: int

    @classmethod
    def of(cls, run: ClosedRun) -> _Holder:
        return cls(*(getattr(run, name) for name in cls._fields))

    def ended_as(self, closing: Closing) -> bool:
        finished_at = max(closing.finished_at, self.started_at or 0)
        status = "interrupted" if self.status == "interrupted" and closing.status == "cancelled" else closing.status
        said = (finished_at, status, closing.reason, storable(closing.message), int(closing.abandoned))
        return self[3:] == said


def _holder(store: Store, closing: Closing) -> _Holder | None:
    row = store.run("holder_of_fence", {"run_id": closing.run_id, "fence": closing.fence}).fetchone()
    return None if row is None else _Holder._make(row)
