"""Whose transaction is open: jobs that are `async` share a thread, and may meet in it while one of them awaits something.

A context of `contextvars` belongs to one task of an event loop, or to one thread; a task that is started begins with a copy of
that of who starts it.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["begun", "ended", "is_ours"]

_OPEN: ContextVar[tuple[object, ...]] = ContextVar("systemprompt_open_transactions", default=())


def begun(transaction: object) -> None:
    """Note that this task, or thread, has opened a transaction."""
    _OPEN.set((*_OPEN.get(), transaction))


def ended(transaction: object) -> None:
    """Note that it is closed."""
    _OPEN.set(tuple(one for one in _OPEN.get() if one is not transaction))


def is_ours(transaction: object) -> bool:
    """Say whether this task, or the one that started it, opened a transaction; False where another one on this thread did."""
    return any(one is transaction for one in _OPEN.get())
