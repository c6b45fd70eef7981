"""Change many rows in short transactions, so that nobody else waits long for the database; or only count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from systemprompt.builtin.tables.table import Condition, Table
from systemprompt.databases.database import Transaction
from systemprompt.errors import RowRefused
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult

__all__ = ["DRY_RUN", "Changed", "clean_rows", "count_rows", "delete_rows", "update_rows"]


DRY_RUN = "dry_run"
"""The parameter of every clean-up job that asks it only to report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Rows that were changed, and rows that a constraint of the database would not let go.

    would     rows that were only counted
    dry_run   whether rows were only counted, though there may have been none
    kept      the host's tables, by our names, that the profile does not let clean-up jobs change
    """

    done: int = 0
    refused: int = 0
    would: int = 0
    dry_run: bool = False
    kept: frozenset[str] = frozenset()

    def __add__(self, other: Changed) -> Changed:
        return Changed(
            done=self.done + other.done,
            refused=self.refused + other.refused,
            would=self.would + other.would,
            dry_run=self.dry_run or other.dry_run,
            kept=self.kept | other.kept,
        )

    @property
    def rows(self) -> int:
        """How many were changed, or would be."""
        return self.done + self.would

    def result(self, message: str) -> JobResult:
        """Return how a job ends that changed or counted these; rows that were held back are told and counted."""
        if self.refused:
            message += f"; {self.refused} held back by the database"
        if self.kept:
            names = ", ".join(f"tables.{name}" for name in sorted(self.kept))
            message += f"; {names}: the profile has no `clean: true` there, so this only reports"
        return JobResult.success().with_message(message).with_stats(self.done, self.refused).with_dry_run(self.dry_run)


def clean_rows(
    ctx: JobContext,
    table: Table,
    where: Condition,
    values: Mapping[str, Any] | None = None,
    *,
    beside: Iterable[Table] = (),
) -> Changed:
    """Do what a clean-up job is for: delete the rows that match, or with `values` update them.

    They are only counted where the parameter `dry_run` asks for that, and where this table, or one that is changed `beside`
    it, is the host's and the profile does not say `clean: true` of it.
    """
    kept = frozenset(one.logical for one in (table, *beside) if not one.clean)
    dry_run: bool = ctx.get_parameter(DRY_RUN, bool, default=False)
    if kept or dry_run:
        return Changed(would=count_rows(ctx, table, where), dry_run=True, kept=kept)
    return delete_rows(ctx, table, where) if values is None else update_rows(ctx, table, where, values)


def count_rows(ctx: JobContext, table: Table, where: Condition) -> int:
    """Return how many rows `delete_rows` or `update_rows` would take up at this moment."""
    where = _with_id(table, where)
    row = ctx.db_pool.fetch_one(
        f"SELECT count(*) AS rows FROM {table.sql} AS target WHERE {where.sql}",  # noqa: S608  # names are quoted
        where.parameters,
    )
    return 0 if row is None else int(row["rows"])


def delete_rows(ctx: JobContext, table: Table, where: Condition) -> Changed:
    """Delete the rows that match, `settings.batch_size` in a transaction.

    Cancelling between batches keeps what is done. A row that a constraint holds back is left, logged and counted.
    """
    return _change(ctx, table, where, f"DELETE FROM {table.sql} AS target", {})  # noqa: S608  # names are quoted


def update_rows(ctx: JobContext, table: Table, where: Condition, values: Mapping[str, Any]) -> Changed:
    """Set columns, by our names, of the rows that match; batches as in `delete_rows`."""
    assignments = ", ".join(f"{table.columns[name]} = :set_{name}" for name in values)
    return _change(
        ctx,
        table,
        where,
        f"UPDATE {table.sql} AS target SET {assignments}",  # noqa: S608  # names are quoted
        {f"set_{name}": value for name, value in values.items()},
    )


def _change(ctx: JobContext, table: Table, where: Condition, verb: str, values: Mapping[str, Any]) -> Changed:
    where = _with_id(table, where)
    total = count_rows(ctx, table, where)
    key = table.column("id")
    changed = Changed()
    after: Any = None
    while changed.done + changed.refused < total or after is None:
        ctx.raise_if_cancelled()
        beyond = Condition(sql="TRUE" if after is None else f"{key} > :after", parameters={"after": after})
        batch = where & beyond
        ids = _next_ids(ctx.db_pool, table, batch, ctx.settings.batch_size)
        if not ids:
            break
        # Walking up the key instead of asking again from the start: a row that will not go is met once.
        upto = batch & Condition(sql=f"{key} <= :upto", parameters={"upto": ids[-1], **values})
        changed += _change_batch(ctx, table, f"{verb} WHERE {upto.sql}", upto.parameters, ids)
        after = ids[-1]
        ctx.progress(changed.done + changed.refused, total, table.logical)
    return changed


def _change_batch(
    ctx: JobContext, table: Table, statement: str, parameters: Mapping[str, Any], ids: list[Any]
) -> Changed:
    try:
        return Changed(done=ctx.db_pool.execute(statement, parameters))
    except RowRefused:
        ctx.logger.info("a batch was refused and goes row by row", extra={"table": table.sql})
    changed = Changed()
    alone = f"{statement} AND {table.column('id')} = :alone"
    for row_id in ids:
        try:
            changed += Changed(done=ctx.db_pool.execute(alone, {**parameters, "alone": row_id}))
        except RowRefused as error:
            changed += Changed(refused=1)
            ctx.logger.warning("row %r of %s was held back: %s", row_id, table.sql, error)
    return changed


def _next_ids(database: Transaction, table: Table, where: Condition, limit: int) -> list[Any]:
    rows = database.fetch(
        f"SELECT {table.column('id')} AS id FROM {table.sql} AS target "  # noqa: S608  # names are quoted
        f"WHERE {where.sql} ORDER BY 1 LIMIT :batch",
        {**where.parameters, "batch": max(1, limit)},
    )
    return [row["id"] for row in rows]


def _with_id(table: Table, where: Condition) -> Condition:
    return where & Condition(sql=f"{table.column('id')} IS NOT NULL")
