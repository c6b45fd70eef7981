"""Our tables as this installation has them: the host application's own may stand in, with other names and other clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from systemprompt.clock import SECOND, Instant, from_datetime, iso
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.settings import HostTable
from systemprompt.wording import did_you_mean

__all__ = ["Condition", "Table", "find_table", "same_side", "without_parent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A piece of a WHERE clause over the alias `target`, with its named parameters."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __and__(self, other: Condition) -> Condition:
        return Condition(sql=f"{self.sql} AND {other.sql}", parameters={**self.parameters, **other.parameters})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table that was found in the database, with every column that was asked for.

    logical      our name for it
    sql          its quoted name, safe to put into a statement
    columns      our column name -> its quoted name, for the columns that exist
    time_format  how it keeps instants
    clean        whether clean-up jobs may change it: it is ours, or the profile says `clean: true` of the host's
    """

    logical: str
    sql: str
    columns: Mapping[str, str]
    time_format: str
    clean: bool = True

    def has(self, column: str) -> bool:
        return column in self.columns

    def column(self, name: str, alias: str = "target") -> str:
        """Return a column for a statement. With the alias SQLite cannot take a wrong name for a string."""
        return f"{alias}.{self.columns[name]}"

    def before(self, name: str, cutoff: Instant, *, alias: str = "target", prefix: str = "") -> Condition:
        """Return the condition that this column's instant is before `cutoff`. NULL and unreadable text never are.

        `prefix` begins the names of its parameters, for a statement that compares more than one column.
        """
        column = self.column(name, alias)
        if self.time_format == "micros":
            return Condition(sql=f"{column} < :{prefix}cutoff", parameters={f"{prefix}cutoff": cutoff})
        if self.time_format == "seconds":
            whole, rest = divmod(cutoff, SECOND)
            value = cutoff / SECOND if rest else whole
            return Condition(sql=f"{column} < :{prefix}cutoff", parameters={f"{prefix}cutoff": value})
        # Text of one instant differs in separator, fraction and zone mark, so SQLite reads it, to the
        # millisecond. The plain comparison before it is true of every earlier date and lets an index on the column serve.
        day_after = iso(cutoff + 86_400 * SECOND)[:10]
        return Condition(
            sql=f"{column} < :{prefix}day_after AND {_ISO_MILLIS.format(column=column)} < :{prefix}cutoff",
            parameters={f"{prefix}day_after": day_after, f"{prefix}cutoff": -(-cutoff // 1000)},
        )

    def missing(self, name: str) -> Condition:
        return Condition(sql=f"{self.column(name)} IS NULL")

    def stored(self, at: Instant) -> int | str:
        """Return an instant as this table keeps it; `seconds` loses the fraction."""
        if self.time_format == "micros":
            return at
        return at // SECOND if self.time_format == "seconds" else iso(at)

    def instant(self, value: Any) -> Instant:
        """Return a kept value as an instant. Text without a zone is UTC.

        Raises:
            ValueError, TypeError: it is none.
        """
        if self.time_format == "micros":
            return int(value)
        if self.time_format == "seconds":
            return round(float(value) * SECOND)
        at = datetime.fromisoformat(value)
        return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))


_ISO_MILLIS = (
    "(CAST(strftime('%s', {column}) AS INTEGER) * 1000"
    " + CAST(round((strftime('%f', {column}) - strftime('%S', {column})) * 1000) AS INTEGER))"
)


def find_table(ctx: JobContext, logical: str, *, needs: Iterable[str], may: Iterable[str] = ()) -> Table:
    """Find the table that stands for `logical`, with the columns it must and may have.

    Raises:
        ConfigurationError: the table or a needed column is absent; the message has its name here and ours.
    """
    host = ctx.settings.tables.get(logical)
    mapped = host is not None
    host = host or HostTable(table=logical)
    schema, _, name = host.table.rpartition(".")
    there = {
        row["name"]
        for row in ctx.db_pool.fetch(
            "SELECT name FROM pragma_table_info(:name, :schema)", {"name": name, "schema": schema or "main"}
        )
    }
    if not there:
        raise ConfigurationError(
            f"the database has no table {host.table!r}" + (f", which the profile gives as {logical}" if mapped else ""),
            hint=f"mend tables.{logical} in the profile" if mapped else "sp db migrate makes the tables",
            details={"table": host.table, "logical": logical},
        )
    columns = {ours: host.columns.get(ours, ours) for ours in (*needs, *may)}
    for ours in needs:
        theirs = columns[ours]
        if theirs not in there:
            near = did_you_mean(theirs, there)
            raise ConfigurationError(
                f"table {host.table!r} has no column {theirs!r}" + (f", needed as {logical}.{ours}" if mapped else ""),
                hint=(f"did you mean {near!r}? " if near else "")
                + f"say it in the profile: tables.{logical}.columns.{ours}",
                details={"table": host.table, "column": theirs, "logical": f"{logical}.{ours}"},
            )
    return Table(
        logical=logical,
        sql=".".join(_quoted(part) for part in (schema, name) if part),
        columns={ours: _quoted(theirs) for ours, theirs in columns.items() if theirs in there},
        time_format=host.time_format,
        clean=host.clean or not mapped,
    )


def same_side(ctx: JobContext, child: str, parent: str) -> bool:
    """Return whether both tables are the host's, or both ours.

    Where only one is, rows of one would be looked for among strangers, and everything would seem to be an orphan.
    """
    return (child in ctx.settings.tables) == (parent in ctx.settings.tables)


def without_parent(child: Table, link: str, parent: Table) -> Condition:
    """Return the condition that a row names a parent which does not exist. A row that names none is no orphan."""
    return Condition(
        sql=(
            f"{child.column(link)} IS NOT NULL AND NOT EXISTS "  # noqa: S608  # both names are quoted
            f"(SELECT 1 FROM {parent.sql} AS other WHERE {parent.column('id', 'other')} = {child.column(link)})"
        )
    )


def _quoted(identifier: str) -> str:
    if not identifier or "\0" in identifier:
        raise ConfigurationError(f"{identifier!r} cannot name a table or a column", hint="mend `tables` in the profile")
    return '"' + identifier.replace('"', '""') + '"'
