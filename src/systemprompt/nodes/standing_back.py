"""A node that plans nothing because another has newer time zone data: see `Ledger.plan_by_zone_data`."""

from __future__ import annotations

from systemprompt.clock import Instant
from systemprompt.ledger.protocol import Ledger
from systemprompt.own_log import own_log

__all__ = ["StandingBack"]

log = own_log("systemprompt.node")


class StandingBack:
    """Whether one node stands back now.

    Asked with each heartbeat, so a node knows a heartbeat late at most. Meanwhile its turns plan nothing: the ledger sees to that.
    When the last node with the newest data leaves, fire times are planned up to a heartbeat late; where it was killed, up to its
    lease more. Nothing is planned twice or by two releases.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.now = False

    def weigh(self, node_id: str, at: Instant) -> bool:
        """Look at the other nodes again; say whether jobs are to be looked at, due or not.

        A node whose data came into force may never have stood back: the one with newer data came and went between two of its
        heartbeats. What it was told of due jobs meanwhile was for the other to see to.
        """
        standing = self._ledger.plan_by_zone_data(node_id, at)
        before, self.now = self.now, not standing.may_plan
        if before != self.now:
            log.warning(
                "another node has newer time zone data: this one plans nothing and runs what waits"
                if self.now
                else "no node has newer time zone data any more: this one plans again"
            )
        return before != self.now or standing.took_over
