"""Runs with their attempts: what an audit reads, by the million."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from heapq import merge
from operator import attrgetter
from typing import Any

from systemprompt.ledger.views import AttemptView, RunView

__all__ = ["with_attempts"]

_AS_KEPT: dict[str, Callable[[Any], Any]] = {
    "parameters": lambda text: None if text is None else json.loads(text),
    "enforce": lambda number: None if number is None else bool(number),
    "abandoned": bool,
    "did_nothing": bool,
}
_BY_JOB = attrgetter("job_id", "due_at", "run_id")


def with_attempts(
    closed: Iterator[sqlite3.Row], waiting: Iterator[sqlite3.Row], kept: Iterable[sqlite3.Row]
) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
    """Yield each run once, by job and due_at, with its attempts by fence.

    kept   all rows of `job_attempts`: few, since an attempt that closes its run is the run's own row
    """
    beside: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in kept:
        beside[row["run_id"]].append(row)
    for run in merge(_runs(closed), _runs(waiting), key=_BY_JOB):
        rows = beside.get(run.run_id, ())
        late = {row["attempt"]: row for row in rows if row["kind"] == "late"}
        ended = [_attempt(run, row, late) for row in rows if row["kind"] == "ended"]
        if run.fence is not None and run.started_at is not None:
            ended.append(_own_attempt(run, run.fence, late))
        yield run, tuple(sorted(ended, key=attrgetter("fence")) if len(ended) > 1 else ended)


def _attempt(run: RunView, row: sqlite3.Row, late: dict[int, sqlite3.Row]) -> AttemptView:
    came = late.get(row["attempt"])
    return AttemptView(
        run_id=run.run_id,
        attempt=row["attempt"],
        fence=row["fence"],
        node_id=row["node_id"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        result=row["result"],
        reason=row["reason"],
        message=row["message"],
        late_result=None if came is None else came["result"],
        late_at=None if came is None else came["day_at"],
    )


def _own_attempt(run: RunView, fence: int, late: dict[int, sqlite3.Row]) -> AttemptView:
    """Return the attempt that closed the run, or that is running."""
    came = late.get(run.attempt)
    assert run.started_at is not None
    status = None if run.finished_at is None else run.status
    return AttemptView(
        run_id=run.run_id,
        attempt=run.attempt,
        fence=fence,
        node_id=run.node_id or "",
        started_at=run.started_at,
        ended_at=run.finished_at,
        result="lost" if run.reason == "node_lost" else status,
        reason=run.reason,
        message=run.message,
        late_result=None if came is None else came["result"],
        late_at=None if came is None else came["day_at"],
    )


def _runs(rows: Iterator[sqlite3.Row]) -> Iterator[RunView]:
    make: Callable[[sqlite3.Row], RunView] | None = None
    for row in rows:
        if make is None:
            make = _maker(row.keys())
        yield make(row)


def _maker(columns: list[str]) -> Callable[[sqlite3.Row], RunView]:
    """Return what makes a view of a row. Straight into the slots: a frozen dataclass's own way takes three times as long."""
    plain, kept = [], []
    for field in fields(RunView):
        put, column = getattr(RunView, field.name).__set__, columns.index(field.name)
        if field.name in _AS_KEPT:
            kept.append((put, column, _AS_KEPT[field.name]))
        else:
            plain.append((put, column))

    def make(row: sqlite3.Row) -> RunView:
        made = object.__new__(RunView)
        for put, column in plain:
            put(made, row[column])
        for put, column, read in kept:
            put(made, read(row[column]))
        return made

    return make
