"""Commands that run jobs inside this process."""

from __future__ import annotations

from systemprompt.cli.settings import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.settings import CliSettings
    from systemprompt.operations.cleanup import CleanupSessionsParams, LogCleanup, LogCleanupParams, SessionCleanup
    from systemprompt.operations.run_jobs import RunJobsParams, RunJobsResult
    from systemprompt.operations.serve import ServeParams, ServeResult

__all__ = ["cleanup_sessions", "log_cleanup", "run_jobs", "serve"]


def run_jobs(settings: CliSettings, params: RunJobsParams) -> CommandResult[RunJobsResult]:
    from systemprompt.cli.progress import RunWatcher
    from systemprompt.operations.run_jobs import run_jobs

    with settings.open_system() as system:
        data = run_jobs(system, params, on_event=RunWatcher(settings))
        code = 1 if data.failed else 0
        title = "Job Execution Results"
        return CommandResult(data, "table", title, exit_code=code, time_zone=system.profile.time_zone)


def cleanup_sessions(settings: CliSettings, params: CleanupSessionsParams) -> CommandResult[SessionCleanup]:
    from systemprompt.operations.cleanup import cleanup_sessions

    with settings.open_system() as system:
        data = cleanup_sessions(system, params)
    return CommandResult(data, "text", "Session Cleanup", exit_code=_code(data.status))


def log_cleanup(settings: CliSettings, params: LogCleanupParams) -> CommandResult[LogCleanup]:
    from systemprompt.operations.cleanup import log_cleanup

    with settings.open_system() as system:
        data = log_cleanup(system, params)
    return CommandResult(data, "text", "Log Cleanup", exit_code=_code(data.status))


def serve(settings: CliSettings, params: ServeParams) -> CommandResult[ServeResult]:
    from systemprompt.cli.node_watcher import NodeWatcher
    from systemprompt.operations.serve import serve

    with settings.open_system() as system, NodeWatcher(settings) as watcher:
        data = serve(system, params, on_event=watcher)
    return CommandResult(data, "text", "Node")


def _code(status: str) -> int:
    return 0 if status in ("success", "would_run") else 1
