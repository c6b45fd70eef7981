"""Hold the fate of a run or a range against the job's policies, the nodes and the clocks: could it have come to this?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from systemprompt.audit.case import JobCase
from systemprompt.clock import SECOND, iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.views import RangeView, RunView, VersionView

__all__ = ["check_range_fate", "check_run_fate"]


def check_run_fate(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    """Check one run against its version's policies and the nodes that held it (attempts by fence)."""
    version = case.by_number.get(run.version)
    for fault in _policy_faults(case, run, version, attempts):
        case.found_run("unexplained", run, fault)
    _check_deadline(case, run, attempts, version)
    _check_stop(case, run, attempts)
    _check_runs_on(case, run, attempts)
    for attempt in attempts:
        _check_holder(case, run, attempt)
        _check_late_result(case, run, attempt)
    _check_outcome_instants(case, run)


def check_range_fate(case: JobCase, account: RangeView) -> None:
    """Check one range against its version's policies and the recorded jumps of the clock."""
    version = case.by_number.get(account.version)
    catch_up = "" if version is None else str(version.policies.get("catch_up", "latest"))
    fault = None
    if account.reason == "start_deadline":
        fault = _deadline_fault(version, account.written_at - account.last_at)
    elif account.status == "missed" and catch_up == "all":
        fault = f"says {account.reason}, but the job says catch_up: all, and all of it was to run"
    elif account.reason == "superseded" and catch_up == "skip":
        fault = "says superseded, but the job says catch_up: skip"
    elif account.reason == "clock_jump" and not _jumped(case, account):
        fault = "says clock_jump, but no node saw the clock jump then"
    if fault is not None:
        case.found_range("unexplained", account, fault)
    if account.written_at < account.last_at - case.setting.slack:
        case.found_range("misdated", account, f"was written at {iso(account.written_at)}, before its last fire time")


def _policy_faults(
    case: JobCase, run: RunView, version: VersionView | None, attempts: Sequence[AttemptView]
) -> Iterator[str]:
    job = case.job
    if version is not None:
        catch_up, on_lost = (str(version.policies.get(name, usual)) for name, usual in _USUAL)
        if run.origin == "catch_up" and catch_up == "skip":
            yield "was queued to catch up, but the job says catch_up: skip"
        # Those that failed are held against `retry` by themselves.
        tried_again = [
            a for a in attempts if a.result == "failed" and a.fence != run.fence and version.policies.get("retry")
        ]
        failed = len(tried_again)
        if on_lost != "rerun" and (run.attempt - failed > 1 or (run.status == "queued" and run.attempt > failed)):
            yield f"was queued again after attempt 1, but the job says on_lost: {on_lost}"
        if run.reason == "start_deadline":
            fault = _deadline_fault(version, (run.finished_at or 0) - run.due_at)
            if fault is not None:
                yield fault
        if on_lost == "rerun" and run.reason == "node_lost" and run.attempt == 1:
            yield "failed with its first node, but the job says on_lost: rerun"
    means: Any = version.policies.get("exit_codes", {}) if version is not None else {}
    as_said = means.get(str(run.exit_code)) in ("success", "nothing")
    if run.status == "success" and (run.error or (run.exit_code and not as_said)):
        yield f"is success, yet it ended with {'an error' if run.error else f'exit code {run.exit_code}'}"
    if run.reason == "retired":
        if run.started_at is not None:
            yield f"was cancelled because the job left, yet it had started at {iso(run.started_at)}"
        if job.retired_at is None and not any(later.cause == "returned" for later in case.versions):
            yield "was cancelled because the job left, but it never did"
    if run.status == "queued" and not run.attempt and job.retired_at is not None:
        yield "is queued, though its job left the installation"


def _deadline_fault(version: VersionView | None, waited: int) -> str | None:
    """Say what is wrong where a fire time was given up for its job's `start_deadline` after so many microseconds."""
    deadline = _start_deadline(version)
    if deadline is None:
        return "says start_deadline, but the job has none"
    if waited <= deadline * SECOND:
        return (
            f"says start_deadline, but it was given up after {waited / SECOND:.3f} s, with a deadline of {deadline:g} s"
        )
    return None


def _check_deadline(case: JobCase, run: RunView, attempts: Sequence[AttemptView], version: VersionView | None) -> None:
    """The first try of a run begins within the `start_deadline`. Later tries have no deadline."""
    deadline = _start_deadline(version)
    if deadline is None or run.fire_at is None or not attempts:
        return
    late = min(attempt.started_at for attempt in attempts) - run.fire_at
    if late > deadline * SECOND + case.setting.slack + case.setting.stall:
        case.found_run(
            "deadline", run, f"began {late / SECOND:.3f} s after its fire time, with a start_deadline of {deadline:g} s"
        )


def _start_deadline(version: VersionView | None) -> float | None:
    said: Any = None if version is None else version.policies.get("start_deadline_s")
    return None if said is None else float(said)


_NEVER = 2**62
_USUAL = (("catch_up", "latest"), ("on_lost", "fail"))


