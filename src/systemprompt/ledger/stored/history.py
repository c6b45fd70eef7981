"""The newest accounts first: runs and ranges merged, and how many match in all.

Neither costs more in a long ledger than in a short one. The total adds up the tallies, hour by hour, and counts only what is open
and what lies in the part of an hour at either end. A page is read from an index that has just what is asked for; where none has,
the tallies say which hours hold any, and only those are looked through. Where several jobs, statuses or origins are asked for, each
combination is read by itself and the newest of all are shown: an index keeps the order of one value alone.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice, product
from typing import NamedTuple

from systemprompt.ledger.tallies import ALL_JOBS, HOUR
from systemprompt.ledger.views import HistoryPage, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.ledger.stored.store import Row, Store
    from systemprompt.ledger.views import HistoryQuery, RangeView, RunView

__all__ = ["read_history"]


def read_history(
    store: Store,
    query: HistoryQuery,
    to_run: Callable[[Row], RunView],
    to_range: Callable[[Row], RangeView],
) -> HistoryPage:
    """Read one page and its total, in the caller's view."""
    jobs: list[int] = [ALL_JOBS]
    if query.job_names:
        jobs = [row["job_id"] for name in dict.fromkeys(query.job_names) for row in store.fetch("job", {"name": name})]
    total = 0
    streams: list[Iterator[RunView | RangeView]] = []
    for asked in product(jobs, dict.fromkeys(query.statuses or (None,)), dict.fromkeys(query.origins or (None,))):
        page = _Page(store, query, *asked)
        (n_runs, runs), (n_ranges, ranges) = _runs(page), _ranges(page)
        total += n_runs + n_ranges
        streams += [map(to_run, runs), map(to_range, ranges)]
    newest_first = merge(*streams, key=lambda entry: Place.of(entry).newest_first)
    return HistoryPage(entries=tuple(islice(newest_first, query.limit)), total=total)


def _runs(page: _Page) -> tuple[int, list[Row]]:
    """Count and read closed runs, and the open ones, which are few and stand by themselves."""
    waiting = page.open_runs()
    shown = [row for row in waiting if page.follows(row["due_at"], False, row["run_id"])]
    if page.status in ("queued", "running"):
        return len(waiting), shown[: page.limit]
    of_job = "_of_job" if page.job_id else ""
    if page.status not in (None, "success"):
        # What a partial index holds must be said in its own words.
        source = page.runs(f"job_runs_not_well{of_job}", "reason IS NOT NULL", exact=page.origin is None)
    elif page.origin not in (None, "schedule"):
        source = page.runs(f"job_runs_by_origin{of_job}", "origin <> 'schedule'", exact=page.status is None)
    else:
        plain = page.status is None and page.origin is None
        source = page.runs("job_runs_one_account" if page.job_id else "job_runs_by_due", exact=plain)
    closed = page.newest(source)
    if page.status is not None:
        return page.count(source), closed
    both = sorted([*closed, *shown], key=lambda row: (row["due_at"], row["run_id"]), reverse=True)
    return page.count(source) + len(waiting), both[: page.limit]


def _ranges(page: _Page) -> tuple[int, list[Row]]:
    """Count and read ranges: fire times that were skipped or missed."""
    if page.origin not in (None, "schedule") or page.status not in (None, "skipped", "missed"):
        return 0, []
    index = "job_run_ranges_by_job" if page.job_id else "job_run_ranges_by_last"
    source = _Source(_RANGES, index, page.where(origin=False), "origin = 'range'", exact=page.status is None)
    return page.count(source), page.newest(source)


class _Table(NamedTuple):
    """Where accounts stand: the table, its instant and its key, and what shows a row of it."""

    name: str
    ranges: bool
    instant: str
    key: str
    shown: str


_RUNS = _Table("job_runs", False, "due_at", "run_id", "SELECT v.* FROM closed_run_views v")
_RANGES = _Table(
    "job_run_ranges",
    True,
    "last_at",
    "range_id",
    "SELECT v.*, (SELECT j.job_name FROM jobs j WHERE j.job_id = v.job_id) AS job_name FROM job_run_ranges v",
)


class _Source:
    """Where accounts are read from. `counted` is what says the same of the tallies.

    exact   the index has what is asked for and nothing else
    """

    __slots__ = ("counted", "exact", "index", "table", "where")

    def __init__(self, table: _Table, index: str, where: tuple[str, ...], counted: str, *, exact: bool) -> None:
        self.table, self.index = table, index
        self.where = where
        self.counted = counted
        self.exact = exact


