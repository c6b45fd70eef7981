"""What ran, what did not, and why: the ledger's accounts, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.operations.instants import iso_or_none, known_job, read_span
from systemprompt.operations.parameters import none_of, param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.ledger.views import RangeView, RunView
    from systemprompt.operations.context import OperationContext

__all__ = ["ORIGINS", "History", "HistoryEntry", "HistoryParams", "history"]

ORIGINS = ("schedule", "catch_up", "manual", "backfill", "bootstrap")
"""Why a run exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParams:
    """Which accounts to show."""

    job: str | None = param("only this job", None)
    status: str | None = param(
        "only this status: success, failed, running; also queued, skipped, missed, cancelled", None
    )
    limit: int = param("how many entries to show", 20, minimum=0)
    since: str | None = param("only from then on: 2h, 3d, a date, or an ISO instant", None)
    until: str | None = param("only before then, written as for `since`", None)
    origin: str | None = param("only runs that exist for this reason", None, choices=ORIGINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One account: a run, or a range of fire times that met with the same fate. Instants are ISO 8601 in UTC.

    run_at        when it started; for what never started, the instant it stands for; for a range its last one
    error         the failure in full, or null
    kind          `run` or `range`
    run_id        the run's number; null for a range
    origin        `schedule`, `catch_up`, `manual`, `backfill` or `bootstrap`; null for a range
    fire_at       the fire time it accounts for; null for a manual start and for a range
    lateness_ms   how long after its fire time it started, to the microsecond; null for what never started or has none
    reason        why it is not a success, from a closed list
    why           what somebody said when they asked for the run
    blocked_by    the run that was in the way, for `skipped` with reason `overlap`
    stop_asked_at, stop_by, stop_why   when somebody asked to stop it, who, and what they said
    abandoned     whether its code was still running when the account was closed, because it could not be stopped
    count         fire times accounted for: 1, or a range's number
    first_at, last_at   a range's first and last fire time, both included
    """

    job_name: str
    status: str
    run_at: str
    error: str | None
    kind: str
    run_id: int | None
    origin: str | None
    fire_at: str | None
    lateness_ms: float | None
    finished_at: str | None
    reason: str | None
    duration_ms: int | None
    attempt: int
    items_processed: int
    items_failed: int
    message: str | None
    actor: str | None
    why: str | None
    blocked_by: int | None
    stop_asked_at: str | None
    stop_by: str | None
    stop_why: str | None
    abandoned: bool
    count: int
    first_at: str | None
    last_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The newest accounts first; `total` says how many match in all, a range as one."""

    entries: tuple[HistoryEntry, ...]
    total: int


def history(context: OperationContext, params: HistoryParams) -> History:
    """Return accounts, newest first.

    Raises:
        JobNotFound: `job` names no job.
        UsageError: `status`, `origin`, `since` or `until` is none, or `since` is after `until`.
    """
    from systemprompt.ledger.views import HistoryQuery, RunView

    with context.open_ledger() as ledger:
        if params.job is not None:
            known_job(ledger, params.job)
        if params.status is not None:
            _check_status(params.status)
        since, until = read_span(context, since=params.since, until=params.until)
        page = ledger.history(
            HistoryQuery(
                job_name=params.job,
                status=params.status,
                origin=params.origin,
                since=since,
                until=until,
                limit=params.limit,
            )
        )
    return History(
        entries=tuple(_of_run(entry) if isinstance(entry, RunView) else _of_range(entry) for entry in page.entries),
        total=page.total,
    )


def _check_status(status: str) -> None:
    from systemprompt.ledger.records import STATUSES

    if status not in STATUSES:
        raise none_of("status", status, STATUSES)


def _of_run(run: RunView) -> HistoryEntry:
    return HistoryEntry(
        job_name=run.job_name,
        status=run.status,
        run_at=iso(run.due_at if run.started_at is None else run.started_at),
        error=run.error,
        kind="run",
        run_id=run.run_id,
        origin=run.origin,
        fire_at=iso_or_none(run.fire_at),
        lateness_ms=None if run.fire_at is None or run.started_at is None else (run.started_at - run.fire_at) / 1_000,
        finished_at=iso_or_none(run.finished_at),
        reason=run.reason,
        duration_ms=run.duration_ms,
        attempt=run.attempt,
        items_processed=run.items_processed,
        items_failed=run.items_failed,
        message=run.message,
        actor=run.actor,
        why=run.why,
        blocked_by=run.blocked_by,
        stop_asked_at=iso_or_none(run.stop_asked_at),
        stop_by=run.stop_by,
        stop_why=run.stop_why,
        abandoned=run.abandoned,
        count=1,
        first_at=None,
        last_at=None,
    )


def _of_range(found: RangeView) -> HistoryEntry:
    return HistoryEntry(
        job_name=found.job_name,
        status=found.status,
        run_at=iso(found.last_at),
        error=None,
        kind="range",
        run_id=None,
        origin=None,
        fire_at=None,
        lateness_ms=None,
        finished_at=None,
        reason=found.reason,
        duration_ms=None,
        attempt=0,
        items_processed=0,
        items_failed=0,
        message=None,
        actor=None,
        why=None,
        blocked_by=None,
        stop_asked_at=None,
        stop_by=None,
        stop_why=None,
        abandoned=False,
        count=found.count,
        first_at=iso(found.first_at),
        last_at=iso(found.last_at),
    )