def _check_stop(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    """Only what somebody asked to stop is closed as asked, and it is never started again."""
    asked_at = run.stop_asked_at
    if run.reason == "requested" and asked_at is None:
        case.found_run("stop", run, "was cancelled as requested, but nobody asked for it")
    if (asked_at is None) != (run.stop_by is None):
        said = (
            "does not say who asked for its stop" if run.stop_by is None else "does not say when its stop was asked for"
        )
        case.found_run("stop", run, said)
    if asked_at is None:
        return
    since = f"though its stop was asked for at {iso(asked_at)}"
    if run.status == "queued":
        case.found_run("stop", run, f"waits, {since}")
    for attempt in attempts[: None if run.fence is None else -1]:
        if attempt.ended_at is not None and attempt.ended_at > asked_at + case.setting.stall:
            case.found_run("stop", run, f"was queued again after attempt {attempt.attempt}, {since}")
    if run.reason == "requested" and run.finished_at is not None and run.finished_at < asked_at - case.setting.slack:
        case.found_run("stop", run, f"was cancelled as requested at {iso(run.finished_at)}, {since}")


def _check_runs_on(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    """Code that was given up on is in its job's way until it brings a late result, or until its node is gone."""
    if not run.abandoned or not attempts or run.run_id in case.setting.run_on:
        return
    node = case.setting.nodes.get(attempts[-1].node_id)
    if attempts[-1].late_result is None and node is not None and node.stopped_at is None:
        case.found_run("abandoned", run, f"was given up on and its code has not come back on node {node.node_id}")


def _check_holder(case: JobCase, run: RunView, attempt: AttemptView) -> None:
    """Nobody starts anything on a node that is gone, and only such a node loses a run."""
    node = case.setting.nodes.get(attempt.node_id)
    if node is None:
        return  # retention takes nodes that stopped long ago
    if node.stopped_at is None:
        if attempt.result == "lost":
            said = f"lost its attempt {attempt.attempt} with node {node.node_id}, which is not gone"
            case.found_run("unexplained", run, said)
    elif attempt.started_at > node.stopped_at + case.setting.stall:
        said = f"node {node.node_id}, which {node.fate} at {iso(node.stopped_at)}"
        case.found_run("open_without_node", run, f"was begun at {iso(attempt.started_at)} on {said}")


def _check_late_result(case: JobCase, run: RunView, attempt: AttemptView) -> None:
    """A late result proves that its node was alive when another took the run, and that the other's outcome is not this one's."""
    if attempt.late_result is None:
        return
    node = case.setting.nodes.get(attempt.node_id)
    # Where its stop was asked for, a run whose node is lost is closed as asked.
    asked = run.reason == "requested" and (node is None or (node.stopped_at or _NEVER) <= (attempt.ended_at or 0))
    if attempt.result != "lost" and not asked:
        # Code that could not be stopped may come back after its run was closed, or queued again. What else ends twice was closed by
        # another.
        if not run.abandoned and (attempt.attempt == run.attempt and run.fence is not None):
            said = f"attempt {attempt.attempt} ended as {attempt.result}, then its holder brought {attempt.late_result}"
            case.found_run("attempts", run, f"was closed by another than its holder: {said}")
        return
    if node is None or node.fate != "lost" or node.stopped_at is None:
        return
    silent = node.stopped_at - node.beat_at
    lease = node.lease_ms * 1_000
    if silent + case.setting.stepped_back(node.beat_at, node.stopped_at) + 2 * SECOND < lease:
        said = f"node {node.node_id} was declared lost {silent / SECOND:.1f} s after a beat, with a lease of {lease / SECOND:g} s"
        case.found_run(
            "lost_alive", run, f"was taken from a living node: {said}, and brought {attempt.late_result} afterwards"
        )


def _check_outcome_instants(case: JobCase, run: RunView) -> None:
    """The ledger itself puts these in order when it writes them, so no clock excuses a contradiction."""
    if run.fire_at is not None and run.fire_at != run.due_at:
        case.found_run("misdated", run, f"is for {iso(run.fire_at)}, yet due at {iso(run.due_at)}")
    if run.started_at is not None and run.started_at < run.queued_at:
        case.found_run(
            "misdated", run, f"started at {iso(run.started_at)}, before it was queued at {iso(run.queued_at)}"
        )
    if run.started_at is not None and run.started_at < run.available_at:
        case.found_run(
            "misdated", run, f"started at {iso(run.started_at)}, though not to start before {iso(run.available_at)}"
        )
    if run.finished_at is None:
        return
    if run.finished_at < run.queued_at:
        case.found_run(
            "misdated", run, f"ended at {iso(run.finished_at)}, before it was queued at {iso(run.queued_at)}"
        )


def _jumped(case: JobCase, account: RangeView) -> bool:
    slack = case.setting.slack
    return any(
        event.kind == "forward" and account.last_at - slack <= event.seen_at <= account.written_at + slack
        for event in case.setting.clock_events
    )