class _Page:
    """One combination of what is asked for, and the connection it is asked of. SQL is put together from our own fragments; every
    value is bound.
    """

    def __init__(self, store: Store, query: HistoryQuery, job_id: int, status: str | None, origin: str | None) -> None:
        self.job_id, self.status, self.origin = job_id, status, origin
        self.limit, self.after = query.limit, query.after
        self.low = _FIRST if query.since is None else query.since
        self.high = max(self.low, _LAST if query.until is None else query.until)
        self._store = store
        self._values: dict[str, Any] = {"job": job_id, "status": status, "origin": origin}

    def where(self, *, origin: bool = True) -> tuple[str, ...]:
        asked = {
            "job": bool(self.job_id),
            "status": self.status is not None,
            "origin": origin and self.origin is not None,
        }
        return tuple(condition for name, condition in _WHERE.items() if asked[name])

    def runs(self, index: str, *where: str, exact: bool = False) -> _Source:
        counted = "origin <> 'range'" if self.origin is None else "origin = :origin"
        return _Source(_RUNS, index, (*self.where(), *where), counted, exact=exact)

    def follows(self, at: Instant, is_range: bool, number: int) -> bool:
        """Whether an entry comes after those that were shown already."""
        return self.after is None or Place(at, is_range, number).newest_first > self.after.newest_first

    def open_runs(self) -> list[Row]:
        """Return the open runs that match, newest first."""
        where = " AND ".join((*self.where(), self._within("due_at")))
        return self._store.select(
            f"SELECT * FROM open_run_views WHERE {where} ORDER BY due_at DESC, run_id DESC",  # noqa: S608  # our own fragments
            {**self._values, "low": self.low, "high": self.high},
        )

    def whole_hours(self) -> tuple[Instant, Instant]:
        """Return the whole hours in between, as instants; the second is before the first where there is none."""
        return -(-self.low // HOUR) * HOUR, self.high // HOUR * HOUR

    def count(self, source: _Source) -> int:
        """Return how many match: closed ones of the whole hours, and all in the part of an hour at either end."""
        first, stop = self.whole_hours()
        if first >= stop:
            return self.rows(source, self.low, self.high)
        ((kept,),) = self._store.select(
            f"SELECT coalesce(sum(n), 0) FROM ({self._tallies(source, 'n')}) t",  # noqa: S608  # our own fragments
            {**self._values, "first": first // HOUR, "stop": stop // HOUR},
        )
        return int(kept) + self.rows(source, self.low, first) + self.rows(source, stop, self.high)

    def newest(self, source: _Source) -> list[Row]:
        """Return the newest that match and were not shown already, as many as a page may need."""
        high = self.high if self.after is None else min(self.high, self.after.at + 1)
        if source.exact:
            return self.read(source, self.low, high, self.limit)
        found: list[Row] = []
        hours = self._store.select(
            f"SELECT DISTINCT hour FROM ({self._tallies(source, 'hour')}) t ORDER BY hour DESC",  # noqa: S608  # our own fragments
            {**self._values, "first": self.low // HOUR, "stop": -(-high // HOUR)},
        )
        for (hour,) in hours:
            if len(found) >= self.limit:
                break
            begin, end = max(self.low, hour * HOUR), min(high, (hour + 1) * HOUR)
            found += self.read(source, begin, end, self.limit - len(found))
        return found

    def rows(self, source: _Source, low: Instant, high: Instant) -> int:
        if low >= high:
            return 0
        table, where = source.table, " AND ".join((*source.where, self._within(source.table.instant)))
        ((number,),) = self._store.select(
            f"SELECT count(*) FROM {table.name}{self._store.along(source.index)} WHERE {where}",  # noqa: S608  # our own fragments
            {**self._values, "low": low, "high": high},
        )
        return int(number)

    def read(self, source: _Source, low: Instant, high: Instant, limit: int) -> list[Row]:
        table, values = source.table, {**self._values, "low": low, "high": high, "limit": limit}
        where = " AND ".join((*source.where, self._within(table.instant)))
        if self.after is not None:
            # At the instant itself: all of the kind that comes second, none of the first, or those with lower numbers.
            below = self.after.number if table.ranges is self.after.is_range else _LAST if table.ranges else 0
            where += f" AND ({table.instant}, {table.key}) < ({self._store.at('at')}, :below)"
            values |= {"at": self.after.at, "below": below}
        newest = f"ORDER BY {table.instant} DESC, {table.key} DESC"
        along = self._store.along(source.index)
        return self._store.select(
            f"{table.shown} WHERE v.{table.key} IN ("  # noqa: S608  # our own fragments
            f"SELECT {table.key} FROM {table.name}{along} WHERE {where} {newest} LIMIT :limit) {newest}",
            values,
        )

    def _within(self, instant: str) -> str:
        return f"{instant} >= {self._store.at('low')} AND {instant} < {self._store.at('high')}"

    def _tallies(self, source: _Source, column: str) -> str:
        """Return what selects a column of the tallies that match, folded or not."""
        asked = "" if self.status is None else " AND status = :status"
        where = f"job_id = :job AND hour >= :first AND hour < :stop AND {source.counted}{asked}"
        tables = ("job_tally_sums", "job_tallies")
        return " UNION ALL ".join(f"SELECT {column} FROM {table} WHERE {where}" for table in tables)  # noqa: S608  # our own fragments


_FIRST, _LAST = -(2**62), 2**62
_WHERE = {"job": "job_id = :job", "status": "status = :status", "origin": "origin = :origin"}
