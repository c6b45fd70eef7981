"""Every command there is, declared. Parser, help, schemas, completion and tests read it; nothing here imports an operation."""

from __future__ import annotations

__all__ = ["COMMANDS", "GROUPS", "Command", "Group"]

OPERATIONS = "systemprompt.operations."
FUNCTIONS = "systemprompt.cli.commands."


class Command:
    """One command.

    path          the words that call it; `infra jobs list` may also be called as `jobs list`
    function      where its function is, `module:name` below `systemprompt.cli.commands`
    params        the dataclass its flags come from, `module:name` below `systemprompt.operations`, or in full
    result        the dataclass its data is, likewise
    title         as the envelope has it; `{}` stands for what the command is about
    light         a reading command that must start at once: see docs/decisions/0002-lazy-inspect.md
    runs_jobs     code of users runs inside this process: what it prints must not end up in the answer
    """

    __slots__ = (
        "artifact_type",
        "example",
        "function",
        "light",
        "params",
        "path",
        "result",
        "runs_jobs",
        "summary",
        "title",
    )

    def __init__(
        self,
        path: str,
        summary: str,
        *,
        example: str,
        function: str,
        params: str,
        result: str,
        artifact_type: str,
        title: str,
        light: bool = False,
        runs_jobs: bool = False,
    ) -> None:
        self.path = tuple(path.split())
        self.summary = summary
        self.example = example
        self.function = FUNCTIONS + function
        self.params = _below_operations(params)
        self.result = _below_operations(result)
        self.artifact_type = artifact_type
        self.title = title
        self.light = light
        self.runs_jobs = runs_jobs

    @property
    def name(self) -> str:
        """The words as one: `infra jobs list`."""
        return " ".join(self.path)


class Group:
    """A word that only gathers commands, with an example that works."""

    __slots__ = ("example", "path", "summary")

    def __init__(self, path: str, summary: str, *, example: str) -> None:
        self.path = tuple(path.split())
        self.summary = summary
        self.example = example


def _below_operations(dotted: str) -> str:
    return dotted if dotted.startswith("systemprompt.") else OPERATIONS + dotted


