"""Compare a SQLite file's schema with what its migrations make: each table, index, view and trigger, by its text."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

from systemprompt.ledger.sqlite.migrating import (
    all_migrations,
    applied_migration,
    applied_migrations,
    build,
    newer_migrations,
    newest_migration,
    pending_migrations,
)
from systemprompt.ledger.stored.schema_objects import SchemaObject, differences_between
from systemprompt.ledger.upkeep import SchemaDifference, SchemaState

__all__ = ["absent_schema_state", "read_schema_state"]


def read_schema_state(
    connection: sqlite3.Connection, folder: str, *, table: str, statement: str, compare: bool
) -> SchemaState:
    """Return which migrations of `folder` a database has, and, where asked, each object that is not as they make it.

    The schema to compare with is made by applying the same migrations to a database in memory. Spaces and comments make no
    difference; a changed word in a trigger does.

    statement   reads type, name, table and text of every object
    compare     False where other tables may live in the file
    """
    schema, newest = applied_migration(connection, table=table), newest_migration(folder)
    known = schema <= newest
    differences: tuple[SchemaDifference, ...] = ()
    if compare and known:
        differences = tuple(
            differences_between(_read(connection, statement), _expected(folder, table, schema, statement))
        )
    return SchemaState(
        exists=True,
        applied=applied_migrations(connection, table=table),
        pending=tuple(pending_migrations(connection, folder, table=table)) if known else (),
        schema=schema,
        newest=newest,
        differences=differences,
        unknown=newer_migrations(connection, folder, table=table),
    )


def absent_schema_state(folder: str) -> SchemaState:
    """Return the state of a database that is not there."""
    newest = newest_migration(folder)
    return SchemaState(
        exists=False, applied=(), pending=all_migrations(folder), schema=0, newest=newest, differences=()
    )


def _expected(folder: str, table: str, up_to: int, statement: str) -> dict[tuple[str, str], SchemaObject]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        build(fresh, folder, table=table, up_to=up_to)
        return _read(fresh, statement)


def _read(connection: sqlite3.Connection, statement: str) -> dict[tuple[str, str], SchemaObject]:
    return {
        (kind, name): SchemaObject(table, _normalised(text or ""))
        for kind, name, table, text in connection.execute(statement)
    }


def _normalised(text: str) -> str:
    """Return the words of a statement with one space between: what stands in quotes is one word and stays as it is."""
    return " ".join(word for word in _WORDS.findall(text) if not word.startswith(("--", "/*")))


_WORDS = re.compile(
    r"""--[^\n]* | /\*.*?\*/                                      # comments
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]  # texts and quoted names
    | \w+ | \S""",
    re.VERBOSE | re.DOTALL,
)
