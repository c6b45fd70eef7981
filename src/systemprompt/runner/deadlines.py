"""Things to do later, measured on the monotonic clock: one thread and one heap for every run."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count

from systemprompt.clock import Clock
from systemprompt.own_log import own_log

__all__ = ["Deadline", "Deadlines"]

_LONGEST_WAIT_S = 30.0
_FEW = 128
_log = own_log("systemprompt.runner")


class Deadline:
    """One thing to do at one moment, unless it is dropped before."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[], object]) -> None:
        self.at = at
        self.action: Callable[[], object] | None = action

    def drop(self) -> None:
        """Forget it, and all that its action held."""
        self.action = None


class Deadlines:
    """Calls each action once when `clock.monotonic()` has reached its moment. Actions run in this thread and are quick.

    `expire(now)` is the whole step, so a test with a clock of its own calls it and waits for nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = count()
        self._sweep_at = _FEW
        self._changed = threading.Condition()
        self._expiring = threading.RLock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, after_s: float, action: Callable[[], object]) -> Deadline:
        """Do `action` once this many seconds have passed."""
        deadline = Deadline(self._clock.monotonic() + after_s, action)
        with self._changed:
            if self._closed:
                return deadline
            if len(self._heap) >= self._sweep_at:
                self._sweep()
            heapq.heappush(self._heap, (deadline.at, next(self._order), deadline))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="sp-deadlines", daemon=True)
                self._thread.start()
            if self._heap[0][2] is deadline:
                self._changed.notify_all()
        return deadline

    def expire(self, now: float) -> float | None:
        """Do all that is due at `now`; return the next moment, or None. What another thread is just doing is waited for."""
        with self._expiring:
            while True:
                with self._changed:
                    while self._heap and self._heap[0][2].action is None:
                        heapq.heappop(self._heap)
                    if not self._heap or self._heap[0][0] > now:
                        return self._heap[0][0] if self._heap else None
                    action = heapq.heappop(self._heap)[2].action
                if action is not None:
                    action()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    def _sweep(self) -> None:
        # Once for every doubling, so that dropping one needs neither a lock nor a search: nearly all are dropped.
        self._heap = [entry for entry in self._heap if entry[2].action is not None]
        heapq.heapify(self._heap)
        self._sweep_at = max(_FEW, 2 * len(self._heap))

    def _serve(self) -> None:
        while True:
            try:
                self.expire(self._clock.monotonic())
            except Exception:  # noqa: BLE001  # one action that fails must not take every other run's timeout with it
                _log.exception("a deadline's action failed")
            with self._changed:
                if self._closed:
                    return
                upcoming = self._heap[0][0] if self._heap else None
                if upcoming is None:
                    self._changed.wait()
                    continue
                # This clock also counts suspended time and the wait does not: hence never longer than this at once.
                wait = min(upcoming - self._clock.monotonic(), _LONGEST_WAIT_S)
                if wait > 0:
                    self._changed.wait(wait)
