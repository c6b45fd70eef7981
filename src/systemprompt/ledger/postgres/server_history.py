"""Whether the server still has all that was seen of it: who it is, on which timeline, and how far its log reaches."""

from __future__ import annotations

import threading
from typing import NamedTuple

__all__ = ["ASKING", "ServerHistory", "ServerState"]


class ServerState(NamedTuple):
    """What a server said of itself: its system identifier, its timeline, and how many bytes of its log are durable."""

    system: str
    timeline: int
    durable: int


class ServerHistory:
    """What one process has seen of the server of its ledger. Any thread may ask.

    A failover brings another timeline, a server that was made from a dump another system identifier. One that was put back from a
    picture of its disk has both as before, but a log that ends before what was seen of it; that is looked at as a write begins,
    so a loss of the very last one alone is not seen. A server that crashed and came back has all that was durable, and is the same.

    epoch         the one that this process has entered; None before its first write
    can_be_told   whether the server tells of itself; None where it was not asked yet
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: ServerState | None = None
        self.epoch: int | None = None
        self.can_be_told: bool | None = None

    @property
    def reached(self) -> int:
        """How far the server's log is known to be durable. To be taken before it is asked again."""
        seen = self._seen
        return 0 if seen is None else seen.durable

    def is_news(self, state: ServerState, reached: int) -> bool:
        """Say whether a server that says this is another one, or lost something; `reached` is from before it was asked."""
        with self._guard:
            seen = self._seen
            if seen is None or seen[:2] != state[:2] or state.durable < reached:
                return True
            if state.durable > seen.durable:
                self._seen = state
            return False

    def enter(self, epoch: int, state: ServerState) -> None:
        """Take it that this server is in this epoch."""
        with self._guard:
            self._seen, self.epoch = state, epoch


ASKING = """
SELECT s.system_identifier::text, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint,
       pg_current_wal_flush_lsn() - '0/0'
FROM pg_control_system() s
WHERE NOT pg_is_in_recovery()
"""
