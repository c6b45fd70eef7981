"""What a ledger takes to plan, claim and close many due jobs, with no thread and no job. Also run in the tree of before.

It keeps to what both know: `open_system`, `turn`, `join`.
"""

from __future__ import annotations

import gc
import inspect
import time
from collections.abc import Iterator
from typing import Any

from bench._installation import Installation, scratch
from systemprompt.clock import SECOND, ManualClock, SystemClock
from systemprompt.ledger.records import Claimed, Closing
from systemprompt.system import open_system

try:
    from systemprompt.nodes.identity import this_process
except ModuleNotFoundError:  # the tree of before
    from systemprompt.runner.identity import this_process  # type: ignore[import-not-found,no-redef]

__all__ = ["JOBS", "ledger_alone", "ledger_rounds"]

JOBS = """\
from bench._marks import start
from systemprompt import job

for number in range({count}):
    job(name=f"job_{{number}}", schedule="*/{every} * * * * *")(start)
"""


def ledger_alone(count: int, *, room: int) -> float:
    """Return the seconds that a ledger takes for so many jobs due at once: planned, begun `room` at a time, and closed."""
    *_, took = ledger_rounds(count, room=room)  # the first fills the caches
    return took


def ledger_rounds(count: int, *, room: int, rounds: int = 3, database: str | None = None) -> Iterator[float]:
    """Give the seconds of one round after the other, on SQLite or on the PostgreSQL at this address.

    PostgreSQL's own clock says what is due, so there each round waits for its second to come.
    """
    now, host = SystemClock().now(), SystemClock()
    every = 1 if database is None else 2
    jobs = JOBS.format(count=count, every=every)
    with scratch() as folder:
        installation = Installation.furnish(folder, jobs, database=database or "sqlite:///app.db")
        with open_system(installation.profile, environ=installation.environ, clock=ManualClock(now)) as system:
            node = this_process(kind="serve", program="bench", lease_s=30.0, capacity=room, now=now)
            system.ledger.join(node)
            # What is measured is the ledger, not the collector's rounds through this process.
            gc.collect()
            gc.freeze()
            # As a node asks: what has just come due waits for room without being queued. The code before does not know that.
            knows = "patience" in inspect.signature(system.ledger.turn).parameters
            asked: dict[str, Any] = {"room": room, **({"patience": SECOND} if knows else {})}
            for number in range(1, rounds + 1):
                due, took, closed = now + number * SECOND, 0.0, 0
                if database is not None:
                    time.sleep(every - time.time() % every + 0.01)
                    due = host.now()
                held: tuple[Claimed, ...] = ()
                while closed < count:
                    ends = [_success(run, due) for run in held]  # made beforehand, as the rows of the floor are
                    began = time.perf_counter()
                    turn = system.ledger.turn(node.node_id, due, system.decide, closings=ends, **asked)
                    took += time.perf_counter() - began
                    closed, held = closed + len(turn.closed), turn.claimed
                yield took


def _success(run: Claimed, now: int) -> Closing:
    return Closing(
        run_id=run.run_id,
        attempt=run.attempt,
        fence=run.fence,
        status="success",
        started_at=now,
        finished_at=now,
        duration_ms=0,
    )
