"""A ledger on PostgreSQL that has a row in each of its tables, and raw SQL to break it with: the twin of `raw_ledger`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from support.ledger_stage import START
from support.raw_ledger import live
from systemprompt.clock import iso
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.ledger.postgres.ledger import PostgresLedger

Connection = psycopg.Connection[Any]

SCHEMA = "systemprompt"
MONTH = "job_runs_2026_01"
"""The partition of START."""


@contextmanager
def raw_postgres(address: str) -> Iterator[Connection]:
    """Open a ledger as `raw_ledger` does, but that its runs are one number higher: closed 2, running 3, waiting 4.

    Sequences leave gaps. The ledger's schema comes first.
    """
    with closing(PostgresLedger(Address(address), decides_by="host")) as ledger:
        ledger.migrate()
        live(ledger)
    with raw_connection(address) as connection:
        connection.execute("INSERT INTO run_marks (run_id, mark, actor, marked_at) VALUES (2, 'done', 'me', now())")
        connection.execute(
            "INSERT INTO ledger_seals VALUES (1, 1, '2025-12-31', %(day)s::timestamptz - interval '1 day', %(day)s, 0, 0, 0,"
            " 0, '{}', repeat('0', 64), %(day)s, repeat('1', 64), repeat('2', 64))",
            {"day": iso(START)},
        )
        connection.execute("UPDATE ledger_state SET seals = 1, sealed_until = %s", [iso(START)])
        connection.execute("INSERT INTO lost_runs VALUES (1, 1, '{}')")
        yield connection


@contextmanager
def raw_connection(address: str, **more: Any) -> Iterator[Connection]:
    """Open a connection whose first schema is the ledger's."""
    options = f"-c search_path={SCHEMA},pg_temp"
    with psycopg.connect(address, **{**CONNECTING, "options": options, **more}) as connection:
        yield connection


@contextmanager
def undone(connection: Connection) -> Iterator[Connection]:
    """Undo whatever the block does, its tables and triggers too."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def refused_by(connection: Connection, statement: str) -> psycopg.IntegrityError | None:
    """Return how the server refuses a statement, inside a transaction that goes on; None where it does not."""
    connection.execute("SAVEPOINT asked")
    try:
        connection.execute(statement.encode())
    except psycopg.IntegrityError as refused:
        connection.execute("ROLLBACK TO asked")
        return refused
    return None


def checks(connection: Connection) -> set[tuple[str, str]]:
    """Return every CHECK of the schema: its table and its name. Those of the partitions are those of `job_runs`."""
    asked = (
        "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.contype = 'c' AND c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition"
    )
    return set(connection.execute(asked).fetchall())


def unique_indexes(connection: Connection) -> set[str]:
    asked = (
        "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid"
        " WHERE x.indisunique AND c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition"
    )
    return {row[0] for row in connection.execute(asked)}


def references(connection: Connection) -> set[str]:
    asked = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
    return {row[0] for row in connection.execute(asked)}


def refusals(connection: Connection) -> set[tuple[str, str]]:
    """Return every trigger of the schema with each of the sentences with which it refuses."""
    asked = (
        "SELECT g.tgname, encode(g.tgargs, 'escape'), p.prosrc FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid"
        " JOIN pg_class c ON c.oid = g.tgrelid"
        " WHERE NOT g.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
    )
    found = set()
    for name, arguments, body in connection.execute(asked):
        said = re.findall(r"'(ledger: [^']*)'", body) or [arguments.split("\\000")[0]]
        found |= {(name, sentence) for sentence in said}
    return found


def copied(connection: Connection, into: str, source: str, where: str, **changes: str) -> str:
    """Return SQL that inserts a row like one of another table, with these columns changed (SQL expressions)."""
    there = set(_columns(connection, source))
    columns = [name for name in _columns(connection, into) if name in there or name in changes]
    values = ", ".join(changes.get(column, column) for column in columns)
    return f"INSERT INTO {into} ({', '.join(columns)}) SELECT {values} FROM {source} WHERE {where}"  # the test's own


def _columns(connection: Connection, table: str) -> list[str]:
    """Return the columns that a statement may write: a number that the table gives itself is none."""
    asked = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = ''"
        " ORDER BY attnum"
    )
    return [row[0] for row in connection.execute(asked, [table])]
