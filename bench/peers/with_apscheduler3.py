"""APScheduler 3 under the same load: `fires` (SQLAlchemy job store on SQLite) or `lateness` (in memory). JSON in, JSON out.

Its recommended BackgroundScheduler, threads, no misfire limit, coalescing; the SQLite store in WAL, which helps it. It keeps the
next fire time of each job, and no outcome.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler import events  # type: ignore[import-not-found]  # a peer: not in our environment
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-not-found]  # a peer
from apscheduler.jobstores.memory import MemoryJobStore  # type: ignore[import-not-found]  # a peer
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # type: ignore[import-not-found]  # a peer
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-not-found]  # a peer
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-not-found]  # a peer
from sqlalchemy import create_engine, event  # type: ignore[import-not-found]  # a peer's

STARTS: list[float] = []
WORKERS = 20


def work() -> None:
    STARTS.append(time.time())


def fires(count: int, folder: str) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{os.path.join(folder, 'apscheduler3.db')}")
    durable = ["OFF"]  # only while the jobs are added

    def connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {durable[-1]}")

    event.listen(engine, "connect", connected)
    store = SQLAlchemyJobStore(engine=engine)
    scheduler = _scheduler(store)
    submitted: list[float] = []
    moved: list[float] = []
    executed: list[float] = []
    scheduler.add_listener(lambda _: submitted.append(time.time()), events.EVENT_JOB_SUBMITTED)
    scheduler.add_listener(lambda _: executed.append(time.time()), events.EVENT_JOB_EXECUTED)
    update = store.update_job

    def update_job(job: Any) -> None:
        update(job)
        moved.append(time.time())

    scheduler.start(paused=True)
    due = datetime.now(UTC) + timedelta(seconds=2 + count * 0.005)
    for number in range(count):
        scheduler.add_job(work, IntervalTrigger(days=1, start_date=due), id=str(number))
    durable.append("FULL")
    engine.dispose()
    store.update_job = update_job
    late = datetime.now(UTC) - due
    if late > timedelta(0):
        raise SystemExit(f"adding {count} jobs took {late} longer than was allowed for")
    scheduler.resume()
    _wait(lambda: len(executed) >= count and len(moved) >= count, 300)
    scheduler.shutdown()
    at = due.timestamp()
    return {
        "planned_s": max(submitted) - at,
        "started_s": max(STARTS) - at,
        "closed_s": max(*executed, *moved) - at,
        "first_s": min(STARTS) - at,
        "lateness": [start - at for start in STARTS],
    }


def lateness(rate: int, seconds: int) -> dict[str, Any]:
    scheduler = _scheduler(MemoryJobStore())
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    for number in range(rate):
        scheduler.add_job(work, IntervalTrigger(seconds=1, start_date=first), id=str(number))
    scheduler.start()
    begun_s = time.process_time()
    time.sleep(max(0.0, first.timestamp() + seconds - 0.5 - time.time()))
    cpu_s = time.process_time() - begun_s
    scheduler.shutdown(wait=False)
    return {"lateness": [start - int(start) for start in STARTS], "cpu_s": cpu_s}


def _scheduler(store: Any) -> Any:
    return BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(WORKERS)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 3},
        timezone=UTC,
    )


def _wait(done: Any, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while not done() and time.monotonic() < until:
        threading.Event().wait(0.01)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(globals()[asked.pop("do")](**asked)))
