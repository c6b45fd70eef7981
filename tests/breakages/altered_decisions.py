"""The decisions of an engine, altered: what a run becomes when it begins, ends, is lost, or brings something late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from breaking import Breaker

from systemprompt.ledger import bookkeeping
from systemprompt.ledger.bookkeeping import Books, Lost, Requeued
from systemprompt.ledger.records import Closing
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun


def closings(alter: Callable[[Closing], Closing]) -> Callable[[Breaker], None]:
    """Close by something else than the node told."""

    def make(real: Callable[..., Books]) -> Callable[..., Books]:
        return lambda held, told, waits=None: real(held, [alter(closing) for closing in told], waits)

    return lambda breaker: breaker.decision(bookkeeping.settle, make)


def accounts(alter: Callable[[ClosedRun], ClosedRun]) -> Callable[[Breaker], None]:
    """Alter every account that a closing makes, once it is made."""
    return books(lambda made: setattr(made, "closed", [alter(run) for run in made.closed]))


def books(alter: Callable[[Books], None]) -> Callable[[Breaker], None]:
    def make(real: Callable[..., Books]) -> Callable[..., Books]:
        def settle(held: Any, told: Any, waits: Any = None) -> Books:
            made = real(held, told, waits)
            alter(made)
            return made

        return settle

    return lambda breaker: breaker.decision(bookkeeping.settle, make)


def account_rows(change: Callable[[ClosedRun], ClosedRun | None]) -> Callable[[Breaker], None]:
    """Insert other accounts than were made."""
    return lambda breaker: breaker.inserted("closed", change)


def written(name: str, change: Callable[[Any], Any]) -> Callable[[Breaker], None]:
    return lambda breaker: breaker.given(name, change)


def late(alter: Callable[[Closing, AttemptRow], AttemptRow]) -> Callable[[Breaker], None]:
    """Keep late results otherwise than they came."""

    def make(real: Callable[..., AttemptRow]) -> Callable[..., AttemptRow]:
        return lambda closing, **more: alter(closing, real(closing, **more))

    return lambda breaker: breaker.decision(bookkeeping.late_attempt, make)


def begun(alter: Callable[[OpenRun, OpenRun], OpenRun]) -> Callable[[Breaker], None]:
    """Alter what a run becomes when it begins: told how it waited, and how it is to be."""

    def make(real: Callable[..., OpenRun]) -> Callable[..., OpenRun]:
        return lambda run, **held: alter(run, real(run, **held))

    return lambda breaker: breaker.decision(bookkeeping.begun, make)


def lost(alter: Callable[[Requeued | Lost], Requeued | Lost]) -> Callable[[Breaker], None]:
    """Alter what becomes of a run whose node is lost."""

    def make(real: Callable[..., Requeued | Lost]) -> Callable[..., Requeued | Lost]:
        return lambda run, **more: alter(real(run, **more))

    return lambda breaker: breaker.decision(bookkeeping.lost, make)
