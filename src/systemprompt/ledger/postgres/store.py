"""Named statements on PostgreSQL: transactions that keep nothing in a session, and many rows in one statement."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, Cursor, sql

from systemprompt.clock import Instant
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseError, HistoryLost, LedgerBroken
from systemprompt.ledger.postgres.arrays import columns_of
from systemprompt.ledger.postgres.connections import READS, READS_ONE_STATE, WRITES, Connections, leave, translated
from systemprompt.ledger.postgres.due_from import DueFrom
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.server_history import ServerHistory, ServerState
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.transaction import QUEUES, Transaction
from systemprompt.ledger.stored.remembered import HeldRunChanged
from systemprompt.ledger.stored.store import Due, Found, Numbers, Row

__all__ = ["PostgresStore"]

_Connection = Connection[Any]


class PostgresStore:
    """Implements `systemprompt.ledger.stored.store.Store` by a small pool of connections. Each thread has its own transaction.

    Everything that a session should be is said again at the beginning of each transaction (`SET LOCAL`, in the same round trip), so
    that a pooler may give every transaction another session. Nothing is prepared: each statement is planned for its own values and
    for the table as it is now.

    `on_statement` is as on SQLite. A transaction that others should hear of is followed by a hint: see `tell`.
    """

    def __init__(
        self,
        address: Address,
        schema: str,
        statements: Statements,
        *,
        clock: ServerClock,
        patience: float = 10.0,
        most: int = 4,
        history: ServerHistory | None = None,
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        self.address = address
        self.schema = schema
        self._statements = statements
        self.clock = clock
        self._history = history
        self._connections = Connections(address, schema, patience=patience, most=most, clock=clock, history=history)
        self._on_statement = on_statement
        self._local = threading.local()
        self.own_name = secrets.token_hex(8)
        """What hints from here say, so that they are not taken for those of others."""
        self._told_at = 0.0
        self.own_changes = 0
        """How many hints were sent from here, and how many numbers taken."""
        self._owes_a_hint = False
        self._due = DueFrom()
        self._heard = 0

    # -- transactions -----------------------------------------------------------------------------------------------------

    @contextmanager
    def write(self) -> Iterator[None]:
        if self._transaction() is not None:
            raise LedgerBroken("a write transaction was opened inside another")
        self._say("begin")
        with self._in_transaction(WRITES) as transaction:
            yield
            self._say("commit")
            transaction.connection.commit()
        self._say("committed")
        if transaction.is_news or transaction.queues:
            self.tell(gathered=not transaction.is_news)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self._transaction() is not None:
            yield
            return
        with self._in_transaction(READS_ONE_STATE) as transaction:
            yield
            transaction.connection.rollback()

    @property
    def server_now(self) -> Instant:
        """What the server's clock said when this thread's transaction began."""
        return self._current().server_now

    def tell(self, *, gathered: bool = False) -> None:
        """Hint to others that they should look: after the commit, since inside it a lock of the whole cluster would be held.

        A hint that is lost costs time and nothing else: everybody looks now and then without one.

        gathered   at most one hint in 20 ms; what comes in between is said with the next, at the latest by `tell_what_is_owed`
        """
        now = time.monotonic()
        if gathered and now - self._told_at < _GATHERED:
            self._owes_a_hint = True
            return
        self._told_at, self._owes_a_hint = now, False
        try:
            with self._connections.taken() as connection:
                channel = sql.Literal(self.channel).as_string(connection)
                changes = sql.Literal(sql.Identifier(self.schema, "changes").as_string(connection)).as_string(
                    connection
                )
                connection.execute(
                    "BEGIN READ WRITE; SET LOCAL synchronous_commit = off;"
                    f"SELECT nextval({changes}), pg_notify({channel}, '{self.own_name}'); COMMIT".encode()
                )
                self.own_changes += 1
        except (psycopg.Error, DatabaseError):
            self._owes_a_hint = True

    def hear(self, hints: int) -> None:
        """Take how many hints there were: after a new one the next look for due cursors begins at the beginning."""
        if hints != self._heard:
            self._heard = hints
            self._due.forget()

    def tell_what_is_owed(self) -> None:
        if self._owes_a_hint:
            self.tell()

    @property
    def channel(self) -> str:
        """The name under which hints are sent. A longer one than the server's names may be is cut by it, or refused."""
        name = f"systemprompt.{self.schema}"
        return (
            name if len(name.encode()) <= _LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()[:_LONGEST_NAME]
        )

    # -- statements -------------------------------------------------------------------------------------------------------

    def run(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Found:
        transaction = self._current()
        if transaction.waiting:  # what comes later sees what was written before
            self._write_gathered(transaction)
        self._say(name)
        transaction.noted(name)
        if name == "next_due":
            parameters = {**dict(parameters), "since": self._due.bound}
        return self._execute(transaction.connection, name, parameters)

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        transaction = self._current()
        listed = list(rows)
        if not listed:
            return 0
        transaction.noted(name)
        if name == "move_cursors":
            self._due.moved([row[1] for row in listed if not isinstance(row, Mapping)])
        columns = columns_of(self._statements.columns(name), listed)
        transaction.queues = transaction.queues or (name in QUEUES and "NULL" in columns["fence"])
        transaction.waiting.append((name, columns, len(listed)))
        if transaction.gathers:
            return len(listed)
        transaction.waiting.clear()
        self._say(name)
        return transaction.connection.execute(self._statements.text(name, named=True), columns).rowcount

    @contextmanager
    def together(self) -> Iterator[None]:
        transaction = self._current()
        transaction.gathers += 1
        try:
            yield
        finally:
            transaction.gathers -= 1
        if not transaction.gathers and transaction.waiting:
            self._write_gathered(transaction)

    def fetch(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
        with self._reading() as connection:
            return self._execute(connection, name, parameters).fetchall()

    def stream(self, name: str, parameters: Mapping[str, Any]) -> Iterator[Row]:
        with self.view() as read:
            yield from read(name, parameters)

    @contextmanager
    def view(self) -> Iterator[Callable[[str, Mapping[str, Any]], Iterable[Row]]]:
        """Read row by row with several named statements that all see one state, through cursors of the server's."""
        held = self._transaction()
        if held is not None:
            yield lambda name, parameters: self._rows(held.connection, name, parameters)
            return
        with self._connections.taken() as connection, translated(self.address):
            self._connections.begin(connection, READS_ONE_STATE)
            try:
                yield lambda name, parameters: self._rows(connection, name, parameters)
            finally:
                leave(connection)

    def select(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        with self._reading() as connection:
            cursor = connection.cursor(binary=True)
            return cursor.execute(self._statements.put_together(sql), values).fetchall()

    def at(self, name: str) -> str:
        return f"instant(:{name})"

    def along(self, index: str) -> str:  # noqa: ARG002  # the planner finds it
        return ""

    # -- who is kept out meanwhile ------------------------------------------------------------------------------------------

    def due_jobs(self, values: Mapping[str, Any]) -> Due:
        values = {**values, "since": self._due.since(values["now"])}
        found = self._write_gathered(self._current(), then=("hold_due_cursors", values))
        self._due.found(found["first"], values["now"])
        rows = self.run("due_jobs", {**values, "held": found["held"]}).fetchall() if found["held"] else []
        self._current().spare = rows
        self.own_changes += 2 * len(rows)
        return Due(rows, found["waiting"], found["left_out"], found["first"], found["following"])

    def waiting_runs(self, values: Mapping[str, Any]) -> list[Row]:
        held = [row[0] for row in self.run("hold_cursors_of_waiting", values)]
        return self.run("waiting_runs", {**values, "held": held}).fetchall() if held else []

    def take_numbers(self, values: Mapping[str, Any]) -> Numbers:
        transaction = self._current()
        spare, transaction.spare = transaction.spare, []
        if spare and max(values["fences"], values["runs"]) <= len(spare):
            fences, run_ids = (iter([row[name] for row in spare]) for name in ("new_fence", "new_run_id"))
            return Numbers(fences, run_ids, spare[0]["stopped"], spare[0]["draining"])
        (taken,) = self.run("take_numbers", values).fetchall()
        self.own_changes += values["fences"] + values["runs"]
        return Numbers(iter(taken["fences"]), iter(taken["run_ids"]), taken["stopped"], taken["draining"])

    def hold_catalogue(self) -> None:
        self.run("hold_catalogue")

    def hold_jobs(self, names: Sequence[str]) -> None:
        self.run("share_catalogue")
        self.run("hold_jobs", {"names": list(names)})

    def hold_cursors(self, first: int, last: int) -> None:
        self.run("hold_cursors", {"first": first, "last": last})

    def hold_request(self, request_id: str) -> None:
        self.run("hold_request", {"request_id": request_id})

    def hold_pruning(self) -> None:
        self.run("hold_pruning")

    def hold_closed_days(self) -> None:
        self.run("hold_closed_days")

    @contextmanager
    def _in_transaction(self, kind: str) -> Iterator[Transaction]:
        with self._connections.taken() as connection, translated(self.address):
            try:
                began = self._connections.begin(connection, kind)
                history, state = self._history, began.state
                if history is not None and state is not None and history.is_news(state, began.reached):
                    self._enter_epoch(connection, state, history)
                    began = self._connections.begin(connection, kind)
                transaction = Transaction(connection, began.server_now)
                self._local.transaction = transaction
                yield transaction
            finally:
                self._local.transaction = None
                leave(connection)

    def _enter_epoch(self, connection: _Connection, state: ServerState, history: ServerHistory) -> None:
        """Find out which epoch this server is in, and begin it where that is news; by itself, before anything else is written.

        Raises:
            HistoryLost: this process has written before, on what is another server now. Nothing was written.
        """
        over = -1 if history.epoch is None else history.epoch
        self._say("enter_epoch")
        (found,) = self._execute(connection, "enter_epoch", {"over": over}).fetchall()
        connection.commit()
        history.enter(found["epoch"], state)
        if over >= 0:
            self._due.forget()
            raise HistoryLost(str(self.address), over, found["epoch"])

    @contextmanager
    def _reading(self) -> Iterator[_Connection]:
        held = self._transaction()
        if held is not None:
            with translated(self.address):
                yield held.connection
            return
        with self._in_transaction(READS) as transaction:
            yield transaction.connection
            transaction.connection.rollback()

    def _transaction(self) -> Transaction | None:
        found: Transaction | None = getattr(self._local, "transaction", None)
        return found

    def _current(self) -> Transaction:
        held = self._transaction()
        if held is None:
            raise LedgerBroken("a statement was run outside a transaction")
        return held

    def be_patient(self, seconds: float) -> None:
        """Wait for what others hold no longer than this from now on."""
        self._connections.be_patient(seconds)

    def connect(self) -> _Connection:
        """Return a connection of the caller's own, beside the pool."""
        return self._connections.connect()

    def close(self) -> None:
        self._connections.close()

    # -- running ----------------------------------------------------------------------------------------------------------

    def _execute(
        self, connection: _Connection, name: str, parameters: Mapping[str, Any] | Sequence[Any]
    ) -> Cursor[Any]:
        is_named = isinstance(parameters, Mapping)
        values: Any = parameters if is_named else tuple(parameters)
        return connection.cursor(binary=True).execute(self._statements.text(name, named=is_named or not values), values)

    def _rows(self, connection: _Connection, name: str, parameters: Mapping[str, Any]) -> Iterator[Row]:
        self._local.cursors = number = getattr(self._local, "cursors", 0) + 1
        with connection.cursor(f"c{number}") as cursor:
            cursor.itersize = 2_000
            cursor.execute(self._statements.text(name, named=True), parameters, binary=True)
            yield from cursor

    def _write_gathered(self, transaction: Transaction, then: tuple[str, Mapping[str, Any]] | None = None) -> Row:
        """Write what was gathered as one statement; find with it what `then` finds.

        Raises:
            LedgerBroken, HeldRunChanged: another number of rows changed than was to be written.
        """
        waiting, transaction.waiting = transaction.waiting, []
        name_of_then, values = then or (None, {})
        for name in (*(name for name, _, _ in waiting), *([name_of_then] if name_of_then else [])):
            self._say(name)
        if not waiting and name_of_then is not None:
            return self._execute(transaction.connection, name_of_then, values).fetchall()[0]
        text = self._statements.together(tuple(name for name, _, _ in waiting), name_of_then)
        of_all = {
            f"w{place}_{key}": value for place, (_, columns, _) in enumerate(waiting) for key, value in columns.items()
        }
        (found,) = transaction.connection.execute(text, {**of_all, **values}, binary=True).fetchall()
        for place, (name, _, number) in enumerate(waiting):
            if found[place] != number and name not in _MAY_CHANGE_FEWER:
                if name == "delete_untouched_runs":
                    raise HeldRunChanged
                raise LedgerBroken(f"{name}: {number} rows were to be written, and {found[place]} were")
        return found

    def _say(self, event: str) -> None:
        if self._on_statement is not None:
            self._on_statement(event)


_GATHERED = 0.02
_LONGEST_NAME = 63
_MAY_CHANGE_FEWER = frozenset(("write_abandoned",))
