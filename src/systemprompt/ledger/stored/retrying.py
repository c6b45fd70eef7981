"""Runs that are tried again: those that failed, under the policy `retry`, and those that were interrupted, under `on_lost: rerun`.

A run that is tried again stays one account. It is queued again without node and fence, as one that a lost node held; the attempt
is kept with its reason and its error.

crash           what ends an attempt and what queues the run again commit together
two processes   the open row is held while it is decided; whoever finds it waiting later claims it as any other
clocks          the ledger's clock says how long a run waits, not that of the node which ran it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.policy_texts import policies_of, unknown_in
from systemprompt.ledger.records import INTERRUPTIONS, Closing, Decide, JobToPlan
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["Waits", "waits_of"]


class Waits(NamedTuple):
    """When a run is tried again: the instant in which its attempt ended for the ledger, and the one from which it may begin."""

    queued_at: Instant
    available_at: Instant


def waits_of(store: Store, closings: Sequence[Closing], now: Instant, decide: Decide) -> dict[int, Waits]:
    """Return which of these runs are tried again, and when, by fence. The others are closed."""
    asked = {closing.fence: closing for closing in closings if closing.again}
    if not asked:
        return {}
    ids = json.dumps(sorted(closing.run_id for closing in asked.values()))
    waits = {}
    for row in store.run("runs_to_try_again", {"ids": ids}).fetchall():
        closing = asked.get(row["fence"])
        if closing is None or row["stop_asked_at"] is not None or unknown_in(row["policies"]):
            continue
        found = _waits(row, closing, now, decide)
        if found is not None:
            waits[closing.fence] = found
    return waits


def _waits(row: Row, closing: Closing, now: Instant, decide: Decide) -> Waits | None:
    policies, queued_at = policies_of(row["policies"]), max(now, row["started_at"])
    if closing.status == "cancelled":
        again = policies.reruns and row["interrupted"] + 1 < INTERRUPTIONS
        return Waits(queued_at, row["available_at"]) if again else None
    retry, tried = policies.retry, row["failed"] + 1
    if closing.status != "failed" or retry is None or tried > retry.times:
        return None
    available_at = queued_at + round(retry.wait_s(row["run_id"], tried) * SECOND)
    if not retry.over_next:
        following = _next_fire_time(row, queued_at, decide)
        if following is not None and following <= available_at:
            return None
    return Waits(queued_at, available_at)


def _next_fire_time(row: Row, after: Instant, decide: Decide) -> Instant | None:
    """Return the first fire time after an instant under the version of a run; None where that names none."""
    if row["retired_at"] is not None:
        return None
    job = JobToPlan(
        job_id=row["job_id"],
        job_name=row["job_name"],
        version=row["version"],
        schedule=row["schedule"],
        time_zone=row["time_zone"],
        policies=policies_of(row["policies"]),
        enabled=bool(row["enabled"]),
        quarantined=False,
        planned_through=after,
    )
    return decide(job, after).next_run
