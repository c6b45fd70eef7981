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
        from systemprompt.errors import unknown

        there_are = f"there are: {', '.join(_BY_NAME)}"
        raise unknown(f"there is no operation {name!r}", name, _BY_NAME, there_are, operation=name)
    return found


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_jobs",
        "List every job with its schedule and its state.",
        code="list_jobs:list_jobs ListJobsParams JobList",
        example={"tag": ("maintenance",)},
        needs="ledger",
        entries="jobs",
        title="Available Jobs",
        artifact_type="table",
    ),
    Operation(
        "show_job",
        "Show one job: schedule, policies, last and next runs.",
        code="show_job:show_job ShowJobParams JobDetails",
        example={"name": "database_cleanup"},
        needs="ledger",
        title="Job: {0.name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "run_jobs",
        "Run jobs now and account for them like any other run.",
        code="run_jobs:run_jobs RunJobsParams RunJobsResult",
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
        code="cancel_run:cancel_run CancelRunParams RunCancelled",
        example={"run_id": 42, "why": "wrong file"},
        needs="system",
        does="writes",
        title="Run Cancelled",
    ),
    Operation(
        "history",
        "Show what ran, what did not, and why.",
        code="history:history HistoryParams History",
        example={"status": ("failed", "missed"), "since": "2d"},
        needs="ledger",
        entries="entries",
        title="Job Execution History",
        artifact_type="table",
    ),
    Operation(
        "enable_job",
        "Let a job's schedule start it again.",
        code="switch_job:enable_job SwitchJobParams JobSwitched",
        example={"name": "behavioral_analysis"},
        needs="system",
        does="writes",
        title="Job Enabled",
    ),
    Operation(
        "disable_job",
        "Stop a job's schedule from starting it.",
        code="switch_job:disable_job SwitchJobParams JobSwitched",
        example={"name": "behavioral_analysis", "why": "vendor is down"},
        needs="system",
        does="writes",
        title="Job Disabled",
    ),
    Operation(
        "upcoming",
        "Show the fire times to come.",
        code="upcoming:upcoming UpcomingParams Upcoming",
        example={"hours": 24},
        needs="ledger",
        entries="entries",
        title="Upcoming Runs",
        artifact_type="table",
    ),
    Operation(
        "run_logs",
        "Read what a run said while it worked.",
        code="run_logs:run_logs RunLogsParams RunLogs",
        example={"run": "42", "level": "warning"},
        needs="system",
        entries="entries",
        title="Logs of run {0.run_id}",
        artifact_type="table",
    ),
    Operation(
        "active_runs",
        "Show what runs and what waits: elapsed, usual, progress, node.",
        code="active_runs:active_runs ActiveRunsParams ActiveRuns",
        needs="system",
        entries="entries",
        title="Active Runs",
        artifact_type="table",
    ),
    Operation(
        "audit_jobs",
        "Recompute every fire time and hold the ledger against it.",
        code="audit_jobs:audit_jobs AuditParams AuditReport",
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
        code="explain_fire_time:explain_fire_time ExplainParams FireTimeExplained",
        example={"name": "database_cleanup"},
        needs="ledger",
        title="Fire time of {0.job_name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "cleanup_sessions",
        "Clean up inactive user sessions.",
        code="cleanup:cleanup_sessions CleanupSessionsParams SessionCleanup",
        example={"hours": 2, "dry_run": True},
        needs="system",
        does="runs",
        failed="failed",
        title="Session Cleanup",
    ),
    Operation(
        "log_cleanup",
        "Clean up old log entries.",
        code="cleanup:log_cleanup LogCleanupParams LogCleanup",
        example={"days": 7, "dry_run": True},
        needs="system",
        does="runs",
        failed="failed",
        title="Log Cleanup",
    ),
    Operation(
        "new_job",
        "Write a job file to start from, and a test for it.",
        code="new_job:new_job NewJobParams NewJob",
        example={"name": "nightly_report"},
        needs="profile",
        does="writes",
        where="local",
        title="Job Created",
    ),
    Operation(
        "describe_schedule",
        "Say what a cron expression means, and when it fires.",
        code="describe_schedule:describe_schedule DescribeScheduleParams ScheduleDescribed",
        example={"expression": "0 9 * * MON-FRI", "zone": "Europe/Berlin"},
        title="{0.sentence}",
        artifact_type="presentation_card",
    ),
    Operation(
        "serve",
        "Be a node: plan and run jobs in the foreground until told to stop.",
        code="serve:serve ServeParams ServeResult",
        needs="system",
        does="runs",
        where="local",
        title="Node",
    ),
    Operation(
        "list_nodes",
        "Show the nodes: what they run, since when, labels, clock, version.",
        code="list_nodes:list_nodes ListNodesParams NodeList",
        needs="ledger",
        entries="entries",
        title="Nodes",
        artifact_type="table",
    ),
    Operation(
        "drain_node",
        "Have a node take no more, end what it runs, and leave.",
        code="drain_node:drain_node DrainNodeParams NodeDrain",
        example={"node": "3fa2c1", "why": "new kernel"},
        needs="system",
        does="writes",
        title="Node Drained",
    ),
    Operation(
        "init_profile",
        "Write a commented profile, an example job and a content folder.",
        code="init_profile:init_profile InitParams Initialised",
        example={"dir": "my-site"},
        does="writes",
        where="local",
        title="Profile Created",
    ),
    Operation(
        "check_profile",
        "Check the profile and report all its faults at once.",
        code="profile:check_profile NoParams ProfileCheck",
        needs="profile",
        title="Profile Check",
    ),
    Operation(
        "show_profile",
        "Show the profile as it is understood, with every default.",
        code="profile:show_profile NoParams ProfileShown",
        needs="profile",
        title="Profile: {0.name}",
        artifact_type="presentation_card",
    ),
    Operation(
        "db_migrate",
        "Bring the tables to the newest schema.",
        code="database:db_migrate NoParams DbMigrated",
        needs="profile",
        does="writes",
        title="Database Migration",
    ),
    Operation(
        "db_status",
        "Show which schema each database has.",
        code="database:db_status DbStatusParams DbStatus",
        needs="profile",
        entries="databases",
        title="Database Status",
        artifact_type="table",
    ),
    Operation(
        "db_backup",
        "Copy the ledger to a file while nodes run.",
        code="backup:db_backup DbBackupParams DbBackup",
        example={"file": "ledger-copy.db", "database": "app-copy.db"},
        needs="profile",
        does="writes",
        where="local",
        failed="not clean",
        title="Database Backup",
    ),
    Operation(
        "db_restore",
        "Put a copy in the place of the ledger.",
        code="restore:db_restore DbRestoreParams DbRestore",
        example={"file": "ledger-copy.db", "replace": True},
        needs="profile",
        does="destroys",
        where="local",
        title="Database Restore",
    ),
    Operation(
        "db_move",
        "Move ledger and application tables to another address.",
        code="move:db_move DbMoveParams DbMove",
        example={"to": "moved.db"},
        needs="profile",
        does="writes",
        where="local",
        failed="not clean",
        title="Database Move",
    ),
    Operation(
        "doctor",
        "Check the whole installation and say how to mend what is wrong.",
        code="doctor:doctor DoctorParams Diagnosis",
        needs="profile",
        failed="not healthy",
        entries="checks",
        title="Doctor",
        artifact_type="table",
    ),
)
_BY_NAME = {one.name: one for one in OPERATIONS}
