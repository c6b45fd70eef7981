"""Insert runs, the usual ones in fewer columns.

`sqlite3` looks for an adapter for each None that it is handed, which takes 0.2 us, and a usual run has fifteen. What is rare stands
last in both tables, so a run with nothing in these columns is inserted by its first ones: a closed run takes 3 us instead of 9, an
open one 2 instead of 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from systemprompt.ledger.rows import ClosedRun, OpenRun
from systemprompt.ledger.stored.store import Store

__all__ = ["SHAPES", "insert_closed", "insert_open"]


class _Shape:
    """An INSERT that names the first columns of a table: it is for rows that have nothing but defaults in the others."""

    def __init__(self, statement: str, row: type[OpenRun | ClosedRun], last: str) -> None:
        self.statement = statement
        self.columns = row._fields[: row._fields.index(last) + 1]
        self.size = len(self.columns)
        self.nothing_more = tuple(row._field_defaults[name] for name in row._fields[self.size :])


_OPEN = (_Shape("write_usual_open_runs", OpenRun, "actor"), _Shape("write_open_runs", OpenRun, "stop_why"))
_CLOSED = (
    _Shape("write_usual_closed_runs", ClosedRun, "duration_ms"),
    _Shape("write_told_closed_runs", ClosedRun, "items_failed"),
    _Shape("write_closed_runs", ClosedRun, "lines_dropped"),
)
SHAPES = {shape.statement: shape.columns for shape in (*_OPEN, *_CLOSED)}
"""The columns of each statement that inserts runs."""


def insert_open(store: Store, runs: Sequence[OpenRun]) -> None:
    """Insert open runs."""
    _insert(store, runs, _OPEN)


def insert_closed(store: Store, runs: Sequence[ClosedRun]) -> int:
    """Insert closed runs; return how many were inserted."""
    return _insert(store, runs, _CLOSED)


def _insert(store: Store, runs: Sequence[tuple[Any, ...]], shapes: Sequence[_Shape]) -> int:
    inserted = 0
    for shape in shapes:
        size, nothing_more = shape.size, shape.nothing_more
        fit = [run[:size] for run in runs if run[size:] == nothing_more]
        if fit:
            inserted += store.run_many(shape.statement, fit)
        if len(fit) == len(runs):
            break
        runs = [run for run in runs if run[size:] != nothing_more]
    return inserted
