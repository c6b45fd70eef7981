"""Hears every transaction of a ledger on PostgreSQL: its store's by the events that it tells of, others' on their connections."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import psycopg
from psycopg import Cursor, sql
from recorder import Event, opened_by

from systemprompt.databases.postgres_waiting import BoundedConnection
from systemprompt.ledger.postgres import connections
from systemprompt.ledger.postgres.reader import SQL
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.store import PostgresStore
from systemprompt.ledger.statements import load_statements

_OF_THE_STORE = ("systemprompt.ledger.postgres.store", "systemprompt.ledger.postgres.connections")
_UPKEEP = Statements(load_statements(os.path.join(SQL, "upkeep.sql")))
_NAMES = {_UPKEEP.text(name, named=True).decode(): name for name in _UPKEEP}


@contextmanager
def postgres_heard(hear: Callable[[Event], None]) -> Iterator[None]:
    """Hand each event of a write to `hear` for the block, from the thread that makes it: begin, the names, commit, committed."""
    begun = threading.local()

    def say(store: PostgresStore, name: str) -> None:
        if name == "begin":
            begun.by = opened_by(sys._getframe(1))
        hear(Event(begun.by, name))

    def connect(*given: Any, **named: Any) -> psycopg.Connection[Any]:
        connection = _Heard.connect(*given, **named)
        connection.hear = hear
        return connection

    with (
        mock.patch.object(PostgresStore, "_say", say),
        mock.patch.object(psycopg, "connect", connect),
        mock.patch.object(connections, "BoundedConnection", SimpleNamespace(connect=connect)),
    ):
        yield


class _Heard(BoundedConnection):
    """A connection that tells of its transactions, but for the store's: those are told of already."""

    hear: Callable[[Event], None]
    _by = ""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Cursor[Any]:
        caller = sys._getframe(1)
        text = query if isinstance(query, str) else _text(query, self)
        if caller.f_globals["__name__"] not in _OF_THE_STORE and text.startswith("BEGIN") and "READ ONLY" not in text:
            self._by = opened_by(caller)
        if self._by:
            name = "begin" if text.startswith("BEGIN") else _NAMES.get(text) or " ".join(text.split()[:4])
            self.hear(Event(self._by, name))
        return super().execute(query, params, **more)

    def commit(self) -> None:
        by, self._by = self._by, ""
        if by:
            self.hear(Event(by, "commit"))
        super().commit()
        if by:
            self.hear(Event(by, "committed"))

    def rollback(self) -> None:
        self._by = ""
        super().rollback()


def _text(query: Any, connection: psycopg.Connection[Any]) -> str:
    return query.decode() if isinstance(query, bytes) else sql.as_string(query, connection)
