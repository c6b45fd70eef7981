"""Wait for what other threads tell, never for time to pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

WAIT_S = 30.0
"""No test waits this long unless it is about to fail."""

Found = TypeVar("Found")


class Heard:
    """Keeps what it is called with, from whatever thread, and waits for it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, event: Any) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, found: Callable[[], Found], what: object) -> Found:
        """Return what `found` returns, once that is true. Otherwise fail, and say for what this waited."""
        with self._changed:
            assert self._changed.wait_for(found, WAIT_S), (what, self.events)
            return found()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def wait(self, kind: str) -> Any:
        """Wait for the first event of this kind."""
        return self.until(lambda: [event for event in self.events if event.kind == kind], kind)[0]
