"""The newest accounts first: runs and ranges merged, and how many match in all."""

from __future__ import annotations

from heapq import merge
from itertools import islice

from systemprompt.ledger.views import HistoryPage, RangeView

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from typing import Any

    from systemprompt.ledger.sqlite.store import Store
    from systemprompt.ledger.views import HistoryQuery, RunView

__all__ = ["read_history"]


def read_history(
    store: Store,
    query: HistoryQuery,
    to_run: Callable[[sqlite3.Row], RunView],
    to_range: Callable[[sqlite3.Row], RangeView],
) -> HistoryPage:
    """Read one page. Each half comes from its own index, so the cost is that of the page, not of the ledger; `total` counts."""
    values: dict[str, Any] = {
        "job": query.job_name,
        "status": query.status,
        "origin": query.origin,
        "since": query.since,
        "until": query.until,
        "limit": query.limit,
    }
    connection = store.connection
    runs_where = _where(values, {"job": _JOB, "status": "status = :status", "origin": "origin = :origin"}, "due_at")
    # The text below is put together from our own fragments; every value is a bound parameter.
    runs = connection.execute(
        f"SELECT r.*, (SELECT job_name FROM scheduled_jobs j WHERE j.id = r.job_id) AS job_name FROM job_runs r"  # noqa: S608  # our own fragments
        f"{runs_where} ORDER BY due_at DESC, run_id DESC LIMIT :limit",
        values,
    ).fetchall()
    total = connection.execute(f"SELECT count(*) FROM job_runs{runs_where}", values).fetchone()[0]  # noqa: S608  # our own fragments
    ranges: list[sqlite3.Row] = []
    if query.origin in (None, "schedule"):
        where = _where(values, {"job": _JOB, "status": "status = :status"}, "last_at")
        ranges = connection.execute(
            f"SELECT g.*, (SELECT job_name FROM scheduled_jobs j WHERE j.id = g.job_id) AS job_name FROM job_run_ranges g"  # noqa: S608  # our own fragments
            f"{where} ORDER BY last_at DESC, range_id DESC LIMIT :limit",
            values,
        ).fetchall()
        total += connection.execute(f"SELECT count(*) FROM job_run_ranges{where}", values).fetchone()[0]  # noqa: S608  # our own fragments
    newest_first: Iterator[RunView | RangeView] = merge(map(to_run, runs), map(to_range, ranges), key=_newest_first)
    return HistoryPage(entries=tuple(islice(newest_first, query.limit)), total=total)


def _newest_first(entry: RunView | RangeView) -> tuple[int, int, int]:
    if isinstance(entry, RangeView):
        return -entry.last_at, 1, -entry.range_id
    return -entry.due_at, 0, -entry.run_id


_JOB = "job_id = (SELECT id FROM scheduled_jobs WHERE job_name = :job)"


def _where(values: dict[str, Any], conditions: dict[str, str], instant: str) -> str:
    chosen = [condition for name, condition in conditions.items() if values[name] is not None]
    if values["since"] is not None:
        chosen.append(f"{instant} >= :since")
    if values["until"] is not None:
        chosen.append(f"{instant} < :until")
    return f" WHERE {' AND '.join(chosen)}" if chosen else ""
