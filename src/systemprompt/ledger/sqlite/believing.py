"""Whether a copy of the ledger is believed: made by our migrations, with numbers and names that a ledger can have."""

from __future__ import annotations

import sqlite3

from systemprompt.discovery.names import check_name
from systemprompt.errors import JobDefinitionError
from systemprompt.ledger.sqlite.schema_state import read_schema_state

__all__ = ["why_not_believed"]

_FIRST, _LAST = -62_135_596_800_000_000, 253_370_764_800_000_000
_NARROWER = {"pid": (0, 2**31 - 1), "lease_ms": (0, 2**40)}


def why_not_believed(
    connection: sqlite3.Connection, folder: str, *, table: str, schema_text: str, names: str
) -> str | None:
    """Return the first thing that no program of ours wrote; None where there is none. Reads every row.

    A schema that is not as the migrations in `folder` make it; a number outside the instants that a date can say (years 1 to 9999,
    in microseconds), which leaves room for counting on; a name that no job may have.

    schema_text, names   the statements that read every object of the schema, and every job's name
    """
    state = read_schema_state(connection, folder, table=table, statement=schema_text, compare=True)
    if state.harmful:
        return f"its schema is not what the ledger's migrations make: {'; '.join(map(str, state.harmful))}"
    beside = {one.name for one in state.differences}
    for kind, held, _, _ in connection.execute(schema_text).fetchall():
        fault = _out_of_range(connection, held) if kind == "table" and held not in beside else None
        if fault is not None:
            return fault
    for (name,) in connection.execute(names):
        try:
            check_name(name)
        except JobDefinitionError as error:
            return error.message
    return None


def _out_of_range(connection: sqlite3.Connection, table: str) -> str | None:
    described = connection.execute("SELECT name FROM pragma_table_info(?) WHERE type = 'INTEGER'", (table,))
    columns = [str(name) for (name,) in described]
    asked = ", ".join(f"min({_quoted(column)}), max({_quoted(column)})" for column in columns)
    if not asked:
        return None
    found = connection.execute(f"SELECT {asked} FROM {_quoted(table)}").fetchone()  # noqa: S608  # names of the schema, quoted
    for number, column in enumerate(columns):
        first, last = _NARROWER.get(column, (_FIRST, _LAST))
        for value in found[2 * number : 2 * number + 2]:
            if value is not None and not (isinstance(value, int) and first <= value <= last):
                return f"{column} in its table {table} holds {value!r}, which is outside {first:,} to {last:,}"
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
