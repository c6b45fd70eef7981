"""Upkeep of the ledger's schema: implements `systemprompt.ledger.reader.LedgerUpkeep`; see there for the promises."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql

from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.errors import ConflictError, DatabaseInUse, DatabaseUnreachable, UsageError
from systemprompt.ledger.migration_files import all_migrations, newest_migration
from systemprompt.ledger.postgres.connections import ledger_error
from systemprompt.ledger.postgres.copies import SchemaBackup, SchemaRestore
from systemprompt.ledger.postgres.migrating import applied_migrations, build, migrate, pending_migrations
from systemprompt.ledger.postgres.reader import (
    MIGRATIONS,
    MIGRATIONS_TABLE,
    SCHEMA,
    SQL,
    PostgresReader,
    open_reading_ledger,
)
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.values import adapt, rows_by_name_and_place
from systemprompt.ledger.sqlite.upkeep import LedgerFile
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.schema_objects import SchemaObject, differences_between
from systemprompt.ledger.upkeep import DatabaseSize, SchemaDifference, SchemaState

__all__ = ["LedgerSchema"]


class LedgerSchema:
    """The ledger's schema in a PostgreSQL database. A copy of it is a ledger of SQLite in one file."""

    def __init__(self, address: Address, *, schema: str = SCHEMA) -> None:
        self.address = address
        self.schema = schema
        self.location = str(address)

    def open(self) -> PostgresReader:
        return open_reading_ledger(self.address, schema=self.schema)

    def migrate(self) -> list[str]:
        with self._connected() as connection:
            return migrate(connection, MIGRATIONS, schema=self.schema, table=MIGRATIONS_TABLE)

    def schema_state(self) -> SchemaState:
        with self._connected() as connection:
            applied = applied_migrations(connection, schema=self.schema, table=MIGRATIONS_TABLE)
            schema, newest = max((int(name[:4]) for name in applied), default=0), newest_migration(MIGRATIONS)
            known = schema <= newest
            differences: tuple[SchemaDifference, ...] = ()
            if applied and known:
                differences = self._differences(connection, schema)
            pending = (
                pending_migrations(connection, MIGRATIONS, schema=self.schema, table=MIGRATIONS_TABLE) if known else ()
            )
            return SchemaState(
                exists=bool(applied),
                applied=applied,
                pending=tuple(pending) if applied else all_migrations(MIGRATIONS),
                schema=schema,
                newest=newest,
                differences=differences,
            )

    def faults(self, *, quick: bool = False) -> list[str]:
        """As promised. The slow half reads every table, so that the server says what it cannot read."""
        try:
            with self._connected() as connection, connection.transaction():
                self._come_first(connection, self.schema)
                found = [str(row["fault"]) for row in self._asked(connection, "broken_objects")]
                if not quick:
                    for row in self._asked(connection, "tables"):
                        counting = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(row["name"]))
                        connection.execute(counting)
                return found
        except DatabaseUnreachable as error:
            return [error.message]

    def size(self) -> DatabaseSize:
        with self._connected() as connection:
            if not self._is_there(connection):
                return DatabaseSize(file_bytes=0, log_bytes=0, free_bytes=0)
            (row,) = self._asked(connection, "bytes", {"schema": sql.Identifier(self.schema).as_string(connection)})
            return DatabaseSize(file_bytes=row["bytes"], log_bytes=0, free_bytes=0)

    def is_at(self, path: str) -> bool:
        return path in (self.location, self.address.with_password())

    def backup(self, to: str, *, replace: bool = False) -> SchemaBackup:
        LedgerFile(to).check_target(to, replace=replace)
        return SchemaBackup(self.address, self.schema, to, replace=replace)

    def restore(self, source: str, *, replace: bool = False, dry_run: bool = False) -> SchemaRestore:  # noqa: ARG002  # nothing is folded
        if self.is_at(source):
            raise UsageError(
                f"{source!r} is the database in use itself", hint="name another file", details={"path": source}
            )
        LedgerFile(os.path.join(os.path.dirname(source), "-")).check_source(source)
        with self._connected() as connection:
            if self._is_there(connection):
                if not replace:
                    raise ConflictError(
                        f"there is a database in schema {self.schema!r} of {self.location!r}; nothing was changed",
                        hint="stop the nodes and say --replace: it is kept beside, as a schema of another name",
                        details={"address": self.location, "schema": self.schema},
                    )
                (row,) = self._asked(connection, "sessions", {"name": f"systemprompt ledger {self.schema}"})
                if row["number"]:
                    raise DatabaseInUse(self.location)
        return SchemaRestore(source, self.address, self.schema)

    def _differences(self, connection: Connection[Any], up_to: int) -> tuple[SchemaDifference, ...]:
        """Compare with what the same migrations make in another schema, which is undone at once.

        Where this role may not make one, nothing is compared: then it may not alter ours either.
        """
        have = self._objects(connection, self.schema)
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCRATCH)))
                build(connection, MIGRATIONS, schema=_SCRATCH, table=MIGRATIONS_TABLE, up_to=up_to)
                want = self._objects(connection, _SCRATCH)
        except psycopg.errors.InsufficientPrivilege:
            return ()
        return tuple(differences_between(have, want))

    def _objects(self, connection: Connection[Any], schema: str) -> Mapping[tuple[str, str], SchemaObject]:
        with connection.transaction():
            self._come_first(connection, schema)
            itself = re.compile(rf"""(["']?)\b{re.escape(schema)}\b\1\.?""")
            objects = {}
            for row in self._asked(connection, "schema_objects"):
                objects[row["kind"], row["name"]] = SchemaObject(row["of_table"], itself.sub("", row["text"]))
            return objects

    def _is_there(self, connection: Connection[Any]) -> bool:
        (row,) = self._asked(connection, "schema_exists", {"schema": self.schema})
        return bool(row["is_there"])

    @staticmethod
    def _come_first(connection: Connection[Any], schema: str) -> None:
        connection.execute(sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema)))

    @staticmethod
    def _asked(connection: Connection[Any], name: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        return connection.execute(_statements().text(name, named=True), values or {}).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[Connection[Any]]:
        try:
            with psycopg.connect(
                self.address.with_password(), **{**CONNECTING, "application_name": "systemprompt upkeep"}
            ) as connection:
                adapt(connection)
                connection.row_factory = rows_by_name_and_place
                yield connection
        except psycopg.Error as error:
            raise ledger_error(error, self.address) from error


_SCRATCH = "systemprompt_compared"


def _statements() -> Statements:
    """Return the named statements of upkeep."""
    return Statements(load_statements(os.path.join(SQL, "upkeep.sql")))
