"""Copies of the ledger: from the schema into a ledger's file of SQLite, and from such a file into the schema.

So a copy needs no tools of the server's, is read, audited and moved like any ledger, and leads from either engine to the other.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection, sql

from systemprompt.clock import Instant, iso
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.databases.sqlite import database_error, open_connection
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.connections import ledger_error
from systemprompt.ledger.postgres.migrating import build as build_schema
from systemprompt.ledger.postgres.migrating import locked_transaction, newest_migration
from systemprompt.ledger.postgres.reader import MIGRATIONS, MIGRATIONS_TABLE
from systemprompt.ledger.postgres.upkeep_questions import asked, come_first, is_there, told
from systemprompt.ledger.postgres.values import adapt, rows_by_name_and_place
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.place import flush, new_file, work_name
from systemprompt.ledger.sqlite.reader import MIGRATIONS_TABLE as FILE_MIGRATIONS_TABLE
from systemprompt.ledger.sqlite.steps import FileBackup
from systemprompt.ledger.sqlite.upkeep import LedgerFileBackup, LedgerFileRestore
from systemprompt.ledger.upkeep import Extent

__all__ = ["SchemaBackup", "SchemaRestore"]

_AT_ONCE = 2_000
_KEPT_DIFFERENTLY = frozenset(("ledger_state", FILE_MIGRATIONS_TABLE, "sqlite_sequence"))


class SchemaBackup(LedgerFileBackup):
    """One state of the schema on its way to a file."""

    def __init__(self, address: Address, schema: str, to: str, *, replace: bool) -> None:
        super().__init__(str(address), to, table=FILE_MIGRATIONS_TABLE, replace=replace)
        self._address = address
        self._schema = schema
        self._stack = ExitStack()
        self._server: Connection[Any] | None = None

    def extent(self) -> Extent:
        (row,) = asked(self._held_view(), "extent")
        return Extent(runs=row["runs"], planned_through=row["planned_through"])

    def copy(self, *, on_step: Callable[[int, int], None] | None = None) -> None:
        copy = work_name(self._to)
        os.close(new_file(copy))
        self._copy = copy
        try:
            with closing(SqliteLedger(_emptied(copy))) as ledger:
                ledger.migrate()
            with closing(sqlite3.connect(copy, isolation_level=None)) as file, _without_rules(file):
                _fill_file(file, self._held_view(), on_step)
            with closing(sqlite3.connect(copy, isolation_level=None)) as file:
                file.execute("PRAGMA journal_mode = DELETE")
            flush(copy)
        except sqlite3.Error as error:
            raise database_error(error, self._to) from error
        finally:
            self._stack.close()
            self._server = None

    def _held_view(self) -> Connection[Any]:
        if self._server is None:
            raise DatabaseUnreachable("a backup has let go of its view, or has not taken it yet")
        return self._server

    def __enter__(self) -> Self:
        self._server = self._stack.enter_context(_connected(self._address))
        self._server.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._server.execute(sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(self._schema)))
        asked(self._server, "schema_exists", {"schema": self._schema})  # the view is taken by the first question
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        FileBackup.__exit__(self, kind, error, trace)


class SchemaRestore(LedgerFileRestore):
    """A copy on its way into the schema."""

    def __init__(self, source: str, address: Address, schema: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="sp-restore-")
        super().__init__(source, os.path.join(self._folder, "ledger.db"))
        self._address = address
        self._schema = schema

    def take_owner(self) -> None:
        """What is made belongs to the role that makes it; `publish` gives others the rights they had."""

    def numbers_given(self) -> tuple[int, int]:
        with _connected(self._address) as connection:
            if not is_there(connection, self._schema):
                return 0, 0
            with connection.transaction():
                come_first(connection, self._schema)
                (row,) = asked(connection, "numbers_given")
                return row["fence"], row["last_run"]

    def publish(self, now: Instant) -> str | None:
        """As promised: all of it in one transaction, so a crash leaves the old schema or the new one."""
        with _connected(self._address) as connection, locked_transaction(connection, self._schema):
            kept = self._keep(connection, now)
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
            newest = newest_migration(MIGRATIONS)
            build_schema(connection, MIGRATIONS, schema=self._schema, table=MIGRATIONS_TABLE, up_to=newest)
            come_first(connection, self._schema)
            with closing(open_connection(self.copied, read_only=True)) as file:
                _fill_schema(connection, file)
            if kept is not None:
                for row in asked(connection, "grants", {"schema": sql.Identifier(kept).as_string(connection)}):
                    connection.execute(str(row["command"]).encode())
        return kept

    def _keep(self, connection: Connection[Any], now: Instant) -> str | None:
        if not is_there(connection, self._schema):
            # A schema without a ledger: somebody made it for us.
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} RESTRICT").format(sql.Identifier(self._schema)))
            return None
        stamp = "".join(char for char in iso(now)[:19].lower() if char.isalnum())
        kept = f"{self._schema[:40]}_replaced_{stamp}"
        connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(self._schema), sql.Identifier(kept))
        )
        return kept

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        os.rmdir(self._folder)


# -- from the schema into a file --------------------------------------------------------------------------------------------


def _fill_file(file: sqlite3.Connection, server: Connection[Any], on_step: Callable[[int, int], None] | None) -> None:
    tables = [name for name in _tables(file) if name not in _KEPT_DIFFERENTLY]
    file.execute("BEGIN")
    for done, table in enumerate(tables):
        columns = _columns(file, table)
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        file.execute(f"DELETE FROM {table}")  # noqa: S608  # a name of our schema
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  # as above
        with server.cursor(f"copy_{table}") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(sql.SQL("SELECT {} FROM {}").format(listed, sql.Identifier(table)), binary=True)
            while rows := cursor.fetchmany(_AT_ONCE):
                file.executemany(insert, rows)
        if on_step is not None:
            on_step(len(tables) - done - 1, len(tables))
    (given,) = asked(server, "numbers_given")
    state = {name: given[name] for name in given.keys() if name != "runs_written"}  # noqa: SIM118  # a row of ours
    state["runs_left_out"] = given["last_run"] - given["runs_written"]
    settings = ", ".join(f"{name} = :{name}" for name in state)
    file.execute(f"UPDATE ledger_state SET {settings}", state)  # noqa: S608  # names of our schema
    file.execute("COMMIT")


def _emptied(path: str) -> str:
    """Let the ledger be made where a file of nobody else's was put."""
    os.unlink(path)
    return path


