"""The whole ledger on SQLite: the reader's half, and every method that writes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from systemprompt.ledger.sqlite import resting
from systemprompt.ledger.sqlite.migrating import migrate
from systemprompt.ledger.sqlite.reader import MIGRATIONS, MIGRATIONS_TABLE, SqliteReader
from systemprompt.ledger.sqlite.store import SqliteStore, ledger_error, refuse_empty
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.ledger import StoredLedger

__all__ = ["MIGRATIONS", "MIGRATIONS_TABLE", "SqliteLedger"]

_HERE = os.path.dirname(__file__)


class SqliteLedger(SqliteReader, StoredLedger):
    """`systemprompt.ledger.protocol.Ledger` on one SQLite file in WAL mode; see there for what each method promises.

    Commits are durable when a method returns (`synchronous=FULL`). Other processes write in between; a method waits for them up to
    `patience` seconds, then raises `DatabaseBusy` with nothing written. Never put the file on a network file system.
    """

    def __init__(self, path: str, *, patience: float = 10.0, on_statement: Callable[[str], None] | None = None) -> None:
        refuse_empty(path)
        statements = load_statements(os.path.join(_HERE, "sql"))
        StoredLedger.__init__(self, SqliteStore(path, statements, patience=patience, on_statement=on_statement))
        self.path = path

    def be_patient(self, seconds: float) -> None:
        """Wait for other writers no longer than this from now on."""
        self._store.be_patient(seconds)

    def answered_within(self, seconds: float) -> AbstractContextManager[None]:  # noqa: ARG002  # see the protocol
        return nullcontext()

    # -- schema ---------------------------------------------------------------------------------------------------------

    def migrate(self) -> list[str]:
        """Bring the file to the newest schema under the write lock; return what was applied. Two processes may call at once.

        Raises:
            DatabaseTooNew: a newer release wrote this file. Nothing is changed.
        """
        try:
            return migrate(self._store.connection, MIGRATIONS, table=MIGRATIONS_TABLE, begin=self._store.begin)
        except sqlite3.Error as error:
            raise ledger_error(error, self.path) from error

    # -- when there is nothing else to do -------------------------------------------------------------------------------

    def fold(self, *, limit: int = 5_000) -> bool:
        left = False
        if self._store.fetch("tallies_to_fold")[0]["first"] is not None:  # seen without the write lock
            with self._store.write():
                left = resting.fold(self._store, limit=limit)
        self._store.copy_log_back()
        return left

    def give_back(self) -> int | None:
        with self._store.write():
            return resting.give_back(self._store)

    def checkpoint(self) -> None:
        self._store.fetch("checkpoint")
