"""What a ledger object need not read again: the rows of the runs that it began itself, and versions, which never change.

The labels and the zone data of a node never change either: a process that has others takes a fresh id.

crash           memory only: whoever opens the ledger next reads
two processes   a run that is held changes in two ways alone: somebody asks for its stop, or takes it from a lost node. Both are
                noticed when its row is deleted (`HeldRunChanged`); the turn is then undone and done again on what is written
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from systemprompt.ledger.records import Closing
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["HeldRunChanged", "Remembered", "Terms"]


class HeldRunChanged(Exception):  # no error: the turn is done again
    """An open row is no longer as it was when its run began."""


class Terms(NamedTuple):
    """What a version says of a job; `policies` as text."""

    schedule: str
    time_zone: str
    policies: str
    enabled: int


class Remembered:
    """The memory of one ledger object. It grows with the jobs that are planned and the runs that are held, no further."""

    def __init__(self) -> None:
        self._held: dict[int, OpenRun] = {}  # by fence
        self._terms: dict[int, tuple[int, Terms]] = {}  # the version seen last, by job
        self._nodes: dict[str, tuple[str, str | None]] = {}

    def keep(self, runs: Iterable[OpenRun]) -> None:
        """Remember runs that were begun. To be called once their commit has succeeded: only then are their fences theirs."""
        self._held.update((run.fence, run) for run in runs if run.fence is not None)

    def take(self, closings: Sequence[Closing]) -> list[OpenRun]:
        """Return the rows of these runs, and forget them; nothing where one of them is not known."""
        rows = [row for row in (self._held.pop(closing.fence, None) for closing in closings) if row is not None]
        return rows if len(rows) == len(closings) else []

    def terms(self, store: Store, due: Sequence[Row]) -> list[Terms]:
        """Return what the version of each of these jobs says, in their order.

        To be called where nothing is written to versions in the same transaction: what is undone must not be remembered.
        """
        known = self._terms
        new = [row["job_id"] for row in due if known.get(row["job_id"], _NEVER)[0] != row["version"]]
        if new:
            for row in store.run("terms_of_jobs", {"ids": json.dumps(new)}):
                job_id, version, *terms = row
                known[job_id] = (version, Terms._make(terms))
        return [known[row["job_id"]][1] for row in due]

    def labels(self, store: Store, node_id: str) -> str:
        """Return the labels of a node as a JSON array; those of none where the ledger does not know it."""
        return self._node(store, node_id)[0]

    def zone_data(self, store: Store, node_id: str) -> str | None:
        """Return the release of a node's zone data; None where the ledger does not know the node."""
        return self._node(store, node_id)[1]

    def _node(self, store: Store, node_id: str) -> tuple[str, str | None]:
        known = self._nodes.get(node_id)
        if known is None:
            row = store.run("node_labels", {"node_id": node_id}).fetchone()
            if row is None:
                return "[]", None
            known = self._nodes[node_id] = (row["labels"], row["zone_data"])
        return known


_NEVER = (0, None)