GROUPS: tuple[Group, ...] = (
    Group("", "Scheduled jobs that can account for themselves.", example="sp infra jobs list"),
    Group("infra", "What keeps the installation going.", example="sp infra jobs list"),
    Group("infra jobs", "List, run, watch and switch scheduled jobs.", example="sp infra jobs show database_cleanup"),
    Group("profile", "The settings of this installation.", example="sp profile check"),
    Group("db", "The ledger's and the application's tables.", example="sp db status"),
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "infra jobs list",
        "List every job with its schedule and its state.",
        example="sp infra jobs list --tag maintenance",
        function="jobs:list_jobs",
        params="list_jobs:ListJobsParams",
        result="list_jobs:JobList",
        artifact_type="table",
        title="Available Jobs",
        light=True,
    ),
    Command(
        "infra jobs show",
        "Show one job: schedule, policies, last and next runs.",
        example="sp infra jobs show database_cleanup",
        function="jobs:show_job",
        params="show_job:ShowJobParams",
        result="show_job:JobDetails",
        artifact_type="presentation_card",
        title="Job: {}",
        light=True,
    ),
    Command(
        "infra jobs run",
        "Run jobs now and account for them like any other run.",
        example="sp infra jobs run database_cleanup",
        function="running:run_jobs",
        params="run_jobs:RunJobsParams",
        result="run_jobs:RunJobsResult",
        artifact_type="table",
        title="Job Execution Results",
        runs_jobs=True,
    ),
    Command(
        "infra jobs cancel",
        "Stop a run, wherever it runs, or take it out of the queue.",
        example='sp infra jobs cancel 42 --why "wrong file"',
        function="jobs:cancel_run",
        params="cancel_run:CancelRunParams",
        result="cancel_run:RunCancelled",
        artifact_type="text",
        title="Run Cancelled",
    ),
    Command(
        "infra jobs history",
        "Show what ran, what did not, and why.",
        example="sp infra jobs history --status failed --since 2d",
        function="jobs:history",
        params="history:HistoryParams",
        result="history:History",
        artifact_type="table",
        title="Job Execution History",
        light=True,
    ),
    Command(
        "infra jobs enable",
        "Let a job's schedule start it again.",
        example="sp infra jobs enable behavioral_analysis",
        function="jobs:enable_job",
        params="switch_job:SwitchJobParams",
        result="switch_job:JobSwitched",
        artifact_type="text",
        title="Job Enabled",
    ),
    Command(
        "infra jobs disable",
        "Stop a job's schedule from starting it.",
        example='sp infra jobs disable behavioral_analysis --why "vendor is down"',
        function="jobs:disable_job",
        params="switch_job:SwitchJobParams",
        result="switch_job:JobSwitched",
        artifact_type="text",
        title="Job Disabled",
    ),
    Command(
        "infra jobs upcoming",
        "Show the fire times to come.",
        example="sp infra jobs upcoming --hours 24",
        function="jobs:upcoming",
        params="upcoming:UpcomingParams",
        result="upcoming:Upcoming",
        artifact_type="table",
        title="Upcoming Runs",
    ),
    Command(
        "infra jobs logs",
        "Read what a run said while it worked.",
        example="sp infra jobs logs 42 --level warning",
        function="jobs:run_logs",
        params="run_logs:RunLogsParams",
        result="run_logs:RunLogs",
        artifact_type="table",
        title="Logs of run {}",
    ),
    Command(
        "infra jobs audit",
        "Recompute every fire time and hold the ledger against it.",
        example="sp infra jobs audit --from 7d",
        function="jobs:audit_jobs",
        params="audit_jobs:AuditParams",
        result="audit_jobs:AuditReport",
        artifact_type="table",
        title="Audit",
    ),
    Command(
        "infra jobs explain",
        "Say which version named a fire time, what accounts for it, and why.",
        example="sp infra jobs explain database_cleanup",
        function="jobs:explain_fire_time",
        params="explain_fire_time:ExplainParams",
        result="explain_fire_time:FireTimeExplained",
        artifact_type="presentation_card",
        title="Fire time of {}",
    ),
    Command(
        "infra jobs cleanup-sessions",
        "Clean up inactive user sessions.",
        example="sp infra jobs cleanup-sessions --hours 2 --dry-run",
        function="running:cleanup_sessions",
        params="cleanup:CleanupSessionsParams",
        result="cleanup:SessionCleanup",
        artifact_type="text",
        title="Session Cleanup",
        runs_jobs=True,
    ),
    Command(
        "infra jobs log-cleanup",
        "Clean up old log entries.",
        example="sp infra jobs log-cleanup --days 7 --dry-run",
        function="running:log_cleanup",
        params="cleanup:LogCleanupParams",
        result="cleanup:LogCleanup",
        artifact_type="text",
        title="Log Cleanup",
        runs_jobs=True,
    ),
    Command(
        "infra jobs new",
        "Write a job file to start from, and a test for it.",
        example="sp infra jobs new nightly_report",
        function="setup:new_job",
        params="new_job:NewJobParams",
        result="new_job:NewJob",
        artifact_type="text",
        title="Job Created",
    ),
    Command(
        "serve",
        "Be a node: plan and run jobs in the foreground until told to stop.",
        example="sp serve",
        function="running:serve",
        params="serve:ServeParams",
        result="serve:ServeResult",
        artifact_type="text",
        title="Node",
        runs_jobs=True,
    ),
    Command(
        "init",
        "Write a commented profile, an example job and a content folder.",
        example="sp init my-site",
        function="setup:init",
        params="init_profile:InitParams",
        result="init_profile:Initialised",
        artifact_type="text",
        title="Profile Created",
    ),
    Command(
        "profile check",
        "Check the profile and report all its faults at once.",
        example="sp profile check",
        function="setup:profile_check",
        params="profile:ProfileCheckParams",
        result="profile:ProfileCheck",
        artifact_type="text",
        title="Profile Check",
    ),
    Command(
        "profile show",
        "Show the profile as it is understood, with every default.",
        example="sp profile show",
        function="setup:profile_show",
        params="profile:ProfileShowParams",
        result="profile:ProfileShown",
        artifact_type="presentation_card",
        title="Profile: {}",
    ),
    Command(
        "db migrate",
        "Bring the tables to the newest schema.",
        example="sp db migrate",
        function="setup:db_migrate",
        params="database:DbMigrateParams",
        result="database:DbMigrated",
        artifact_type="text",
        title="Database Migration",
    ),
    Command(
        "db status",
        "Show which schema each database has.",
        example="sp db status",
        function="setup:db_status",
        params="database:DbStatusParams",
        result="database:DbStatus",
        artifact_type="table",
        title="Database Status",
    ),
    Command(
        "db backup",
        "Copy the ledger to a file while nodes run.",
        example="sp db backup ledger-copy.db --database app-copy.db",
        function="setup:db_backup",
        params="backup:DbBackupParams",
        result="backup:DbBackup",
        artifact_type="text",
        title="Database Backup",
    ),
    Command(
        "db restore",
        "Put a copy in the place of the ledger.",
        example="sp db restore ledger-copy.db --replace",
        function="setup:db_restore",
        params="restore:DbRestoreParams",
        result="restore:DbRestore",
        artifact_type="text",
        title="Database Restore",
    ),
    Command(
        "doctor",
        "Check the whole installation and say how to mend what is wrong.",
        example="sp doctor",
        function="setup:doctor",
        params="doctor:DoctorParams",
        result="doctor:Diagnosis",
        artifact_type="table",
        title="Doctor",
    ),
    Command(
        "schema",
        "Print the JSON Schema of any command's input and output.",
        example="sp schema jobs list",
        function="describe:schema",
        params="systemprompt.cli.schema:SchemaParams",
        result="systemprompt.cli.schema:Schemas",
        artifact_type="text",
        title="JSON Schema",
    ),
    Command(
        "completion",
        "Print a script that completes commands, flags and job names.",
        example="source <(sp completion bash)",
        function="describe:completion",
        params="systemprompt.cli.completion:CompletionParams",
        result="systemprompt.cli.completion:Completion",
        artifact_type="text",
        title="Shell Completion",
    ),
)
