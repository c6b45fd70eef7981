"""Every operation there is, and the one way to call it. Each door reads this list; reading it imports no operation."""

from __future__ import annotations

from systemprompt.operations.operation import Operation, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.operations.context import OperationContext

__all__ = ["OPERATIONS", "call", "operation"]


def call(context: OperationContext, one: Operation, params: object) -> object:
    """Carry out an operation. The only way to: what is wrong with the values is refused here, whatever the door.

    Raises:
        UsageError: a value is of the wrong type, less than the least that makes sense, or none of the choices. The message names
            the parameter in backticks, so that a door can put its own spelling there.
        Whatever else the operation raises.
    """
    from systemprompt.operations.answers import check_fields
    from systemprompt.operations.parameters import check

    check(params)
    check_fields(one, params)
    function = load(one.function)
    return function(context, params)


def operation(name: str) -> Operation:
    """Return the operation of this name.

    Raises:
        UsageError: there is none; the hint has the nearest.
    """
    found = _BY_NAME.get(name)
    if found is None:
        from systemprompt.errors import UsageError, did_you_mean

        near = did_you_mean(name, _BY_NAME)
        raise UsageError(
            f"there is no operation {name!r}",
            hint=f"did you mean {near!r}?" if near else f"there are: {', '.join(_BY_NAME)}",
            details={"operation": name, "did_you_mean": near},
        )
    return found


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_jobs",
        "List every job with its schedule and its state.",
        function="list_jobs:list_jobs",
        params="list_jobs:ListJobsParams",
        result="list_jobs:JobList",
        example={"tag": ("maintenance",)},
        needs="ledger",
        entries="jobs",
        title="Available Jobs",
        artifact_type="table",
    ),
    Operation(
        "show_job",
        "Show one job: schedule, policies, last and next runs.",
        function="show_job:show_job",
        params="show_job:ShowJobParams",
        result="show_job:JobDetails",
        example={"name": "database_cleanup"},
        needs="ledger",
        title="Job: {0.name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "run_jobs",
        "Run jobs now and account for them like any other run.",
        function="run_jobs:run_jobs",
        params="run_jobs:RunJobsParams",
        result="run_jobs:RunJobsResult",
        example={"names": ("database_cleanup",)},
        needs="system",
        does="runs",
        failed="failed",
        title="Job Execution Results",
        artifact_type="table",
    ),
    Operation(
        "cancel_run",
        "Stop a run, wherever it runs, or take it out of the queue.",
        function="cancel_run:cancel_run",
        params="cancel_run:CancelRunParams",
        result="cancel_run:RunCancelled",
        example={"run_id": 42, "why": "wrong file"},
        needs="system",
        does="writes",
        title="Run Cancelled",
        artifact_type="text",
    ),
    Operation(
        "history",
        "Show what ran, what did not, and why.",
        function="history:history",
        params="history:HistoryParams",
        result="history:History",
        example={"status": ("failed", "missed"), "since": "2d"},
        needs="ledger",
        entries="entries",
        title="Job Execution History",
        artifact_type="table",
    ),
    Operation(
        "enable_job",
        "Let a job's schedule start it again.",
        function="switch_job:enable_job",
        params="switch_job:SwitchJobParams",
        result="switch_job:JobSwitched",
        example={"name": "behavioral_analysis"},
        needs="system",
        does="writes",
        title="Job Enabled",
        artifact_type="text",
    ),
    Operation(
        "disable_job",
        "Stop a job's schedule from starting it.",
        function="switch_job:disable_job",
        params="switch_job:SwitchJobParams",
        result="switch_job:JobSwitched",
        example={"name": "behavioral_analysis", "why": "vendor is down"},
        needs="system",
        does="writes",
        title="Job Disabled",
        artifact_type="text",
    ),
    Operation(
        "upcoming",
        "Show the fire times to come.",
        function="upcoming:upcoming",
        params="upcoming:UpcomingParams",
        result="upcoming:Upcoming",
        example={"hours": 24},
        needs="ledger",
        entries="entries",
        title="Upcoming Runs",
        artifact_type="table",
    ),
    Operation(
        "run_logs",
        "Read what a run said while it worked.",
        function="run_logs:run_logs",
        params="run_logs:RunLogsParams",
        result="run_logs:RunLogs",
        example={"run": "42", "level": "warning"},
        needs="system",
        entries="entries",
        title="Logs of run {0.run_id}",
        artifact_type="table",
    ),
    Operation(
        "active_runs",
        "Show what runs and what waits: elapsed, usual, progress, node.",
        function="active_runs:active_runs",
        params="active_runs:ActiveRunsParams",
        result="active_runs:ActiveRuns",
        needs="system",
        entries="entries",
        title="Active Runs",
        artifact_type="table",
    ),
    Operation(
        "audit_jobs",
        "Recompute every fire time and hold the ledger against it.",
        function="audit_jobs:audit_jobs",
        params="audit_jobs:AuditParams",
        result="audit_jobs:AuditReport",
        example={"start": "7d"},
        needs="system",
        failed="not clean",
        entries="findings",
        title="Audit",
        artifact_type="table",
    ),
    Operation(
        "explain_fire_time",
        "Say which version named a fire time, what accounts for it, and why.",
        function="explain_fire_time:explain_fire_time",
        params="explain_fire_time:ExplainParams",
        result="explain_fire_time:FireTimeExplained",
        example={"name": "database_cleanup"},
        needs="ledger",
        title="Fire time of {0.job_name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "cleanup_sessions",
        "Clean up inactive user sessions.",
        function="cleanup:cleanup_sessions",
        params="cleanup:CleanupSessionsParams",
        result="cleanup:SessionCleanup",
        example={"hours": 2, "dry_run": True},
        needs="system",
        does="runs",
        failed="failed",
        title="Session Cleanup",
        artifact_type="text",
    ),
    Operation(
        "log_cleanup",
        "Clean up old log entries.",
        function="cleanup:log_cleanup",
        params="cleanup:LogCleanupParams",
        result="cleanup:LogCleanup",
        example={"days": 7, "dry_run": True},
        needs="system",
        does="runs",
        failed="failed",
        title="Log Cleanup",
        artifact_type="text",
    ),
    Operation(
        "new_job",
        "Write a job file to start from, and a test for it.",
        function="new_job:new_job",
        params="new_job:NewJobParams",
        result="new_job:NewJob",
        example={"name": "nightly_report"},
        needs="profile",
        does="writes",
        where="local",
        title="Job Created",
        artifact_type="text",
    ),
    Operation(
        "describe_schedule",
        "Say what a cron expression means, and when it fires.",
        function="describe_schedule:describe_schedule",
        params="describe_schedule:DescribeScheduleParams",
        result="describe_schedule:ScheduleDescribed",
        example={"expression": "0 9 * * MON-FRI", "zone": "Europe/Berlin"},
        title="{0.sentence}",
        artifact_type="presentation_card",
    ),
    Operation(
        "serve",
        "Be a node: plan and run jobs in the foreground until told to stop.",
        function="serve:serve",
        params="serve:ServeParams",
        result="serve:ServeResult",
        needs="system",
        does="runs",
        where="local",
        title="Node",
        artifact_type="text",
    ),
    Operation(
        "init_profile",
        "Write a commented profile, an example job and a content folder.",
        function="init_profile:init_profile",
        params="init_profile:InitParams",
        result="init_profile:Initialised",
        example={"dir": "my-site"},
        does="writes",
        where="local",
        title="Profile Created",
        artifact_type="text",
    ),
    Operation(
        "check_profile",
        "Check the profile and report all its faults at once.",
        function="profile:check_profile",
        params="profile:ProfileCheckParams",
        result="profile:ProfileCheck",
        needs="profile",
        title="Profile Check",
        artifact_type="text",
    ),
    Operation(
        "show_profile",
        "Show the profile as it is understood, with every default.",
        function="profile:show_profile",
        params="profile:ProfileShowParams",
        result="profile:ProfileShown",
        needs="profile",
        title="Profile: {0.name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "db_migrate",
        "Bring the tables to the newest schema.",
        function="database:db_migrate",
        params="database:DbMigrateParams",
        result="database:DbMigrated",
        needs="profile",
        does="writes",
        title="Database Migration",
        artifact_type="text",
    ),
    Operation(
        "db_status",
        "Show which schema each database has.",
        function="database:db_status",
        params="database:DbStatusParams",
        result="database:DbStatus",
        needs="profile",
        entries="databases",
        title="Database Status",
        artifact_type="table",
    ),
    Operation(
        "db_backup",
        "Copy the ledger to a file while nodes run.",
        function="backup:db_backup",
        params="backup:DbBackupParams",
        result="backup:DbBackup",
        example={"file": "ledger-copy.db", "database": "app-copy.db"},
        needs="profile",
        does="writes",
        where="local",
        failed="not clean",
        title="Database Backup",
        artifact_type="text",
    ),
    Operation(
        "db_restore",
        "Put a copy in the place of the ledger.",
        function="restore:db_restore",
        params="restore:DbRestoreParams",
        result="restore:DbRestore",
        example={"file": "ledger-copy.db", "replace": True},
        needs="profile",
        does="destroys",
        where="local",
        title="Database Restore",
        artifact_type="text",
    ),
    Operation(
        "doctor",
        "Check the whole installation and say how to mend what is wrong.",
        function="doctor:doctor",
        params="doctor:DoctorParams",
        result="doctor:Diagnosis",
        needs="profile",
        failed="not healthy",
        entries="checks",
        title="Doctor",
        artifact_type="table",
    ),
)
_BY_NAME = {one.name: one for one in OPERATIONS}
