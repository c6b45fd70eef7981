"""The runs that a node holds: how much room they leave, and which of them must stop when its lease is in doubt or gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Claimed, Closing

__all__ = ["Holding"]


class Holding:
    """Runs by id and fence, from their claim until their end is durable. Any thread may add; one does the rest."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], bool] = {}
        self._forsaken: set[tuple[int, int]] = set()

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, claimed: Iterable[Claimed]) -> None:
        self._held |= {(run.run_id, run.fence): run.reruns for run in claimed}

    def remove(self, ended: Iterable[Closing]) -> None:
        for closing in ended:
            self._held.pop((closing.run_id, closing.fence), None)
            self._forsaken.discard((closing.run_id, closing.fence))

    def unknown(self, runs: Iterable[Claimed]) -> list[Claimed]:
        """Return those that are not held: nobody was told that they were claimed."""
        return [run for run in runs if (run.run_id, run.fence) not in self._held]

    def room(self, capacity: int, ending: Iterable[Closing]) -> int:
        """Return how many runs the node may take beside those that are not ending.

        A run that was taken from this node and is queued again must not start here while its former attempt is still in the air.
        """
        ends = {(closing.run_id, closing.fence) for closing in ending}
        return 0 if self._forsaken - ends else max(0, capacity - len(self._held.keys() - ends))

    def among(self, runs: Iterable[tuple[int, int]]) -> list[int]:
        """Return the ids of those runs, given with their fences, that are held."""
        return [run_id for run_id, fence in runs if (run_id, fence) in self._held]

    def but_for(self, fences: Collection[int]) -> list[int]:
        """Return the runs that are held under other fences than these."""
        return [run_id for run_id, fence in list(self._held) if fence not in fences]

    def reruns(self) -> list[int]:
        """Return the runs that others may start again once the lease is over."""
        return [run_id for (run_id, _), reruns in list(self._held.items()) if reruns]

    def forsake(self, ledger: Ledger) -> list[int]:
        """Return the runs to stop, now that the node was declared lost.

        A run that was closed as lost goes on, and what it brings is late: nobody starts it again. A run that waits again, runs
        elsewhere or has ended there must stop, and one that somebody asked to stop.
        """
        stop = [key for key, reruns in list(self._held.items()) if not _goes_on(ledger, *key, reruns=reruns)]
        self._forsaken.update(stop)
        return [run_id for run_id, _ in stop]


def _goes_on(ledger: Ledger, run_id: int, fence: int, *, reruns: bool) -> bool:
    run = ledger.run(run_id)
    if run is None:
        return not reruns  # it was pruned meanwhile
    return run.finished_at is not None and run.fence == fence and run.stop_asked_at is None
