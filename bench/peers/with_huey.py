"""Huey on SQLite under the same load: its consumer with threads, and results kept. JSON in, JSON out.

Huey's periodic tasks go by the minute, so the load is tasks with an `eta`, put into its schedule before the consumer starts. Its
scheduler looks once a second, the least it allows. SQLite in WAL with the library's own `synchronous` (FULL), as Huey leaves it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from huey import SqliteHuey  # type: ignore[import-not-found]  # a peer: not in our environment

STARTS: list[float] = []


def work() -> int:
    STARTS.append(time.time())
    return 1


def fires(count: int, folder: str) -> dict[str, Any]:
    huey = SqliteHuey(filename=os.path.join(folder, "huey.db"))
    task = huey.task()(work)
    planned: list[float] = []
    kept: list[float] = []
    enqueue, put_data = huey.storage.enqueue, huey.storage.put_data

    def noting(call: Any, into: list[float]) -> Any:
        def called(*arguments: Any, **more: Any) -> Any:
            answer = call(*arguments, **more)
            into.append(time.time())
            return answer

        return called

    huey.storage.sql("PRAGMA synchronous = OFF")  # only while the tasks are added
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3 + count * 0.002)
    for _ in range(count):
        huey.add_schedule(task.s(eta=due.replace(tzinfo=None)))
    huey.storage.sql("PRAGMA synchronous = FULL")
    if datetime.now(UTC) > due:
        raise SystemExit(f"adding {count} tasks took longer than was allowed for")
    huey.storage.enqueue, huey.storage.put_data = noting(enqueue, planned), noting(put_data, kept)
    consumer = huey.create_consumer(workers=WORKERS, periodic=False, initial_delay=0.01, max_delay=0.1)
    consumer.start()
    until = time.monotonic() + 300
    while len(kept) < count and time.monotonic() < until:
        threading.Event().wait(0.01)
    consumer.stop()
    at = due.timestamp()
    return {
        "planned_s": max(planned) - at,
        "started_s": max(STARTS) - at,
        "closed_s": max(kept) - at,
        "first_s": min(STARTS) - at,
        "lateness": [start - at for start in STARTS],
    }


WORKERS = 8

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(globals()[asked.pop("do")](**asked)))
