"""Ends sessions that went idle. They stay on record; `session_cleanup` deletes."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import Changed, count_rows, update_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["CleanupInactiveSessions", "count", "end"]


@submit_job
class CleanupInactiveSessions(Job):
    """Ends open sessions idle for more than `hours`; without `enforce` it only counts them."""

    name = "cleanup_inactive_sessions"
    description = "Ends user sessions that have gone idle"
    schedule = "0 0 */2 * * *"
    tags = ("maintenance", "sessions")
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        now = self.clock.now()
        idle = f"idle for more than {counted(_hours(ctx), 'hour')}"
        if not ctx.enforce:
            return JobResult.success().with_message(f"Would end {counted(count(ctx, now=now), 'session')} {idle}")
        changed = end(ctx, now=now)
        message = f"Ended {counted(changed.done, 'session')} {idle}"
        if changed.refused:
            message += f"; {changed.refused} held back by the database"
        return JobResult.success().with_message(message).with_stats(changed.done, changed.refused)


def count(ctx: JobContext, *, now: Instant | None = None) -> int:
    """Return how many sessions `end` would end at `now`."""
    return count_rows(ctx, *_idle(ctx, now))


def end(ctx: JobContext, *, now: Instant | None = None) -> Changed:
    """Set `ended_at`, and `end_reason` where the table has one, in bounded batches."""
    at = SystemClock().now() if now is None else now
    sessions, idle = _idle(ctx, at)
    values: dict[str, object] = {"ended_at": sessions.stored(at)}
    if sessions.has("end_reason"):
        values["end_reason"] = "idle"
    return update_rows(ctx, sessions, idle, values)


def _hours(ctx: JobContext) -> int:
    return span(ctx, "hours", ctx.settings.retention.session_idle_hours)


def _idle(ctx: JobContext, now: Instant | None) -> tuple[Table, Condition]:
    sessions = find_table(ctx, "user_sessions", needs=("id", "last_activity_at", "ended_at"), may=("end_reason",))
    cutoff = cutoff_before(now, hours=_hours(ctx))
    return sessions, sessions.missing("ended_at") & sessions.before("last_activity_at", cutoff)
