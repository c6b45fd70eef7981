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
    "users": ("id", "name", "email", "status", "banned_at", "ban_reason", "created_at", "is_anonymous"),
}
"""The tables that the built-in jobs work on, with our names of their columns. A host application may have them under others."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    kind, example = ("choice", None) if policy.choices else ("limit", "10m")
    return Key(name=policy.written, kind=kind, choices=policy.choices, meaning=policy.meaning, example=example)


_JOB = (
    Key(
        name="enabled",
        kind="flag",
        example="false",
        meaning="false keeps the job from its schedule; it can still be run by hand",
    ),
    Key(
        name="schedule",
        kind="schedule",
        meaning='six cron fields, seconds first, in quotes; or @every 90s; "" for by hand only',
        example='"0 30 2 * * *"',
    ),
    Key(name="time_zone", kind="time_zone", meaning="the zone the schedule is read in", example="Europe/Berlin"),
    Key(name="parameters", kind="values", meaning="values for ctx.get_parameter()", example="{days: 7}"),
    Key(
        name="enforce",
        kind="flag",
        meaning="true lets a job that acts on people ban or list them; else it only reports",
        example="true",
    ),
    Key(name="owner", kind="text", meaning="who answers for the job", example="ops@example.org"),
    Key(name="description", kind="text", meaning="one line for people", example="Nightly report"),
    Key(name="tags", kind="texts", meaning="words to choose jobs by: sp jobs run --tag nightly", example="[nightly]"),
    *map(_policy, POLICIES),
    Key(
        name="command",
        kind="command",
        meaning="makes a job of a program: its argument list, which no shell reads; or one line of text for `shell`",
        example="[df, -h, /]",
    ),
    Key(
        name="shell",
        kind="text",
        meaning="the program that reads a command written as one line; that of the whole profile if not given",
        example="/bin/sh",
    ),
    Key(
        name="environment",
        kind="word_map",
        example="{LANG: C}",
        meaning="variables for the command; they win over those of the whole profile",
    ),
    Key(
        name="environment_file",
        kind="path",
        example="backup.env",
        meaning="more variables for the command, read at each start: NAME=value lines; `environment` wins over them",
    ),
    Key(
        name="working_dir",
        kind="folder",
        example="work/",
        meaning='where the command runs; "~" is the home of whom it runs as; the profile\'s folder if not given',
    ),
    Key(
        name="user",
        kind="name_of_user",
        example="backup",
        meaning="whom the command runs as, with their home and without the node's variables; the node has to be root",
    ),
    Key(name="stdin", kind="verbatim", example='"yes\\n"', meaning="what the command reads; nothing if not given"),
    Key(
        name="output",
        kind="choice",
        choices=("keep", "errors", "discard"),
        meaning="what is kept of the command's output: all, stderr alone, or nothing",
    ),
)

_SOURCE = (
    Key(name="name", kind="name", required=True, meaning="what this collection is called"),
    Key(name="path", kind="path", required=True, meaning="the folder"),
    Key(name="pattern", kind="text", default="**/*.md", meaning="which files below it"),
)

_FILES = (*_SOURCE[:2], Key(name="pattern", kind="text", default="**/*", meaning="which files below it"))

_PUBLISH = (
    Key(name="path", kind="path", required=True, meaning="the folder that the site is written to"),
    Key(name="title", kind="text", default="Notes", meaning="the site's name"),
    Key(
        name="base_url", kind="url", default="http://localhost", meaning="makes the links in feed and sitemap absolute"
    ),
    Key(name="description", kind="text", default="", meaning="one line about the site"),
    Key(name="author", kind="text", default="", meaning="who writes it"),
    Key(name="language", kind="text", default="en", meaning="the language of its pages"),
)

_TABLE = (
    Key(name="table", kind="identifier", required=True, meaning="what your table is called", example="app_sessions"),
    Key(name="columns", kind="identifiers", meaning="our column name: yours, for those that differ"),
    Key(
        name="time_format",
        kind="choice",
        choices=("micros", "seconds", "iso"),
        default="micros",
        meaning="how your table keeps instants: whole numbers since 1970, or ISO text in UTC",
    ),
    Key(
        name="clean",
        kind="flag",
        default=False,
        meaning="true lets the clean-up jobs delete and end rows of your table; else they only report",
    ),
)


def _days(name: str, default: int, meaning: str) -> Key:
    return Key(name=name, kind="whole", default=default, lowest=1, highest=_HUNDRED_YEARS, meaning=meaning)


def _hours(name: str, default: int, meaning: str) -> Key:
    return Key(name=name, kind="whole", default=default, lowest=1, highest=_HUNDRED_YEARS * 24, meaning=meaning)


def _span(name: str, default: str, lowest: float, meaning: str) -> Key:
    return Key(name=name, kind="seconds", default=default, lowest=lowest, highest=86_400, meaning=meaning)


_RETENTION = (
    _days("logs_days", 30, "log entries older than this are deleted by log_cleanup"),
    _days("runs_days", 400, "sealed days older than this leave the ledger by prune_history; their seals stay"),
    _hours("session_idle_hours", 1, "a session idle for longer is ended, and at night deleted by session_cleanup"),
    _hours("empty_context_hours", 24, "a context without messages older than this is deleted"),
    _days("content_removed_days", 30, "the row of a file that is gone is kept for so long, marked as removed"),
    _days("anonymous_user_days", 30, "anonymous users not seen for longer are deleted by cleanup_anonymous_users"),
)

_LIMITS = (
    Key(
        name="max_concurrent_runs",
        kind="whole",
        default=128,
        lowest=1,
        highest=10_000,
        meaning="runs at once on one node; fewer where each is heavy",
    ),
    _span("shutdown_grace", "30s", 0, "what running work gets to finish when a node is told to stop"),
    _span("lease", "30s", 0.5, "a node silent for this long may have its runs taken over; it beats five times in it"),
    _span("misfire_grace", "10s", 0, "a fire time that starts no later than this is on time"),
    Key(
        name="batch_size",
        kind="whole",
        default=500,
        lowest=1,
        highest=100_000,
        meaning="rows a clean-up job changes at once",
    ),
    _span("kill_grace", "5s", 0, "what a stopped process gets between TERM and KILL"),
    Key(
        name="max_output_bytes",
        kind="whole",
        default=1_048_576,
        lowest=1_024,
        highest=1_073_741_824,
        meaning="how much of a command's output is kept",
    ),
)

PROFILE = Key(
    name="",
    kind="section",
    meaning="the settings of one installation",
    keys=(
        Key(
            name="name",
            kind="text",
            meaning="what this installation is called; the folder's name if not given",
            example="local",
        ),
        Key(
            name="database",
            kind="database",
            required=True,
            meaning="the application's tables: sqlite:///FILE, relative to this folder; sqlite:////FILE is absolute",
            example="sqlite:///data/app.db",
        ),
        Key(
            name="ledger",
            kind="ledger",
            meaning="the record of every run: a file of its own, app.ledger.db beside app.db",
        ),
        Key(
            name="time_zone", kind="time_zone", default="UTC", meaning="the zone of every schedule that names no other"
        ),
        Key(
            name="extensions",
            kind="extensions",
            meaning="where your jobs are: folders and job files (with a slash or .py), or importable modules (acme.jobs)",
            example="[jobs/]",
        ),
        Key(
            name="entry_points",
            kind="flag",
            default=True,
            meaning="also take the jobs of installed distributions, by the entry-point group systemprompt.jobs",
        ),
        Key(
            name="environment",
            kind="word_map",
            meaning="variables for every command and every job in a process of its own, added to the node's",
            example="{LANG: C.UTF-8}",
        ),
        Key(
            name="environment_file",
            kind="path",
            meaning="more of these variables, read at each start of a job: NAME=value lines; `environment` wins over them",
            example="jobs.env",
        ),
        Key(
            name="shell",
            kind="text",
            meaning="the program that reads every command that is written as one line, as SHELL does in a crontab",
            example="/bin/sh",
        ),
        Key(
            name="scheduler",
            kind="section",
            meaning="which jobs run when",
            keys=(
                Key(
                    name="jobs",
                    kind="jobs",
                    meaning="what is different here, job by job; a command makes a new one",
                    keys=_JOB,
                ),
                Key(name="bootstrap_jobs", kind="names", meaning="jobs that run once whenever a node starts"),
                Key(
                    name="reboot_jobs",
                    kind="names",
                    meaning="jobs that run once for each start of the machine, when the first node serves after it: @reboot",
                ),
            ),
        ),
        Key(
            name="content",
            kind="section",
            meaning="what content_ingestion reads and publish_content writes",
            keys=(
                Key(name="sources", kind="list", meaning="folders of markdown with YAML front matter", keys=_SOURCE),
                Key(name="publish", kind="section", meaning="the site that is made of it", keys=_PUBLISH),
            ),
        ),
        Key(
            name="files",
            kind="section",
            meaning="what file_ingestion keeps a record of",
            keys=(Key(name="sources", kind="list", meaning="folders whose files are recorded", keys=_FILES),),
        ),
        Key(
            name="tables",
            kind="named",
            choices=tuple(HOST_TABLES),
            meaning="tables of your own application for the built-in jobs to work on, in place of ours",
            keys=_TABLE,
        ),
        Key(name="retention", kind="section", meaning="how long things are kept", keys=_RETENTION),
        Key(name="limits", kind="section", meaning="what one node may take, and how patient it is", keys=_LIMITS),
    ),
)
