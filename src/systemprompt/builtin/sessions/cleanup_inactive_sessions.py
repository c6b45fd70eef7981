"""Ends sessions that went idle. They stay on record; `session_cleanup` deletes."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["CleanupInactiveSessions"]


@submit_job
class CleanupInactiveSessions(Job):
    """Ends open sessions idle for more than `hours`, by default `retention.session_idle_hours`.

    dry_run   only say how many
    """

    name = "cleanup_inactive_sessions"
    description = "Ends user sessions that have gone idle"
    schedule = "0 0 */2 * * *"
    tags = ("maintenance", "sessions")
    parameters = {"hours": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        now = self.clock.now()
        sessions, are_idle = _idle(ctx, now)
        values: dict[str, object] = {"ended_at": sessions.stored("ended_at", now)}
        if sessions.has("end_reason"):
            values["end_reason"] = "idle"
        changed = clean_rows(ctx, sessions, are_idle, values)
        ended = "Would end" if changed.dry_run else "Ended"
        idle = f"idle for more than {counted(_hours(ctx), 'hour')}"
        return changed.result(f"{ended} {counted(changed.rows, 'session')} {idle}")


def _idle(ctx: JobContext, now: Instant) -> tuple[Table, Condition]:
    sessions = find_table(ctx, "user_sessions", needs=("id", "last_activity_at", "ended_at"), may=("end_reason",))
    cutoff = cutoff_before(now, hours=_hours(ctx))
    return sessions, sessions.missing("ended_at") & sessions.before("last_activity_at", cutoff)


def _hours(ctx: JobContext) -> int:
    return span(ctx, "hours", ctx.settings.retention.session_idle_hours)
