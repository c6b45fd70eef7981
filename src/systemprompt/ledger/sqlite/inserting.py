"""Insert runs, the usual ones in fewer columns.

`sqlite3` looks for an adapter for each None that it is handed, which takes 0.2 us, and a usual run has fifteen. So a run with
nothing but NULL in its rare columns is inserted without these: 3.9 us instead of 8.9 for a closed run, 3.1 instead of 6.4 for an
open one.
"""

from __future__ import annotations

from operator import itemgetter

from systemprompt.ledger.rows import ClosedRun, OpenRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from systemprompt.ledger.sqlite.store import Store

__all__ = ["RARE_CLOSED", "RARE_OPEN", "insert_closed", "insert_open"]

RARE_OPEN = (
    "period_from",
    "stands_for",
    "retry_of",
    "replaces",
    "why",
    "parameters",
    "enforce",
    "stop_asked_at",
    "stop_by",
    "stop_why",
)
RARE_CLOSED = (*RARE_OPEN, "reason", "blocked_by", "error_hash", "output_hash", "exit_code")
"""Columns that are NULL in a usual run: one that its schedule started and that went well."""


def insert_open(store: Store, runs: Sequence[OpenRun]) -> None:
    """Insert open runs."""
    _insert(store, "open", runs, _OPEN)


def insert_closed(store: Store, runs: Sequence[ClosedRun]) -> int:
    """Insert closed runs; return how many were inserted."""
    return _insert(store, "closed", runs, _CLOSED)


class _Split:
    """What is rare of a row, and what is left of it."""

    def __init__(self, fields: tuple[str, ...], rare: tuple[str, ...]) -> None:
        self.rare: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*map(fields.index, rare))
        self.usual = itemgetter(*(place for place, name in enumerate(fields) if name not in rare))
        self.nothing = (None,) * len(rare)


_OPEN = _Split(OpenRun._fields, RARE_OPEN)
_CLOSED = _Split(ClosedRun._fields, RARE_CLOSED)


def _insert(store: Store, kind: str, runs: Sequence[tuple[Any, ...]], split: _Split) -> int:
    usual = [split.usual(run) for run in runs if split.rare(run) == split.nothing]
    inserted = store.run_many(f"write_usual_{kind}_runs", usual) if usual else 0
    if len(usual) < len(runs):
        rest = [run for run in runs if split.rare(run) != split.nothing]
        inserted += store.run_many(f"write_{kind}_runs", rest)
    return inserted
