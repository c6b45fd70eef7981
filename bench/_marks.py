"""Where the jobs of a bench note that they began: (fire time, now), seconds since the epoch."""

from __future__ import annotations

import time

from systemprompt.jobs.context import JobContext

STARTS: list[tuple[float, float]] = []


def start(ctx: JobContext) -> None:
    """Be the whole work of a job."""
    now = time.time()
    STARTS.append((ctx.fire_at.timestamp() if ctx.fire_at is not None else 0.0, now))
