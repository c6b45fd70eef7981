"""When a node has to look for runs that it claimed without hearing of it: after a commit whose answer did not come."""

from __future__ import annotations

from systemprompt.clock import Instant
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Claimed
from systemprompt.nodes.hooks import Pace
from systemprompt.own_log import own_log

__all__ = ["Unsure"]


log = own_log("systemprompt.node")


class Unsure:
    """Whether the last commits may have done more than this node knows of.

    A commit that was given up may still be on its way to the server, so one look is not enough: there is one in the next round and
    one a heartbeat after that, until none can come any more.
    """

    def __init__(self, pace: Pace) -> None:
        self._every = pace.heartbeat
        self._lasts = max(pace.lease, _ON_ITS_WAY_S)
        self._since: Instant | None = None
        self._next = self._until = self._quiet_until = 0.0

    def trouble(self, now: Instant, monotonic: float, error: Exception) -> None:
        """Say that a commit may have been lost just now. A round is tried again many times a second: the log hears of a few."""
        if monotonic >= self._quiet_until:
            self._quiet_until = monotonic + _QUIET_S
            log.warning("the ledger cannot be written just now, trying again: %s", error)
        self._since, self._next, self._until = now, monotonic, monotonic + self._lasts

    def claimed(self, ledger: Ledger, node_id: str, monotonic: float) -> list[Claimed]:
        """Return the runs that the ledger has at work on the node, known or not, if it has to be looked at now."""
        since = self._since
        if since is None or monotonic < self._next:
            return []
        found = [run for run in ledger.held(node_id) if run.started_at <= since]
        self._next = monotonic + self._every
        if monotonic >= self._until:
            self._since = None
        return found


_QUIET_S = 5.0
_ON_ITS_WAY_S = 15.0
"""At the shortest lease. A server ends a session that stands idle in its transaction before this is over."""
