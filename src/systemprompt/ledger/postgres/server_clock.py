"""The server's clock, told between two looks at it by this machine's monotonic one."""

from __future__ import annotations

import threading

from systemprompt.clock import SECOND, Clock, Instant

__all__ = ["ServerClock"]

_AS_GOOD = 2.0
"""A look that took up to so many times as long as the quickest one is believed."""

_FORGET_S = 300.0


class ServerClock:
    """Implements `Clock`. Every transaction looks at the server's clock as it begins; what lies between is counted from there.

    So nodes whose wall clocks differ, or jump, still go by one clock; and while the server is away, time goes on. Before the first
    look it is the host's. A look that took long says little, and is left aside while a better one is not old.
    """

    def __init__(self, host: Clock) -> None:
        self._host = host
        self._guard = threading.Lock()
        self._seen: tuple[float, Instant] | None = None
        self._took = 0.0

    def now(self) -> Instant:
        seen = self._seen
        if seen is None:
            return self._host.now()
        return seen[1] + round((self._host.monotonic() - seen[0]) * SECOND)

    def monotonic(self) -> float:
        return self._host.monotonic()

    @property
    def has_seen(self) -> bool:
        """Whether the server's clock was looked at."""
        return self._seen is not None

    @property
    def offset_us(self) -> int:
        """How far the host's wall clock stands before the server's, in microseconds; negative: behind it."""
        return 0 if self._seen is None else self._host.now() - self.now()

    def saw(self, asked: float, answered: float, server_now: Instant) -> None:
        """Take what the server said, and when it was asked and answered on the monotonic clock."""
        took, middle = answered - asked, (asked + answered) / 2
        with self._guard:
            is_old = self._seen is None or answered - self._seen[0] > _FORGET_S
            if is_old or took <= self._took * _AS_GOOD:
                self._took = took if is_old else min(took, self._took)
                self._seen = (middle, server_now)
