"""Hears every transaction of a ledger on PostgreSQL, whoever opened it, by the events that its store tells of anyway."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from recorder import Event, opened_by

from systemprompt.ledger.postgres.store import PostgresStore


@contextmanager
def stores_heard(hear: Callable[[Event], None]) -> Iterator[None]:
    """Hand each event of a write to `hear` for the block, from the thread that makes it: begin, the names, commit, committed."""
    begun = threading.local()

    def say(store: PostgresStore, name: str) -> None:
        if name == "begin":
            begun.by = opened_by(sys._getframe(1))
        hear(Event(begun.by, name))

    with mock.patch.object(PostgresStore, "_say", say):
        yield
