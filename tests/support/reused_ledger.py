"""One ledger on PostgreSQL that test after test finds empty: to empty one takes milliseconds, to make one a third of a second."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection, sql

from support.postgres_place import PostgresPlace
from support.reused_database import drop_schemas

__all__ = ["ReusedLedger"]


class ReusedLedger:
    """A database for one worker, with a ledger that was migrated once.

    Whatever a test does to rows, sequences and partitions is undone by the next `emptied`. A schema that a test put in its place,
    as a restore does, is made anew.
    """

    def __init__(self, address: str, schema: str) -> None:
        self._place = PostgresPlace(address, schema)
        self._made: tuple[int, int] = (0, 0)

    def emptied(self) -> PostgresPlace:
        """Return the place, with a ledger as migrating left it."""
        with psycopg.connect(self._place.address, autocommit=True) as connection:
            if self._made != self._marks(connection):
                self._make_anew(connection)
            else:
                self._undo(connection)
        return self._place

    def _make_anew(self, connection: Connection[Any]) -> None:
        drop_schemas(connection)
        self._place.migrate()
        connection.execute("CREATE SCHEMA kept")
        for table in self._tables(connection):
            connection.execute(
                sql.SQL("CREATE TABLE kept.{} AS TABLE {}").format(sql.Identifier(table), self._named(table))
            )
        self._made = self._marks(connection)

    def _undo(self, connection: Connection[Any]) -> None:
        """Put every row back; triggers, which would refuse that, are off meanwhile."""
        schema = self._place.schema
        months = [name for (name,) in connection.execute(_MONTHS, [schema])]
        steps: list[sql.Composable] = [sql.SQL("SET session_replication_role = replica")]
        steps += [sql.SQL("DROP TABLE {}").format(self._named(month)) for month in months]
        for table in self._tables(connection):
            place, kept = self._named(table), sql.Identifier("kept", table)
            steps.append(sql.SQL("DELETE FROM {}").format(place))
            steps.append(sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}").format(place, kept))
        steps.append(sql.SQL("RESET session_replication_role"))
        connection.execute(sql.SQL("; ").join(steps))
        connection.execute(_SEQUENCES, [schema])

    def _tables(self, connection: Connection[Any]) -> list[str]:
        return [name for (name,) in connection.execute(_TABLES, [self._place.schema])]

    def _named(self, table: str) -> sql.Identifier:
        return sql.Identifier(self._place.schema, table)

    def _marks(self, connection: Connection[Any]) -> tuple[int, int]:
        """Return what is another once somebody made the schema, or anything in it but partitions, anew."""
        (found,) = connection.execute(_MARKS, [self._place.schema, self._place.schema]).fetchall()
        return found[0] or -1, found[1] or -1


_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(%s)::oid AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""

_MONTHS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(%s)::oid AND relispartition AND relkind = 'r' AND relname <> 'job_runs_default'
"""

_SEQUENCES = """
    SELECT setval(oid, 1, false) FROM pg_class WHERE relnamespace = to_regnamespace(%s)::oid AND relkind = 'S'
"""

_MARKS = """
    SELECT (SELECT oid::bigint FROM pg_namespace WHERE nspname = %s),
           (SELECT sum(hashint8(oid::bigint)) + count(*) FROM pg_class
            WHERE relnamespace = to_regnamespace(%s)::oid AND relkind IN ('r', 'p', 'v') AND relname !~ '^job_runs_\\d')::bigint
"""
