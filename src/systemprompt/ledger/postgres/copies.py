"""Copies of the ledger: from the schema into a ledger's file of SQLite, and from such a file into the schema.

So a copy needs no tools of the server's, is read, audited and moved like any ledger, and leads from either engine to the other.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Self

from psycopg import Connection, sql

from systemprompt.clock import Instant, iso
from systemprompt.databases.address import Address
from systemprompt.databases.sqlite import database_error, open_connection
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.migrating import build as build_schema
from systemprompt.ledger.postgres.migrating import locked_transaction, newest_migration
from systemprompt.ledger.postgres.reader import MIGRATIONS, MIGRATIONS_TABLE
from systemprompt.ledger.postgres.table_rows import SchemaRows, fill_schema
from systemprompt.ledger.postgres.upkeep_questions import asked, come_first, connected, is_there
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.place import flush, new_file, work_name
from systemprompt.ledger.sqlite.reader import MIGRATIONS_TABLE as FILE_MIGRATIONS_TABLE
from systemprompt.ledger.sqlite.steps import FileBackup
from systemprompt.ledger.sqlite.table_rows import FileRows, fill_file
from systemprompt.ledger.sqlite.upkeep import LedgerFileBackup, LedgerFileRestore, ledger_shapes
from systemprompt.ledger.upkeep import Extent

__all__ = ["SchemaBackup", "SchemaRestore"]


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
            with closing(sqlite3.connect(copy, isolation_level=None)) as file:
                file.execute("BEGIN")
                fill_file(file, SchemaRows(self._held_view(), is_ledger=True), ledger_shapes(), on_step=on_step)
                file.execute("COMMIT")
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
        self._server = self._stack.enter_context(connected(self._address))
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
        with connected(self._address) as connection:
            if not is_there(connection, self._schema):
                return 0, 0
            with connection.transaction():
                come_first(connection, self._schema)
                (row,) = asked(connection, "numbers_given")
                return row["fence"], row["last_run"]

    def publish(self, now: Instant) -> str | None:
        """As promised: all of it in one transaction, so a crash leaves the old schema or the new one."""
        with connected(self._address) as connection, locked_transaction(connection, self._schema):
            kept = self._keep(connection, now)
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
            newest = newest_migration(MIGRATIONS)
            build_schema(connection, MIGRATIONS, schema=self._schema, table=MIGRATIONS_TABLE, up_to=newest)
            come_first(connection, self._schema)
            with closing(open_connection(self.copied, read_only=True)) as file:
                shapes = ledger_shapes()
                fill_schema(connection, FileRows(file, shapes), shapes)
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


def _emptied(path: str) -> str:
    """Let the ledger be made where a file of nobody else's was put."""
    os.unlink(path)
    return path
