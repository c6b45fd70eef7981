"""Look at what is kept beside the accounts: late results, texts, code that could not be stopped, and how many runs there are."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

from systemprompt.audit.case import Setting
from systemprompt.audit.findings import Finding, Findings
from systemprompt.clock import Instant, iso
from systemprompt.ledger.attempt_views import AttemptView, LateView
from systemprompt.ledger.views import JobView
from systemprompt.wording import counted

__all__ = ["check_abandoned", "check_fences", "check_late_results", "check_strays", "check_texts"]


def check_fences(setting: Setting, findings: Findings) -> None:
    """No fence was handed out twice, whichever runs it went to."""
    for fence, run_id, other in setting.ledger.fences_given_twice():
        sentence = f"fence {fence} was handed out twice, to runs {run_id} and {other}"
        findings.add(Finding(kind="fence_order", job_name=None, sentence=sentence, run_id=other))


def check_strays(setting: Setting, findings: Findings, *, seen: int) -> None:
    """Every run is open or closed, never both and never neither, and belongs to a job.

    seen   how many runs the audit came by that are not of a pruned day; of those the seals say how many there were
    """
    ledger = setting.ledger
    for run_id, what in ledger.stray_runs():
        _found(findings, "stray", run_id, what)
    written = ledger.runs_written()
    if written is None:
        return
    pruned = sum(seal.runs for seal in ledger.seals() if seal.until_at <= setting.pruned_until)
    if written != seen + pruned:
        gone = f", {pruned:,} were pruned" if pruned else ""
        sentence = f"{counted(written, 'run')} were written, {seen:,} are open or closed{gone}"
        findings.add(Finding(kind="stray", job_name=None, sentence=sentence, count=abs(written - seen - pruned)))


def check_late_results(setting: Setting, findings: Findings) -> None:
    """A late result is kept once, with an attempt that was written down, in the day in which it arrived."""
    late = setting.ledger.late_results()
    for earlier, later in pairwise(late):
        if (earlier.run_id, earlier.attempt) == (later.run_id, later.attempt):
            _found(findings, "attempts", later.run_id, f"has two late results of attempt {later.attempt}")
    for result in late:
        # Its run may be pruned before it, and the tries of that one by one: a late result may come in a later day.
        pruned = setting.pruned_until and setting.ledger.run(result.run_id) is None
        if not pruned and not _is_of(result, list(setting.ledger.attempts(result.run_id))):
            what = f"has a late result of attempt {result.attempt} (fence {result.fence}), which nobody wrote down"
            _found(findings, "attempts", result.run_id, what)
        if result.arrived_at + setting.stall < result.ended_at:
            what = f"has a late result that ended at {iso(result.ended_at)} and is kept with {iso(result.arrived_at)}"
            _found(findings, "misdated", result.run_id, what, at=result.arrived_at)


def check_abandoned(setting: Setting, findings: Findings) -> None:
    """What is in its job's way because its code still runs is closed, has brought nothing yet, and its node is there."""
    for run_id in sorted(setting.run_on):
        run = setting.ledger.run(run_id)
        if run is None:
            continue  # pruned, or a stray
        if not run.abandoned and run.fence is not None:  # without a fence it waits, or waited, to be tried again
            _found(findings, "abandoned", run_id, f"is said to run on, but it is {run.status} and its code was stopped")
        for attempt in list(setting.ledger.attempts(run_id))[-1:]:
            node = setting.nodes.get(attempt.node_id)
            if attempt.late_at is not None:
                _found(
                    findings, "abandoned", run_id, f"is said to run on, but its code ended by {iso(attempt.late_at)}"
                )
            elif node is not None and node.stopped_at is not None:
                gone = f"node {node.node_id}, which {node.fate} at {iso(node.stopped_at)}"
                _found(findings, "abandoned", run_id, f"is said to run on, but it ran on {gone}")


def check_texts(
    setting: Setting, jobs: Sequence[JobView], findings: Findings, low: Instant, high: Instant, *, only: int | None
) -> None:
    """Every text that is still there has the hash that its account holds."""
    names = {job.job_id: job.name for job in jobs}
    for text in setting.ledger.texts_between(low, high, job_id=only):
        if sha256(text.text.encode()).hexdigest() != text.hash:
            said = "another text than" if text.hash is not None else "a text, though"
            held = "the one whose hash is held" if text.hash is not None else "no hash is held"
            sentence = f"run {text.run_id} has {said} {held} as the {text.kind} of attempt {text.attempt}"
            name = names.get(text.job_id)
            whose = f"job {name!r}: " if name is not None else ""
            findings.add(Finding(kind="texts", job_name=name, sentence=whose + sentence, run_id=text.run_id))


def _is_of(result: LateView, tries: Sequence[AttemptView]) -> bool:
    return any((attempt.attempt, attempt.fence) == (result.attempt, result.fence) for attempt in tries)


def _found(findings: Findings, kind: str, run_id: int, what: str, *, at: Instant | None = None) -> None:
    findings.add(Finding(kind=kind, job_name=None, sentence=f"run {run_id} {what}", at=at, run_id=run_id))
