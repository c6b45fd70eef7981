"""What a run said while it worked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from systemprompt.clock import iso
from systemprompt.databases.database import Database, Row
from systemprompt.databases.dialect import dialect_named
from systemprompt.errors import NotFoundError, RunNotFound, UsageError
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.views import HistoryQuery, RunView
from systemprompt.nodes.events import NodeEvent
from systemprompt.operations.context import OperationContext
from systemprompt.operations.cursors import cursor_at, place_of
from systemprompt.operations.instants import known_job
from systemprompt.operations.parameters import CURSOR, FIELDS, none_of, param

__all__ = ["LEVELS", "LogEntry", "RunLogs", "RunLogsParams", "RunSaid", "run_logs"]

LEVELS = ("debug", "info", "warning", "error", "critical")
"""From the least to the gravest."""

_BEGUN = ("running", "success", "failed", "cancelled")
_LOOKED_AT = 50
_POLL_S = 0.3
_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogsParams:
    """Which run's log to read."""

    run: str | None = param("a run's number, or a job: its last run; without it the last run of all", None)
    limit: int = param("how many lines at most, the last ones", 1000, minimum=0)
    level: str | None = param("only lines of this level or graver", None)
    follow: bool = param("go on with what the run says, until it has ended", False)
    cursor: str | None = param(CURSOR, None)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line. `source` is `job`, `stdout`, `stderr`, or `runner` for what we say of the run; `fields` is what came as `extra`."""

    at: str
    level: str
    source: str
    message: str
    attempt: int | None
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSaid(NodeEvent):
    """A run whose log is followed has said something."""

    kind = "said"

    run_id: int
    job_name: str
    line: LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogs:
    """The lines of one run in the order they came, the last ones first to be shown.

    total, shown   how many there are of that level, and how many are here; next_cursor   leads to the lines before these, or null
    lines_dropped  how many more its account knows of: past the limit of a run, or while the database did not keep up
    followed       whether each line was told before, as it came
    error          the failure in full, a job's traceback or the end of what a command wrote to stderr; else null
    """

    run_id: int
    job_name: str
    status: str
    entries: tuple[LogEntry, ...]
    total: int
    shown: int
    next_cursor: str | None
    lines_dropped: int
    followed: bool
    error: str | None


def run_logs(context: OperationContext, params: RunLogsParams) -> RunLogs:
    """Return the last lines of a run's log, and its error. With `follow` each line is told to `context.listeners` as it comes.

    Raises:
        RunNotFound: no run has this number. NotFoundError: nothing has run yet.
        JobNotFound: `run` names no job.
        UsageError: `level` or `cursor` is none, or the latter is given with `follow`.
    """
    if params.follow and params.cursor is not None:
        raise UsageError("`cursor` leads back in a log, and `follow` forward", hint="leave out one of them")
    wanted = _levels(params.level)
    before = (place_of(params, int) or [None])[0]
    with context.open_ledger() as ledger:
        run, ledger_id = _run(ledger, params.run), ledger.ledger_id()
        with context.open_application() as database:
            log = _Log(database, ledger_id, run.run_id, wanted)
            if params.follow:
                run = _follow(context, ledger, log, run)
            rows, total = log.newest(params.limit + 1, before), log.count()
    shown = rows[: params.limit]
    cut = 0 < len(shown) < len(rows)
    return RunLogs(
        run_id=run.run_id,
        job_name=run.job_name,
        status=run.status,
        entries=tuple(map(log.entry, reversed(shown))),
        total=total,
        shown=len(shown),
        next_cursor=cursor_at(params, shown[-1]["id"]) if cut else None,
        lines_dropped=run.lines_dropped,
        followed=params.follow,
        error=run.error,
    )


class _Log:
    """The lines of one run in the application's `logs`."""

    def __init__(self, database: Database, ledger_id: str, run_id: int, levels: Sequence[str]) -> None:
        marks = ", ".join("?" for _ in levels)
        self._database = database
        self._dialect = dialect_named(database.dialect)
        self._logs = self._dialect.own("logs")
        self._where = f"ledger_id = ? AND run_id = ? AND (lower(level) IN ({marks}) OR ?)"  # question marks only
        self._values = (ledger_id, run_id, *levels, len(levels) == len(LEVELS))

    def count(self) -> int:
        found = self._database.fetch_one(f"SELECT count(*) AS n FROM {self._logs} WHERE {self._where}", self._values)  # noqa: S608  # as above
        return 0 if found is None else int(found["n"])

    def entry(self, row: Row) -> LogEntry:
        return LogEntry(
            at=iso(self._dialect.instant(row["created_at"])),
            level=row["level"].lower(),
            source=row["source"],
            message=row["message"],
            attempt=row["attempt"],
            fields=None if row["fields"] is None else json.loads(row["fields"]),
        )

    def newest(self, limit: int, before: int | None) -> list[Row]:
        return self._database.fetch(
            f"SELECT * FROM {self._logs} WHERE {self._where} AND (id < ? OR ?) ORDER BY id DESC LIMIT ?",  # noqa: S608  # as above
            (*self._values, before, before is None, limit),
        )

    def after(self, last: int) -> list[Row]:
        return self._database.fetch(
            f"SELECT * FROM {self._logs} WHERE {self._where} AND id > ? ORDER BY id LIMIT 1000",  # noqa: S608  # as above
            (*self._values, last),
        )


def _follow(context: OperationContext, ledger: LedgerReader, log: _Log, run: RunView) -> RunView:
    """Tell each line as it comes, until the run has ended and its last line was read; return the run as it then is."""
    last, ended = 0, False
    while True:
        # Asked before reading: what a run said before its account was closed is there by then, or is written within the pause.
        ended, was_ended = run.finished_at is not None, ended
        for row in log.after(last):
            last = row["id"]
            line = log.entry(row)
            context.listeners.tell(RunSaid(run_id=run.run_id, job_name=run.job_name, line=line))
        if was_ended:
            return run
        context.pause(_POLL_S)
        run = ledger.run(run.run_id) or run


def _run(ledger: LedgerReader, named: str | None) -> RunView:
    if named is not None and named.isascii() and named.isdigit():
        found = ledger.run(int(named[:_DIGITS]))
        if found is None:
            raise RunNotFound(int(named[:_DIGITS]))
        return found
    names = () if named is None else (known_job(ledger, named).name,)
    begun = ledger.history(HistoryQuery(job_names=names, statuses=_BEGUN, limit=_LOOKED_AT)).entries
    runs = [entry for entry in begun if isinstance(entry, RunView) and entry.started_at is not None]
    if not runs:
        said = "no job has run yet" if named is None else f"job {named!r} has not run yet"
        raise NotFoundError(said, hint="sp jobs history shows what there is", details={"job_name": named})
    return max(runs, key=lambda run: (run.started_at or 0, run.run_id))


def _levels(level: str | None) -> tuple[str, ...]:
    if level is None:
        return LEVELS
    if level.lower() not in LEVELS:
        raise none_of("level", level, LEVELS)
    return LEVELS[LEVELS.index(level.lower()) :]
