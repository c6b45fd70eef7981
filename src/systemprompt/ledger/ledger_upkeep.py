"""Upkeep of the ledger as a whole: what `ledger/upkeep.py` promises of every database, and what a ledger can say of itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from systemprompt.clock import Instant
from systemprompt.ledger.protocol import LedgerReader
from systemprompt.ledger.upkeep import DatabaseBackup, DatabaseRestore, DatabaseUpkeep

__all__ = ["Extent", "LedgerBackup", "LedgerRestore", "LedgerUpkeep", "Settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a state of the ledger goes: its runs, and up to where every fire time has its account (0: nothing was planned)."""

    runs: int
    planned_through: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a restored ledger before it was put in place.

    settled   runs that were open in the copy: closed as lost, or queued again under `on_lost: rerun`
    fence     every claim from now on gets a higher one
    """

    settled: int
    fence: int
    planned_through: Instant


class LedgerBackup(DatabaseBackup, Protocol):
    """The same of the ledger."""

    def extent(self) -> Extent:
        """Say how far the held state goes. Before `copy`."""
        ...

    def open(self) -> LedgerReader:
        """Open the finished copy to read, before it is published. The caller closes it."""
        ...


class LedgerRestore(DatabaseRestore, Protocol):
    """The same of the ledger."""

    def settle(self, now: Instant, *, logged: Callable[[str], int], max_attempts: int) -> Settled:
        """Bring the copy to the newest schema, rescue what its nodes held, and raise its numbers. Before `publish`.

        Fences go on above `now`, in microseconds, and above the replaced ledger's; run ids above the replaced ledger's and above
        `logged`, which is asked for the highest run id that is known elsewhere of the ledger with this id. What an absent or
        damaged ledger had given out cannot be known: `now` stands for it.
        """
        ...


class LedgerUpkeep(DatabaseUpkeep, Protocol):
    """The ledger as a whole."""

    def open(self) -> LedgerReader:
        """Open the ledger to read, as it is. The caller closes it.

        Raises:
            DatabaseError: it is absent, has still to be migrated, or cannot be read.
        """
        ...

    def backup(self, to: str, *, replace: bool = False) -> AbstractContextManager[LedgerBackup]: ...

    def restore(
        self, source: str, *, replace: bool = False, dry_run: bool = False
    ) -> AbstractContextManager[LedgerRestore]: ...
