"""The decisions of an engine, altered: what a run becomes when it begins, ends, is lost, or brings something late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wrench import Wrench

from systemprompt.ledger import bookkeeping
from systemprompt.ledger.bookkeeping import Books, Lost, Requeued
from systemprompt.ledger.records import Closing
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun


def closings(alter: Callable[[Closing], Closing]) -> Callable[[Wrench], None]:
    """Close by something else than the node told."""

    def make(real: Callable[..., Books]) -> Callable[..., Books]:
        return lambda held, told: real(held, [alter(closing) for closing in told])

    return lambda wrench: wrench.decision(bookkeeping.settle, make)


def accounts(alter: Callable[[ClosedRun], ClosedRun]) -> Callable[[Wrench], None]:
    """Alter every account that a closing makes, once it is made."""
    return books(lambda made: setattr(made, "closed", [alter(run) for run in made.closed]))


def books(alter: Callable[[Books], None]) -> Callable[[Wrench], None]:
    def make(real: Callable[..., Books]) -> Callable[..., Books]:
        def settle(held: Any, told: Any) -> Books:
            made = real(held, told)
            alter(made)
            return made

        return settle

    return lambda wrench: wrench.decision(bookkeeping.settle, make)


def account_rows(change: Callable[[ClosedRun], ClosedRun | None]) -> Callable[[Wrench], None]:
    """Insert other accounts than were made."""
    return lambda wrench: wrench.inserted("closed", change)


def written(name: str, change: Callable[[Any], Any]) -> Callable[[Wrench], None]:
    return lambda wrench: wrench.given(name, change)


def late(alter: Callable[[Closing, AttemptRow], AttemptRow]) -> Callable[[Wrench], None]:
    """Keep late results otherwise than they came."""

    def make(real: Callable[..., AttemptRow]) -> Callable[..., AttemptRow]:
        return lambda closing, **more: alter(closing, real(closing, **more))

    return lambda wrench: wrench.decision(bookkeeping.late_attempt, make)


def begun(alter: Callable[[OpenRun, OpenRun], OpenRun]) -> Callable[[Wrench], None]:
    """Alter what a run becomes when it begins: told how it waited, and how it is to be."""

    def make(real: Callable[..., OpenRun]) -> Callable[..., OpenRun]:
        return lambda run, **held: alter(run, real(run, **held))

    return lambda wrench: wrench.decision(bookkeeping.begun, make)


def lost(alter: Callable[[Requeued | Lost], Requeued | Lost]) -> Callable[[Wrench], None]:
    """Alter what becomes of a run whose node is lost."""

    def make(real: Callable[..., Requeued | Lost]) -> Callable[..., Requeued | Lost]:
        return lambda run, **more: alter(real(run, **more))

    return lambda wrench: wrench.decision(bookkeeping.lost, make)
