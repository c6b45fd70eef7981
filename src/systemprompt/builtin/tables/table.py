"""Our tables as this installation has them: the host application's own may stand in, with other names and other clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from systemprompt.builtin.tables.columns import read_columns
from systemprompt.builtin.tables.instants import Instants, instants_of
from systemprompt.clock import Instant
from systemprompt.databases.dialect import dialect_named
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
    types        our column name -> its type; '' on SQLite
    time_format  how it keeps instants, where a column's type does not say so
    dialect      the engine's
    clean        whether clean-up jobs may change it: it is ours, or the profile says `clean: true` of the host's
    """

    logical: str
    sql: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    time_format: str
    dialect: str
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
        sql, parameters = self._instants(name).before(self.column(name, alias), cutoff, prefix)
        return Condition(sql=sql, parameters=parameters)

    def missing(self, name: str) -> Condition:
        return Condition(sql=f"{self.column(name)} IS NULL")

    def is_true(self, name: str, alias: str = "target") -> Condition:
        """Return the condition that a column of yes and no says yes: a boolean, or the number 1."""
        column = self.column(name, alias)
        return Condition(sql=column if self.types[name] == "boolean" else f"{column} = 1")

    def read(self, name: str) -> str:
        """Return the SQL to select a column by: one of PostgreSQL's dates as microseconds, every other as it is."""
        return self._instants(name).read(self.column(name))

    def stored(self, name: str, at: Instant) -> Any:
        """Return an instant as this column keeps it; `seconds` loses the fraction."""
        return self._instants(name).stored(at)

    def instant(self, name: str, value: Any) -> Instant:
        """Return a value that was selected by `read` as an instant. Text without a zone is UTC.

        Raises:
            ValueError, TypeError: it is none.
        """
        return self._instants(name).instant(value)

    def _instants(self, name: str) -> Instants:
        return instants_of(self.time_format, self.dialect, self.types[name])


def find_table(ctx: JobContext, logical: str, *, needs: Iterable[str], may: Iterable[str] = ()) -> Table:
    """Find the table that stands for `logical`, with the columns it must and may have.

    Raises:
        ConfigurationError: the table or a needed column is absent; the message has its name here and ours.
    """
    database = ctx.db_pool
    host = ctx.settings.tables.get(logical)
    mapped = host is not None
    host = host or HostTable(table=dialect_named(database.dialect).own(logical))
    schema, _, name = host.table.rpartition(".")
    sql = ".".join(_quoted(part) for part in (schema, name) if part)
    there = read_columns(database, database.dialect, schema=schema, table=name, quoted=sql)
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
        sql=sql,
        columns={ours: _quoted(theirs) for ours, theirs in columns.items() if theirs in there},
        types={ours: there[theirs] for ours, theirs in columns.items() if theirs in there},
        time_format=host.time_format,
        dialect=database.dialect,
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
