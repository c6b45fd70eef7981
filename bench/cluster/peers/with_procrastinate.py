"""Procrastinate: tasks that are due at once, in JSON.

Settings. Tasks with `schedule_at`, put in by `batch_defer`: its periodic tasks wait for half a second and are put in one by
one, so this is the better of the two. `concurrency=30` on its psycopg pool of as many connections; async tasks, which it
advises; it listens for new tasks, and as nobody is told of one that falls due it also looks ten times a second (5 s by default,
which would be lateness of seconds). Finished tasks are kept, which is its default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]  # a peer: not in our environment
from telling import question, started, tell, tell_reports  # type: ignore[import-not-found]  # beside this file

CONCURRENCY = 30
LOOKS_EVERY_S = 0.1

ENDED = "SELECT count(*), extract(epoch FROM max(at))::float8 FROM procrastinate_events WHERE type = 'succeeded'"


def app(address: str) -> tuple[Any, Any]:
    made = App(connector=PsycopgConnector(conninfo=address, min_size=4, max_size=CONCURRENCY + 2))

    @made.task(name="work")  # type: ignore[untyped-decorator]  # a peer's
    async def work(due: float) -> None:
        started(due)

    return made, work


async def load(address: str, dues: Sequence[float], count: int) -> None:
    made, work = app(address)
    async with made.open_async():
        await made.schema_manager.apply_schema_async()
        for due in dues:
            later = work.configure(schedule_at=datetime.fromtimestamp(due, UTC))
            await later.batch_defer_async(*({"due": due} for _ in range(count)))
    tell({"ended": ENDED})


async def serve(address: str) -> None:
    made, _ = app(address)
    async with made.open_async():
        worker = asyncio.create_task(
            made.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=LOOKS_EVERY_S,
                listen_notify=True,
                install_signal_handlers=False,
            )
        )
        loop = asyncio.get_running_loop()
        tell_reports(ended=lambda: loop.call_soon_threadsafe(worker.cancel))
        await asyncio.wait([worker])


if __name__ == "__main__":
    asked = question()
    asyncio.run(globals()[asked.pop("do")](**asked))
