"""The words of every command, and how its parameters are spelled. What a command does stands in the catalogue of operations."""

from __future__ import annotations

from systemprompt.operations.catalogue import operation
from systemprompt.operations.operation import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["COMMANDS", "GROUPS", "IN_ONE_WORD", "LONG", "METAVARS", "SHORT", "Command", "Group", "spelled"]

LONG = {"start": "--from", "end": "--to", "parameters": "--param"}
"""Flags that are not their parameter's name."""

IN_ONE_WORD = {"fields", "job", "origin", "status"}
"""Lists that may also be given as one word, with commas."""

SHORT = {"count": "-n", "limit": "-n", "parameters": "-p"}

METAVARS = {
    "at": "WHEN",
    "command": "COMMAND",
    "count": "N",
    "cursor": "CURSOR",
    "database": "FILE",
    "days": "N",
    "dir": "DIR",
    "end": "WHEN",
    "expression": "EXPR",
    "fields": "A,B",
    "file": "FILE",
    "grace": "SECONDS",
    "hours": "N",
    "job": "NAME",
    "level": "debug|info|warning|error|critical",
    "limit": "N",
    "name": "NAME",
    "names": "NAME",
    "node": "NODE",
    "origin": "ORIGIN",
    "parameters": "KEY=VALUE",
    "run": "RUN",
    "run_id": "RUN",
    "shell": "SHELL",
    "since": "WHEN",
    "start": "WHEN",
    "status": "STATUS",
    "tag": "TAG",
    "until": "WHEN",
    "why": "TEXT",
    "zone": "ZONE",
}
"""What stands for a parameter's value in help; else its choices, or its name."""


class Command:
    """One command: the words that call an operation. `infra jobs list` may also be called as `jobs list`.

    arguments   the parameters that stand without a flag, in order
    watcher     what follows the operation on stderr while it works, `module:name` below `systemprompt.cli`
    """

    __slots__ = ("arguments", "operation", "path", "watcher")

    def __init__(self, path: str, what: str | Operation, *arguments: str, watcher: str = "") -> None:
        self.path = tuple(path.split())
        self.operation = operation(what) if isinstance(what, str) else what
        self.arguments = arguments
        self.watcher = f"systemprompt.cli.{watcher}" if watcher else ""

    @property
    def name(self) -> str:
        """The words as one: `infra jobs list`."""
        return " ".join(self.path)

    @property
    def light(self) -> bool:
        """Whether it only reads the ledger, and must start at once: see docs/decisions/0002-lazy-inspect.md."""
        return self.operation.needs == "ledger"

    @property
    def example(self) -> str:
        """A call that makes sense, as people type it."""
        return " ".join(["sp", *self.words, *spelled(self, self.operation.example)])

    @property
    def words(self) -> tuple[str, ...]:
        """The words as our own sentences spell them: `jobs list`."""
        return self.path[self.path[0] == "infra" :]


class Group:
    """A word that only gathers commands, with an example that works."""

    __slots__ = ("example", "path", "summary")

    def __init__(self, path: str, summary: str, *, example: str) -> None:
        self.path = tuple(path.split())
        self.summary = summary
        self.example = example


def spelled(command: Command, values: dict[str, Any]) -> list[str]:
    """Return the words that give a command these values, arguments first."""
    from shlex import quote

    words = [quote(str(one)) for name in command.arguments for one in _each(values.get(name, ()))]
    for name, value in values.items():
        if name not in command.arguments:
            flag = LONG.get(name) or SHORT.get(name) or "--" + name.replace("_", "-")
            words += [flag] if value is True else [word for one in _each(value) for word in (flag, quote(str(one)))]
    return words


def _each(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


GROUPS: tuple[Group, ...] = (
    Group("", "Scheduled jobs that can account for themselves.", example="sp jobs list"),
    Group("infra", "What keeps the installation going.", example="sp jobs list"),
    Group("infra jobs", "List, run, watch and switch scheduled jobs.", example="sp jobs show database_cleanup"),
    Group("profile", "The settings of this installation.", example="sp profile check"),
    Group("db", "The ledger's and the application's tables.", example="sp db status"),
)

COMMANDS: tuple[Command, ...] = (
    Command("infra jobs list", "list_jobs"),
    Command("infra jobs show", "show_job", "name"),
    Command("infra jobs run", "run_jobs", "names", watcher="progress:RunWatcher"),
    Command("infra jobs cancel", "cancel_run", "run_id"),
    Command("infra jobs history", "history"),
    Command("infra jobs enable", "enable_job", "name"),
    Command("infra jobs disable", "disable_job", "name"),
    Command("infra jobs upcoming", "upcoming"),
    Command("infra jobs logs", "run_logs", "run", watcher="progress:LogFollower"),
    Command("infra jobs active", "active_runs"),
    Command("infra jobs audit", "audit_jobs"),
    Command("infra jobs explain", "explain_fire_time", "name", "at"),
    Command("infra jobs cleanup-sessions", "cleanup_sessions"),
    Command("infra jobs log-cleanup", "log_cleanup"),
    Command("infra jobs new", "new_job", "name"),
    Command("cron", "describe_schedule", "expression"),
    Command("serve", "serve", watcher="node_watcher:NodeWatcher"),
    Command("nodes", "list_nodes"),
    Command("nodes drain", "drain_node", "node"),
    Command("init", "init_profile", "dir"),
    Command("profile check", "check_profile"),
    Command("profile show", "show_profile"),
    Command("db migrate", "db_migrate"),
    Command("db status", "db_status"),
    Command("db backup", "db_backup", "file"),
    Command("db restore", "db_restore", "file"),
    Command("db move", "db_move"),
    Command("doctor", "doctor"),
    # Of this door alone: they describe its commands.
    Command(
        "schema",
        Operation(
            "schema",
            "Print the JSON Schema of any command's input and output.",
            code="systemprompt.cli.schema:schemas SchemaParams Schemas",
            example={"command": ("jobs", "list")},
            title="JSON Schema",
        ),
        "command",
    ),
    Command(
        "completion",
        Operation(
            "completion",
            "Print a script that completes commands, flags and job names.",
            code="systemprompt.cli.completion:completion CompletionParams Completion",
            example={"shell": "bash"},
            title="Shell Completion",
        ),
        "shell",
    ),
)
