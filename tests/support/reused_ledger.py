"""One ledger on PostgreSQL that test after test finds empty: to empty one takes milliseconds, to make one a third of a second."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection, sql

from support.ledger_stage import START
from support.postgres_place import PostgresPlace
from support.reused_database import drop_schemas
from systemprompt.clock import SECOND

__all__ = ["ReusedLedger"]


class ReusedLedger:
    """A database for one worker, with a ledger that was migrated once.

    Whatever a test does to rows, sequences and partitions is undone by the next `emptied`. A schema that a test put in its place,
    as a restore does, is made anew.
    """

    def __init__(self, address: str, schema: str) -> None:
        self._place = PostgresPlace(address, schema)
        self._made: tuple[int, int] = (0, 0)
        self._connection: Connection[Any] | None = None

    def emptied(self) -> PostgresPlace:
        """Return the place, with a ledger as migrating left it, and the partitions of the month in which tests begin."""
        connection = self._connected()
        if self._made != self._marks(connection):
            self._make_anew(connection)
        else:
            self._undo(connection)
        return self._place

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection[Any]:
        """Return one connection for all tests: a session that knows the tables already empties them in half the time."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT")
            except psycopg.OperationalError:  # a test ended all sessions
                self._connection = None
        if self._connection is None:
            self._connection = psycopg.connect(self._place.address, autocommit=True, prepare_threshold=None)
        return self._connection

    def _make_anew(self, connection: Connection[Any]) -> None:
        drop_schemas(connection)
        self._place.migrate()
        self._make_first_months(connection)
        connection.execute("CREATE SCHEMA kept")
        for table in self._tables(connection):
            connection.execute(
                sql.SQL("CREATE TABLE kept.{} AS TABLE {}").format(sql.Identifier(table), self._named(table))
            )
        self._made = self._marks(connection)

    def _undo(self, connection: Connection[Any]) -> None:
        """Put every row back; triggers, which would refuse that, are off meanwhile."""
        schema = self._place.schema
        months = [name for (name,) in connection.execute(_MONTHS, [schema]) if name not in _FIRST_MONTHS]
        steps: list[sql.Composable] = [sql.SQL("SET session_replication_role = replica")]
        steps += [sql.SQL("DROP TABLE {}").format(self._named(month)) for month in months]
        for table in self._tables(connection):
            place, kept = self._named(table), sql.Identifier("kept", table)
            steps.append(sql.SQL("DELETE FROM {}").format(place))
            steps.append(sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}").format(place, kept))
        steps.append(sql.SQL("RESET session_replication_role"))
        connection.execute(sql.SQL("; ").join(steps))
        connection.execute(_SEQUENCES, [schema])
        self._make_first_months(connection)

    def _make_first_months(self, connection: Connection[Any]) -> None:
        """Make the partitions that the first node of most tests would make: that takes longer than all else here."""
        make = sql.SQL("SELECT {}(to_timestamp(%s))").format(self._named("make_partitions"))
        connection.execute(make, [START // SECOND])

    def _tables(self, connection: Connection[Any]) -> list[str]:
        return [name for (name,) in connection.execute(_TABLES, [self._place.schema])]

    def _named(self, table: str) -> sql.Identifier:
        return sql.Identifier(self._place.schema, table)

    def _marks(self, connection: Connection[Any]) -> tuple[int, int]:
        """Return what is another once somebody made the schema, or anything in it but partitions, anew."""
        (found,) = connection.execute(_MARKS, [self._place.schema, self._place.schema]).fetchall()
        return found[0] or -1, found[1] or -1


_FIRST_MONTHS = ("job_runs_2026_01", "job_runs_2026_02")
"""Those of START."""

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
