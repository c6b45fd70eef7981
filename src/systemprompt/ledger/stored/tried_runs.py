"""Runs with their attempts: what an audit reads, by the million."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter
from typing import Any

from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.stored.run_views import run_views
from systemprompt.ledger.stored.store import Row
from systemprompt.ledger.views import RunView

__all__ = ["with_attempts"]

_BY_JOB = attrgetter("job_id", "due_at", "run_id")
_KEPT = ("attempt", "fence", "node_id", "started_at", "ended_at", "result", "reason", "message")


def with_attempts(
    closed: Iterable[Row], waiting: Iterable[Row], kept: Iterable[Row]
) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
    """Yield each run once, by job and due_at, with its attempts by fence.

    kept   all rows of `job_attempts`: few, since an attempt that closes its run is the run's own row
    """
    beside: defaultdict[int, list[Row]] = defaultdict(list)
    for row in kept:
        beside[row["run_id"]].append(row)
    for run in merge(run_views(closed), run_views(waiting), key=_BY_JOB):
        rows = beside.get(run.run_id, ())
        late = {row["attempt"]: row for row in rows if row["kind"] == "late"}
        ended = [_attempt(run, late, **{name: row[name] for name in _KEPT}) for row in rows if row["kind"] == "ended"]
        if run.fence is not None and run.started_at is not None:
            ended.append(_own_attempt(run, late))
        yield run, tuple(sorted(ended, key=attrgetter("fence")) if len(ended) > 1 else ended)


def _attempt(run: RunView, late: dict[int, Row], attempt: int, **own: Any) -> AttemptView:
    came = late.get(attempt)
    late_result, late_at = (None, None) if came is None else (came["result"], came["day_at"])
    return AttemptView(run_id=run.run_id, attempt=attempt, late_result=late_result, late_at=late_at, **own)


def _own_attempt(run: RunView, late: dict[int, Row]) -> AttemptView:
    """Return the attempt that closed the run, or that is running."""
    return _attempt(
        run,
        late,
        run.attempt,
        fence=run.fence,
        node_id=run.node_id or "",
        started_at=run.started_at,
        ended_at=run.finished_at,
        result="lost" if run.reason == "node_lost" else None if run.finished_at is None else run.status,
        reason=run.reason,
        message=run.message,
    )
