"""Rows of the ledger's hot tables, in the order of their columns. A test compares them with the schema.

They are named tuples, not dataclasses: a driver takes and gives tuples, and a turn moves thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from systemprompt.clock import Instant

__all__ = ["AttemptRow", "ClosedRun", "OpenRun"]


class OpenRun(NamedTuple):
    """A row of `open_runs`. It is running while `fence` is not None, else it waits. What has a default is rare."""

    run_id: int
    job_id: int
    version: int
    origin: str
    fire_at: Instant | None
    due_at: Instant
    available_at: Instant
    queued_at: Instant
    node_id: str | None
    attempt: int
    fence: int | None
    started_at: Instant | None
    actor: str
    why: str | None = None
    parameters: str | None = None
    enforce: int | None = None
    period_from: Instant | None = None
    stands_for: Instant | None = None
    retry_of: int | None = None
    replaces: int | None = None
    stop_asked_at: Instant | None = None
    stop_by: str | None = None
    stop_why: str | None = None

    @classmethod
    def leading(cls, row: Iterable[Any]) -> OpenRun:
        """Return the run whose columns a wider row begins with."""
        return cls._make(islice(row, len(cls._fields)))


class ClosedRun(NamedTuple):
    """A row of `job_runs`: the open row, and how it ended. What has a default is rare."""

    run_id: int
    job_id: int
    version: int
    origin: str
    fire_at: Instant | None
    due_at: Instant
    available_at: Instant
    queued_at: Instant
    node_id: str | None
    attempt: int
    fence: int | None
    started_at: Instant | None
    actor: str
    status: str
    finished_at: Instant
    duration_ms: int | None
    message: str | None = None
    items_processed: int = 0
    items_failed: int = 0
    why: str | None = None
    parameters: str | None = None
    enforce: int | None = None
    period_from: Instant | None = None
    stands_for: Instant | None = None
    retry_of: int | None = None
    replaces: int | None = None
    stop_asked_at: Instant | None = None
    stop_by: str | None = None
    stop_why: str | None = None
    reason: str | None = None
    blocked_by: int | None = None
    error_hash: str | None = None
    output_hash: str | None = None
    exit_code: int | None = None
    abandoned: int = 0
    did_nothing: int = 0
    dry_run: int = 0
    lines_dropped: int = 0


class AttemptRow(NamedTuple):
    """A row of `job_attempts`, without the id that the table gives it."""

    run_id: int
    attempt: int
    kind: str
    job_id: int
    fence: int
    node_id: str | None
    started_at: Instant | None
    ended_at: Instant
    day_at: Instant
    result: str
    reason: str | None = None
    message: str | None = None
    error_hash: str | None = None
    recovered: int = 0
