"""awa, a queue whose workers are compiled (Rust), with tasks in Python; tasks that are due at once, in JSON.

Settings. Tasks with `run_at`, put in by its COPY: its cron entries are put in by one leader. Queue storage, which is what a
fresh database gets, 128 workers on the queue, a pool of 20 connections, async handlers; the leader looks for tasks that fall
due every 50 ms (250 by default, which would be lateness).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from awa import AsyncClient  # type: ignore[import-not-found]  # a peer: not in our environment
from telling import question, started, tell, tell_reports  # type: ignore[import-not-found]  # beside this file

WORKERS, CONNECTIONS = 128, 20
LOOKS_EVERY_MS = 50

ENDED = "SELECT count(*), extract(epoch FROM max(finalized_at))::float8 FROM awa.jobs WHERE state = 'completed'"


@dataclass
class Work:
    due: float


def client_of(address: str, connections: int) -> Any:
    # It wants a host; the folder of the socket, which follows as a parameter, wins.
    return AsyncClient(address.replace("@/", "@localhost/"), max_connections=connections)


def take(client: Any) -> None:
    @client.task(Work, queue="work")  # type: ignore[untyped-decorator]  # a peer's
    async def work(job: Any) -> None:
        started(job.args.due)


async def load(address: str, dues: Sequence[float], count: int) -> None:
    client = client_of(address, 4)
    await client.migrate()
    # A fresh database goes over to queue storage when its first worker has started.
    take(client)
    await client.start([("work", 1)])
    while '"active_engine": "queue_storage"' not in str(await client.storage_status()):
        await asyncio.sleep(0.1)
    await client.shutdown()
    await client.close()
    client = client_of(address, 4)
    for due in dues:
        await client.enqueue_many_copy([Work(due=due)] * count, queue="work", run_at=datetime.fromtimestamp(due, UTC))
    await client.close()
    tell({"ended": ENDED})


async def serve(address: str) -> None:
    client = client_of(address, CONNECTIONS)
    take(client)
    await client.start([("work", WORKERS)], promote_interval_ms=LOOKS_EVERY_MS)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    tell_reports(ended=lambda: loop.call_soon_threadsafe(over.set))
    await over.wait()
    await client.shutdown()


if __name__ == "__main__":
    asked = question()
    asyncio.run(globals()[asked.pop("do")](**asked))
