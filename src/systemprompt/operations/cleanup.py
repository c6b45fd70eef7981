"""The two clean-up commands: the built-in jobs `session_cleanup` and `log_cleanup`, run now and for real."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from systemprompt.jobs.context import JobContext
    from systemprompt.nodes.node import NodeEvent
    from systemprompt.operations.run_jobs import JobRun
    from systemprompt.system import System

__all__ = [
    "CleanupSessionsParams",
    "LogCleanup",
    "LogCleanupParams",
    "SessionCleanup",
    "cleanup_sessions",
    "log_cleanup",
]

_SESSIONS, _LOGS = "session_cleanup", "log_cleanup"
_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupSessionsParams:
    """Which sessions go."""

    hours: int = param("sessions inactive for more than N hours", 1, metavar="N", minimum=0)
    dry_run: bool = param("preview without executing", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCleanup:
    """What went, or with `dry_run` what would go. `run_id` leads to the run's account and log; a dry run has none."""

    job_name: str
    sessions_cleaned: int
    hours_threshold: int
    message: str
    dry_run: bool
    status: str
    run_id: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCleanupParams:
    """Which log entries go."""

    days: int = param("delete logs older than N days", 30, metavar="N", minimum=0)
    dry_run: bool = param("preview without executing", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCleanup:
    """What went, or with `dry_run` what would go. `run_id` leads to the run's account and log; a dry run has none."""

    job_name: str
    entries_deleted: int
    days_threshold: int
    message: str
    dry_run: bool
    status: str
    run_id: int | None
    error: str | None


def cleanup_sessions(
    system: System, params: CleanupSessionsParams, *, on_event: Callable[[NodeEvent], None] | None = None
) -> SessionCleanup:
    """Delete inactive sessions, in bounded batches and as a run of its own; a dry run counts the same rows and writes nothing.

    Raises:
        JobAlreadyRunning: the job is at work already.
        ConfigurationError, DatabaseError: the table cannot be found or read.
    """
    if params.dry_run:
        from systemprompt.builtin.sessions.session_cleanup import count

        number = count(_context(system, _SESSIONS, {"hours": params.hours}), now=system.clock.now())
        message, status, run_id, error = f"Would clean up {number} inactive session(s)", "would_run", None, None
    else:
        run = _run(system, _SESSIONS, {"hours": str(params.hours)}, on_event)
        number, message = _said(run)
        status, run_id, error = run.status, run.run_id, run.error
    return SessionCleanup(
        job_name=_SESSIONS,
        sessions_cleaned=number,
        hours_threshold=params.hours,
        message=message,
        dry_run=params.dry_run,
        status=status,
        run_id=run_id,
        error=error,
    )


def log_cleanup(
    system: System, params: LogCleanupParams, *, on_event: Callable[[NodeEvent], None] | None = None
) -> LogCleanup:
    """Delete old log entries, in bounded batches and as a run of its own; a dry run counts the same rows and writes nothing.

    Raises:
        JobAlreadyRunning: the job is at work already.
        ConfigurationError, DatabaseError: the table cannot be found or read.
    """
    if params.dry_run:
        from systemprompt.builtin.upkeep.log_cleanup import count

        number = count(_context(system, _LOGS, {"days": params.days}), now=system.clock.now())
        entries = "log entry" if number == 1 else "log entries"
        older = f"older than {params.days} day{'' if params.days == 1 else 's'}"
        message, status, run_id, error = f"Would delete {number} {entries} {older}", "would_run", None, None
    else:
        run = _run(system, _LOGS, {"days": str(params.days)}, on_event)
        number, message = _said(run)
        status, run_id, error = run.status, run.run_id, run.error
    return LogCleanup(
        job_name=_LOGS,
        entries_deleted=number,
        days_threshold=params.days,
        message=message,
        dry_run=params.dry_run,
        status=status,
        run_id=run_id,
        error=error,
    )


def _context(system: System, job_name: str, parameters: Mapping[str, object]) -> JobContext:
    from systemprompt.jobs.context import JobContext

    return JobContext(
        job_name=job_name,
        parameters=parameters,
        actor=system.actor,
        settings=system.settings,
        database=system.database,
    )


def _run(system: System, name: str, parameters: dict[str, str], on_event: Callable[[NodeEvent], None] | None) -> JobRun:
    from systemprompt.operations.run_jobs import RunJobsParams, run_jobs

    asked = RunJobsParams(names=(name,), parameters=parameters, enforce=True)
    return run_jobs(system, asked, on_event=on_event).jobs_run[0]


def _said(run: JobRun) -> tuple[int, str]:
    number = run.result.items_processed if run.result is not None else 0
    if run.status == "success" and run.result is not None and run.result.message:
        return number, run.result.message
    if run.result is not None and run.result.message:
        why = run.result.message
    else:
        why = (run.error or run.reason or run.status).strip().splitlines()[-1]
    return number, f"{run.job_name} did not succeed: {why}"
