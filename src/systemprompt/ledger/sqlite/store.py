"""One SQLite connection with the ledger's manners: named statements, short write transactions, patient but bounded waiting."""

from __future__ import annotations

import os
import sqlite3
from _thread import RLock
from contextlib import contextmanager
from itertools import count

from systemprompt.databases.sqlite import database_error, is_busy, open_connection, retry_while_busy
from systemprompt.errors import DatabaseDamaged, LedgerBroken, LedgerReplaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from systemprompt.errors import DatabaseError
    from systemprompt.ledger.stored.store import Due, Numbers

__all__ = ["SqliteStore", "ledger_error", "refuse_empty"]

_LOG_PAGES = 4_000
_COMMITS_BEFORE_REST = 100


class SqliteStore:
    """Implements `systemprompt.ledger.stored.store.Store`: a connection, its statements and its lock.

    `on_statement` is called with a statement's name right before it runs, and with `begin`, `commit` and `committed`
    around a write transaction: crash tests kill the process there.
    """

    def __init__(
        self,
        path: str,
        statements: Mapping[str, str],
        *,
        read_only: bool = False,
        patience: float = 10.0,
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self._statements = statements
        self._patience = patience
        self._on_statement = on_statement
        self._lock = RLock()  # what `threading.RLock` makes; a command that reads need not load `threading`
        self._depth = 0
        self._commits = 0
        self._connection = open_connection(path, read_only=read_only, patience=patience)
        if not read_only:
            # SQLite copies its log back within the transaction that passes its limit, and 1,000 pages are one burst of 1,000 runs.
            # A node does it when it has nothing else to do (`copy_log_back`), so the limit is for what never rests.
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        self._place = _place_of(path)

    @property
    def connection(self) -> sqlite3.Connection:
        return self._connection

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the write lock for the block; commit at its end, roll back on an exception.

        Raises:
            DatabaseBusy: another process held the lock for longer than this store is patient. Nothing was written.
            DatabaseDamaged: the file was damaged, also while it was open. Nothing was written.
            LedgerReplaced: see `check_place`.
        """
        with self._lock:
            if self._depth:
                raise LedgerBroken("a write transaction was opened inside another")
            self._say("begin")
            self.check_place()
            self.begin(self._connection)
            self._depth = 1
            try:
                yield
                self._say("commit")
                # A reader that checkpoints can make COMMIT busy for a moment; the transaction stays open and may be tried again.
                retry_while_busy(self.path, self._patience, self._connection.execute, "COMMIT")
            except BaseException as error:
                cause = self._rolled_back(error)
                if isinstance(cause, sqlite3.Error):
                    raise ledger_error(cause, self.path) from error
                raise
            finally:
                self._depth = 0
            self._commits += 1
            self._say("committed")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold one read view for the block. Blocks nobody, and nobody blocks it."""
        with self._lock:
            outermost = not self._connection.in_transaction
            if outermost:
                self._connection.execute("BEGIN")
            try:
                yield
            except sqlite3.Error as error:
                raise ledger_error(error, self.path) from error
            finally:
                if outermost and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def copy_log_back(self) -> None:
        """Copy the log into the file, as far as no reader needs it, if many commits have gone by. Waits for nobody."""
        with self._lock:
            if self._commits < _COMMITS_BEFORE_REST:
                return
            self._commits = 0
            try:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise ledger_error(error, self.path) from error

    def be_patient(self, seconds: float) -> None:
        """Wait for other writers no longer than this from now on."""
        self._patience = seconds

    def check_place(self) -> None:
        """See that the open file is still the one at its path. SQLite itself writes on into a file that was deleted.

        Raises:
            LedgerReplaced: it was deleted or replaced. Whoever opens the path now would see, and keep, another ledger.
        """
        if self._place is not None and _place_of(self.path) != self._place:
            raise LedgerReplaced(self.path)

    def run(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a named statement inside a transaction of the caller's."""
        self._say(name)
        return self._connection.execute(self._statements[name], parameters)

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        """Run a named statement once for each of many rows, inside a transaction of the caller's; return how many it changed."""
        self._say(name)
        return self._connection.executemany(self._statements[name], rows).rowcount

    @contextmanager
    def together(self) -> Iterator[None]:
        """Nothing is gained by waiting: each statement is written as it comes."""
        yield

    def fetch(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Read with a named statement, in a view of its own or the caller's."""
        with self._lock:
            try:
                return self._connection.execute(self._statements[name], parameters).fetchall()
            except sqlite3.Error as error:
                raise ledger_error(error, self.path) from error

    def stream(self, name: str, parameters: Mapping[str, Any]) -> Iterator[sqlite3.Row]:
        """Read row by row with a named statement: in the caller's `snapshot()`, else in a view of its own."""
        with self.view() as read:
            yield from read(name, parameters)

    @contextmanager
    def view(self) -> Iterator[Callable[[str, Mapping[str, Any]], sqlite3.Cursor]]:
        """Read row by row with several named statements that all see one state: the caller's `snapshot()`, else one of their own.

        A reader that takes its time must not share the connection that writes: it would see what is not committed yet, and
        pin a view in which no write can begin.
        """
        with self._lock:
            shared = self._connection.in_transaction
        connection = self._connection if shared else open_connection(self.path, read_only=True)
        try:
            if not shared:
                connection.execute("BEGIN")
            yield lambda name, parameters: connection.execute(self._statements[name], parameters)
        except sqlite3.Error as error:
            raise ledger_error(error, self.path) from error
        finally:
            if not shared:
                connection.close()

    def select(self, sql: str, values: Mapping[str, Any]) -> list[sqlite3.Row]:
        """Read with a statement that was put together, in the caller's view."""
        return self._connection.execute(sql, values).fetchall()

    def at(self, name: str) -> str:
        return f":{name}"

    def along(self, index: str) -> str:
        return f" INDEXED BY {index}"

    # -- one writer: the transaction itself is the lock ------------------------------------------------------------------

    def due_jobs(self, values: Mapping[str, Any]) -> Due:
        from systemprompt.ledger.stored.store import Due

        rows = self.run("due_jobs", values).fetchall()
        if rows:
            first = rows[0]
            return Due(rows, bool(first["waiting"]), bool(first["left_out"]), None, first["following"])
        found = self.run("next_due", values).fetchone()
        return Due(rows, True, False, found["next_due"], found["following"])

    def waiting_runs(self, values: Mapping[str, Any]) -> list[sqlite3.Row]:
        return self.run("waiting_runs", values).fetchall()

    def take_numbers(self, values: Mapping[str, Any]) -> Numbers:
        from systemprompt.ledger.stored.store import Numbers

        (state,) = self.run("take_numbers", values).fetchall()
        first_fence, first_run = state["fence"] - values["fences"] + 1, state["last_run"] - values["runs"] + 1
        return Numbers(count(first_fence), count(first_run), bool(state["stopped"]), bool(state["draining"]))

    def hold_catalogue(self) -> None:
        """Held already."""

    def hold_jobs(self, names: Sequence[str]) -> None:
        """Held already."""

    def hold_cursors(self, first: int, last: int) -> None:
        """Held already."""

    def hold_request(self, request_id: str) -> None:
        """Held already."""

    def hold_pruning(self) -> None:
        """Held already."""

    def hold_closed_days(self) -> None:
        """Held already."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """Take the write lock, waiting for other writers as long as this store is patient."""
        try:
            retry_while_busy(self.path, self._patience, connection.execute, "BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise ledger_error(error, self.path) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _rolled_back(self, error: BaseException) -> BaseException:
        """Roll back after an error; return it, or what SQLite said of the rollback where that failed too."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as worse:
            return worse
        return error

    def _say(self, event: str) -> None:
        if self._on_statement is not None:
            self._on_statement(event)


def refuse_empty(path: str) -> None:
    """Refuse a ledger's file that holds nothing. A new ledger is never empty at its path, so this one was whole once.

    Raises:
        DatabaseDamaged: the file is there and has no bytes.
    """
    try:
        empty = not os.stat(path).st_size
    except OSError:
        return  # opening it will say what is wrong
    if empty:
        raise DatabaseDamaged(
            f"the ledger at {path!r} is an empty file",
            hint="restore a backup: sp db restore FILE --replace; to begin a new ledger, delete the file",
            details={"path": path},
        )


def ledger_error(error: sqlite3.Error, path: str) -> DatabaseError:
    """Return what SQLite said in our own family of errors: in the ledger a refused constraint is a defect."""
    if isinstance(error, sqlite3.IntegrityError):
        return LedgerBroken(
            f"the ledger refused a change: {error}",
            hint="this is a defect: please report it with the output of `sp jobs audit`",
            details={"path": path},
        )
    return database_error(error, path)


def _place_of(path: str) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino
