"""Connections to the ledger's server, and how a transaction on one begins and ends."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from systemprompt.clock import Instant
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING, of_the_server
from systemprompt.databases.postgres_waiting import BoundedConnection, seconds_to_answer
from systemprompt.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable, LedgerBroken
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.server_history import ASKING, ServerHistory, ServerState
from systemprompt.ledger.postgres.values import adapt, rows_by_name_and_place

__all__ = ["READS", "READS_ONE_STATE", "WRITES", "Began", "Connections", "leave", "ledger_error", "translated"]

_Connection = BoundedConnection


class Began(NamedTuple):
    """What the server said as a transaction began.

    state     of itself; None where it was not asked; reached   how far its log was known to be durable before it was asked
    """

    server_now: Instant
    state: ServerState | None = None
    reached: int = 0


class Connections:
    """A small pool of connections. Any thread may take one; a child that came by fork() makes a pool of its own.

    Everything that a session should be is said again at the beginning of each transaction (`SET LOCAL`, in the same round trip), so
    that a pooler may give every transaction another session. No statement is compiled (`jit`, on by default up to 18): ours
    are short, and what the server guesses of them, of the triggers above all, made it compile for a fifth of a second each time.

    A thread that waits only so long for an answer (`answered_within`) waits that long for a connection too: at least
    two seconds, as libpq does. The server ends a writing transaction that stands idle for twice our patience: the locks of a
    node that fell silent are then in nobody's way.
    """

    def __init__(
        self,
        address: Address,
        schema: str,
        *,
        patience: float,
        most: int,
        clock: ServerClock,
        history: ServerHistory | None = None,
    ) -> None:
        self.address = address
        self.schema = schema
        self._patience = patience
        self._room = threading.BoundedSemaphore(most)
        self._clock = clock
        self._history = history
        self._guard = threading.Lock()
        self._idle: list[_Connection] = []
        self._pid = os.getpid()
        self._closed = False

    def be_patient(self, seconds: float) -> None:
        """Wait for what others hold no longer than this from now on."""
        self._patience = seconds

    def close(self) -> None:
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for connection in idle:
                connection.close()

    def connect(self) -> _Connection:
        """Return a connection of the caller's own, beside the pool."""
        with translated(self.address):
            wait = min(_CONNECT_S, max(2, math.ceil(seconds_to_answer() or _CONNECT_S)))
            own = {"application_name": f"systemprompt ledger {self.schema}", "connect_timeout": wait}
            connection = BoundedConnection.connect(self.address.with_password(), **{**CONNECTING, **own})
            adapt(connection)
            connection.row_factory = rows_by_name_and_place
            if self._history is not None and self._history.can_be_told is None:
                self._history.can_be_told = _tells_of_itself(connection)
            return connection

    def begin(self, connection: _Connection, kind: str) -> Began:
        """Begin a transaction of this kind; return what the server said of its clock and, where it writes, of itself.

        Raises:
            DatabaseUnreachable: this kind writes, and the server is a standby. The connection is closed.
        """
        history = self._history if kind == WRITES else None
        asks = history is not None and history.can_be_told
        reached = 0 if history is None else history.reached
        wait = max(1, round(self._patience * 1000))
        script = (
            f"{kind}; SET LOCAL search_path = {sql.Identifier(self.schema).as_string(connection)}, pg_temp;"
            f"SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {max(wait * 2, 60_000) if kind == WRITES else 0};"
            "SET LOCAL client_connection_check_interval = 10000; SET LOCAL jit = off;"
            f"SET LOCAL idle_in_transaction_session_timeout = {max(wait * 2, 2_000) if kind == WRITES else 60_000};"
            f"{_CLOCK}{f'; {ASKING}' if asks else ''}"
        )
        asked = self._clock.monotonic()
        try:
            cursor = connection.execute(script.encode())
        except psycopg.errors.FeatureNotSupported as error:  # so a standby refuses READ WRITE
            connection.close()
            raise DatabaseUnreachable(
                f"the ledger at {str(self.address)!r} is on a standby: nobody can write there",
                hint="name the primary in the profile, or all hosts with ?target_session_attrs=read-write",
                details={"address": str(self.address)},
            ) from error
        answered = self._clock.monotonic()
        sets = [cursor.fetchall() for _ in cursor.results() if cursor.description]
        server_now = int(sets[0][0][0])
        self._clock.saw(asked, answered, server_now)
        if not asks:
            return Began(server_now)
        system, timeline, durable = sets[1][0]
        return Began(server_now, ServerState(str(system), int(timeline), int(durable)), reached)

    @contextmanager
    def taken(self) -> Iterator[_Connection]:
        """Take a connection for the block. One that broke while nobody used it is replaced.

        It is made here and now where none is idle: a server that is away is known at once, and used at once when it is back.

        Raises:
            DatabaseUnreachable: nobody answers, or lets us in. DatabaseBusy: all are in use, for as long as we are patient.
        """
        if not self._room.acquire(timeout=self._patience):
            raise DatabaseBusy(
                f"no connection to the ledger at {str(self.address)!r} came free within {self._patience:g} s",
                hint="nothing was written: try again",
                details={"address": str(self.address)},
            )
        try:
            connection = self._idle_one() or self.connect()
            connection.answer_s = seconds_to_answer()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._room.release()

    def _idle_one(self) -> _Connection | None:
        with self._guard:
            if self._pid != os.getpid():
                self._pid, self._idle = os.getpid(), []  # the parent's connections are the parent's
            if self._closed:
                raise DatabaseUnreachable(f"the ledger at {str(self.address)!r} was closed")
            while self._idle:
                found = self._idle.pop()
                if _answers(found):
                    return found
                found.close()
        return None

    def _give_back(self, connection: _Connection) -> None:
        with self._guard:
            if not self._closed and _answers(connection):
                self._idle.append(connection)
                return
        connection.close()


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


def _tells_of_itself(connection: _Connection) -> bool:
    """Say whether this role may ask the server who it is; some that are run for others do not tell."""
    try:
        connection.execute(ASKING.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction, psycopg.errors.FeatureNotSupported):
        return False
    return True


def _answers(connection: _Connection) -> bool:
    """Say whether the other end is there, as far as this end has heard: nothing is sent."""
    try:
        if connection.closed:
            return False
        connection.pgconn.consume_input()  # it may be the server's last word,
        connection.pgconn.consume_input()  # and the end comes after it
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


_CONNECT_S = 5
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
WRITES = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on"
READS = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
READS_ONE_STATE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