@contextmanager
def _without_rules(file: sqlite3.Connection) -> Iterator[None]:
    """Fill a file with what was accounted elsewhere: its triggers, which refuse what comes late, stand aside and come back."""
    file.execute("PRAGMA foreign_keys = OFF")
    triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        file.execute(f"DROP TRIGGER {name}")
    yield
    for _, text in triggers:
        file.execute(text)


# -- from a file into the schema --------------------------------------------------------------------------------------------


def _fill_schema(server: Connection[Any], file: sqlite3.Connection) -> None:
    tables = [name for name in _tables(file) if name not in _KEPT_DIFFERENTLY]
    kinds = _kinds_of_columns(server)
    for table in (*tables, "job_runs_default"):
        server.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table)))
    server.execute("DELETE FROM reasons")
    for at in _months(file):
        server.execute("SELECT make_partitions(instant(%s))", [at])
    # References are looked at while they are filled, so what is named comes first.
    for table in sorted(tables, key=lambda name: (name != "jobs", name)):
        columns = _columns(file, table)
        copying = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        reads = [_READ_AS.get(kinds[table, column], _as_it_is) for column in columns]
        listed = ", ".join(columns)
        with server.cursor().copy(copying) as copy:
            for row in file.execute(f"SELECT {listed} FROM {table}"):  # noqa: S608  # names of our schema
                copy.write_row([read(value) for read, value in zip(reads, row, strict=True)])
    for table in (*tables, "job_runs_default"):
        server.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table)))
    state = dict(file.execute("SELECT * FROM ledger_state").fetchone())
    server.execute("ALTER TABLE ledger_state DISABLE TRIGGER USER")
    told(server, "set_numbers", state)
    server.execute("ALTER TABLE ledger_state ENABLE TRIGGER USER")
    told(server, "set_sequences", state)


def _months(file: sqlite3.Connection) -> list[Instant]:
    """Return an instant of each month that has accounts: each gets its partition before they come."""
    asked = "SELECT min(due_at) FROM job_runs GROUP BY strftime('%Y-%m', due_at / 1000000, 'unixepoch') ORDER BY 1"
    return [int(row[0]) for row in file.execute(asked)]


def _kinds_of_columns(server: Connection[Any]) -> dict[tuple[str, str], str]:
    asked = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()"
    return {(row[0], row[1]): row[2] for row in server.execute(asked)}


def _as_it_is(value: object) -> object:
    return value


def _instant(value: int | None) -> str | None:
    return None if value is None else iso(value)


_READ_AS: dict[str, Callable[[Any], object]] = {
    "timestamp with time zone": _instant,
    "boolean": lambda value: None if value is None else bool(value),
}
"""How a value of a file becomes one of the schema, by the type of its column."""


# -- asking -----------------------------------------------------------------------------------------------------------------


def _tables(file: sqlite3.Connection) -> list[str]:
    return [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def _columns(file: sqlite3.Connection, table: str) -> Sequence[str]:
    return [row[1] for row in file.execute(f"PRAGMA table_info({table})")]


@contextmanager
def _connected(address: Address) -> Iterator[Connection[Any]]:
    try:
        with psycopg.connect(
            address.with_password(), **{**CONNECTING, "application_name": "systemprompt upkeep"}
        ) as connection:
            adapt(connection)
            connection.row_factory = rows_by_name_and_place
            yield connection
    except psycopg.Error as error:
        raise ledger_error(error, address) from error
