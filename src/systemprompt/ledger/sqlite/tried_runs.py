"""Runs with their attempts, from rows that have both: what an audit reads, by the million."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter

from systemprompt.ledger.views import AttemptView, RunView

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from typing import Any

__all__ = ["with_attempts"]


def with_attempts(rows: Iterator[sqlite3.Row]) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
    """Yield each run once, with its attempts by fence. `rows` has those of one run side by side, `run_id` first."""
    names: list[str] = []
    for _, group in groupby(rows, key=itemgetter(0)):
        tried = list(group)
        if not names:
            names = tried[0].keys()
            names = names[: names.index("tried")]
        values: dict[str, Any] = dict(zip(names, tried[0], strict=False))
        if values["parameters"] is not None:
            values["parameters"] = json.loads(values["parameters"])
        if values["enforce"] is not None:
            values["enforce"] = bool(values["enforce"])
        run = RunView(**values)
        if tried[0]["tried"] is None:
            yield run, ()
        elif len(tried) == 1:
            yield run, (_attempt(tried[0]),)
        else:
            yield run, tuple(sorted(map(_attempt, tried), key=_fence))


def _fence(attempt: AttemptView) -> int:
    return attempt.fence


def _attempt(row: sqlite3.Row) -> AttemptView:
    return AttemptView(
        run_id=row["run_id"],
        attempt=row["tried"],
        fence=row["tried_fence"],
        node_id=row["tried_on"],
        started_at=row["tried_at"],
        ended_at=row["ended_at"],
        result=row["result"],
        late_result=row["late_result"],
        late_at=row["late_at"],
    )
