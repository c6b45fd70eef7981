"""Hears every statement that a process sends to SQLite, on whatever connection, and knows which code began its transaction.

Nothing has to be announced to it and nothing can be left out: it stands in `sqlite3.connect` and in SQLite's own trace, so that
a transaction added tomorrow is heard tomorrow. An event is one of these, in the order they happen:

    begin, the name or the head of a statement, commit     right before it runs, and for each row of an `executemany`
    committed, rolled back                                 right after
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any
from unittest import mock

READING = frozenset(("SELECT", "EXPLAIN", "VALUES", "PRAGMA", "COMMIT", "ROLLBACK", "SET", "LISTEN"))
WRITING_PRAGMAS = ("incremental_vacuum", "wal_checkpoint", "optimize", "journal_mode")

PLUMBING = frozenset(
    (
        "contextlib",
        "systemprompt.ledger.sqlite.store",
        "systemprompt.ledger.sqlite.migrating",
        "systemprompt.databases.sqlite",
        "systemprompt.databases.sqlite_database",
        "systemprompt.databases.postgres_database",
        "systemprompt.ledger.postgres.store",
        "systemprompt.ledger.postgres.migrating",
        "systemprompt.ledger.postgres.upkeep_questions",
    )
)
"""The modules that begin transactions for others; a transaction bears the name of the code that asked them to."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing said to a database. `transaction` is the code that began it, as `module:Class.method`."""

    transaction: str
    name: str

    def __str__(self) -> str:
        return f"{self.transaction.rpartition('.')[2]} {self.name}"


class Recorder:
    """While `listening`, hands each event of a write to `hear`, from the thread that makes it."""

    def __init__(self, hear: Callable[[Event], None], names: Mapping[str, str], pragmas: tuple[str, ...] = ()) -> None:
        self._hear = hear
        self._names = {text: name for name, text in names.items()}
        self._pragmas = pragmas
        self._lock = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Stand in `sqlite3.connect` for the block."""
        plain: Callable[..., _Heard] = sqlite3.connect

        def connect(*given: Any, **named: Any) -> sqlite3.Connection:
            connection = plain(*given, **{**named, "factory": _Heard})
            connection.listen_to(self)
            return connection

        with mock.patch.object(sqlite3, "connect", connect):
            yield

    def name_of(self, sql: str) -> str:
        """Return a statement's name in our `.sql` files, else its first words."""
        return self._names.get(sql) or " ".join(_bare(sql).split()[:4])

    def say(self, transaction: str, name: str) -> None:
        with self._lock:
            self._hear(Event(transaction, name))

    def prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in self._pragmas:
            connection.execute(pragma)


class _Heard(sqlite3.Connection):
    """A connection that tells its recorder."""

    _recorder: Recorder | None = None
    _transaction = ""
    _sql = ""
    _once = _said = False

    def listen_to(self, recorder: Recorder) -> None:
        recorder.prepare(self)
        self._recorder = recorder
        self.set_trace_callback(self._traced)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self._around(sql, lambda: sqlite3.Connection.execute(self, sql, parameters), once=True)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return self._around(sql, lambda: sqlite3.Connection.executemany(self, sql, parameters), once=False)

    def _around(self, sql: str, work: Callable[[], sqlite3.Cursor], *, once: bool) -> sqlite3.Cursor:
        before, self._sql, self._once, self._said = self.in_transaction, sql, once, False
        if not before:
            self._transaction = opened_by(sys._getframe(2)) if writes(sql) else ""
        try:
            return work()
        finally:
            if self._recorder is not None and self._transaction and not self.in_transaction:
                ended = "rolled back" if before and _verb(sql) == "ROLLBACK" else "committed"
                transaction, self._transaction = self._transaction, ""
                self._recorder.say(transaction, ended)

    def _traced(self, sql: str) -> None:
        if self._recorder is None or not self._transaction or (self._said and self._once):
            return  # said again for each trigger that starts: nothing of it would be on the disk that was not there before
        self._said = True
        verb = _verb(sql)
        if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
            self._recorder.say(self._transaction, verb.lower())
        else:
            self._recorder.say(self._transaction, self._recorder.name_of(self._sql))


def writes(sql: str) -> bool:
    """Say whether a statement, sent outside a transaction, begins one that writes. A plain BEGIN is a reader's."""
    verb = _verb(sql)
    if verb == "BEGIN":
        return "IMMEDIATE" in sql.upper() or "EXCLUSIVE" in sql.upper()
    if verb == "PRAGMA":
        return any(pragma in sql.lower() for pragma in WRITING_PRAGMAS)
    return verb not in READING


def opened_by(frame: FrameType | None) -> str:
    """Return which code asked for the transaction: the innermost that is not mere plumbing."""
    while frame is not None and frame.f_globals.get("__name__") in PLUMBING:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"


def _bare(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


def _verb(sql: str) -> str:
    return next(iter(_bare(sql).split(None, 1)), "").upper().rstrip(";")
