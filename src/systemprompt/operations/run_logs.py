"""What a run said while it worked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from systemprompt.clock import iso
from systemprompt.errors import RunNotFound
from systemprompt.operations.context import OperationContext
from systemprompt.operations.cursors import cursor_at, place_of
from systemprompt.operations.parameters import CURSOR, FIELDS, none_of, param

__all__ = ["LEVELS", "LogEntry", "RunLogs", "RunLogsParams", "run_logs"]

LEVELS = ("debug", "info", "warning", "error", "critical")
"""From the least to the gravest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogsParams:
    """Which run's log to read."""

    run_id: int = param("the run's number, as in jobs history", minimum=1)
    limit: int = param("how many lines at most, the last ones", 1000, minimum=0)
    level: str | None = param("only lines of this level or graver", None)
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
class RunLogs:
    """The lines of one run in the order they came, the last ones first to be shown.

    total, shown   how many there are of that level, and how many are here; next_cursor   leads to the lines before these, or null
    error          the failure in full, a job's traceback or the end of what a command wrote to stderr; else null
    """

    run_id: int
    job_name: str
    status: str
    entries: tuple[LogEntry, ...]
    total: int
    shown: int
    next_cursor: str | None
    error: str | None


def run_logs(context: OperationContext, params: RunLogsParams) -> RunLogs:
    """Return the last lines of a run's log, and its error.

    Raises:
        RunNotFound: no run has this number.
        UsageError: `level` or `cursor` is none.
    """
    wanted = _levels(params.level)
    before = (place_of(params, int) or [None])[0]
    marks = ", ".join("?" for _ in wanted)
    where = f"ledger_id = ? AND run_id = ? AND (lower(level) IN ({marks}) OR ?)"  # question marks only
    with context.open_system() as system:
        run = system.ledger.run(params.run_id)
        if run is None:
            raise RunNotFound(params.run_id)
        values = (system.ledger.ledger_id(), params.run_id, *wanted, params.level is None)
        counted = system.database.fetch_one(f"SELECT count(*) AS n FROM logs WHERE {where}", values)  # noqa: S608  # as above
        rows = system.database.fetch(
            f"SELECT * FROM logs WHERE {where} AND (id < ? OR ?) ORDER BY id DESC LIMIT ?",  # noqa: S608  # as above
            (*values, before, before is None, params.limit + 1),
        )
    shown = rows[: params.limit]
    cut = 0 < len(shown) < len(rows)
    return RunLogs(
        run_id=run.run_id,
        job_name=run.job_name,
        status=run.status,
        entries=tuple(map(_entry, reversed(shown))),
        total=counted["n"] if counted is not None else 0,
        shown=len(shown),
        next_cursor=cursor_at(params, shown[-1]["id"]) if cut else None,
        error=run.error,
    )


def _levels(level: str | None) -> tuple[str, ...]:
    if level is None:
        return LEVELS
    if level.lower() not in LEVELS:
        raise none_of("level", level, LEVELS)
    return LEVELS[LEVELS.index(level.lower()) :]


def _entry(row: Mapping[str, Any]) -> LogEntry:
    return LogEntry(
        at=iso(row["created_at"]),
        level=row["level"].lower(),
        source=row["source"],
        message=row["message"],
        attempt=row["attempt"],
        fields=None if row["fields"] is None else json.loads(row["fields"]),
    )
