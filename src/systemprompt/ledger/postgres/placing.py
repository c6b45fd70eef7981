"""Rows of another database on their way into a schema: implements `systemprompt.ledger.moving.Placement`, in one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from psycopg import Connection, sql

from systemprompt.clock import SystemClock
from systemprompt.databases.address import Address
from systemprompt.errors import ConflictError, LedgerBroken
from systemprompt.ledger.postgres.migrating import complete, lock_schema, locked_transaction
from systemprompt.ledger.postgres.reader import SQL, PostgresReader
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.store import PostgresStore
from systemprompt.ledger.postgres.table_rows import SchemaRows, fill_schema
from systemprompt.ledger.postgres.transaction import Transaction
from systemprompt.ledger.postgres.upkeep_questions import come_first, connected
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.table_rows import NOT_COUNTED, UNFINISHED, Rows, TableDigest, TableShape, digests_of, of_all

__all__ = ["SchemaPlacement", "held_schema"]


@contextmanager
def held_schema(
    address: Address, schema: str, tables: Iterable[TableShape], *, is_ledger: bool
) -> Iterator[SchemaRows]:
    """Hold one state of a schema's tables for the block. Others may read meanwhile; who wants to write has to wait."""
    with connected(address) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(_PATIENT)
        connection.execute("SET LOCAL lock_timeout = '10s'")
        come_first(connection, schema)
        for table in tables:  # before the first question, which takes the view
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table.name)))
        yield SchemaRows(connection, is_ledger=is_ledger)
        connection.rollback()


class SchemaPlacement:
    """Rows on their way into a schema that is absent or empty.

    Of two at once in a schema the second waits for the first, and then finds what that one made.

    belongs_to   the ledger without which these rows are not finished; None for a ledger
    within       the placement of that ledger, if it is in the same database: then one transaction publishes both
    """

    def __init__(
        self,
        address: Address,
        *,
        migrations: str,
        table: str,
        schema: str,
        belongs_to: str | None,
        within: SchemaPlacement | None,
    ) -> None:
        self.address = address
        self._migrations = migrations
        self._table = table
        self._schema = schema
        self._belongs_to = belongs_to
        self._within = within
        self._held = ExitStack()
        self._server: Connection[Any] | None = None

    def fill(self, source: Rows, shapes: Sequence[TableShape]) -> tuple[TableDigest, ...]:
        connection = self.connection()
        complete(connection, self._migrations, schema=self._schema, table=self._table)
        come_first(connection, self._schema)
        for shape in shapes:
            # Nobody else writes; reading goes on, since the source may be this very database, spelled otherwise.
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(shape.name)))
        is_ledger = self._belongs_to is None
        if self._holds_rows(connection, shapes):
            if not self._is_unfinished(connection, shapes):
                raise self._in_the_way()
            for shape in shapes:
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(shape.name)))
        fill_schema(connection, source, shapes)
        found = digests_of(SchemaRows(connection, is_ledger=is_ledger), shapes)
        if not is_ledger and self._within is None:
            connection.execute(f"DROP TABLE IF EXISTS {UNFINISHED}".encode())
            connection.execute(f"CREATE TABLE {UNFINISHED} (ledger text NOT NULL, digest text NOT NULL)".encode())
            connection.execute(
                f"INSERT INTO {UNFINISHED} VALUES (%s, %s)".encode(),  # noqa: S608  # a constant of ours
                [self._belongs_to, of_all(found)],
            )
        return found

    def open(self) -> PostgresReader:
        statements = Statements(load_statements(os.path.join(SQL, "reading.sql")))
        return PostgresReader(_HeldStore(self.address, self._schema, statements, self.connection()))

    def publish(self) -> None:
        self._held.close()  # commits
        self._server = None

    def finish(self) -> None:
        if self._belongs_to is not None and self._within is None:
            with connected(self.address) as connection:
                name = sql.Identifier(self._schema, UNFINISHED)
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))

    def connection(self) -> Connection[Any]:
        """The transaction that all of this is in."""
        if self._within is not None:
            return self._within.connection()
        if self._server is None:
            raise LedgerBroken("a placement is used outside its block")
        return self._server

    def _holds_rows(self, connection: Connection[Any], shapes: Sequence[TableShape]) -> bool:
        query = sql.SQL("SELECT 1 FROM {} LIMIT 1")
        return any(
            connection.execute(query.format(sql.Identifier(shape.name))).fetchone() is not None
            for shape in shapes
            if shape.name not in NOT_COUNTED
        )

    def _is_unfinished(self, connection: Connection[Any], shapes: Sequence[TableShape]) -> bool:
        """Say whether these rows are what a move left that ended before its ledger was there, and nobody has changed since."""
        if self._belongs_to is None:
            return False
        there = connection.execute("SELECT to_regclass(%s)", [UNFINISHED]).fetchone()
        if there is None or there[0] is None:
            return False
        found = connection.execute(f"SELECT ledger, digest FROM {UNFINISHED}".encode()).fetchone()  # noqa: S608  # as above
        rows = SchemaRows(connection, is_ledger=False)
        return found is not None and tuple(found) == (self._belongs_to, of_all(digests_of(rows, shapes)))

    def _in_the_way(self) -> ConflictError:
        return ConflictError(
            f"there are tables in schema {self._schema!r} of {str(self.address)!r}, and they are not empty; nothing was changed",
            hint="name another database: a move replaces nothing (sp db restore does, with --replace)",
            details={"address": str(self.address), "schema": self._schema},
        )

    def __enter__(self) -> Self:
        if self._within is not None:
            lock_schema(self.connection(), self._schema)
            return self
        connection = self._held.enter_context(connected(self.address))
        self._held.enter_context(locked_transaction(connection, self._schema))
        connection.execute(_PATIENT)
        self._server = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and not self._server.closed:
            self._server.rollback()
        self._held.__exit__(kind, error, trace)


class _HeldStore(PostgresStore):
    """What reads within a transaction of the caller's, before anybody else sees what is in it."""

    def __init__(self, address: Address, schema: str, statements: Statements, connection: Connection[Any]) -> None:
        super().__init__(address, schema, statements, clock=ServerClock(SystemClock()))
        self._held = Transaction(connection, 0)

    def _transaction(self) -> Transaction:
        return self._held


_PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0"
