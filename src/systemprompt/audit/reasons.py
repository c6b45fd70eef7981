"""Hold reasons against what they claim."""

from __future__ import annotations

from systemprompt.audit.case import JobCase
from systemprompt.clock import SECOND, iso
from systemprompt.ledger.records import REASONS, STATUSES
from systemprompt.ledger.views import RangeView, RunView, VersionView

__all__ = ["LATE_CLOSING", "check_range_reason", "check_run_reason"]

LATE_CLOSING = 3_600 * SECOND
"""A run is open in the ledger until its closing is committed, which may be later than the end the closing names: a node may
have been held up in between. Past this, a run that had ended was not in anybody's way."""


def check_run_reason(case: JobCase, run: RunView) -> None:
    """Check status and reason of one run: they belong together, and nothing in the ledger contradicts them."""
    fault = _fault(run.status, run.reason)
    version = case.by_number.get(run.version)
    if fault is None and run.status in ("skipped", "missed") and run.started_at is not None:
        fault = f"is {run.status}, yet started at {iso(run.started_at)}"
    if fault is None and version is not None:
        fault = _against_version(run, version)
    if fault is None and run.reason == "overlap":
        fault = _overlap_fault(case, run)
    if fault is not None:
        case.found_run("unexplained", run, fault)


def check_range_reason(case: JobCase, account: RangeView, version: VersionView | None) -> None:
    """Check status and reason of one range."""
    fault = _fault(account.status, account.reason)
    if fault is None and account.status not in ("skipped", "missed"):
        fault = f"has status {account.status!r}: only what never ran is told in ranges"
    if fault is None and version is not None and account.reason == "disabled" and version.enabled:
        fault = f"says disabled, but version {version.version} is enabled"
    if fault is None and version is not None and not version.enabled and account.reason not in _IDLE:
        fault = f"says {account.reason}, but version {version.version} is disabled"
    if fault is not None:
        case.found_range("unexplained", account, fault)


_IDLE = ("disabled", "quarantined")


def _fault(status: str, reason: str | None) -> str | None:
    if status not in STATUSES:
        return f"has status {status!r}, which is none of {', '.join(STATUSES)}"
    known = REASONS.get(status)
    if known is None:
        return None if reason is None else f"is {status} and needs no reason, but has {reason!r}"
    if reason is None:
        return f"is {status} without a reason"
    return None if reason in known else f"is {status} for {reason!r}, which is no reason for that"


def _against_version(run: RunView, version: VersionView) -> str | None:
    if run.fire_at is None or run.origin == "backfill":
        return None  # by hand one may start a disabled job
    if run.reason == "disabled" and version.enabled:
        return f"says disabled, but version {version.version} is enabled"
    if not version.enabled and run.reason not in _IDLE:
        started = "started" if run.attempt else f"is {run.status}"
        return f"{started}, but version {version.version} is disabled"
    return None


def _overlap_fault(case: JobCase, run: RunView) -> str | None:
    """A blocking run must be another, earlier one of this job, that was open when this one was planned."""
    if run.blocked_by is None:
        return "was skipped for overlap and does not say which run was in the way"
    said = f"says run {run.blocked_by} was in the way"
    if run.blocked_by >= run.run_id:
        return f"{said}, which was written later"
    blocker = case.blocker(run.blocked_by)
    if blocker is None:
        # Retention takes the older one first.
        return None if case.pruned else f"{said}, which does not exist"
    if blocker.job_id != run.job_id:
        return f"{said}, which is of job {blocker.job_name!r}"
    if blocker.status in ("skipped", "missed"):
        return f"{said}, which never was open: it was {blocker.status}"
    if blocker.abandoned:
        return None  # its code was still running when its account was closed; see `Course` for how long
    ended = blocker.finished_at
    # Where the wall clock was set back in between, what ended later may say an earlier instant.
    if ended is not None and ended + LATE_CLOSING + case.setting.stepped_back(ended, run.queued_at) < run.queued_at:
        return f"{said}, which had ended at {iso(ended)}"
    return None
