"""Look at one run by itself: its state, its attempts and fences, its instants."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from systemprompt.audit.case import JobCase
from systemprompt.audit.reasons import check_run_reason
from systemprompt.audit.retries import started_again_after
from systemprompt.clock import iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.views import RunView

__all__ = ["check_run"]

_OPEN = ("queued", "running")


def check_run(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    """Check one run against itself and its attempts (by fence)."""
    if run.version not in case.by_number:
        sentence = f"run {run.run_id} names version {run.version}, which does not exist"
        case.found("wrong_version", sentence, at=run.due_at, run_id=run.run_id, version=run.version)
    check_run_reason(case, run)
    _check_state(case, run, attempts)
    _check_attempts(case, run, attempts)
    _check_fences(case, run, attempts)
    _check_instants(case, run, attempts)


def _check_state(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    going_on = [attempt.attempt for attempt in attempts if attempt.ended_at is None]
    again = (None, *started_again_after(case.by_number.get(run.version)))
    settled = [attempt for attempt in attempts[:-1] if attempt.result not in again]
    if run.status in _OPEN and run.finished_at is not None:
        case.found_run("reopened", run, f"is {run.status}, yet ended at {iso(run.finished_at)}")
    if run.status not in _OPEN and run.finished_at is None:
        case.found_run("reopened", run, f"is {run.status}, yet has no end")
    if run.status != "running" and going_on:
        case.found_run("reopened", run, f"is {run.status}, yet its attempt {going_on[0]} is open")
    if run.status in _OPEN and attempts and attempts[-1].result not in again:
        last = attempts[-1]
        case.found_run("reopened", run, f"is {run.status}, yet its attempt {last.attempt} ended as {last.result}")
    for attempt in settled:
        after = attempt.attempt + 1
        case.found_run(
            "reopened", run, f"ended as {attempt.result} with attempt {attempt.attempt}, yet has attempt {after}"
        )


def _check_attempts(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    numbers = [attempt.attempt for attempt in attempts]
    if sorted(numbers) != list(range(1, run.attempt + 1)):
        shown = ", ".join(map(str, numbers[:10])) or "none"
        case.found_run("attempts", run, f"is on attempt {run.attempt}; written down are {shown}")
    going_on = sum(attempt.ended_at is None for attempt in attempts)
    if going_on > 1:
        case.found_run("attempts", run, f"has {going_on} open attempts")
    if run.status == "running" and not going_on:
        case.found_run("attempts", run, "is running without an open attempt")
    if run.status in ("success", "failed") and not attempts and not run.attempt:
        case.found_run("attempts", run, f"is {run.status}, yet nobody ever tried it")
    if attempts and attempts[-1].result is not None:
        fault = _outcome_fault(run, attempts[-1])
        if fault is not None:
            case.found_run("attempts", run, fault)


def _outcome_fault(run: RunView, last: AttemptView) -> str | None:
    """The outcome of a run is its last attempt's; while it waits to be tried again it may also be closed without another try."""
    if run.status in ("success", "failed"):
        expected = "lost" if run.reason == "node_lost" else run.status
        if last.result != expected:
            return f"is {run.status} ({run.reason or 'no reason'}), yet its last attempt ended as {last.result}"
    elif (
        run.status in ("skipped", "missed", "cancelled")
        and last.result not in ("lost", run.status)
        and run.fence is not None
    ):
        return f"is {run.status}, yet its last attempt ended as {last.result}"
    return None


def _check_fences(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    by_number = sorted(attempts, key=lambda attempt: attempt.attempt)
    for earlier, later in pairwise(by_number):
        if later.fence <= earlier.fence:
            said = f"attempt {later.attempt} has fence {later.fence}, not above {earlier.fence} of attempt {earlier.attempt}"
            case.found_run("fence_order", run, f"is out of order: {said}")
    if run.status == "queued" and run.fence is not None:
        case.found_run("fence_order", run, f"waits, yet keeps fence {run.fence} of its last holder")
    highest = max([run.fence or 0, *(attempt.fence for attempt in attempts)])
    if highest > case.setting.last_fence:
        handed_out = case.setting.last_fence
        case.found_run("fence_order", run, f"has fence {highest}, but the last one handed out is {handed_out}")
    if run.status == "running" and by_number and by_number[-1].node_id != run.node_id:
        case.found_run("attempts", run, f"runs on node {run.node_id}, its last attempt on {by_number[-1].node_id}")


def _check_instants(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    slack = case.setting.slack
    if run.fire_at is not None:
        if run.started_at is not None and run.started_at < run.fire_at - slack:
            case.found_run(
                "misdated", run, f"started at {iso(run.started_at)}, before its fire time {iso(run.fire_at)}"
            )
        if run.queued_at < run.fire_at - slack:
            case.found_run(
                "misdated", run, f"was written at {iso(run.queued_at)}, before its fire time {iso(run.fire_at)}"
            )
    if run.started_at is not None and run.finished_at is not None and run.finished_at < run.started_at:
        case.found_run("misdated", run, f"ended at {iso(run.finished_at)}, before it started at {iso(run.started_at)}")
    for attempt in attempts:
        if attempt.ended_at is not None and attempt.ended_at < attempt.started_at - slack:
            said = f"ended at {iso(attempt.ended_at)}, before it started at {iso(attempt.started_at)}"
            case.found_run("misdated", run, f"is misdated: attempt {attempt.attempt} {said}")
