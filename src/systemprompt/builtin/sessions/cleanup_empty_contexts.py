"""Deletes conversations that never got a message."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table, same_side
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["CleanupEmptyContexts"]


@submit_job
class CleanupEmptyContexts(Job):
    """Deletes contexts older than `hours` without a message, by default `retention.empty_context_hours`.

    dry_run   only say how many
    """

    name = "cleanup_empty_contexts"
    description = "Deletes contexts that never got a message"
    schedule = "0 0 */6 * * *"
    tags = ("maintenance", "contexts")
    parameters = {"hours": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        changed = clean_rows(ctx, *_empty(ctx, self.clock.now()))
        deleted = "Would delete" if changed.dry_run else "Deleted"
        older = f"older than {counted(_hours(ctx), 'hour')}"
        return changed.result(f"{deleted} {counted(changed.rows, 'empty context')} {older}")


def _empty(ctx: JobContext, now: Instant) -> tuple[Table, Condition]:
    """Return the rows that go at `now`. A context that gets its first message before its batch is spared."""
    if not same_side(ctx, "task_messages", "user_contexts"):
        raise ConfigurationError(
            "only one of user_contexts and task_messages is a table of the host: every context would look empty",
            hint="give both under `tables` in the profile, or neither",
        )
    contexts = find_table(ctx, "user_contexts", needs=("id", "created_at"))
    messages = find_table(ctx, "task_messages", needs=("context_id",))
    silent = Condition(
        sql=(
            f"NOT EXISTS (SELECT 1 FROM {messages.sql} AS other "  # noqa: S608  # both names are quoted
            f"WHERE {messages.column('context_id', 'other')} = {contexts.column('id')})"
        )
    )
    return contexts, contexts.before("created_at", cutoff_before(now, hours=_hours(ctx))) & silent


def _hours(ctx: JobContext) -> int:
    return span(ctx, "hours", ctx.settings.retention.empty_context_hours)
