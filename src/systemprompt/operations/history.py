"""What ran, what did not, and why: the ledger's accounts, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType

from systemprompt.clock import iso
from systemprompt.operations.answers import entry_of, said_once
from systemprompt.operations.cursors import cursor_at, place_of
from systemprompt.operations.instants import known_job, read_span
from systemprompt.operations.parameters import CURSOR, FIELDS, none_of, param

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

    job: tuple[str, ...] = param("only this job", ())
    status: tuple[str, ...] = param(
        "only this status: success, failed, running; also queued, skipped, missed, cancelled", ()
    )
    limit: int = param("how many entries to show", 20, minimum=0)
    since: str | None = param("only from then on: 2h, 3d, a date, or an ISO instant", None)
    until: str | None = param("only before then, written as for `since`", None)
    origin: tuple[str, ...] = param("only runs that exist for this reason", (), choices=ORIGINS)
    cursor: str | None = param(CURSOR, None)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One account: a run, or a range of fire times that met with the same fate. Instants are ISO 8601 in UTC.

    run_at        when it started; for what never started, the instant it stands for; for a range its last one
    error         the failure in full, or null
    message       what the job said of how it went; null where `error` ends with the same text
    exit_code     what a command, or a job's process, ended with; null where there was none
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
    did_nothing   whether it is a success that had nothing to do
    dry_run       whether its job only said what it would do
    lines_dropped   lines of its log that were dropped until it ended
    count         fire times accounted for: 1, or a range's number
    first_at, last_at   a range's first and last fire time, both included
    """

    job_name: str
    status: str
    run_at: str
    error: str | None = None
    kind: str
    run_id: int | None = None
    origin: str | None = None
    fire_at: str | None = None
    lateness_ms: float | None = None
    finished_at: str | None = None
    reason: str | None = None
    duration_ms: int | None = None
    attempt: int = 0
    items_processed: int = 0
    items_failed: int = 0
    did_nothing: bool = False
    dry_run: bool = False
    lines_dropped: int = 0
    message: str | None = None
    exit_code: int | None = None
    actor: str | None = None
    why: str | None = None
    blocked_by: int | None = None
    stop_asked_at: str | None = None
    stop_by: str | None = None
    stop_why: str | None = None
    abandoned: bool = False
    count: int
    first_at: str | None = None
    last_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The newest accounts first, a range as one.

    total, shown   how many match, and how many are here; next_cursor   leads to the older ones, null where there are none
    """

    entries: tuple[HistoryEntry, ...]
    total: int
    shown: int
    next_cursor: str | None


def history(context: OperationContext, params: HistoryParams) -> History:
    """Return accounts, newest first.

    Raises:
        JobNotFound: `job` names no job.
        UsageError: `status`, `origin`, `since`, `until` or `cursor` is none, or `since` is after `until`.
    """
    from systemprompt.ledger.reasons import STATUSES
    from systemprompt.ledger.views import HistoryQuery, Place, RunView

    with context.open_ledger() as ledger:
        for name in params.job:
            known_job(ledger, name)
        for status in params.status:
            if status not in STATUSES:
                raise none_of("status", status, STATUSES)
        shown_up_to = place_of(params, _MAYBE, _MAYBE, int, bool, int)
        if shown_up_to is None:
            after, (since, until) = None, read_span(context, since=params.since, until=params.until)
        else:  # of a span that was given as `2h`, the one it was when the question was asked
            since, until, *place = shown_up_to
            after = Place(*place)
        page = ledger.history(
            HistoryQuery(
                job_names=params.job,
                statuses=params.status,
                origins=params.origin,
                since=since,
                until=until,
                limit=params.limit + 1,
                after=after,
            )
        )
    shown = page.entries[: params.limit]
    cut = 0 < len(shown) < len(page.entries)
    return History(
        entries=tuple(_of_run(entry) if isinstance(entry, RunView) else _of_range(entry) for entry in shown),
        total=page.total,
        shown=len(shown),
        next_cursor=cursor_at(params, since, until, *Place.of(shown[-1])) if cut else None,
    )


_MAYBE = (int, NoneType)


def _of_run(run: RunView) -> HistoryEntry:
    return entry_of(
        HistoryEntry,
        run,
        run_at=iso(run.due_at if run.started_at is None else run.started_at),
        kind="run",
        message=said_once(run.message, run.error),
        lateness_ms=None if run.fire_at is None or run.started_at is None else (run.started_at - run.fire_at) / 1_000,
        count=1,
        first_at=None,
        last_at=None,
    )


def _of_range(told: RangeView) -> HistoryEntry:
    return HistoryEntry(
        job_name=told.job_name,
        status=told.status,
        run_at=iso(told.last_at),
        kind="range",
        reason=told.reason,
        count=told.count,
        first_at=iso(told.first_at),
        last_at=iso(told.last_at),
    )
