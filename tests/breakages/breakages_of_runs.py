"""Broken claims, fences and rescues."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from altered_decisions import begun, lost
from breaking import Altered, Breakage, Breaker, Guard

from systemprompt.clock import SECOND
from systemprompt.ledger import bookkeeping
from systemprompt.ledger.bookkeeping import Lost, Requeued
from systemprompt.ledger.records import Closing
from systemprompt.ledger.stored.store import Numbers
from systemprompt.nodes.rescue import Rescue

_HOUR = 3_600 * SECOND


def _fences_of_each_job(breaker: Breaker) -> None:
    fences: dict[int, count[int]] = {}
    begun(lambda was, run: run._replace(fence=next(fences.setdefault(run.job_id, count(1)))))(breaker)


def _again(taken: Numbers) -> Numbers:
    return taken._replace(fences=(fence - (fence > 20 and fence % 2) for fence in taken.fences))


def _claims_what_runs(breaker: Breaker) -> None:
    breaker.clause("waiting_runs", "it waits")
    breaker.clause("waiting_runs", "none of the job runs")
    breaker.clause("claim_runs", "nobody holds it")


def _keeps_the_fence(breaker: Breaker) -> None:
    breaker.clause("requeue_runs", "the fence is gone")
    breaker.clause("claim_runs", "nobody holds it")


def _anybody_closes(real: Callable[..., Any]) -> Callable[..., Any]:
    def settle(held: Any, closings: Any, waits: Any = None) -> Any:
        runs = list(held)
        fences = {run.run_id: run.fence for run in runs}
        return real(runs, [_under(closing, fences.get(closing.run_id)) for closing in closings], waits)

    return settle


def _under(closing: Closing, fence: int | None) -> Closing:
    from dataclasses import replace

    return closing if fence is None else replace(closing, fence=fence)


OF_CLAIMS = (
    Breakage(
        what="claims without counting the attempt",
        area="claim",
        kinds=("attempts",),
        guards=(Guard.checks, Guard.claims),
        plant=begun(lambda was, run: run._replace(attempt=was.attempt)),
    ),
    Breakage(
        what="claims a run that runs already",
        area="claim",
        kinds=("attempts",),
        guards=(Guard.claims,),
        plant=_claims_what_runs,
    ),
    Breakage(
        what="claims a run while another of the job runs",
        area="claim",
        kinds=("concurrent",),
        plant=lambda breaker: breaker.clause("waiting_runs", "nothing of the job comes first"),
    ),
    Breakage(
        what="claims the newest of a job's queue first",
        area="claim",
        kinds=("fence_order",),
        plant=lambda breaker: breaker.clause(
            "waiting_runs", "the first of the job", "(e.available_at, e.run_id) > (r.available_at, r.run_id)"
        ),
    ),
    Breakage(
        what="never claims the waiting runs of one job",
        area="claim",
        kinds=("passed_over",),
        plant=lambda breaker: breaker.found("waiting_runs", lambda rows: [r for r in rows if r["job_name"] != "again"]),
    ),
    Breakage(
        what="claims for a node that was declared lost",
        area="claim",
        kinds=("open_without_node",),
        plant=lambda breaker: breaker.numbers(lambda taken: taken._replace(stopped=False)),
    ),
    Breakage(
        what="claims the runs of a quarantined job",
        area="claim",
        kinds=("unexplained",),
        plant=lambda breaker: breaker.clause("waiting_runs", "the job can run"),
    ),
    Breakage(
        what="dates the start before the fire time",
        area="claim",
        kinds=("misdated",),
        plant=begun(lambda was, run: run._replace(started_at=run.queued_at - 60 * SECOND)),
    ),
    Breakage(
        what="starts a run before the instant from which it may start",
        area="claim",
        kinds=("misdated",),
        plant=begun(lambda was, run: run._replace(available_at=run.queued_at + 60 * SECOND)),
    ),
    Breakage(
        what="numbers every attempt 1",
        area="claim",
        kinds=("attempts",),
        guards=(Guard.claims,),
        plant=begun(lambda was, run: run._replace(attempt=1)),
    ),
    Breakage(
        what="begins a run and writes it nowhere",
        area="claim",
        kinds=("missing",),
        plant=lambda breaker: breaker.inserted("open", lambda row: row if row.fence is None else None),
    ),
    Breakage(
        what="begins a start by hand and writes it nowhere",
        area="claim",
        kinds=("stray",),
        unseen_on=("postgresql",),
        plant=lambda breaker: breaker.inserted(
            "open", lambda row: None if row.origin == "manual" and row.fence is not None else row
        ),
    ),
    Breakage(
        what="queues a run of a job that nobody knows",
        area="claim",
        kinds=("stray",),
        guards=(Guard.references,),
        plant=lambda breaker: breaker.inserted(
            "open", lambda row: row._replace(job_id=row.job_id + (99 if row.run_id % 7 == 0 else 0))
        ),
    ),
)

OF_FENCES = (
    Breakage(
        what="hands out the same fence again",
        area="fence",
        kinds=("fence_order",),
        plant=lambda breaker: breaker.numbers(_again),
    ),
    Breakage(
        what="does not keep the last fence handed out",
        area="fence",
        kinds=("fence_order",),
        plant=lambda breaker: breaker.own("fences are not kept"),
    ),
    Breakage(
        what="gives a start by hand the fence of the last claim",
        area="fence",
        kinds=("fence_order",),
        plant=begun(
            lambda was, run: run._replace(fence=run.fence - 1) if run.origin == "manual" and run.fence else run
        ),
    ),
    Breakage(
        what="counts the fences of each job by themselves",
        area="fence",
        kinds=("fence_order",),
        plant=_fences_of_each_job,
    ),
    Breakage(
        what="lets a zombie close the run that another holds now",
        area="fence",
        kinds=("attempts",),
        plant=lambda breaker: breaker.decision(bookkeeping.settle, _anybody_closes),
    ),
    Breakage(
        what="keeps the fence of a lost node when it queues a run again",
        area="fence",
        kinds=("fence_order",),
        guards=(Guard.checks, Guard.claims),
        plant=_keeps_the_fence,
    ),
)


def _everybody_is_lost(_: object) -> object:
    return lambda self, node: True


def _rescued(**change: Any) -> Callable[[Breaker], None]:
    return lambda breaker: breaker.found("runs_to_rescue", lambda rows: [Altered(row, **change) for row in rows])


OF_RESCUES = (
    Breakage(
        what="declares a node lost that beats",
        area="rescue",
        kinds=("lost_alive",),
        plant=lambda breaker: breaker.patch(Rescue, "_is_lost", _everybody_is_lost),
    ),
    Breakage(
        what="runs again what says on_lost: fail",
        area="rescue",
        kinds=("unexplained",),
        plant=_rescued(policies='{"on_lost": "rerun"}'),
    ),
    Breakage(
        what="fails what says on_lost: rerun",
        area="rescue",
        kinds=("unexplained",),
        plant=_rescued(policies='{"on_lost": "fail"}'),
    ),
    Breakage(
        what="declares a node lost and leaves its runs running",
        area="rescue",
        kinds=("open_without_node",),
        plant=lambda breaker: breaker.found("runs_to_rescue", lambda rows: []),
    ),
    Breakage(
        what="queues a lost run again and does not keep the attempt that was lost",
        area="rescue",
        kinds=("attempts",),
        plant=lambda breaker: breaker.rows("write_attempts", lambda rows: []),
    ),
    Breakage(
        what="calls the attempt of a lost node failed and tries again",
        area="rescue",
        kinds=("reopened",),
        plant=lost(
            lambda made: (
                made._replace(attempt=made.attempt._replace(result="failed")) if isinstance(made, Requeued) else made
            )
        ),
    ),
    Breakage(
        what="keeps the lost attempt under a fence that was never handed out",
        area="rescue",
        kinds=("fence_order",),
        plant=lambda breaker: breaker.given("write_attempts", lambda row: row._replace(fence=row.fence + 99_999)),
    ),
    Breakage(
        what="never looks after a node whose process is gone",
        area="rescue",
        kinds=("open_without_node",),
        plant=lambda breaker: breaker.patch(Rescue, "step", lambda _: lambda self, own_id: []),
    ),
    Breakage(
        what="lets a rescued run end before it started",
        area="rescue",
        kinds=("misdated",),
        plant=lost(
            lambda made: (
                made._replace(run=made.run._replace(finished_at=made.run.finished_at - _HOUR))
                if isinstance(made, Lost)
                else made
            )
        ),
    ),
)
