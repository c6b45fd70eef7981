"""Deletes old log entries. `sp jobs log-cleanup` runs this."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["LogCleanup", "entries_text", "old_entries"]


@submit_job
class LogCleanup(Job):
    """Deletes log entries older than `days`, by default `retention.logs_days`.

    dry_run   only say how many
    """

    name = "log_cleanup"
    description = "Deletes log entries older than the retention"
    schedule = "0 0 2 * * *"
    tags = ("maintenance", "logs")
    parameters = {"days": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        changed = clean_rows(ctx, *old_entries(ctx, self.clock.now()))
        deleted = "Would delete" if changed.dry_run else "Deleted"
        older = f"older than {counted(_days(ctx), 'day')}"
        return changed.result(f"{deleted} {entries_text(changed.rows)} {older}")


def old_entries(ctx: JobContext, now: Instant) -> tuple[Table, Condition]:
    """Return the rows that go at `now`: entries older than `days`, by default `retention.logs_days`.

    Raises:
        ParameterError: `days` is no whole number, or below 0. ConfigurationError: the table is not as the profile says.
    """
    logs = find_table(ctx, "logs", needs=("id", "created_at"))
    return logs, logs.before("created_at", cutoff_before(now, days=_days(ctx)))


def _days(ctx: JobContext) -> int:
    return span(ctx, "days", ctx.settings.retention.logs_days)


def entries_text(number: int) -> str:
    """Return `1 log entry`, `5000 log entries`: the reference has no comma there."""
    return f"{number} log {'entry' if number == 1 else 'entries'}"
