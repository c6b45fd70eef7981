"""APScheduler 4 (a pre-release) under the same load, on its SQLAlchemy data store with aiosqlite. JSON in, JSON out.

The jobs' results are kept for an hour (`job_result_expiration_time`), which makes it a peer with a durable outcome; SQLite in WAL,
100 jobs at once, no limit on how many of one task run. Threads, as everywhere here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler import (  # type: ignore[import-not-found,unused-ignore]  # a peer: not in our environment
    AsyncScheduler,
    JobAdded,
    JobReleased,
    TaskDefaults,
)
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore  # type: ignore[import-not-found]  # a peer
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-not-found]  # a peer
from sqlalchemy import event  # type: ignore[import-not-found]  # a peer's
from sqlalchemy.ext.asyncio import create_async_engine  # type: ignore[import-not-found]  # a peer's

STARTS: list[float] = []


def work() -> None:
    STARTS.append(time.time())


async def fires(count: int, folder: str) -> dict[str, Any]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{os.path.join(folder, 'apscheduler4.db')}")
    durable = ["OFF"]  # only while the schedules are added

    def connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {durable[-1]}")

    event.listen(engine.sync_engine, "connect", connected)
    store = SQLAlchemyDataStore(engine)
    added: list[float] = []
    released: list[float] = []
    done = asyncio.Event()

    def on_released(_: Any) -> None:
        released.append(time.time())
        if len(released) >= count:
            done.set()

    defaults = TaskDefaults(max_running_jobs=None, misfire_grace_time=None)
    async with AsyncScheduler(store, max_concurrent_jobs=100, task_defaults=defaults) as scheduler:
        scheduler.subscribe(lambda _: added.append(time.time()), {JobAdded})
        scheduler.subscribe(on_released, {JobReleased})
        due = datetime.now(UTC) + timedelta(seconds=2 + count * 0.025)
        for number in range(count):
            trigger = IntervalTrigger(days=1, start_time=due)
            await scheduler.add_schedule(work, trigger, id=str(number), job_result_expiration_time=3600)
        durable.append("FULL")
        await engine.dispose()
        if datetime.now(UTC) > due:
            raise SystemExit(f"adding {count} schedules took longer than was allowed for")
        await scheduler.start_in_background()
        await asyncio.wait_for(done.wait(), 600)
        await scheduler.stop()
    at = due.timestamp()
    return {
        "planned_s": max(added) - at,
        "started_s": max(STARTS) - at,
        "closed_s": max(released) - at,
        "first_s": min(STARTS) - at,
        "lateness": [start - at for start in STARTS],
    }


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(globals()[asked.pop("do")](**asked))))
