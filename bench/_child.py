"""A real node in a process of its own, as `sp serve` runs it: `python -m bench._child PROFILE`.

On stdout one JSON line when it serves, then one for each line `report` on stdin: what happened since the last. SIGTERM ends it.
The only difference from `sp serve` is that nothing is printed for people, and that statements, commits and starts are counted.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from typing import Any

from bench._marks import STARTS


class Seen:
    """What the node did, as told by the store's statement hook and the node's own events."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.planned_at: list[float] = []
        self.closed: list[tuple[int, float]] = []
        self.statuses: Counter[str] = Counter()
        self.serving = threading.Event()
        self._fire_at: dict[int, int] = {}
        self._writing = False

    def statement(self, name: str) -> None:
        self.statements[name] += 1
        if name in ("write_open_runs", "write_usual_open_runs", "write_ranges"):
            self._writing = True
        elif name == "committed" and self._writing:
            self._writing = False
            self.planned_at.append(time.time())

    def event(self, event: Any) -> None:
        if event.kind == "run_started":
            self._fire_at[event.run_id] = event.fire_at or 0
        elif event.kind == "run_finished":
            self.closed.append((self._fire_at.pop(event.run_id, 0), time.time()))
            self.statuses[event.status] += 1
        elif event.kind == "serving":
            self.serving.set()

    def take(self) -> dict[str, Any]:
        """Return what there is, and begin afresh. What comes while this runs is in this or in the next answer."""
        starts, closed, planned_at = len(STARTS), len(self.closed), len(self.planned_at)
        taken = {
            "at": time.time(),
            "cpu_s": time.process_time(),
            "rss": _resident(),
            "statements": dict(self.statements),
            "planned_at": self.planned_at[:planned_at],
            "starts": STARTS[:starts],
            "closed": self.closed[:closed],
            "statuses": dict(self.statuses),
        }
        del STARTS[:starts], self.closed[:closed], self.planned_at[:planned_at]
        self.statuses.clear()
        return taken


def main(arguments: list[str]) -> int:
    began = time.perf_counter()
    from systemprompt.operations.context import OperationContext
    from systemprompt.operations.serve import ServeParams, serve
    from systemprompt.system import open_system

    seen = Seen()
    out = sys.stdout
    system = open_system(arguments[0], environ=os.environ, on_statement=seen.statement)
    synced, synced_at = time.perf_counter(), time.time()

    def answer() -> None:
        seen.serving.wait()
        _say(out, {"synced_s": synced - began, "synced_at": synced_at, "cpu_s": time.process_time()})
        for line in sys.stdin:
            if line.strip() == "report":
                _say(out, seen.take())

    threading.Thread(target=answer, daemon=True).start()
    with system:
        serve(OperationContext.of(system, seen.event), ServeParams(grace=5.0))
    return 0


def _say(out: Any, values: dict[str, Any]) -> None:
    out.write(json.dumps(values) + "\n")
    out.flush()


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
