"""A schema of its own for one ledger, in a database that many tests share: the cheapest new ledger on PostgreSQL."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger

__all__ = ["PostgresPlace"]


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """Where a ledger is, or will be. What a file's path is to SQLite."""

    address: str
    schema: str = field(default_factory=lambda: f"l_{secrets.token_hex(6)}")

    def open(self, **settings: Any) -> PostgresLedger:
        """Return a handle with these settings of `PostgresLedger`; the test's clock decides. Nothing is migrated."""
        return PostgresLedger(Address(self.address), schema=self.schema, **{"decides_by": "host", **settings})

    def migrate(self) -> None:
        ledger = self.open()
        ledger.migrate()
        ledger.close()

    def connect(self) -> psycopg.Connection[Any]:
        """Return a plain connection, in autocommit mode, for which this schema comes first."""
        connection = psycopg.connect(self.address, autocommit=True)
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(self.schema)))
        return connection

    def drop(self) -> None:
        """Remove the ledger, if there is one."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.schema)))
