"""Tables of a SQLite file as rows to be compared and copied: see `systemprompt.ledger.table_rows`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from systemprompt.clock import Instant
from systemprompt.ledger.migration_files import newest_migration
from systemprompt.ledger.sqlite.migrating import build
from systemprompt.ledger.table_rows import Rows, TableShape

__all__ = ["FileRows", "fill_file", "shapes_of"]

_STATE = "ledger_state"


def shapes_of(folder: str, table: str) -> tuple[TableShape, ...]:
    """Return the tables that the migrations of a folder make, by name. Both engines have them, with the same columns.

    Left out are the table of the migrations, SQLite's own, and a ledger's state, which each engine keeps in its own way.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        build(made, folder, table=table, up_to=newest_migration(folder))
        names = [row[0] for row in made.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return tuple(
            _shape(made, name) for name in names if name not in (table, _STATE) and not name.startswith("sqlite_")
        )


class FileRows:
    """What a connection sees of these tables: implements `systemprompt.ledger.table_rows.Rows`."""

    def __init__(self, connection: sqlite3.Connection, shapes: Iterable[TableShape]) -> None:
        self._connection = connection
        self._names = frozenset(shape.name for shape in shapes)

    def rows(self, shape: TableShape) -> Iterator[Sequence[Any]]:
        columns, key = ", ".join(shape.columns), ", ".join(shape.key)
        query = f"SELECT {columns} FROM {shape.name} ORDER BY {key}"  # noqa: S608  # names of our schema
        for row in self._connection.execute(query):
            yield tuple(row)

    def counters(self) -> Mapping[str, int]:
        if not self._has("sqlite_sequence"):
            return {}
        found = dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {name: int(last) for name, last in found.items() if name in self._names}

    def numbers(self) -> Mapping[str, Any]:
        if not self._has(_STATE):
            return {}
        cursor = self._connection.execute("SELECT * FROM ledger_state")
        names = [column[0] for column in cursor.description]
        return {name: value for name, value in zip(names, cursor.fetchone(), strict=True) if name != "one"}

    def months(self) -> Sequence[Instant]:
        asked = "SELECT min(due_at) FROM job_runs GROUP BY strftime('%Y-%m', due_at / 1000000, 'unixepoch') ORDER BY 1"
        return [int(row[0]) for row in self._connection.execute(asked)] if self._has(_STATE) else []

    def _has(self, table: str) -> bool:
        asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(asked, [table]).fetchone() is not None


def fill_file(
    file: sqlite3.Connection,
    source: Rows,
    shapes: Sequence[TableShape],
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> None:
    """Let these tables hold the rows of a source and no others, with its counters and numbers.

    Within a transaction of the caller's, on a connection that does not hold foreign keys.
    """
    with _without_rules(file, [*(shape.name for shape in shapes), _STATE]):
        for done, shape in enumerate(shapes):
            _write_rows(file, shape, source.rows(shape))
            if on_step is not None:
                on_step(len(shapes) - done - 1, len(shapes))
        numbers = dict(source.numbers())
        if numbers:
            settings = ", ".join(f"{name} = :{name}" for name in numbers)
            file.execute(f"UPDATE ledger_state SET {settings}", numbers)  # noqa: S608  # names of our schema
        _write_counters(file, source.counters())


def _write_rows(file: sqlite3.Connection, shape: TableShape, rows: Iterable[Sequence[Any]]) -> None:
    columns, marks = ", ".join(shape.columns), ", ".join("?" * len(shape.columns))
    file.execute(f"DELETE FROM {shape.name}")  # noqa: S608  # a name of our schema
    file.executemany(f"INSERT INTO {shape.name} ({columns}) VALUES ({marks})", rows)  # noqa: S608  # as above


def _write_counters(file: sqlite3.Connection, counters: Mapping[str, int]) -> None:
    for (name,) in file.execute(_NUMBERED).fetchall():
        if name in counters:
            file.execute("DELETE FROM sqlite_sequence WHERE name = ?", [name])
            file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [name, counters[name]])


@contextmanager
def _without_rules(file: sqlite3.Connection, names: Iterable[str]) -> Iterator[None]:
    """Fill tables with what was accounted elsewhere: their triggers, which refuse what comes late, stand aside and come back."""
    known = frozenset(names)
    found = file.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    triggers = [(name, text) for name, text, table in found if table in known]
    for name, _ in triggers:
        file.execute(f"DROP TRIGGER {name}")
    yield
    for _, text in triggers:
        file.execute(text)


_NUMBERED = r"SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"


def _shape(connection: sqlite3.Connection, name: str) -> TableShape:
    described = connection.execute(f"PRAGMA table_info({name})").fetchall()
    columns = tuple(str(row[1]) for row in described)
    key = tuple(row[1] for row in sorted((row for row in described if row[5]), key=lambda row: int(row[5])))
    if not key:
        for index in connection.execute(f"PRAGMA index_list({name})").fetchall():
            if index[2]:
                key = tuple(row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})"))
    return TableShape(name=name, columns=columns, key=key or columns)
