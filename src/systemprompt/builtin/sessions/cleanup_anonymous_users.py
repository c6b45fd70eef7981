"""Deletes people who came without an account and never came back."""

from __future__ import annotations

from dataclasses import replace

from systemprompt.builtin.tables.changing import Changed, clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Condition, Table, find_table, same_side
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["CleanupAnonymousUsers"]


@submit_job
class CleanupAnonymousUsers(Job):
    """Deletes anonymous users older than `days`, with sessions, requests and empty contexts.

    Spared is who has a session that is open or was used within `days`, who wrote or got a message, and who is banned: a ban
    would be lifted by forgetting it. A session of our own table that was deleted leaves `users.last_seen_at`, which spares too;
    the host's table may have such a column. Nothing is deleted in any of the tables where one of them is the host's without
    `clean: true`.

    days      by default `retention.anonymous_user_days`
    dry_run   only say how many
    """

    name = "cleanup_anonymous_users"
    description = "Deletes anonymous users who have not been seen for long, with what is left of them"
    schedule = "0 30 3 * * *"
    tags = ("maintenance", "users")
    parameters = {"days": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        steps = _steps(ctx, self.clock.now())
        tables = [table for table, _ in steps.values()]
        parts = {name: clean_rows(ctx, *step, beside=tables) for name, step in steps.items()}
        rows = {name: part.rows for name, part in parts.items()}
        total = sum(parts.values(), Changed())
        deleted = "Would delete" if total.dry_run else "Deleted"
        users = counted(rows["users"], "anonymous user")
        message = f"{deleted} {users} not seen for {counted(_days(ctx), 'day')}{_with(rows)}"
        return replace(total, done=parts["users"].done).result(message)


def _steps(ctx: JobContext, now: Instant) -> dict[str, tuple[Table, Condition]]:
    """Return the rows that go at `now`, by their kind, in the order in which they go: children first, `users` last.

    Each statement asks again who may go: who comes back in the middle keeps what was not deleted yet. A crash leaves people
    with fewer old rows and never rows without their person; the next run goes on.
    """
    for other in ("user_sessions", "user_contexts", "task_messages"):
        if not same_side(ctx, other, "users"):
            raise ConfigurationError(
                f"only one of users and {other} is a table of the host: nobody could say who came back",
                hint="give users, user_sessions, user_contexts and task_messages under `tables` in the profile, or none of them",
            )
    users = find_table(ctx, "users", needs=("id", "is_anonymous", "status", "created_at"), may=("last_seen_at",))
    sessions = find_table(ctx, "user_sessions", needs=("id", "user_id", "last_activity_at", "ended_at"))
    contexts = find_table(ctx, "user_contexts", needs=("id", "user_id"))
    messages = find_table(ctx, "task_messages", needs=("context_id",))
    cutoff = cutoff_before(now, days=_days(ctx))

    def gone(alias: str) -> Condition:
        return _gone(users, sessions, contexts, messages, cutoff, alias)

    # EXISTS, row by row: with IN every batch would go through all people again.
    def of_gone(child: Table, alias: str) -> str:
        person = f"{users.column('id', 'person')} = {child.column('user_id', alias)}"
        return f"EXISTS (SELECT 1 FROM {users.sql} AS person WHERE {person} AND {gone('person').sql})"  # noqa: S608  # names are quoted

    values = gone("person").parameters
    steps = {}
    if same_side(ctx, "session_requests", "users"):
        requests = find_table(ctx, "session_requests", needs=("id", "session_id"))
        visit = f"{sessions.column('id', 'visit')} = {requests.column('session_id')}"
        below = f"EXISTS (SELECT 1 FROM {sessions.sql} AS visit WHERE {visit} AND {of_gone(sessions, 'visit')})"  # noqa: S608  # names are quoted
        steps["requests"] = (requests, Condition(sql=below, parameters=values))
    steps["sessions"] = (sessions, Condition(sql=of_gone(sessions, "target"), parameters=values))
    steps["contexts"] = (contexts, Condition(sql=of_gone(contexts, "target"), parameters=values))
    steps["users"] = (users, gone("target"))
    return steps


def _days(ctx: JobContext) -> int:
    return span(ctx, "days", ctx.settings.retention.anonymous_user_days)


def _with(rows: dict[str, int]) -> str:
    named = [counted(number, name.removesuffix("s")) for name, number in rows.items() if number and name != "users"]
    return f" with {', '.join(named)}" if named else ""


def _gone(users: Table, sessions: Table, contexts: Table, messages: Table, cutoff: Instant, alias: str) -> Condition:
    """Return the condition that the user under this alias is anonymous, old, silent and not seen since the cutoff."""
    user = users.column("id", alias)
    unseen = sessions.before("last_activity_at", cutoff, alias="seen", prefix="seen_")
    # A session whose last activity is absent or unreadable counts as seen: hence IS NOT TRUE.
    here = (
        f"EXISTS (SELECT 1 FROM {sessions.sql} AS seen WHERE {sessions.column('user_id', 'seen')} = {user} "  # noqa: S608  # names are quoted
        f"AND ({sessions.column('ended_at', 'seen')} IS NULL OR ({unseen.sql}) IS NOT TRUE))"
    )
    spoke = (
        f"EXISTS (SELECT 1 FROM {contexts.sql} AS talk JOIN {messages.sql} AS word "  # noqa: S608  # names are quoted
        f"ON {messages.column('context_id', 'word')} = {contexts.column('id', 'talk')} "
        f"WHERE {contexts.column('user_id', 'talk')} = {user})"
    )
    old = users.before("created_at", cutoff, alias=alias, prefix="made_")
    if "last_seen_at" in users.columns:
        long_ago = users.before("last_seen_at", cutoff, alias=alias, prefix="traced_")
        trace = f"({users.column('last_seen_at', alias)} IS NULL OR {long_ago.sql})"
        old &= Condition(sql=trace, parameters=long_ago.parameters)
    return Condition(
        sql=(
            f"{users.is_true('is_anonymous', alias).sql} AND {users.column('status', alias)} <> 'banned' "
            f"AND {old.sql} AND NOT {here} AND NOT {spoke}"
        ),
        parameters={**unseen.parameters, **old.parameters},
    )
