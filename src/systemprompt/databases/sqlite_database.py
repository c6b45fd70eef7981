"""The profile's database on SQLite: what `ctx.db_pool` is on one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

from systemprompt.databases.database import Parameters, Row, Transaction
from systemprompt.databases.open_transactions import begun, ended, is_ours
from systemprompt.databases.sqlite import of_the_place, open_connection, retry_while_busy
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable, RowRefused, UsageError

T = TypeVar("T")

__all__ = ["SqliteDatabase"]


class SqliteDatabase:
    """Implements `systemprompt.databases.database.Database` on one SQLite file, created where it is absent.

    Each thread has a connection of its own, opened at its first statement and closed when the thread ends or on `close()`. WAL with
    `synchronous=FULL`: what was committed survives a power cut. A child that came by fork() opens connections of its own.
    A mistake in the SQL comes as sqlite3's own exception.

    Raises:
        DatabaseUnreachable: the folder is absent, permission, read-only, disk full, closed; with path and cause.
        DatabaseDamaged: no database, or a damaged one.
        DatabaseBusy: another connection held the write lock for longer than `patience` seconds. Nothing was written.
        RowRefused: a constraint does not allow a row. The statement changed nothing.
    """

    dialect = "sqlite"

    def __init__(self, path: str, *, patience: float = 30.0, read_only: bool = False) -> None:
        if path == ":memory:":
            raise UsageError("a database in memory would be another one in each thread", hint="name a file")
        self.path = os.path.abspath(path)
        self._patience = patience
        self._read_only = read_only
        self._local = threading.local()
        self._slots: weakref.WeakSet[_Slot] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._closed = False
        self._inherited: list[_Slot] = []

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; return the number of rows it changed."""
        return self._run(lambda connection: _changed(connection.execute(sql, parameters)))

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        """Run one statement for each row, all in one transaction; return the number of rows changed in all."""
        if self._holds(self._slot()):
            return self._run(lambda connection: _changed(connection.executemany(sql, rows)))
        with self.transaction() as transaction:
            return transaction.execute_many(sql, rows)

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return every row, each a dict by column name."""
        return self._run(lambda connection: _read(connection, sql, parameters, _rows))

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, or None."""
        return self._run(lambda connection: _read(connection, sql, parameters, _first_row))

    def transaction(self) -> _SqliteTransaction:
        """Open a transaction that takes the write lock at once; commit on leaving, roll back on an exception.

        Raises:
            UsageError: this thread is already inside one. SQLite has no nested transactions to offer.
        """
        return _SqliteTransaction(self)

    def close(self) -> None:
        """Close the connections of every thread. A closed database stays closed; closing twice is fine."""
        with self._guard:
            self._closed = True
            slots = list(self._slots)
        for slot in slots:
            slot.close()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` on this thread's connection: inside its open transaction, or as a transaction of its own."""
        slot = self._slot()
        if self._holds(slot):
            return self._translated(lambda: work(slot.connection))
        # A statement that meets a lock has written nothing, so it can be tried again whole.
        result = self._retried(lambda: work(slot.connection))
        if slot.connection.in_transaction:
            slot.connection.rollback()
            raise UsageError(
                "a transaction was begun by a statement and has been rolled back",
                hint="use `with db.transaction() as tx:`; it commits, and rolls back on an exception",
            )
        return result

    def _holds(self, slot: _Slot) -> bool:
        """Say whether this thread is inside a transaction.

        Raises:
            DatabaseBusy: another task of this thread's event loop is, and waits for something. To wait for it would stop the loop.
        """
        if slot.transaction is None or is_ours(slot.transaction):
            return slot.transaction is not None
        raise DatabaseBusy(
            f"database {self.path!r} is held by another async job, which waits for something inside its transaction",
            hint="nothing was written. End a transaction before you `await`, or do it whole in asyncio.to_thread",
            details={"path": self.path},
        )

    def _slot(self) -> _Slot:
        slot: _Slot | None = getattr(self._local, "slot", None)
        if slot is not None and slot.pid != os.getpid():
            # Closing a connection that came through fork() would drop the parent's file locks: leave it be.
            self._inherited.append(slot)
            slot = None
        if slot is None and not self._closed:
            slot = _Slot(open_connection(self.path, patience=self._patience, read_only=self._read_only))
            self._local.slot = slot
            with self._guard:
                self._slots.add(slot)
        if slot is None or self._closed:
            raise DatabaseUnreachable(f"database {self.path!r} was closed", details={"path": self.path})
        return slot

    def _retried(self, attempt: Callable[[], T]) -> T:
        return self._translated(lambda: retry_while_busy(self.path, self._patience, attempt))

    def _translated(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except sqlite3.IntegrityError as error:
            raise RowRefused(
                f"database {self.path!r} does not allow this row: {error}",
                hint="the statement changed nothing",
                details={"path": self.path, "cause": str(error)},
            ) from error
        except sqlite3.Error as error:
            told = of_the_place(error, self.path)
            if told is None:
                raise
            raise told from error


class _Slot:
    """One thread's connection. It closes with the thread, whose locals drop it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()
        self.transaction: _SqliteTransaction | None = None

    def close(self) -> None:
        if self.pid == os.getpid():
            self.connection.close()

    def __del__(self) -> None:
        self.close()


class _SqliteTransaction:
    """Implements `Transaction`; usable inside its `with` block alone, and on its own thread alone."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._open: _Slot | None = None

    def __enter__(self) -> Transaction:
        slot = self._database._slot()  # noqa: SLF001  # one class in two halves
        if self._database._holds(slot):  # noqa: SLF001  # as above
            raise UsageError(
                "this thread is already inside a transaction, and transactions do not nest",
                hint="pass the open transaction to the function that needs it, or end it first",
            )
        self._database._retried(lambda: slot.connection.execute("BEGIN IMMEDIATE"))  # noqa: SLF001  # as above
        slot.transaction = self
        self._open = slot
        begun(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slot = self._slot()
        slot.transaction = None
        self._open = None
        ended(self)
        connection = slot.connection
        if kind is not None:
            # On a full disk SQLite has rolled back by itself; a database that was closed meanwhile, too.
            if not self._database._closed and connection.in_transaction:  # noqa: SLF001  # as above
                connection.execute("ROLLBACK")
            return
        if not connection.in_transaction:
            raise UsageError(
                "the transaction was ended by a statement inside its block",
                hint="leave COMMIT and ROLLBACK to `with db.transaction()`",
            )
        try:
            self._database._retried(lambda: connection.execute("COMMIT"))  # noqa: SLF001  # as above
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        return self._do(lambda connection: _changed(connection.execute(sql, parameters)))

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        return self._do(lambda connection: _changed(connection.executemany(sql, rows)))

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._do(lambda connection: _read(connection, sql, parameters, _rows))

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        return self._do(lambda connection: _read(connection, sql, parameters, _first_row))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._slot().connection
        return self._database._translated(lambda: work(connection))  # noqa: SLF001  # one class in two halves

    def _slot(self) -> _Slot:
        if self._open is None:
            raise UsageError("this transaction has ended", hint="open another: with db.transaction() as tx:")
        return self._open


def _read(connection: sqlite3.Connection, sql: str, parameters: Parameters, rows: Callable[[sqlite3.Cursor], T]) -> T:
    """Read with a statement. Text that is no UTF-8, which SQLite keeps as it came, does not make its whole answer unreadable."""
    try:
        return rows(connection.execute(sql, parameters))
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error) or not sql.lstrip()[:6].upper().startswith("SELECT"):
            raise
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        return rows(connection.execute(sql, parameters))
    finally:
        connection.text_factory = str


def _changed(cursor: sqlite3.Cursor) -> int:
    count = cursor.rowcount
    cursor.close()
    return max(0, count)


def _rows(cursor: sqlite3.Cursor) -> list[Row]:
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _first_row(cursor: sqlite3.Cursor) -> Row | None:
    names = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else dict(zip(names, row, strict=True))
