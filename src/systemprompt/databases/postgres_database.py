"""The profile's database on PostgreSQL: what `ctx.db_pool` is where an application's data live on a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from systemprompt.databases.address import Address
from systemprompt.databases.database import Parameters, Row, Transaction
from systemprompt.databases.open_transactions import begun, ended, is_ours
from systemprompt.databases.placeholders import for_psycopg
from systemprompt.databases.postgres import CONNECTING, of_the_server, translated
from systemprompt.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable, UsageError

__all__ = ["PostgresDatabase"]

T = TypeVar("T")
_Connection = Connection[DictRow]


class PostgresDatabase:
    """Implements `systemprompt.databases.database.Database` on a PostgreSQL server, by a pool of connections.

    Safe to use from any thread. A connection is taken for one call, or for the block of a transaction, and given back; one that
    broke meanwhile (the server was started again) is replaced before it is used. A child that came by fork() makes a pool of its
    own. Isolation is the server's default, READ COMMITTED unless it says otherwise. What was committed is as durable as the
    server's `synchronous_commit` makes it. A mistake in the SQL comes as psycopg's own exception.

    Raises:
        DatabaseUnreachable: no server there, no permission, read only, closed; with the address (never its password) and cause.
        DatabaseBusy: no connection came free within `patience` seconds, or a lock was held too long. Nothing was written.
        RowRefused: a constraint does not allow a row. The statement changed nothing.
    """

    dialect = "postgresql"

    def __init__(self, location: str | Address, *, patience: float = 30.0, most: int = 4) -> None:
        self.address = location if isinstance(location, Address) else Address(location)
        self._patience = patience
        self._most = most
        self._guard = threading.Lock()
        self._pool: ConnectionPool[_Connection] | None = None
        self._pid = os.getpid()
        self._closed = False
        self._local = threading.local()

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; return the number of rows it changed."""
        return self._run(lambda connection: _changed(_executed(connection, sql, parameters)))

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        """Run one statement for each row, all in one transaction; return the number of rows changed in all."""
        if self._held() is not None:
            return self._run(lambda connection: _executed_many(connection, sql, rows))
        with self.transaction() as transaction:
            return transaction.execute_many(sql, rows)

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return every row, each a dict by column name."""
        return self._run(lambda connection: _rows(_executed(connection, sql, parameters)))

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, or None."""
        return self._run(lambda connection: _first_row(_executed(connection, sql, parameters)))

    def transaction(self) -> _PostgresTransaction:
        """Open a transaction; commit on leaving, roll back on an exception. Rows are locked as they are written, not before."""
        return _PostgresTransaction(self)

    def close(self) -> None:
        """Close every connection that no thread holds just now; the others close as they are given back."""
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    @contextmanager
    def connection(self) -> Iterator[_Connection]:
        """Take a connection for the block. For `_PostgresTransaction`."""
        pool = self._opened()
        try:
            taken = pool.getconn(self._patience)
        except PoolTimeout as error:
            raise self._no_connection(pool) from error
        except psycopg.Error as error:
            raise of_the_server(error, self.address) or error from error
        try:
            yield taken
        finally:
            pool.putconn(taken)

    def _no_connection(self, pool: ConnectionPool[_Connection]) -> DatabaseError:
        """Return why none was to be had: the server does not let us in, or all are in use."""
        try:
            psycopg.connect(self.address.with_password(), **CONNECTING).close()
        except psycopg.Error as error:
            told = of_the_server(error, self.address)
            if told is not None:
                return told
        return DatabaseBusy(
            f"no connection to {str(self.address)!r} came free within {self._patience:g} s",
            hint=f"nothing was written: try again, or let fewer jobs hold one of the {pool.max_size} at once",
            details={"address": str(self.address)},
        )

    def _held(self) -> _Connection | None:
        """Return the connection of the transaction that this task has open on this thread.

        Other tasks of the same event loop take connections of their own meanwhile, and see nothing of it.
        """
        for transaction in getattr(self._local, "transactions", ()):
            if transaction.pid == os.getpid() and is_ours(transaction):
                held: _Connection | None = transaction.connection
                return held
        return None

    def _run(self, work: Callable[[_Connection], T]) -> T:
        held = self._held()
        if held is not None:
            return translated(self.address, lambda: _saved(held, work))
        with self.connection() as connection:
            done = translated(self.address, lambda: work(connection))
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.rollback()
                raise UsageError(
                    "the statement left a transaction open, which was rolled back",
                    hint="use `with db.transaction() as tx:`",
                )
            return done

    def _opened(self) -> ConnectionPool[_Connection]:
        with self._guard:
            if self._pid != os.getpid():
                # The parent's connections are the parent's: to close them here would end its sessions.
                self._pid, self._pool = os.getpid(), None
            if self._closed:
                raise DatabaseUnreachable(
                    f"database {str(self.address)!r} was closed", details={"address": str(self.address)}
                )
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.address.with_password(),
                    min_size=0,
                    max_size=self._most,
                    open=True,
                    num_workers=1,
                    timeout=self._patience,
                    max_idle=60.0,
                    reconnect_timeout=self._patience,
                    check=ConnectionPool.check_connection,
                    kwargs={**CONNECTING, "row_factory": dict_row},
                    name="systemprompt",
                )
            return self._pool


