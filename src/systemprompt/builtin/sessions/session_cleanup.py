"""Deletes sessions that nobody used for some hours. `sp jobs cleanup-sessions` runs this."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult

__all__ = ["SessionCleanup", "inactive_sessions"]


@submit_job
class SessionCleanup(Job):
    """Deletes sessions whose last activity is more than `hours` ago, by default `retention.session_idle_hours`.

    dry_run   only say how many
    """

    name = "session_cleanup"
    description = "Deletes user sessions that have been inactive for some hours"
    schedule = "0 30 2 * * *"
    tags = ("maintenance", "sessions")
    parameters = {"hours": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        changed = clean_rows(ctx, *inactive_sessions(ctx, self.clock.now()))
        done = "Would clean up" if changed.dry_run else "Cleaned up"
        return changed.result(f"{done} {changed.rows} inactive session(s)")


def inactive_sessions(ctx: JobContext, now: Instant) -> tuple[Table, Condition]:
    """Return the rows that go at `now`: sessions whose last activity is more than `hours` ago.

    Raises:
        ParameterError: `hours` is no whole number, or below 0. ConfigurationError: the table is not as the profile says.
    """
    cutoff = cutoff_before(now, hours=span(ctx, "hours", ctx.settings.retention.session_idle_hours))
    sessions = find_table(ctx, "user_sessions", needs=("id", "last_activity_at"))
    return sessions, sessions.before("last_activity_at", cutoff)
