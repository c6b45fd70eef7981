"""Runs with their attempts, from rows that have both: what an audit reads, by the million."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import groupby
from operator import attrgetter, itemgetter

from systemprompt.ledger.views import AttemptView, RunView

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    View = TypeVar("View")

__all__ = ["with_attempts"]

_AS_TRIED = {"attempt": "tried", "fence": "tried_fence", "node_id": "tried_on", "started_at": "tried_at"}
_AS_KEPT: dict[str, Callable[[Any], Any]] = {
    "parameters": lambda text: None if text is None else json.loads(text),
    "enforce": lambda number: None if number is None else bool(number),
}


def with_attempts(rows: Iterator[sqlite3.Row]) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
    """Yield each run once, with its attempts by fence. `rows` has those of one run side by side, `run_id` first."""
    run_of: Callable[[sqlite3.Row], RunView] | None = None
    for _, group in groupby(rows, key=itemgetter(0)):
        tried = list(group)
        if run_of is None:
            names = tried[0].keys()
            run_of, attempt_of = _maker(RunView, names, {}), _maker(AttemptView, names, _AS_TRIED)
        if tried[0]["tried"] is None:
            yield run_of(tried[0]), ()
        elif len(tried) == 1:
            yield run_of(tried[0]), (attempt_of(tried[0]),)
        else:
            yield run_of(tried[0]), tuple(sorted(map(attempt_of, tried), key=attrgetter("fence")))


def _maker(view: type[View], columns: list[str], renamed: Mapping[str, str]) -> Callable[[sqlite3.Row], View]:
    """Return what makes a view of a row. Straight into the slots: a frozen dataclass's own way takes three times as long."""
    names = [field.name for field in fields(view)]  # type: ignore[arg-type]  # both are dataclasses
    plain, kept = [], []
    for name in names:
        put, column = getattr(view, name).__set__, columns.index(renamed.get(name, name))
        if name in _AS_KEPT:
            kept.append((put, column, _AS_KEPT[name]))
        else:
            plain.append((put, column))

    def make(row: sqlite3.Row) -> View:
        made = object.__new__(view)
        for put, column in plain:
            put(made, row[column])
        for put, column, read in kept:
            put(made, read(row[column]))
        return made

    return make
