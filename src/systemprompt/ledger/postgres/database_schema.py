"""Upkeep of a schema of a PostgreSQL database: `systemprompt.ledger.upkeep.DatabaseUpkeep` but for copies; see there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, sql
from psycopg.rows import tuple_row

from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING, of_the_server, translated
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.migration_files import all_migrations, newest_migration
from systemprompt.ledger.postgres.migrating import (
    applied_migration,
    applied_migrations,
    has_schema,
    migrate,
    newer_migrations,
    pending_migrations,
)
from systemprompt.ledger.postgres.placing import SchemaPlacement
from systemprompt.ledger.upkeep import DatabaseSize, SchemaState

__all__ = ["DatabaseSchema"]

T = TypeVar("T")


class DatabaseSchema:
    """The schema `schema` of the database at an address, with the migrations of a folder; `table` names those that were applied."""

    def __init__(self, address: Address, *, migrations: str, table: str, schema: str) -> None:
        self.address = address
        self.location = str(address)
        self.migrations = migrations
        self.table = table
        self.schema = schema

    def migrate(self) -> list[str]:
        return self.do(lambda it: migrate(it, self.migrations, schema=self.schema, table=self.table))

    def schema_state(self) -> SchemaState:
        return self.do(self._schema_state)

    def check_current(self) -> None:
        """Refuse a schema that this release cannot read as it is.

        Raises:
            DatabaseTooNew, DatabaseOutdated: another release wrote it. DatabaseUnreachable: absent, or still to be migrated.
        """
        pending = self.do(lambda it: pending_migrations(it, self.migrations, schema=self.schema, table=self.table))
        if pending:
            raise DatabaseUnreachable(
                f"schema {self.schema!r} of the database at {self.location!r} has still to be migrated: {', '.join(pending)}",
                hint="sp db migrate brings it to this release",
                details={"address": self.location, "pending": pending},
            )

    def faults(self, *, quick: bool = False) -> list[str]:
        """Return indexes and constraints that the server does not vouch for; without `quick` each row is read once, too."""
        try:
            return self.do(lambda it: [*_unsound(it, self.schema), *([] if quick else _unreadable(it, self.schema))])
        except DatabaseUnreachable as error:
            return [error.message]

    def size(self) -> DatabaseSize:
        found = self.do(lambda it: it.execute(_SIZE, [self.schema]).fetchone())
        return DatabaseSize(file_bytes=0 if found is None else int(found[0]), log_bytes=0, free_bytes=0)

    def is_at(self, path: str) -> bool:  # noqa: ARG002  # no file is a database on a server
        return False

    def identity(self) -> str:
        return f"{self.do(lambda it: it.execute(_IDENTITY).fetchone())} {self.schema}"

    def _place(self, belongs_to: str | None, within: SchemaPlacement | None = None) -> SchemaPlacement:
        return SchemaPlacement(
            self.address,
            migrations=self.migrations,
            table=self.table,
            schema=self.schema,
            belongs_to=belongs_to,
            within=within,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """Open a connection for the block.

        Raises:
            DatabaseUnreachable: nobody answers, or lets us in.
        """
        try:
            connection = psycopg.connect(self.address.with_password(), row_factory=tuple_row, **CONNECTING)
        except psycopg.Error as error:
            raise of_the_server(error, self.address) or error from error
        with connection:
            yield connection

    def do(self, work: Callable[[Connection[Any]], T]) -> T:
        """Do some work on a connection of its own; errors of the server and the way to it come in our own family."""
        with self.connection() as connection:
            return translated(self.address, lambda: work(connection))

    def _schema_state(self, connection: Connection[Any]) -> SchemaState:
        newest = newest_migration(self.migrations)
        place = {"schema": self.schema, "table": self.table}
        schema = applied_migration(connection, **place)
        pending = all_migrations(self.migrations)
        if schema:
            still = (
                pending_migrations(connection, self.migrations, schema=self.schema, table=self.table)
                if schema <= newest
                else ()
            )
            pending = tuple(still)
        return SchemaState(
            exists=has_schema(connection, self.schema),
            applied=applied_migrations(connection, **place),
            pending=pending,
            schema=schema,
            newest=newest,
            differences=(),
            unknown=newer_migrations(connection, self.migrations, **place),
        )


def _unsound(connection: Connection[Any], schema: str) -> list[str]:
    return [str(text) for (text,) in connection.execute(_UNSOUND, [schema, schema]).fetchall()]


def _unreadable(connection: Connection[Any], schema: str) -> list[str]:
    """Read every row of each table; a page whose checksum is wrong, say, cannot be."""
    faults = []
    for (table,) in connection.execute(_TABLES, [schema]).fetchall():
        query = sql.SQL("SELECT count(one) FROM {} AS one").format(sql.Identifier(schema, str(table)))
        try:
            connection.execute(query)
        except (psycopg.InternalError, psycopg.DataError) as error:  # data_corrupted, index_corrupted
            faults.append(f"table {table} cannot be read: {error.diag.message_primary or error}")
    return faults


# A partition is read by the table that it is a part of: a role that may read that need not be allowed each of them.
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY relname
"""

_IDENTITY = """
    SELECT extract(epoch FROM pg_postmaster_start_time())::text, oid::text FROM pg_database WHERE datname = current_database()
"""
"""Which server it is, by a moment that every role may ask for, and which of its databases."""

_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND relkind IN ('r', 'm')
"""

_UNSOUND = """
    SELECT 'index ' || i.relname || ' of ' || t.relname || ' is not valid: it was not built to the end'
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid
    WHERE t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT x.indisvalid
    UNION ALL
    SELECT 'constraint ' || c.conname || ' of ' || t.relname || ' was never checked for the rows that were there before it'
    FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
    WHERE t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT c.convalidated
    ORDER BY 1
"""
