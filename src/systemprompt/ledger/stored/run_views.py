"""From a row of a run's view to the record that readers get. An audit reads them by the million."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any

from systemprompt.ledger.views import RunView

__all__ = ["run_view", "run_views"]

_AS_READ: dict[object, Callable[[Any], Any]] = {
    "Mapping[str, Any] | None": lambda text: None if text is None else json.loads(text),
    "bool | None": lambda number: None if number is None else bool(number),
    "bool": bool,
}
"""How SQLite's value becomes that of a field, by the type that the record gives it; any other stays as it is."""


def run_view(row: Any) -> RunView:
    """Return the run of a row that has the columns of `RunView`, in whatever order."""
    return _maker(tuple(row.keys()))(row)


def run_views(rows: Iterable[Any]) -> Iterator[RunView]:
    """Yield the runs of many rows with the same columns."""
    make: Callable[[Any], RunView] | None = None
    for row in rows:
        if make is None:
            make = _maker(tuple(row.keys()))
        yield make(row)


@lru_cache(maxsize=8)
def _maker(columns: tuple[str, ...]) -> Callable[[Any], RunView]:
    """Return what makes a view of a row. Straight into the slots: a frozen dataclass's own way takes three times as long."""
    plain, read = [], []
    for field in fields(RunView):
        put, column = getattr(RunView, field.name).__set__, columns.index(field.name)
        if field.type in _AS_READ:
            read.append((put, column, _AS_READ[field.type]))
        else:
            plain.append((put, column))

    def make(row: Any) -> RunView:
        made = object.__new__(RunView)
        for put, column in plain:
            put(made, row[column])
        for put, column, as_read in read:
            put(made, as_read(row[column]))
        return made

    return make
