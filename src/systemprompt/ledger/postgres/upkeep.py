"""Upkeep of the ledger's schema: implements `systemprompt.ledger.reader.LedgerUpkeep`; see there for the promises."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace as changed
from time import monotonic, sleep
from typing import Any

import psycopg
from psycopg import Connection, sql

from systemprompt.databases.address import Address
from systemprompt.errors import ConflictError, DatabaseInUse, UsageError
from systemprompt.ledger.postgres.copies import SchemaBackup, SchemaRestore
from systemprompt.ledger.postgres.database_schema import DatabaseSchema
from systemprompt.ledger.postgres.migrating import build, pending_migrations
from systemprompt.ledger.postgres.placing import SchemaPlacement, held_schema
from systemprompt.ledger.postgres.reader import (
    MIGRATIONS,
    MIGRATIONS_TABLE,
    SCHEMA,
    PostgresReader,
    open_reading_ledger,
)
from systemprompt.ledger.postgres.table_rows import SchemaRows
from systemprompt.ledger.postgres.upkeep_questions import asked, come_first, is_there
from systemprompt.ledger.sqlite.upkeep import LedgerFile, ledger_shapes
from systemprompt.ledger.stored.schema_objects import SchemaObject, differences_between
from systemprompt.ledger.table_rows import TableShape
from systemprompt.ledger.upkeep import SchemaDifference, SchemaState

__all__ = ["LedgerSchema"]


_LINGERING_S = 2.0


class LedgerSchema(DatabaseSchema):
    """The ledger's schema in a PostgreSQL database. A copy of it is a ledger of SQLite in one file."""

    def __init__(self, address: Address, *, schema: str = SCHEMA) -> None:
        super().__init__(address, migrations=MIGRATIONS, table=MIGRATIONS_TABLE, schema=schema)

    def shapes(self) -> tuple[TableShape, ...]:
        return ledger_shapes()

    def hold(self) -> AbstractContextManager[SchemaRows]:
        return held_schema(self.address, self.schema, self.shapes(), is_ledger=True)

    def place(self) -> SchemaPlacement:
        return self._place(belongs_to=None)

    def is_in_use(self) -> bool:
        # The server still shows a session for a moment after it was closed: one that goes is waited for.
        until = monotonic() + _LINGERING_S
        while self.do(self._has_sessions):
            if monotonic() > until:
                return True
            sleep(0.02)
        return False

    def open(self) -> PostgresReader:
        return open_reading_ledger(self.address, schema=self.schema)

    def is_at(self, path: str) -> bool:
        return path in (self.location, self.address.with_password())

    def backup(self, to: str, *, replace: bool = False) -> SchemaBackup:
        LedgerFile(to).check_target(to, replace=replace)
        # Table by table, and of those that this program knows: a copy must not silently lack what a newer one keeps.
        self.do(lambda it: pending_migrations(it, MIGRATIONS, schema=self.schema, table=self.table, beside=False))
        return SchemaBackup(self.address, self.schema, to, replace=replace)

    def restore(self, source: str, *, replace: bool = False, dry_run: bool = False) -> SchemaRestore:  # noqa: ARG002  # nothing is folded
        if self.is_at(source):
            raise UsageError(
                f"{source!r} is the database in use itself", hint="name another file", details={"path": source}
            )
        LedgerFile(os.path.join(os.path.dirname(source), "-")).check_source(source)
        with self.connection() as connection:
            if is_there(connection, self.schema):
                if not replace:
                    raise ConflictError(
                        f"there is a database in schema {self.schema!r} of {self.location!r}; nothing was changed",
                        hint="stop the nodes and say --replace: it is kept beside, as a schema of another name",
                        details={"address": self.location, "schema": self.schema},
                    )
                if self._has_sessions(connection):
                    raise DatabaseInUse(self.location)
        return SchemaRestore(source, self.address, self.schema)

    def _has_sessions(self, connection: Connection[Any]) -> bool:
        (row,) = asked(connection, "sessions", {"name": f"systemprompt ledger {self.schema}"})
        return bool(row["number"])

    def _schema_state(self, connection: Connection[Any]) -> SchemaState:
        state = super()._schema_state(connection)
        if not state.applied or state.schema > state.newest:
            return state
        return changed(state, exists=True, differences=self._differences(connection, state.schema))

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
            come_first(connection, schema)
            itself = re.compile(rf"""(["']?)\b{re.escape(schema)}\b\1\.?""")
            objects = {}
            for row in asked(connection, "schema_objects"):
                objects[row["kind"], row["name"]] = SchemaObject(row["of_table"], itself.sub("", row["text"]))
            return objects


_SCRATCH = "systemprompt_compared"
