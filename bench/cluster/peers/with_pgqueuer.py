"""PgQueuer: tasks that are due at once, in JSON.

Settings. Tasks with `execute_after`, put in as one batch: its schedules keep no outcome of each run. asyncpg with uvloop, async
tasks, `batch_size=100` (10 by default; its log of outcomes is written in batches of the same size), no limit on what runs at
once, the durable tables that it makes by default. It works out itself when the next task falls due.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import timedelta

import asyncpg  # type: ignore[import-not-found]  # a peer's
import uvloop  # type: ignore[import-not-found]  # a peer's
from pgqueuer import Job, PgQueuer, Queries  # type: ignore[import-not-found]  # a peer: not in our environment
from telling import question, started, tell, tell_reports  # type: ignore[import-not-found]  # beside this file

BATCH = 100

ENDED = "SELECT count(*), extract(epoch FROM max(created))::float8 FROM pgqueuer_log WHERE status = 'successful'"


async def load(address: str, dues: Sequence[float], count: int) -> None:
    connection = await asyncpg.connect(address)
    queries = Queries.from_asyncpg_connection(connection)
    await queries.install()
    for due in dues:
        after = timedelta(seconds=due - time.time())
        payload = json.dumps(due).encode()
        await queries.enqueue(["work"] * count, [payload] * count, [0] * count, [after] * count)
    # The interval counts from the server's own now; this is what was meant.
    await connection.execute("UPDATE pgqueuer SET execute_after = to_timestamp(convert_from(payload, 'UTF8')::float8)")
    await connection.close()
    tell({"ended": ENDED})


async def serve(address: str) -> None:
    connection = await asyncpg.connect(address)
    queuer = PgQueuer.from_asyncpg_connection(connection)

    @queuer.entrypoint("work")  # type: ignore[untyped-decorator]  # a peer's
    async def work(job: Job) -> None:
        assert job.payload is not None
        started(json.loads(job.payload))

    loop = asyncio.get_running_loop()
    tell_reports(ended=lambda: loop.call_soon_threadsafe(queuer.shutdown.set))
    await queuer.run(batch_size=BATCH)


if __name__ == "__main__":
    asked = question()
    uvloop.run(globals()[asked.pop("do")](**asked))
