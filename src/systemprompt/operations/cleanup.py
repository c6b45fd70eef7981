"""The two clean-up commands: the built-in jobs `session_cleanup` and `log_cleanup`, run now and for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from systemprompt.builtin.sessions.session_cleanup import inactive_sessions
from systemprompt.builtin.tables.changing import DRY_RUN, count_rows
from systemprompt.builtin.tables.table import Condition, Table
from systemprompt.builtin.upkeep.log_cleanup import entries_text, old_entries
from systemprompt.clock import Instant
from systemprompt.jobs.context import JobContext
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.operations.run_jobs import JobRun, RunJobsParams, run_jobs
from systemprompt.wording import counted

__all__ = [
    "CleanupSessionsParams",
    "LogCleanup",
    "LogCleanupParams",
    "SessionCleanup",
    "cleanup_sessions",
    "log_cleanup",
]

_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupSessionsParams:
    """Which sessions go."""

    hours: int = param("sessions inactive for more than N hours", 1, minimum=0, maximum=_MOST)
    dry_run: bool = param("preview without executing", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCleanup:
    """What went, or with `dry_run` what would go: it was asked for, or the table is the host's and has no `clean: true`.

    run_id   leads to the run's account and log; null where a dry run was asked for
    """

    job_name: str
    sessions_cleaned: int
    hours_threshold: int
    message: str
    dry_run: bool
    status: str
    run_id: int | None
    error: str | None

    @property
    def failed(self) -> bool:
        return self.status not in ("success", "would_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCleanupParams:
    """Which log entries go."""

    days: int = param("delete logs older than N days", 30, minimum=0, maximum=_MOST)
    dry_run: bool = param("preview without executing", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCleanup:
    """As `SessionCleanup`, of log entries."""

    job_name: str
    entries_deleted: int
    days_threshold: int
    message: str
    dry_run: bool
    status: str
    run_id: int | None
    error: str | None

    @property
    def failed(self) -> bool:
        return self.status not in ("success", "would_run")


def cleanup_sessions(context: OperationContext, params: CleanupSessionsParams) -> SessionCleanup:
    """Delete inactive sessions, in bounded batches and as a run of its own; a dry run counts the same rows and writes nothing.

    Raises:
        JobAlreadyRunning: the job is at work already.
        ConfigurationError, DatabaseError: the table cannot be found or read.
    """

    def would(number: int) -> str:
        return f"Would clean up {number} inactive session(s)"

    number, said = _clean(context, "session_cleanup", {"hours": params.hours}, params.dry_run, inactive_sessions, would)
    return SessionCleanup(sessions_cleaned=number, hours_threshold=params.hours, **said)


def log_cleanup(context: OperationContext, params: LogCleanupParams) -> LogCleanup:
    """Delete old log entries, in bounded batches and as a run of its own; a dry run counts the same rows and writes nothing.

    Raises:
        JobAlreadyRunning: the job is at work already.
        ConfigurationError, DatabaseError: the table cannot be found or read.
    """

    def would(number: int) -> str:
        return f"Would delete {entries_text(number)} older than {counted(params.days, 'day')}"

    number, said = _clean(context, "log_cleanup", {"days": params.days}, params.dry_run, old_entries, would)
    return LogCleanup(entries_deleted=number, days_threshold=params.days, **said)


def _clean(
    context: OperationContext,
    name: str,
    parameters: dict[str, int],
    dry_run: bool,
    rows: Callable[[JobContext, Instant], tuple[Table, Condition]],
    would: Callable[[int], str],
) -> tuple[int, dict[str, Any]]:
    """Run the job, or count what it would take; return the number, and what both results say of it."""
    if dry_run:
        number = _count(context, name, parameters, rows)
        said: dict[str, Any] = {"message": would(number), "status": "would_run", "run_id": None, "error": None}
        return number, {"job_name": name, "dry_run": True, **said}
    asked = {key: str(value) for key, value in parameters.items()}
    run = run_jobs(context, RunJobsParams(names=(name,), parameters=asked | {DRY_RUN: "false"})).jobs_run[0]
    number, message = _said(run)
    only_reported = run.result is not None and run.result.dry_run
    if only_reported:  # the table is the host's and not for us to clean; nothing has changed since
        number = _count(context, name, parameters, rows)
    said = {"message": message, "status": run.status, "run_id": run.run_id, "error": run.error}
    return number, {"job_name": name, "dry_run": only_reported, **said}


def _count(
    context: OperationContext,
    name: str,
    parameters: dict[str, int],
    rows: Callable[[JobContext, Instant], tuple[Table, Condition]],
) -> int:
    with context.open_system() as system:
        looking = JobContext(
            job_name=name,
            parameters=parameters,
            actor=context.actor,
            settings=system.settings,
            database=system.database,
        )
        return count_rows(looking, *rows(looking, system.clock.now()))


def _said(run: JobRun) -> tuple[int, str]:
    number, said = (run.result.items_processed, run.result.message) if run.result is not None else (0, None)
    said = said or (run.error or run.reason or run.status).strip().splitlines()[-1]
    return number, said if run.status == "success" else f"{run.job_name} did not succeed: {said}"
