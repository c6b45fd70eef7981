"""Tables of a PostgreSQL schema as rows to be compared and copied: see `systemprompt.ledger.table_rows`.

The connection was adapted (`values.adapt`), and the schema comes first in its search path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import tuple_row

from systemprompt.clock import Instant, iso
from systemprompt.ledger.postgres.upkeep_questions import asked, told
from systemprompt.ledger.table_rows import Rows, TableShape

__all__ = ["SchemaRows", "fill_schema"]

_AT_ONCE = 2_000


class SchemaRows:
    """What a transaction sees of the schema's tables: implements `systemprompt.ledger.table_rows.Rows`."""

    def __init__(self, connection: Connection[Any], *, is_ledger: bool) -> None:
        self._connection = connection
        self._is_ledger = is_ledger
        self._kinds = _kinds_of_columns(connection)

    def rows(self, shape: TableShape) -> Iterator[Sequence[Any]]:
        columns = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
        # Byte by byte, as SQLite sorts, whatever the language of the database is.
        key = sql.SQL(", ").join(
            sql.SQL('{} COLLATE "C"' if self._kinds[shape.name, name] == "text" else "{}").format(sql.Identifier(name))
            for name in shape.key
        )
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, sql.Identifier(shape.name), key)
        with self._connection.cursor(f"rows_of_{shape.name}", row_factory=tuple_row) as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(query, binary=True)
            yield from cursor

    def counters(self) -> Mapping[str, int]:
        return {table: self._last_given(sequence) for table, _, sequence in _numbered(self._connection)}

    def numbers(self) -> Mapping[str, Any]:
        if not self._is_ledger:
            return {}
        (given,) = asked(self._connection, "numbers_given")
        found = {name: given[name] for name in given.keys()}  # noqa: SIM118  # a row of ours
        found["runs_left_out"] = found["last_run"] - found.pop("runs_written")
        return found

    def months(self) -> Sequence[Instant]:
        if not self._is_ledger:
            return []
        with self._connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            return [row[0] for row in cursor.execute(_MONTHS.encode()).fetchall()]

    def _last_given(self, sequence: str) -> int:
        query = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"  # noqa: S608  # the server's own spelling
        return int(_tuples(self._connection, query)[0][0])


def fill_schema(connection: Connection[Any], source: Rows, shapes: Sequence[TableShape]) -> None:
    """Fill empty tables with the rows of a source, with its counters and numbers, within a transaction of the caller's."""
    numbers = source.numbers()
    kinds = _kinds_of_columns(connection)
    ruled = [shape.name for shape in shapes] + (["job_runs_default", "ledger_state"] if numbers else [])
    _let_rules(connection, "DISABLE", ruled)
    if numbers:
        connection.execute("DELETE FROM reasons")
        for at in source.months():
            connection.execute("SELECT make_partitions(instant(%s))", [at])
    # References are looked at while they are filled, so what is named comes first.
    for shape in sorted(shapes, key=lambda one: (one.name != "jobs", one.name)):
        _write_rows(connection, shape, kinds, source.rows(shape))
    if numbers:
        told(connection, "set_numbers", numbers)
        told(connection, "set_sequences", numbers)
    _write_counters(connection, source.counters())
    _let_rules(connection, "ENABLE", ruled)
    for shape in shapes:
        # Whoever reads next, such as the audit, plans by what is there now.
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(shape.name)))


def _let_rules(connection: Connection[Any], word: str, tables: Iterable[str]) -> None:
    for table in tables:
        connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(sql.Identifier(table), sql.SQL(word)))


def _write_rows(
    connection: Connection[Any], shape: TableShape, kinds: Mapping[tuple[str, str], str], rows: Iterable[Sequence[Any]]
) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
    reads = [_READ_AS.get(kinds[shape.name, name], _as_it_is) for name in shape.columns]
    copying = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(shape.name), columns)
    with connection.cursor().copy(copying) as copy:
        for row in rows:
            copy.write_row([read(value) for read, value in zip(reads, row, strict=True)])


def _write_counters(connection: Connection[Any], counters: Mapping[str, int]) -> None:
    """Let each table that numbers its rows go on after these numbers, and after the highest that it holds."""
    for table, column, sequence in _numbered(connection):
        name, key = sql.Identifier(table), sql.Identifier(column)
        query = sql.SQL(
            "SELECT setval({seq}::regclass, greatest(last, 1), last > 0)"
            " FROM (SELECT greatest({last}, coalesce(max({key}), 0)) AS last FROM {table}) AS given"
        ).format(seq=sql.Literal(sequence), last=sql.Literal(counters.get(table, 0)), key=key, table=name)
        connection.execute(query)


def _numbered(connection: Connection[Any]) -> list[tuple[str, str, str]]:
    """Return each table that numbers its rows, the column, and its sequence as the server spells it."""
    return _tuples(connection, _NUMBERED)


def _kinds_of_columns(connection: Connection[Any]) -> dict[tuple[str, str], str]:
    return {(table, column): kind for table, column, kind in _tuples(connection, _KINDS)}


def _tuples(connection: Connection[Any], query: str) -> list[Any]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


_MONTHS = "SELECT min(due_at) FROM job_runs GROUP BY date_trunc('month', due_at AT TIME ZONE 'UTC') ORDER BY 1"

_KINDS = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()"
)

_NUMBERED = """
    SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_schema) || '.' || quote_ident(table_name), column_name)
    FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES' ORDER BY 1
"""


def _as_it_is(value: object) -> object:
    return value


def _instant(value: Instant | None) -> str | None:
    if value is None or _FIRST <= value <= _LAST:
        return None if value is None else iso(value)
    return "infinity" if value > 0 else "-infinity"


_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""What a calendar names; what lies beyond stands for "ever" and "never", as in the ledger's function `instant`."""

_READ_AS: dict[str, Callable[[Any], object]] = {
    "timestamp with time zone": _instant,
    "boolean": lambda value: None if value is None else bool(value),
}
"""How a value of a file becomes one of the schema, by the type of its column."""
