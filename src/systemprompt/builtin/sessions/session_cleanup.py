"""Deletes sessions that nobody used for some hours. `sp jobs cleanup-sessions` runs this."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import Changed, count_rows, delete_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult

__all__ = ["SessionCleanup", "count", "delete", "hours_threshold"]


@submit_job
class SessionCleanup(Job):
    """Deletes sessions whose last activity is more than `hours` ago; without `enforce` it only counts them."""

    name = "session_cleanup"
    description = "Deletes user sessions that have been inactive for some hours"
    schedule = "0 30 2 * * *"
    tags = ("maintenance", "sessions")
    parameters = {"hours": 1}  # noqa: RUF012  # a default to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        now = self.clock.now()
        if not ctx.enforce:
            return JobResult.success().with_message(f"Would delete {count(ctx, now=now)} inactive session(s)")
        changed = delete(ctx, now=now)
        message = f"Cleaned up {changed.done} inactive session(s)"
        if changed.refused:
            message += f"; {changed.refused} held back by the database"
        return JobResult.success().with_message(message).with_stats(changed.done, changed.refused)


def count(ctx: JobContext, *, now: Instant | None = None) -> int:
    """Return how many sessions `delete` would delete at `now`."""
    return count_rows(ctx, *_inactive(ctx, now))


def delete(ctx: JobContext, *, now: Instant | None = None) -> Changed:
    """Delete them, in bounded batches."""
    return delete_rows(ctx, *_inactive(ctx, now))


def hours_threshold(ctx: JobContext) -> int:
    """Return the parameter `hours`, by default 1.

    Raises:
        ParameterError: it is no whole number, or below 0.
    """
    return span(ctx, "hours", 1)


def _inactive(ctx: JobContext, now: Instant | None) -> tuple[Table, Condition]:
    sessions = find_table(ctx, "user_sessions", needs=("id", "last_activity_at"))
    return sessions, sessions.before("last_activity_at", cutoff_before(now, hours=hours_threshold(ctx)))
