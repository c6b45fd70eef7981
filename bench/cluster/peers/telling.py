"""How a peer's process talks with the bench: a line of JSON when it serves, then one for each line `report` that it hears."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

STARTS: list[tuple[float, float]] = []


def started(due: float) -> None:
    """Be the first line of a task that was due at this moment, in seconds since the epoch."""
    STARTS.append((due, time.time()))


def tell_reports(*, ended: Callable[[], None]) -> None:
    """Say that this process serves, and answer from a thread what is asked. Call `ended` once nobody will ask any more."""

    def listen() -> None:
        for line in sys.stdin:
            if line.strip() == "report":
                so_far = len(STARTS)
                tell({"starts": STARTS[:so_far], "cpu_s": time.process_time(), "at": time.time()})
                del STARTS[:so_far]
        ended()

    tell({"serving": True})
    threading.Thread(target=listen, daemon=True).start()


def tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def question() -> dict[str, Any]:
    """Return what this process was started for: `do` is the name of a function, the rest its arguments."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    return asked
