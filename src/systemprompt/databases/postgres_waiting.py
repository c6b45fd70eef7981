"""A connection that waits for an answer only so long. TCP alone notices no peer that keeps the line open and says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import Connection

__all__ = ["BoundedConnection", "answered_within", "seconds_to_answer"]

_Found = TypeVar("_Found")


class BoundedConnection(Connection[Any]):
    """A connection that is closed when the server has not answered within `answer_s` seconds; None: TCP decides.

    Whether a statement that had no answer was done, nobody here knows. A commit may still arrive at the server, until the server
    ends the session for standing idle in its transaction.

    Raises:
        psycopg.OperationalError: no answer in time. The connection is closed.
    """

    answer_s: float | None = None

    def wait(self, gen: Generator[Any, Any, _Found], *arguments: Any, **options: Any) -> _Found:
        if self.answer_s is None:
            return super().wait(gen, *arguments, **options)
        try:
            return super().wait(_until(gen, time.monotonic() + self.answer_s), *arguments, **options)
        except _NoAnswer:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s") from None


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """In the block, this thread gives each statement no longer than this. Other threads wait as before."""
    before = seconds_to_answer()
    _thread.answer_s = seconds
    try:
        yield
    finally:
        _thread.answer_s = before


def seconds_to_answer() -> float | None:
    """Return how long this thread gives a statement; None where it said nothing."""
    found: float | None = getattr(_thread, "answer_s", None)
    return found


class _NoAnswer(Exception):
    """Kept apart from what psycopg raises: this one is always ours."""


def _until(gen: Generator[Any, Any, _Found], deadline: float) -> Generator[Any, Any, _Found]:
    # psycopg looks in ten times a second while nothing comes, and says so with a false value.
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise _NoAnswer
            wanted = gen.send(ready)
    except StopIteration as ended:
        found: _Found = ended.value
        return found


_thread = threading.local()
