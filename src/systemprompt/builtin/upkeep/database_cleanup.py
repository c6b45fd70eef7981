"""Takes orphans and expired rows out of the profile's database, and gives the space back."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.builtin.tables.changing import DRY_RUN, Changed, clean_rows
from systemprompt.builtin.tables.cutoff import cutoff_before
from systemprompt.builtin.tables.table import Condition, Table, find_table, same_side, without_parent
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.databases.dialect import dialect_named
from systemprompt.errors import ConfigurationError, DatabaseBusy
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted, size_text

__all__ = ["DatabaseCleanup"]


@submit_job
class DatabaseCleanup(Job):
    """Deletes orphans and what retention lets go, then lets the database tidy up.

    On SQLite free pages go back to the disk. On PostgreSQL our tables that lost rows are vacuumed: what is at their end goes back
    to the disk, the rest is free for new rows.

    A step whose tables are not as the profile says fails alone: the others go on, and the run fails at the end.

    dry_run   only say how many rows
    """

    name = "database_cleanup"
    description = "Deletes orphaned and expired rows and gives their space back"
    schedule = "0 0 3 * * *"
    tags = ("maintenance",)
    parameters = {"dry_run": False}  # noqa: RUF012  # a default to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        problems: list[str] = []
        dry_run = ctx.get_parameter(DRY_RUN, bool, default=False)
        before = _size(ctx)
        parts = _each(ctx, self.clock.now(), problems)
        total = sum(parts.values(), Changed())
        counts = {name: part.would for name, part in parts.items()}
        would = f"delete {counted(total.would, 'row')}{_named(counts)}"
        if dry_run:
            return _result(f"Would {would}", problems, total)
        _tidy(ctx, [planned for planned in _PLAN if planned.name in parts and parts[planned.name].done])
        after = _size(ctx)
        message = f"Deleted {counted(total.done, 'row')}{_named({name: part.done for name, part in parts.items()})}"
        if total.dry_run:
            message += f"; would {would}"
        if before is not None and after is not None:
            message += f"; database {size_text(before)} -> {size_text(after)}"
        return _result(message, problems, total)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orphans:
    """Rows of `child` whose `link` names a row that `parent` does not have."""

    name: str
    child: str
    link: str
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expired:
    """Rows of `table` whose `column` is older than a setting of `retention`."""

    name: str
    table: str
    column: str
    retention: str


_PLAN: tuple[_Orphans | _Expired, ...] = (
    _Orphans(name="orphaned messages", child="task_messages", link="context_id", parent="user_contexts"),
    _Orphans(name="orphaned requests", child="session_requests", link="session_id", parent="user_sessions"),
    _Expired(name="old log entries", table="logs", column="created_at", retention="logs_days"),
    _Expired(name="removed content", table="markdown_content", column="removed_at", retention="content_removed_days"),
)


def _each(ctx: JobContext, now: Instant, problems: list[str]) -> dict[str, Changed]:
    parts: dict[str, Changed] = {}
    for planned in _PLAN:
        try:
            step = _step(ctx, planned, now)
        except ConfigurationError as error:
            ctx.logger.warning("%s: %s", planned.name, error)
            problems.append(f"{planned.name}: {error.message}")
            continue
        if step is None:
            ctx.logger.warning("%s: only one of the two tables is the host's, so nobody can tell", planned.name)
        else:
            parts[planned.name] = clean_rows(ctx, *step)
    return parts


def _step(ctx: JobContext, planned: _Orphans | _Expired, now: Instant) -> tuple[Table, Condition] | None:
    if isinstance(planned, _Expired):
        table = find_table(ctx, planned.table, needs=("id", planned.column))
        days = getattr(ctx.settings.retention, planned.retention)
        return table, table.before(planned.column, cutoff_before(now, days=days))
    if not same_side(ctx, planned.child, planned.parent):
        return None
    child = find_table(ctx, planned.child, needs=("id", planned.link))
    parent = find_table(ctx, planned.parent, needs=("id",))
    return child, without_parent(child, planned.link, parent)


def _tidy(ctx: JobContext, cleaned: list[_Orphans | _Expired]) -> None:
    """Refresh the query planner's statistics and give space back."""
    if ctx.db_pool.dialect == "sqlite":
        _tidy_file(ctx)
    else:
        _vacuum(ctx, cleaned)


def _vacuum(ctx: JobContext, cleaned: list[_Orphans | _Expired]) -> None:
    """Vacuum what lost rows. The server does it piece by piece, and a crash in between loses nothing."""
    for planned in cleaned:
        name = planned.child if isinstance(planned, _Orphans) else planned.table
        if name in ctx.settings.tables:
            continue  # the host's own: its autovacuum knows best
        ctx.raise_if_cancelled()
        try:
            ctx.db_pool.execute(dialect_named(ctx.db_pool.dialect).text(f"VACUUM (SKIP_LOCKED, ANALYZE) {{{name}}}"))
        except DatabaseBusy as error:  # the role's `statement_timeout`, say; what was deleted stays so
            ctx.logger.warning("%s is left to autovacuum: %s", name, error)


def _tidy_file(ctx: JobContext) -> None:
    """Give free pages back, a bounded number at a time."""
    ctx.db_pool.fetch("PRAGMA optimize")
    if _pragma(ctx, "auto_vacuum") != _INCREMENTAL:
        return
    free = _pragma(ctx, "freelist_count")
    while free > 0:
        ctx.raise_if_cancelled()
        # A page a step, and `sqlite3` takes one step of what has no columns: asked for more at once, it gives back one.
        with ctx.db_pool.transaction() as transaction:
            for _ in range(min(free, _PAGES_AT_ONCE)):
                transaction.execute("PRAGMA incremental_vacuum(1)")
        left = _pragma(ctx, "freelist_count")
        if left >= free:
            return  # others free pages as fast as we give them back; the next run goes on
        free = left


def _size(ctx: JobContext) -> int | None:
    if ctx.db_pool.dialect == "postgresql":
        row = ctx.db_pool.fetch_one("SELECT pg_database_size(current_database()) AS bytes")
        return None if row is None else int(row["bytes"])
    return _pragma(ctx, "page_count") * _pragma(ctx, "page_size")


def _pragma(ctx: JobContext, name: str) -> int:
    row = ctx.db_pool.fetch_one(f"PRAGMA {name}")
    return 0 if row is None else int(next(iter(row.values())))


def _named(rows: dict[str, int]) -> str:
    named = [f"{number} {name}" for name, number in rows.items() if number]
    return f" ({', '.join(named)})" if named else ""


def _result(message: str, problems: list[str], total: Changed) -> JobResult:
    result = total.result(message)
    if not problems:
        return result
    failed = JobResult.failure(f"{result.message}; {'; '.join(problems)}")
    return failed.with_stats(total.done, total.refused + len(problems)).with_dry_run(total.dry_run)


_INCREMENTAL = 2
_PAGES_AT_ONCE = 1_000
