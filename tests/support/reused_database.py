"""A database on PostgreSQL that test after test finds empty: to clear one away takes a tenth of what it takes to make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql

from support.postgres_server import a_database

__all__ = ["ReusedDatabases", "drop_schemas"]


class ReusedDatabases:
    """The databases of one worker on one server; there is more than one where a test needs more at once.

    Whatever a test made in one is dropped, its sessions are ended, and its settings reset. Where a test changed the database
    itself, another one is made in its place.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._idle: list[tuple[str, Any, object]] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """Let the block have an empty database, by its address."""
        address, making, made_as = self._idle.pop() if self._idle else self._new()
        yield address
        name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            server.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(str(name))))
        if _marks(address) != made_as:
            making.__exit__(None, None, None)
            return
        with psycopg.connect(address, autocommit=True) as connection:
            drop_schemas(connection)
        self._idle.append((address, making, made_as))

    def close(self) -> None:
        for _, making, _ in self._idle:
            making.__exit__(None, None, None)

    def _new(self) -> tuple[str, Any, object]:
        making = a_database(self._server)
        address = making.__enter__()
        return address, making, _marks(address)


def drop_schemas(connection: Connection[Any]) -> None:
    """Drop every schema that is not the server's own, and make `public` anew."""
    schemas = [name for (name,) in connection.execute(_SCHEMAS)]
    for name in schemas:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC")


_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"


def _marks(address: str) -> object:
    """Return what is another once somebody changed the database itself."""
    with psycopg.connect(address) as connection:
        return connection.execute(
            "SELECT oid, datdba, datacl::text, datconnlimit, datallowconn FROM pg_database WHERE datname = current_database()"
        ).fetchone()
