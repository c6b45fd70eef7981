"""Broken closings and late results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from altered_decisions import account_rows, accounts, books, closings, late, written
from breaking import Altered, Breakage, Engine, Guard

from systemprompt.clock import SECOND
from systemprompt.ledger.rows import ClosedRun

_HOUR = 3_600 * SECOND


def _opens_again(run: ClosedRun, engine: Engine) -> tuple[str, ...]:
    """Return what takes the account of a failed run away and puts the run back into the queue."""
    if run.status != "failed":
        return ()
    columns = "run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, attempt, actor"
    instants = map(engine.instant, (run.fire_at, run.due_at, run.available_at, run.queued_at))
    values = (run.run_id, run.job_id, run.version, f"'{run.origin}'", *instants, run.attempt, f"'{run.actor}'")
    listed = ", ".join(map(str, values))
    return (
        f"INSERT INTO open_runs ({columns}) VALUES ({listed})",
        f"DELETE FROM job_runs WHERE run_id = {run.run_id}",
    )


def _no(_: Any) -> list[Any]:
    return []


def _of_another(rows: list[Any]) -> list[Any]:
    return [Altered(row, finished_at=0) for row in rows]


OF_CLOSINGS = (
    Breakage(
        what="closes a failure as a success",
        area="close",
        kinds=("unexplained",),
        plant=closings(lambda told: replace(told, status="success", reason=None)),
    ),
    Breakage(
        what="closes without the reason",
        area="close",
        kinds=("unexplained",),
        guards=(Guard.checks,),
        plant=closings(lambda told: replace(told, reason=None)),
    ),
    Breakage(
        what="calls a failure a lost node",
        area="close",
        kinds=("unexplained",),
        plant=closings(lambda told: replace(told, reason="node_lost") if told.reason == "reported" else told),
    ),
    Breakage(
        what="calls a cancelled run retired",
        area="close",
        kinds=("unexplained",),
        plant=closings(lambda told: replace(told, reason="retired") if told.status == "cancelled" else told),
    ),
    Breakage(
        what="closes a run and leaves it in the open table",
        area="close",
        kinds=("stray",),
        guards=(Guard.open_or_closed, Guard.same_number),
        plant=lambda breaker: breaker.rows("delete_open_runs", _no),
    ),
    Breakage(
        what="takes a run out of the open table and loses its account",
        area="close",
        kinds=("missing",),
        guards=(Guard.same_number,),
        plant=account_rows(lambda run: run if run.run_id % 3 else None),
    ),
    Breakage(
        what="takes a start by hand out of the open table and loses its account",
        area="close",
        kinds=("stray",),
        guards=(Guard.same_number,),
        plant=account_rows(lambda run: run if run.origin != "manual" else None),
    ),
    Breakage(
        what="takes the account of a failed run away and queues it again",
        area="close",
        kinds=("attempts",),
        guards=(Guard.open_or_closed, Guard.prunes_sealed),
        plant=lambda breaker: breaker.inserted("closed", lambda run: run, after=_opens_again),
    ),
    Breakage(
        what="dates the end before the start",
        area="close",
        kinds=("misdated",),
        plant=accounts(lambda run: run._replace(finished_at=(run.started_at or 0) - 1)),
    ),
    Breakage(
        what="dates the start before the claim",
        area="close",
        kinds=("misdated",),
        plant=accounts(lambda run: run._replace(started_at=run.queued_at - 60 * SECOND)),
    ),
    Breakage(
        what="closes a run that was written after it ended",
        area="close",
        kinds=("misdated",),
        plant=accounts(lambda run: run._replace(queued_at=run.finished_at + _HOUR)),
    ),
    Breakage(
        what="closes a run that could not start yet",
        area="close",
        kinds=("misdated",),
        plant=accounts(lambda run: run._replace(available_at=run.finished_at + _HOUR)),
    ),
    Breakage(
        what="closes a run under the first version of its job",
        area="close",
        kinds=("wrong_version",),
        plant=accounts(lambda run: run._replace(version=1)),
    ),
    Breakage(
        what="closes a run for the fire time after its own",
        area="close",
        kinds=("extra",),
        plant=accounts(lambda run: run._replace(fire_at=run.fire_at and run.due_at + 1, due_at=run.due_at + 1)),
    ),
    Breakage(
        what="closes a run as one of a job that nobody knows",
        area="close",
        kinds=("stray",),
        plant=account_rows(lambda run: run._replace(job_id=run.job_id + (99 if run.run_id % 7 == 0 else 0))),
    ),
    Breakage(
        what="counts the attempt again when it closes",
        area="close",
        kinds=("attempts",),
        plant=accounts(lambda run: run._replace(attempt=run.attempt + 1)),
    ),
    Breakage(
        what="closes under the fence of the next claim",
        area="close",
        kinds=("fence_order",),
        plant=account_rows(lambda run: run._replace(fence=run.fence and run.fence + 1)),
    ),
    Breakage(
        what="keeps another text than the one it hashed",
        area="close",
        kinds=("texts",),
        plant=written("write_texts", lambda row: (*row[:3], f"{row[3]}!")),
    ),
    Breakage(
        what="keeps a text and no hash of it",
        area="close",
        kinds=("texts",),
        plant=accounts(lambda run: run._replace(error_hash=None)),
    ),
    Breakage(
        what="cancels the running run of a job that leaves",
        area="close",
        kinds=("unexplained",),
        plant=lambda breaker: breaker.clause("waiting_runs_of_job", "it waits"),
    ),
)

OF_LATE_RESULTS = (
    Breakage(
        what="overwrites a closed run with a late result",
        area="late",
        kinds=("attempts",),
        guards=(Guard.never_changes,),
        plant=lambda breaker: breaker.afterwards(
            "keep_late_result",
            lambda row: f"UPDATE job_runs SET status = 'success', reason = NULL WHERE run_id = {row.run_id}",
        ),
    ),
    Breakage(
        what="keeps a late result as an attempt of its own",
        area="late",
        kinds=("attempts",),
        plant=late(lambda told, row: row._replace(kind="ended")),
    ),
    Breakage(
        what="keeps a late result twice",
        area="late",
        kinds=("attempts",),
        guards=(Guard.attempts_once,),
        plant=lambda breaker: breaker.clause("keep_late_result", "once"),
    ),
    Breakage(
        what="keeps a late result in the day of its run",
        area="late",
        kinds=("misdated",),
        plant=late(lambda told, row: row._replace(day_at=(row.started_at or 0) - 60 * SECOND)),
    ),
    Breakage(
        what="keeps a late result in a day that is sealed",
        area="late",
        kinds=("sealed_day",),
        guards=(Guard.attempts_stay_out,),
        plant=late(lambda told, row: row._replace(day_at=row.started_at or 0)),
    ),
    Breakage(
        what="keeps a late result with another attempt",
        area="late",
        kinds=("attempts",),
        plant=late(lambda told, row: row._replace(attempt=row.attempt + 1)),
    ),
    Breakage(
        what="takes a closing that is told again for a late result",
        area="late",
        kinds=("attempts",),
        plant=lambda breaker: breaker.found("holder_of_fence", _of_another),
    ),
    Breakage(
        what="forgets code that it gave up on while it still runs",
        area="late",
        kinds=("abandoned",),
        plant=books(lambda made: made.abandoned.clear()),
    ),
    Breakage(
        what="starts a job while code of it runs that it gave up on",
        area="late",
        kinds=("concurrent",),
        plant=books(lambda made: made.abandoned.clear()),
    ),
    Breakage(
        what="starts what waits while code of its job runs that it gave up on",
        area="late",
        kinds=("concurrent",),
        plant=lambda breaker: breaker.clause("waiting_runs", "no code of it runs on"),
    ),
    Breakage(
        what="says that code runs on that has come back",
        area="late",
        kinds=("abandoned",),
        plant=lambda breaker: breaker.rows("end_abandoned", _no),
    ),
    Breakage(
        what="says of every run that its code runs on",
        area="late",
        kinds=("abandoned",),
        plant=books(
            lambda made: made.abandoned.extend(
                (run.run_id, run.job_id, run.fence or 0, run.node_id or "", run.finished_at)
                for run in made.closed
                if not run.abandoned
            )
        ),
    ),
)