class _PostgresTransaction:
    """Implements `Transaction`; usable inside its `with` block alone, and on its own thread alone.

    Each statement has a savepoint: one that fails changes nothing and the transaction goes on, as on SQLite.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._block: Any = None
        self.connection: _Connection | None = None
        self.pid = os.getpid()

    def __enter__(self) -> Transaction:
        database = self._database
        if database._held() is not None:  # noqa: SLF001  # one class in two halves
            raise UsageError(
                "this thread is already inside a transaction, and transactions do not nest",
                hint="pass the open transaction to the function that needs it, or end it first",
            )
        self._block = database.connection()
        connection = self._block.__enter__()
        try:
            translated(database.address, lambda: connection.execute("BEGIN"))
        except BaseException:
            self._block.__exit__(None, None, None)
            raise
        self.connection = connection
        local = database._local  # noqa: SLF001  # as above
        local.transactions = (*getattr(local, "transactions", ()), self)
        begun(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection()
        self.connection = None
        local = self._database._local  # noqa: SLF001  # as above
        local.transactions = tuple(one for one in local.transactions if one is not self)
        ended(self)
        try:
            if kind is not None:
                if not connection.closed:
                    translated(self._database.address, connection.rollback)
                return
            if connection.info.transaction_status == TransactionStatus.IDLE:
                raise UsageError(
                    "the transaction was ended by a statement inside its block",
                    hint="leave COMMIT and ROLLBACK to `with db.transaction()`",
                )
            translated(self._database.address, connection.commit)
        finally:
            self._block.__exit__(None, None, None)

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        return self._do(lambda connection: _changed(_executed(connection, sql, parameters)))

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        return self._do(lambda connection: _executed_many(connection, sql, rows))

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._do(lambda connection: _rows(_executed(connection, sql, parameters)))

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        return self._do(lambda connection: _first_row(_executed(connection, sql, parameters)))

    def _do(self, work: Callable[[_Connection], T]) -> T:
        connection = self._connection()
        return translated(self._database.address, lambda: _saved(connection, work))

    def _connection(self) -> _Connection:
        if self.connection is None:
            raise UsageError("this transaction has ended", hint="open another: with db.transaction() as tx:")
        return self.connection


def _saved(connection: _Connection, work: Callable[[_Connection], T]) -> T:
    """Do a transaction's statement; where it fails, the transaction is as it was before."""
    connection.execute("SAVEPOINT statement")
    try:
        done = work(connection)
    except Exception:
        if not connection.closed:
            connection.execute("ROLLBACK TO statement")
        raise
    if connection.info.transaction_status == TransactionStatus.INTRANS:
        connection.execute("RELEASE statement")
    return done


def _executed(connection: _Connection, sql: str, parameters: Parameters) -> Cursor[DictRow]:
    # None where there is none: psycopg would then read the percent signs of a statement as they stand, so it always has some.
    values: Any = parameters if isinstance(parameters, Mapping) else tuple(parameters)
    return connection.execute(for_psycopg(sql, named=isinstance(parameters, Mapping)).encode(), values)


def _executed_many(connection: _Connection, sql: str, rows: Iterable[Parameters]) -> int:
    given = [dict(row) if isinstance(row, Mapping) else tuple(row) for row in rows]
    if not given:
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(for_psycopg(sql, named=isinstance(given[0], dict)).encode(), given)
        return max(0, cursor.rowcount)


def _changed(cursor: Cursor[DictRow]) -> int:
    # Of what only reads psycopg counts the rows that came.
    return 0 if (cursor.statusmessage or "").startswith(("SELECT", "SHOW")) else max(0, cursor.rowcount)


def _rows(cursor: Cursor[DictRow]) -> list[Row]:
    return [] if cursor.description is None else list(cursor.fetchall())


def _first_row(cursor: Cursor[DictRow]) -> Row | None:
    return None if cursor.description is None else cursor.fetchone()
