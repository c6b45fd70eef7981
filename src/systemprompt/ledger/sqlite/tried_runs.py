"""Runs with their attempts: what an audit reads, by the million."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter

from systemprompt.ledger.sqlite.run_views import run_views
from systemprompt.ledger.views import AttemptView, RunView

__all__ = ["with_attempts"]

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
    for run in merge(run_views(closed), run_views(waiting), key=_BY_JOB):
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
