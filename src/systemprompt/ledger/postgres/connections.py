"""Connections to the ledger's server, and how a transaction on one begins and ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from systemprompt.clock import Instant
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING, of_the_server
from systemprompt.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable, LedgerBroken
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.values import adapt, rows_by_name_and_place

__all__ = ["READS", "READS_ONE_STATE", "WRITES", "Connections", "leave", "ledger_error", "translated"]

_Connection = Connection[Any]


class Connections:
    """A small pool of connections. Any thread may take one; a child that came by fork() makes a pool of its own.

    Everything that a session should be is said again at the beginning of each transaction (`SET LOCAL`, in the same round trip), so
    that a pooler may give every transaction another session.
    """

    def __init__(self, address: Address, schema: str, *, patience: float, most: int, clock: ServerClock) -> None:
        self.address = address
        self.schema = schema
        self._patience = patience
        self._most = most
        self._clock = clock
        self._guard = threading.Lock()
        self._pool: ConnectionPool[_Connection] | None = None
        self._pid = os.getpid()
        self._closed = False

    def be_patient(self, seconds: float) -> None:
        """Wait for what others hold no longer than this from now on."""
        self._patience = seconds

    def close(self) -> None:
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    def connect(self) -> _Connection:
        """Return a connection of the caller's own, beside the pool."""
        with translated(self.address):
            connection = psycopg.connect(self.address.with_password(), **CONNECTING)
            adapt(connection)
            connection.row_factory = rows_by_name_and_place
            return connection

    def begin(self, connection: _Connection, kind: str) -> Instant:
        """Begin a transaction of this kind; return what the server's clock says."""
        wait = max(1, round(self._patience * 1000))
        script = (
            f"{kind}; SET LOCAL search_path = {sql.Identifier(self.schema).as_string(connection)}, pg_temp;"
            f"SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {max(wait * 2, 60_000) if kind == WRITES else 0};"
            f"SET LOCAL idle_in_transaction_session_timeout = 60000; {_CLOCK}"
        )
        asked = self._clock.monotonic()
        cursor = connection.execute(script.encode())
        answered = self._clock.monotonic()
        while cursor.nextset():
            pass
        server_now = int(cursor.fetchall()[0][0])
        self._clock.saw(asked, answered, server_now)
        return server_now

    @contextmanager
    def taken(self) -> Iterator[_Connection]:
        """Take a connection that works. One that broke while nobody used it is noticed by its first word, and replaced."""
        pool = self._opened()
        try:
            taken = pool.getconn(self._patience)
            while taken.broken or taken.closed or not _answers(taken):
                pool.putconn(taken)
                taken = pool.getconn(self._patience)
        except PoolTimeout as error:
            raise self._no_connection() from error
        except psycopg.Error as error:
            raise ledger_error(error, self.address) from error
        try:
            yield taken
        finally:
            pool.putconn(taken)

    def _opened(self) -> ConnectionPool[_Connection]:
        with self._guard:
            if self._pid != os.getpid():
                self._pid, self._pool = os.getpid(), None  # the parent's connections are the parent's
            if self._closed:
                raise DatabaseUnreachable(f"the ledger at {str(self.address)!r} was closed")
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.address.with_password(),
                    min_size=0,
                    max_size=self._most,
                    open=True,
                    num_workers=1,
                    timeout=self._patience,
                    max_idle=300.0,
                    reconnect_timeout=self._patience,
                    configure=_configure,
                    kwargs={**CONNECTING, "application_name": f"systemprompt ledger {self.schema}"},
                    name="systemprompt-ledger",
                )
            return self._pool

    def _no_connection(self) -> DatabaseError:
        try:
            psycopg.connect(self.address.with_password(), **CONNECTING).close()
        except psycopg.Error as error:
            return ledger_error(error, self.address)
        return DatabaseBusy(
            f"no connection to the ledger at {str(self.address)!r} came free within {self._patience:g} s",
            hint="nothing was written: try again",
            details={"address": str(self.address)},
        )


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Let what PostgreSQL says in the block come in our own family of errors."""
    try:
        yield
    except psycopg.Error as error:
        raise ledger_error(error, address) from error


def ledger_error(error: psycopg.Error, address: Address) -> DatabaseError:
    """Return what PostgreSQL said in our own family of errors: in the ledger a refused constraint is a defect."""
    said = error.diag.message_primary or str(error)
    details = {"address": str(address)}
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseUnreachable(
            f"the ledger at {str(address)!r} may not be used: {said}",
            hint="docs/many-machines.md has the GRANTs that a role needs",
            details=details,
        )
    if isinstance(
        error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn)
    ):
        return DatabaseUnreachable(
            f"the ledger at {str(address)!r} is not there, or not whole: {said}",
            hint="sp db migrate makes it; sp db status says what is there",
            details=details,
        )
    if isinstance(error, psycopg.IntegrityError):
        return LedgerBroken(
            f"the ledger refused a change: {said}",
            hint="this is a defect: please report it with the output of `sp jobs audit`",
            details=details,
        )
    return of_the_server(error, address) or LedgerBroken(
        f"the ledger's own statement is wrong: {said}", hint="this is a defect: please report it", details=details
    )


def _configure(connection: _Connection) -> None:
    adapt(connection)
    connection.row_factory = rows_by_name_and_place


def _answers(connection: _Connection) -> bool:
    """Say whether the other end is there, as far as this end has heard: nothing is sent."""
    try:
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return connection.info.transaction_status == TransactionStatus.IDLE


def leave(connection: _Connection) -> None:
    """End what is left of a transaction. A connection that cannot is closed, and the server ends it."""
    if connection.closed or connection.info.transaction_status == TransactionStatus.IDLE:
        return
    try:
        connection.rollback()
    except psycopg.Error:
        connection.close()


_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
WRITES = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on"
READS = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
READS_ONE_STATE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
