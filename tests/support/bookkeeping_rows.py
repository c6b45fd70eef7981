"""One run as it waits, runs and is closed: what the tests of bookkeeping begin with."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from systemprompt.ledger.bookkeeping import begun, planned, settle
from systemprompt.ledger.records import Closing, PlannedRun
from systemprompt.ledger.rows import ClosedRun, OpenRun

T = 1_767_225_600_000_000


def waiting(**more: Any) -> OpenRun:
    """Run 11 of job 7, due at T, seen five microseconds later."""
    return planned(PlannedRun(fire_at=T, status="queued"), job_id=7, version=3, run_id=11, now=T + 5)._replace(**more)


def running(**more: Any) -> OpenRun:
    """The same run, as node n holds it under fence 40 from T + 9 on."""
    return begun(waiting(), node_id="n", fence=40, now=T + 9)._replace(**more)


def closing(**more: Any) -> Closing:
    values = {"run_id": 11, "attempt": 1, "fence": 40, "status": "success", "finished_at": T + 30}
    return Closing(**values | more)  # type: ignore[arg-type]  # fields by name


def closed(run: OpenRun | None = None, **more: Any) -> ClosedRun:
    (account,) = settle([run or running()], [closing(**more)]).closed
    return account


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
