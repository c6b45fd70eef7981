"""`sp infra jobs ...`: reading the ledger and switching jobs."""

from __future__ import annotations

from contextlib import closing

from systemprompt.cli.settings import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.settings import CliSettings
    from systemprompt.operations.audit_jobs import AuditParams, AuditReport
    from systemprompt.operations.cancel_run import CancelRunParams, RunCancelled
    from systemprompt.operations.explain_fire_time import ExplainParams, FireTimeExplained
    from systemprompt.operations.history import History, HistoryParams
    from systemprompt.operations.list_jobs import JobList, ListJobsParams
    from systemprompt.operations.run_logs import RunLogs, RunLogsParams
    from systemprompt.operations.show_job import JobDetails, ShowJobParams
    from systemprompt.operations.switch_job import JobSwitched, SwitchJobParams
    from systemprompt.operations.upcoming import Upcoming, UpcomingParams

__all__ = [
    "audit_jobs",
    "cancel_run",
    "disable_job",
    "enable_job",
    "explain_fire_time",
    "history",
    "list_jobs",
    "run_logs",
    "show_job",
    "upcoming",
]


def list_jobs(settings: CliSettings, params: ListJobsParams) -> CommandResult[JobList]:
    from systemprompt.operations.list_jobs import list_jobs

    with closing(settings.open_reader()) as ledger:
        data = list_jobs(ledger, params)
    return CommandResult(data, "table", "Available Jobs", time_zone=settings.time_zone())


def show_job(settings: CliSettings, params: ShowJobParams) -> CommandResult[JobDetails]:
    from systemprompt.operations.show_job import show_job

    with closing(settings.open_reader()) as ledger:
        data = show_job(ledger, params, now=settings.the_clock().now())
    return CommandResult(data, "presentation_card", f"Job: {data.name}", time_zone=settings.time_zone())


def history(settings: CliSettings, params: HistoryParams) -> CommandResult[History]:
    from systemprompt.operations.history import history

    # Only a date written without a zone needs to know which zone this is; `2h` and `...Z` do not.
    zone = settings.time_zone(always=params.since is not None or params.until is not None)
    with closing(settings.open_reader()) as ledger:
        data = history(ledger, params, now=settings.the_clock().now(), time_zone=zone)
    return CommandResult(data, "table", "Job Execution History", time_zone=zone)


def enable_job(settings: CliSettings, params: SwitchJobParams) -> CommandResult[JobSwitched]:
    from systemprompt.operations.switch_job import switch_job

    with settings.open_system() as system:
        data = switch_job(system, params, enabled=True)
        return CommandResult(data, "text", "Job Enabled", time_zone=system.profile.time_zone)


def disable_job(settings: CliSettings, params: SwitchJobParams) -> CommandResult[JobSwitched]:
    from systemprompt.operations.switch_job import switch_job

    with settings.open_system() as system:
        data = switch_job(system, params, enabled=False)
        return CommandResult(data, "text", "Job Disabled", time_zone=system.profile.time_zone)


def cancel_run(settings: CliSettings, params: CancelRunParams) -> CommandResult[RunCancelled]:
    from systemprompt.operations.cancel_run import cancel_run

    with settings.open_system() as system:
        data = cancel_run(system, params)
        return CommandResult(data, "text", "Run Cancelled", time_zone=system.profile.time_zone)


def upcoming(settings: CliSettings, params: UpcomingParams) -> CommandResult[Upcoming]:
    from systemprompt.operations.upcoming import upcoming

    with closing(settings.open_reader()) as ledger:
        data = upcoming(ledger, params, now=settings.the_clock().now())
    return CommandResult(data, "table", "Upcoming Runs", time_zone=settings.time_zone())


def run_logs(settings: CliSettings, params: RunLogsParams) -> CommandResult[RunLogs]:
    from systemprompt.operations.run_logs import run_logs

    with settings.open_system() as system:
        data = run_logs(system.ledger, system.database, params)
        return CommandResult(data, "table", f"Logs of run {data.run_id}", time_zone=system.profile.time_zone)


def audit_jobs(settings: CliSettings, params: AuditParams) -> CommandResult[AuditReport]:
    from systemprompt.operations.audit_jobs import audit_jobs

    with settings.open_system() as system:
        data = audit_jobs(system, params)
        code = 0 if data.clean else 1
        return CommandResult(data, "table", "Audit", exit_code=code, time_zone=system.profile.time_zone)


def explain_fire_time(settings: CliSettings, params: ExplainParams) -> CommandResult[FireTimeExplained]:
    from systemprompt.operations.explain_fire_time import explain_fire_time

    zone = settings.time_zone(always=params.at is not None)
    with closing(settings.open_reader()) as ledger:
        data = explain_fire_time(ledger, params, now=settings.the_clock().now(), time_zone=zone)
    return CommandResult(data, "presentation_card", f"Fire time of {data.job_name}", time_zone=zone)
