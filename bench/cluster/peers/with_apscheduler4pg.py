"""APScheduler 4 (a pre-release) on PostgreSQL: schedules that are due at once, in JSON.

Settings. Its SQLAlchemy data store and its event broker, both with asyncpg, as its documentation has them for several
processes; an interval schedule each, results kept for an hour (`job_result_expiration_time`), which makes its outcome durable;
100 jobs at once, no limit on how many of one task run, async functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler import AsyncScheduler, TaskDefaults  # type: ignore[import-not-found,unused-ignore]  # a peer
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore  # type: ignore[import-not-found]  # a peer
from apscheduler.eventbrokers.asyncpg import AsyncpgEventBroker  # type: ignore[import-not-found]  # a peer
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-not-found]  # a peer
from sqlalchemy.ext.asyncio import create_async_engine  # type: ignore[import-not-found]  # a peer's
from telling import question, started, tell, tell_reports  # type: ignore[import-not-found]  # beside this file

AT_ONCE = 100
ADDED_AT_ONCE = 16

ENDED = "SELECT count(*), extract(epoch FROM max(finished_at))::float8 FROM job_results WHERE outcome = 'success'"


async def work(due: float) -> None:
    started(due)


async def work_each_second(first: float) -> None:
    """Due every second: the one that this start belongs to is the last before it."""
    now = datetime.now(UTC).timestamp()
    started(first + int(now - first))


def scheduler(address: str) -> tuple[Any, Any]:
    # asyncpg takes the socket's folder as its host, and nothing else of libpq's.
    engine = create_async_engine(
        address.replace("postgresql://", "postgresql+asyncpg://"), pool_size=10, max_overflow=20
    )
    made = AsyncScheduler(
        SQLAlchemyDataStore(engine),
        AsyncpgEventBroker(address),
        max_concurrent_jobs=AT_ONCE,
        task_defaults=TaskDefaults(max_running_jobs=None, misfire_grace_time=None),
    )
    return made, engine


async def load(address: str, dues: Sequence[float], count: int) -> None:
    made, engine = scheduler(address)
    first, last = (datetime.fromtimestamp(due, UTC) for due in (dues[0], dues[-1]))
    every = IntervalTrigger(seconds=1) if len(dues) > 1 else None
    function = work if every is None else work_each_second
    limit = asyncio.Semaphore(ADDED_AT_ONCE)

    async def add(number: int) -> None:
        async with limit:
            trigger = (
                IntervalTrigger(seconds=1, start_time=first, end_time=last)
                if every is not None
                else IntervalTrigger(days=1, start_time=first)
            )
            await made.add_schedule(
                function, trigger, id=str(number), args=[dues[0]], job_result_expiration_time=timedelta(hours=1)
            )

    async with made:
        await made.configure_task(function)
        await asyncio.gather(*(add(number) for number in range(count)))
    await engine.dispose()
    tell({"ended": ENDED})


async def serve(address: str) -> None:
    made, engine = scheduler(address)
    async with made:
        await made.start_in_background()
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        tell_reports(ended=lambda: loop.call_soon_threadsafe(over.set))
        await over.wait()
        await made.stop()
    await engine.dispose()


if __name__ == "__main__":
    asked = question()
    asyncio.run(globals()[asked.pop("do")](**asked))
