"""What the runner is told of a claimed run, and what the ledger is told of an attempt's end. Neither knows the other."""

from __future__ import annotations

from systemprompt.discovery.definition import JobDefinition
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import Claimed, Closing
from systemprompt.runner.flight import Assignment, Finished
from systemprompt.runner.outcome import Outcome

__all__ = ["assignment_of", "closing_of"]


def assignment_of(run: Claimed, definition: JobDefinition) -> Assignment:
    """Return what a runner is told to do of a claimed run."""
    return Assignment(
        run_id=run.run_id,
        definition=definition,
        fire_at=run.fire_at,
        attempt=run.attempt,
        fence=run.fence,
        parameters=run.parameters,
        actor=run.actor,
        enforce=definition.enforce if run.enforce is None else run.enforce,
    )


def closing_of(finished: Finished, policies: Policies | None = None) -> Closing:
    """Return what the ledger is told of an attempt's end.

    policies   of its job, as this node has it; None where nobody is to try again
    """
    outcome = finished.outcome
    return Closing(
        run_id=finished.run_id,
        attempt=finished.attempt,
        fence=finished.fence,
        status=outcome.status,
        reason=outcome.reason,
        started_at=finished.started_at,
        finished_at=finished.finished_at,
        duration_ms=outcome.duration_ms,
        items_processed=outcome.items_processed,
        items_failed=outcome.items_failed,
        message=outcome.message,
        error=outcome.error,
        exit_code=outcome.exit_code,
        output=outcome.output,
        did_nothing=outcome.did_nothing,
        dry_run=outcome.dry_run,
        lines_dropped=finished.lines_dropped,
        abandoned=finished.abandoned,
        again=policies is not None and not finished.late and _may_be_tried_again(outcome, policies),
    )


def _may_be_tried_again(outcome: Outcome, policies: Policies) -> bool:
    if outcome.status == "cancelled":
        return policies.reruns and outcome.reason in ("shutdown", "lease_lost")
    retry = policies.retry
    return (
        outcome.status == "failed"
        and retry is not None
        and not outcome.final
        and ((outcome.exit_code, "again") in policies.exit_codes or retry.covers(outcome.raised, outcome.exit_code))
    )
