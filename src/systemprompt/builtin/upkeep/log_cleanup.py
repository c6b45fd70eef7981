"""Deletes old log entries. `sp jobs log-cleanup` runs this."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import Changed, count_rows, delete_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["LogCleanup", "count", "days_threshold", "delete"]


@submit_job
class LogCleanup(Job):
    """Deletes log entries older than `days`; without `enforce` it only counts them."""

    name = "log_cleanup"
    description = "Deletes log entries older than the retention"
    schedule = "0 0 2 * * *"
    tags = ("maintenance", "logs")
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        now = self.clock.now()
        older = f"older than {counted(days_threshold(ctx), 'day')}"
        if not ctx.enforce:
            would = counted(count(ctx, now=now), "log entry", "log entries")
            return JobResult.success().with_message(f"Would delete {would} {older}")
        changed = delete(ctx, now=now)
        message = f"Deleted {counted(changed.done, 'log entry', 'log entries')} {older}"
        if changed.refused:
            message += f"; {changed.refused} held back by the database"
        return JobResult.success().with_message(message).with_stats(changed.done, changed.refused)


def count(ctx: JobContext, *, now: Instant | None = None) -> int:
    """Return how many entries `delete` would delete at `now`."""
    return count_rows(ctx, *_old(ctx, now))


def delete(ctx: JobContext, *, now: Instant | None = None) -> Changed:
    """Delete them, in bounded batches."""
    return delete_rows(ctx, *_old(ctx, now))


def days_threshold(ctx: JobContext) -> int:
    """Return the parameter `days`, by default `retention.logs_days`.

    Raises:
        ParameterError: it is no whole number, or below 0.
    """
    return span(ctx, "days", ctx.settings.retention.logs_days)


def _old(ctx: JobContext, now: Instant | None) -> tuple[Table, Condition]:
    logs = find_table(ctx, "logs", needs=("id", "created_at"))
    return logs, logs.before("created_at", cutoff_before(now, days=days_threshold(ctx)))
