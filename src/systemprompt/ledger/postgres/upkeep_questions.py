"""What upkeep asks of a ledger's schema: named statements on a connection of the caller's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql

from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.ledger.postgres.connections import ledger_error
from systemprompt.ledger.postgres.reader import SQL
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.values import adapt, rows_by_name_and_place
from systemprompt.ledger.statements import load_statements

__all__ = ["asked", "come_first", "connected", "is_there", "told"]


@contextmanager
def connected(address: Address) -> Iterator[Connection[Any]]:
    """Open a connection for the block that reads values as the ledger has them; errors come in our own family."""
    try:
        with psycopg.connect(
            address.with_password(), **{**CONNECTING, "application_name": "systemprompt upkeep"}
        ) as connection:
            adapt(connection)
            connection.row_factory = rows_by_name_and_place
            yield connection
    except psycopg.Error as error:
        raise ledger_error(error, address) from error


def come_first(connection: Connection[Any], schema: str) -> None:
    """Let names mean those of this schema until the transaction ends; nothing is compiled, as in the ledger's own transactions."""
    connection.execute(
        sql.SQL("SET LOCAL jit = off; SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema))
    )


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
