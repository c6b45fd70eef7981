"""What a node does where the ledger's server lost a stretch: it tells what it did in it, and waits until the others have told.

Until every living node has told, or a lease is over, nothing is planned or begun; then what was told is put back, by whichever node
comes first. So a fire time that somebody began in the lost stretch is not begun again. A node that died together with the server is
waited for no longer than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from systemprompt.clock import Clock
from systemprompt.ledger.journaled import JournaledRun
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Decide, NodeIdentity
from systemprompt.nodes.identity import is_gone, this_machine
from systemprompt.nodes.journal import Journal, Noted
from systemprompt.own_log import own_log

__all__ = ["LostStretch"]

log = own_log("systemprompt.node")


class LostStretch:
    """One node's part in it. `journal` is None where the engine loses nothing."""

    def __init__(self, *, ledger: Ledger, clock: Clock, journal: Journal | None, lease: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._journal = journal
        self._lease = lease
        self._epoch: int | None = None
        self._has_begun = False
        self._wait_until: float | None = None

    def is_over(self, identity: NodeIdentity, decide: Decide) -> bool:
        """Say whether nothing is lost, or all that was is put back. To be asked before anything is planned or begun.

        Done again from the beginning where the server goes away meanwhile.
        """
        if not self._has_begun or self._ledger.epoch != self._epoch:
            self._wait_until = self._clock.monotonic() + self._lease
            self._tell_all(identity)
        if self._wait_until is None:
            return True
        if self._clock.monotonic() < self._wait_until and self._others_have_still_to_tell():
            return False
        self._tell_of_the_gone(identity)  # one may have died before it told
        while self._ledger.settle_lost(self._clock.now(), decide):
            pass
        self._wait_until = None
        return True

    def _tell_all(self, identity: NodeIdentity) -> None:
        """Tell what this node did, and what nodes of this machine did that are gone."""
        self._tell_of_the_gone(identity)
        if self._journal is not None:
            self._journal.begin(identity.node_id)
            self._tell(self._journal.noted(), identity.node_id, is_gone=False)
        self._enter(identity)
        self._has_begun = True

    def _tell_of_the_gone(self, identity: NodeIdentity) -> None:
        if self._journal is not None:
            for noted in self._journal.of_the_gone():
                self._tell(noted, identity.node_id, is_gone=True)

    def _others_have_still_to_tell(self) -> bool:
        epoch = self._epoch or 0
        return any(
            node.kind == "serve"
            and node.stopped_at is None
            and node.epoch < epoch
            and not is_gone(node, this_machine())
            for node in self._ledger.living_nodes()
        )

    def _enter(self, identity: NodeIdentity) -> None:
        epoch = self._ledger.epoch
        if epoch is not None:
            self._ledger.enter_node(identity, epoch)
        self._epoch = epoch

    def _tell(self, noted: Noted, holder: str, *, is_gone: bool) -> None:
        runs = [
            JournaledRun(
                run_id=(claimed or noted.closed[fence]).run_id,
                fence=fence,
                node_id=noted.node_id,
                holder=holder,
                is_gone=is_gone,
                claimed=claimed,
                closing=noted.closed.get(fence),
            )
            for fence in sorted({*noted.claimed, *noted.closed})
            for claimed in [noted.claimed.get(fence)]
        ]
        lost = sum(self._ledger.tell_journaled(some) for some in _by(_AT_ONCE, runs))
        if lost:
            log.warning("the server had lost %d runs of node %s, or how they ended", lost, noted.node_id)


def _by(number: int, runs: Sequence[JournaledRun]) -> Iterable[Sequence[JournaledRun]]:
    return (runs[first : first + number] for first in range(0, len(runs), number))


_AT_ONCE = 500
