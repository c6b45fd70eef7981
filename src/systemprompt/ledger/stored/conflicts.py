"""When the ledger refuses a batch of closings: close the runs one by one, and set the odd ones apart."""

from __future__ import annotations

from collections.abc import Sequence

from systemprompt.clock import Instant
from systemprompt.errors import LedgerBroken
from systemprompt.ledger.records import Closing, Decide
from systemprompt.ledger.stored.clockwork import plan_one
from systemprompt.ledger.stored.closing import Ended, close_held, write_books
from systemprompt.ledger.stored.store import Store
from systemprompt.own_log import own_log

__all__ = ["close_one_by_one"]

_log = own_log("systemprompt.ledger")


def close_one_by_one(
    store: Store, closings: Sequence[Closing], now: Instant, decide: Decide
) -> tuple[Ended, tuple[int, ...]]:
    """Close each run in a transaction of its own; return what became of them, and the runs that the ledger refuses to close.

    A refused run stays open, and its job is quarantined (`ledger_conflict`) until somebody has looked: `sp jobs audit` says what
    stands against it, `sp jobs enable` releases the job.
    """
    closed: list[int] = []
    late: list[int] = []
    odd: list[int] = []
    again: list[tuple[int, Instant]] = []
    for closing in closings:
        try:
            with store.write():
                books, ended = close_held(store, [closing], now, decide)
                write_books(store, books)
        except LedgerBroken as error:
            _set_apart(store, closing.run_id, error, now, decide)
            odd.append(closing.run_id)
        else:
            closed += ended.closed
            late += ended.late
            again += ended.again
    return Ended(tuple(closed), tuple(late), tuple(again)), tuple(odd)


def _set_apart(store: Store, run_id: int, error: LedgerBroken, now: Instant, decide: Decide) -> None:
    _log.error("run %d cannot be closed and stays open; its job is quarantined: %s", run_id, error)
    with store.write():
        found = store.run("open_run", {"run_id": run_id}).fetchone()
        if found is not None:
            said = f"the ledger refuses to close run {run_id}: {error.message}"
            owes = found["retired_at"] is None  # a job that left owes no more accounts
            if owes:
                plan_one(store, found["job_id"], now, decide)
            store.run("quarantine_for_conflict", {"job_id": found["job_id"], "error": said, "now": now})
            if owes:
                plan_one(store, found["job_id"], now, decide)
