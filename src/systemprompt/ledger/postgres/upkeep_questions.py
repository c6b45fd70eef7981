"""What upkeep asks of a ledger's schema: named statements on a connection of the caller's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

from systemprompt.ledger.postgres.reader import SQL
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.values import rows_by_name_and_place
from systemprompt.ledger.statements import load_statements

__all__ = ["asked", "come_first", "is_there", "told"]


def come_first(connection: Connection[Any], schema: str) -> None:
    """Let names mean those of this schema until the transaction ends."""
    connection.execute(sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema)))


def asked(connection: Connection[Any], name: str, values: Mapping[str, Any] | None = None) -> list[Any]:
    """Return the rows that a statement finds. Instants are microseconds where the connection was adapted."""
    cursor = connection.cursor(binary=True, row_factory=rows_by_name_and_place)
    return cursor.execute(_statements().text(name, named=True), values or {}).fetchall()


def told(connection: Connection[Any], name: str, values: Mapping[str, Any]) -> None:
    """Run a statement for what it does."""
    connection.execute(_statements().text(name, named=True), values)


def is_there(connection: Connection[Any], schema: str) -> bool:
    """Say whether a schema holds a ledger."""
    return bool(asked(connection, "schema_exists", {"schema": schema})[0]["is_there"])


def _statements() -> Statements:
    return Statements(load_statements(os.path.join(SQL, "upkeep.sql")))
