"""Every key of a profile, as data. The checker, the commented template and the reference page are made from this one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from systemprompt.jobs.policies import POLICIES, Policy

__all__ = ["HOST_TABLES", "PROFILE", "Key", "find_key", "walk"]

HOST_TABLES = {
    "logs": ("id", "created_at", "level", "source", "message", "fields", "job_name", "ledger_id", "run_id", "attempt"),
    "markdown_content": (
        *("id", "source", "path", "slug", "title", "description", "body", "tags", "front_matter", "draft"),
        *("published_at", "updated_at", "content_hash", "parsed_as", "ingested_at", "removed_at"),
    ),
    "session_requests": ("id", "session_id", "requested_at", "method", "path", "status", "duration_ms"),
    "task_messages": ("id", "context_id", "role", "content", "created_at"),
    "user_contexts": ("id", "user_id", "name", "created_at", "updated_at"),
    "user_sessions": (
        *("id", "user_id", "started_at", "last_activity_at", "ended_at", "end_reason", "ip_address", "user_agent"),
        *("request_count", "error_count", "behavior_score", "scored_at", "flagged_at", "flags", "ban_applied_at"),
    ),
    "users": ("id", "name", "email", "status", "banned_at", "ban_reason", "created_at", "is_anonymous", "last_seen_at"),
}
"""The tables that the built-in jobs work on, with our names of their columns. A host application may have them under others."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it is called, what may stand there, what holds where it is absent, and what it is for.

    kind      a name that `systemprompt.profile.kinds` knows, or one that holds further keys: `section`; `list` of sections;
              `named`, a mapping from free names to sections; `jobs`, either of the two
    default   as one would write it in the file; None where absence means none
    lowest, highest   the range of a number, or of a duration in seconds
    """

    name: str
    kind: str
    meaning: str
    default: str | int | bool | None = None
    required: bool = False
    example: str | None = None
    choices: tuple[str, ...] = ()
    lowest: float = 0
    highest: float = 0
    keys: tuple[Key, ...] = ()


def walk(key: Key | None = None, place: str = "") -> Iterator[tuple[str, Key]]:
    """Yield every key with its dotted place: `limits.lease`, `scheduler.jobs.NAME.schedule`, `content.sources[].path`."""
    for below in (key or PROFILE).keys:
        here = f"{place}.{below.name}" if place else below.name
        yield here, below
        yield from walk(below, here + {"jobs": ".NAME", "named": ".NAME", "list": "[]"}.get(below.kind, ""))


def find_key(place: str) -> Key:
    """Return the key at a dotted place, as `walk` writes it."""
    return dict(walk())[place]


_HUNDRED_YEARS = 36_525


def _policy(policy: Policy) -> Key:
    if policy.choices:
        return Key(policy.written, "choice", policy.meaning, choices=policy.choices)
    kind = policy.structure or "limit"
    example = {"labels": "[gpu]", "retry": "{times: 3, after: 10s, cap: 5m}", "exit_codes": "{77: nothing}"}.get(
        kind, "10m"
    )
    return Key(policy.written, kind, policy.meaning, example=example)


_JOB = (
    Key("enabled", "flag", "false keeps the job from its schedule; it can still be run by hand", example="false"),
    Key(
        "schedule",
        "schedule",
        'six cron fields, seconds first, in quotes; or @every 90s; "" for by hand only',
        example='"0 30 2 * * *"',
    ),
    Key("time_zone", "time_zone", "the zone the schedule is read in", example="Europe/Berlin"),
    Key("parameters", "values", "values for ctx.get_parameter()", example="{days: 7}"),
    Key(
        "enforce", "flag", "true lets a job that acts on people ban or list them; else it only reports", example="true"
    ),
    Key("owner", "text", "who answers for the job", example="ops@example.org"),
    Key("description", "text", "one line for people", example="Nightly report"),
    Key("tags", "texts", "words to choose jobs by: sp jobs run --tag nightly", example="[nightly]"),
    *map(_policy, POLICIES),
    Key(
        "command",
        "command",
        "makes a job of a program: its argument list, which no shell reads; or one line of text for `shell`",
        example="[df, -h, /]",
    ),
    Key(
        "shell",
        "text",
        "the program that reads a command written as one line; that of the whole profile if not given",
        example="/bin/sh",
    ),
    Key(
        "environment",
        "word_map",
        "variables for the command; they win over those of the whole profile",
        example="{LANG: C}",
    ),
    Key(
        "environment_file",
        "path",
        "more variables for the command, read at each start: NAME=value lines; `environment` wins over them",
        example="backup.env",
    ),
    Key(
        "working_dir",
        "folder",
        'where the command runs; "~" is the home of whom it runs as; the profile\'s folder if not given',
        example="work/",
    ),
    Key(
        "user",
        "name_of_user",
        "whom the command runs as, with their home and without the node's variables; the node has to be root",
        example="backup",
    ),
    Key("stdin", "verbatim", "what the command reads; nothing if not given", example='"yes\\n"'),
    Key(
        "output",
        "choice",
        "what is kept of the command's output: all, stderr alone, or nothing",
        choices=("keep", "errors", "discard"),
    ),
)

_SOURCE = (
    Key("name", "name", "what this collection is called", required=True),
    Key("path", "path", "the folder", required=True),
    Key("pattern", "pattern", "which files below it", default="**/*.md"),
    Key(
        "follow_links",
        "flag",
        "true follows links that lead outside the folder; else whoever writes in it could publish any file",
        default=False,
    ),
)

_FILES = (*_SOURCE[:2], Key("pattern", "pattern", "which files below it", default="**/*"), _SOURCE[3])

_PUBLISH = (
    Key("path", "path", "the folder that the site is written to", required=True),
    Key("title", "text", "the site's name", default="Notes"),
    Key("base_url", "url", "makes the links in feed and sitemap absolute", default="http://localhost"),
    Key("description", "text", "one line about the site", default=""),
    Key("author", "text", "who writes it", default=""),
    Key("language", "text", "the language of its pages", default="en"),
)

_TABLE = (
    Key("table", "identifier", "what your table is called", required=True, example="app_sessions"),
    Key("columns", "identifiers", "our column name: yours, for those that differ"),
    Key(
        "time_format",
        "choice",
        "how your table keeps instants: whole numbers since 1970, or ISO text in UTC; PostgreSQL's own types of dates need no word",
        choices=("micros", "seconds", "iso"),
        default="micros",
    ),
    Key(
        "clean",
        "flag",
        "true lets the clean-up jobs delete and end rows of your table; else they only report",
        default=False,
    ),
)


def _whole(name: str, default: int, lowest: int, highest: int, meaning: str) -> Key:
    return Key(name, "whole", meaning, default=default, lowest=lowest, highest=highest)


def _days(name: str, default: int, meaning: str) -> Key:
    return _whole(name, default, 1, _HUNDRED_YEARS, meaning)


def _hours(name: str, default: int, meaning: str) -> Key:
    return _whole(name, default, 1, _HUNDRED_YEARS * 24, meaning)


def _span(name: str, default: str, lowest: float, meaning: str) -> Key:
    return Key(name, "seconds", meaning, default=default, lowest=lowest, highest=86_400)


_RETENTION = (
    _days("logs_days", 30, "log entries older than this are deleted by log_cleanup"),
    _days("runs_days", 400, "sealed days older than this leave the ledger by prune_history; their seals stay"),
    _hours("session_idle_hours", 1, "a session idle for longer is ended, and at night deleted by session_cleanup"),
    _hours("empty_context_hours", 24, "a context without messages older than this is deleted"),
    _days("content_removed_days", 30, "the row of a file that is gone is kept for so long, marked as removed"),
    _days("anonymous_user_days", 30, "anonymous users not seen for longer are deleted by cleanup_anonymous_users"),
)

_LIMITS = (
    _whole("max_concurrent_runs", 128, 1, 10_000, "runs at once on one node; fewer where each is heavy"),
    _span("shutdown_grace", "30s", 0, "what running work gets to finish when a node is told to stop"),
    _span("lease", "30s", 0.5, "a node silent for this long may have its runs taken over; it beats five times in it"),
    _span("misfire_grace", "10s", 0, "a fire time that starts no later than this is on time"),
    _whole("batch_size", 500, 1, 100_000, "rows a clean-up job changes at once"),
    _span("kill_grace", "5s", 0, "what a stopped process gets between TERM and KILL"),
    _span("load_timeout", "30s", 0.1, "what a job file or module may take to load; after that it is quarantined"),
    _whole("max_output_bytes", 1_048_576, 1_024, 1_073_741_824, "how much of a run's output is kept"),
    _whole(
        "max_abandoned_threads",
        32,
        1,
        10_000,
        "threads still in the code of runs that did not stop; with this many a node starts no further plain function",
    ),
)

PROFILE = Key(
    "",
    "section",
    "the settings of one installation",
    keys=(
        Key("name", "text", "what this installation is called; the folder's name if not given", example="local"),
        Key(
            "database",
            "database",
            "the application's tables: sqlite:///FILE, relative to this folder; sqlite:////FILE is absolute;"
            " postgresql://USER@HOST/NAME, or any other address that libpq takes",
            required=True,
            example="sqlite:///data/app.db",
        ),
        Key(
            "ledger",
            "ledger",
            "the record of every run: a file of its own, app.ledger.db beside app.db; on PostgreSQL a schema in that"
            " database",
        ),
        Key("ledger_schema", "schema_name", "the schema of the ledger on PostgreSQL", default="systemprompt"),
        Key(
            "listen",
            "server",
            "the server's own address, if that of the ledger leads to a pooler: there a node hears at once what other nodes did",
            example="postgresql://app@db.example.org/shop",
        ),
        Key(
            "group",
            "name_of_group",
            "a group that may read both databases if they are made here; else only the user who makes them may",
            example="ops",
        ),
        Key("time_zone", "time_zone", "the zone of every schedule that names no other", default="UTC"),
        Key(
            "extensions",
            "extensions",
            "where your jobs are: folders and job files (with a slash or .py), or importable modules (acme.jobs)",
            example="[jobs/]",
        ),
        Key(
            "entry_points",
            "flag",
            "also take the jobs of installed distributions, by the entry-point group systemprompt.jobs",
            default=True,
        ),
        Key(
            "environment",
            "word_map",
            "variables for every command and every job in a process of its own, added to the node's",
            example="{LANG: C.UTF-8}",
        ),
        Key(
            "environment_file",
            "path",
            "more of these variables, read at each start of a job: NAME=value lines; `environment` wins over them",
            example="jobs.env",
        ),
        Key(
            "shell",
            "text",
            "the program that reads every command that is written as one line, as SHELL does in a crontab",
            example="/bin/sh",
        ),
        Key(
            "node",
            "section",
            "what the nodes of this profile are; read when a node starts",
            keys=(
                Key(
                    "labels",
                    "labels",
                    "what these nodes have, for `runs_on` of jobs: a list, or one text with commas, as a variable holds it",
                    example="[gpu, eu]",
                ),
            ),
        ),
        Key(
            "scheduler",
            "section",
            "which jobs run when",
            keys=(
                Key("jobs", "jobs", "what is different here, job by job; a command makes a new one", keys=_JOB),
                Key("bootstrap_jobs", "names", "jobs that run once whenever a node starts"),
                Key(
                    "reboot_jobs",
                    "names",
                    "jobs that run once for each start of the machine, when the first node serves after it: @reboot",
                ),
            ),
        ),
        Key(
            "content",
            "section",
            "what content_ingestion reads and publish_content writes",
            keys=(
                Key("sources", "list", "folders of markdown with YAML front matter", keys=_SOURCE),
                Key("publish", "section", "the site that is made of it", keys=_PUBLISH),
            ),
        ),
        Key(
            "files",
            "section",
            "what file_ingestion keeps a record of",
            keys=(Key("sources", "list", "folders whose files are recorded", keys=_FILES),),
        ),
        Key(
            "tables",
            "named",
            "tables of your own application for the built-in jobs to work on, in place of ours",
            choices=tuple(HOST_TABLES),
            keys=_TABLE,
        ),
        Key("retention", "section", "how long things are kept", keys=_RETENTION),
        Key("limits", "section", "what one node may take, and how patient it is", keys=_LIMITS),
    ),
)
