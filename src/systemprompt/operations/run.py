"""One account of a job, as a value for Python programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from systemprompt.clock import Instant, to_datetime
from systemprompt.ledger.views import RunView

__all__ = ["Run", "run_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job as the ledger has it. Instants are aware, in the installation's time zone.

    status      `queued`, `running`, `success`, `failed`, `skipped`, `missed` or `cancelled`
    reason      why it is not a success, from a closed list; None otherwise
    origin      why it exists: `schedule`, `catch_up`, `manual`, `backfill` or `bootstrap`
    fire_at     the fire time it accounts for; None for a start by hand
    started_at, finished_at   None for what never started, or has not ended
    did_nothing it is a success that had nothing to do
    dry_run     its job only said what it would do
    message     one line for people; `error` has the traceback, or the end of what a command wrote to stderr
    """

    run_id: int
    job_name: str
    status: str
    reason: str | None
    origin: str
    fire_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    duration_ms: int | None
    items_processed: int
    items_failed: int
    did_nothing: bool
    dry_run: bool
    message: str | None
    error: str | None
    parameters: Mapping[str, Any]
    actor: str

    @property
    def succeeded(self) -> bool:
        return self.status == "success"


def run_of(view: RunView, time_zone: str) -> Run:
    """Return what the ledger shows of a run as a `Run`."""
    zone = ZoneInfo(time_zone)

    def local(at: Instant | None) -> datetime | None:
        return None if at is None else to_datetime(at).astimezone(zone)

    return Run(
        run_id=view.run_id,
        job_name=view.job_name,
        status=view.status,
        reason=view.reason,
        origin=view.origin,
        fire_at=local(view.fire_at),
        started_at=local(view.started_at),
        finished_at=local(view.finished_at),
        attempt=view.attempt,
        duration_ms=view.duration_ms,
        items_processed=view.items_processed,
        items_failed=view.items_failed,
        did_nothing=view.did_nothing,
        dry_run=view.dry_run,
        message=view.message,
        error=view.error,
        parameters=dict(view.parameters or {}),
        actor=view.actor,
    )
