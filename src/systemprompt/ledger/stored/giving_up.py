"""Runs that wait and are closed instead of begun, because their time is over.

crash           the account closes in the transaction that finds it; until then the run waits
two processes   the job's cursor is held, or the open row: one of them closes it
clocks          the ledger's clock decides
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.bookkeeping import Books, closed_waiting
from systemprompt.ledger.policy_texts import policies_of
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.remembered import Terms
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["outlived", "too_late"]


def outlived(store: Store, due: Sequence[Row], terms: Sequence[Terms], now: Instant) -> Books:
    """Return the accounts of failed runs that still wait for their next try though a fire time of their job has come.

    That fire time takes their place, unless their policy says `over_next`: they end as their last try ended.
    """
    books = Books()
    ids = [
        row["job_id"]
        for row, said in zip(due, terms, strict=True)
        if row["in_the_way"] is not None and policies_of(said.policies).retry is not None
    ]
    if not ids:
        return books
    for row in store.run("failed_runs_that_wait", {"ids": json.dumps(ids)}).fetchall():
        retry = policies_of(row["policies"]).retry
        if retry is None or retry.over_next:
            continue
        run, reason, message = OpenRun.leading(row), row["last_reason"], row["last_message"]
        account = closed_waiting(run, "failed", reason, now=now, message=message)
        books.close(account._replace(error_hash=row["last_error_hash"]))
    return books


def too_late(waiting: Sequence[Row], now: Instant) -> Books:
    """Return the accounts of those of these waiting runs whose fire time is older than their `start_deadline`.

    One that has begun before, and was queued again, was in time.
    """
    books = Books()
    for row in waiting:
        if row["fire_at"] is None or row["attempt"]:
            continue
        deadline = policies_of(row["policies"]).start_deadline_s
        if deadline is not None and row["fire_at"] < now - round(deadline * SECOND):
            books.close(closed_waiting(OpenRun.leading(row), "missed", "start_deadline", now=now))
    return books
