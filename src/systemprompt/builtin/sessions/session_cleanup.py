"""Deletes sessions that nobody used for some hours. `sp jobs cleanup-sessions` runs this."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import count_rows, delete_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult

__all__ = ["SessionCleanup", "inactive_sessions"]


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
        sessions = inactive_sessions(ctx, self.clock.now())
        if not ctx.enforce:
            return JobResult.success().with_message(f"Would delete {count_rows(ctx, *sessions)} inactive session(s)")
        changed = delete_rows(ctx, *sessions)
        return changed.result(f"Cleaned up {changed.done} inactive session(s)")


def inactive_sessions(ctx: JobContext, now: Instant) -> tuple[Table, Condition]:
    """Return the rows that go at `now`: sessions whose last activity is more than `hours` ago, by default 1.

    Raises:
        ParameterError: `hours` is no whole number, or below 0. ConfigurationError: the table is not as the profile says.
    """
    cutoff = cutoff_before(now, hours=span(ctx, "hours", 1))
    sessions = find_table(ctx, "user_sessions", needs=("id", "last_activity_at"))
    return sessions, sessions.before("last_activity_at", cutoff)
