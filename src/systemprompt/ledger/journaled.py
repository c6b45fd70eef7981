"""What a node keeps of a run outside the ledger: enough to bring it back where the ledger's server has lost it."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.ledger.records import Claimed, Closing

__all__ = ["JournaledRun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaledRun:
    """A run that a node began, or how one ended, or both, as it was committed once.

    node_id   the node that began it; holder   the one that is to hold it again, where it can be put back
    is_gone   nobody runs it any more: the process that began it has ended
    claimed   None where it was begun so long ago that the journal does not go back to it
    closing   None where no end of it was committed
    """

    run_id: int
    fence: int
    node_id: str
    holder: str
    is_gone: bool = False
    claimed: Claimed | None = None
    closing: Closing | None = None
