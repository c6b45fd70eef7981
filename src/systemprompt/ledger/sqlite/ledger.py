"""The whole ledger on SQLite: the reader's half, and every method that writes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from systemprompt.clock import Instant, iso
from systemprompt.errors import DaySealed, LedgerBroken
from systemprompt.ledger.records import (
    Change,
    Claimed,
    ClockEvent,
    Closing,
    Decide,
    JobSpec,
    ManualStart,
    NodeIdentity,
    QuarantineNotice,
    Rescued,
    StopAsked,
    SyncReport,
    Turn,
)
from systemprompt.ledger.seals import Seal, SealDraft
from systemprompt.ledger.sqlite import asking, catalogue, clockwork, conflicts, nodes, retention
from systemprompt.ledger.sqlite.migrating import migrate
from systemprompt.ledger.sqlite.reader import MIGRATIONS, MIGRATIONS_TABLE, SqliteReader
from systemprompt.ledger.sqlite.remembered import HeldRunChanged, Remembered
from systemprompt.ledger.sqlite.store import Store, ledger_error, refuse_empty
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.views import JobView

__all__ = ["MIGRATIONS", "MIGRATIONS_TABLE", "SqliteLedger"]

_HERE = os.path.dirname(__file__)


class SqliteLedger(SqliteReader):
    """`systemprompt.ledger.protocol.Ledger` on one SQLite file in WAL mode; see there for what each method promises.

    Commits are durable when a method returns (`synchronous=FULL`). Other processes write in between; a method waits for them up to
    `patience` seconds, then raises `DatabaseBusy` with nothing written. Never put the file on a network file system.
    """

    def __init__(self, path: str, *, patience: float = 10.0, on_statement: Callable[[str], None] | None = None) -> None:
        refuse_empty(path)
        statements = load_statements(os.path.join(_HERE, "sql"))
        super().__init__(Store(path, statements, patience=patience, on_statement=on_statement))
        self.path = path
        self._remembered = Remembered()

    def be_patient(self, seconds: float) -> None:
        """Wait for other writers no longer than this from now on."""
        self._store.be_patient(seconds)

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

    # -- the clockwork of a node ----------------------------------------------------------------------------------------

    def turn(
        self,
        node_id: str,
        now: Instant,
        decide: Decide,
        *,
        closings: Sequence[Closing] = (),
        room: int = 0,
        plan: bool = True,
        patience: int = 0,
    ) -> Turn:
        offer = clockwork.Offer(node_id, room, plan, patience)
        try:
            try:
                return self._turn(offer, now, decide, closings)
            except HeldRunChanged:
                # What was remembered is forgotten by now, so that it is read.
                return self._turn(offer, now, decide, closings)
        except LedgerBroken:
            if not closings:
                raise
        ended, odd = conflicts.close_one_by_one(self._store, closings, now, decide)
        rest = self._turn(offer._replace(room=max(0, room - len(odd))), now, decide, ())
        return replace(rest, closed=ended.closed, late=ended.late, odd=odd)

    def _turn(self, offer: clockwork.Offer, now: Instant, decide: Decide, closings: Sequence[Closing]) -> Turn:
        with self._store.write():
            done, began = clockwork.turn(self._store, self._remembered, offer, now, decide, closings)
        self._remembered.keep(began)
        return done

    def fold(self, *, limit: int = 5_000) -> bool:
        left = False
        if self._store.fetch("tallies_to_fold")[0]["first"] is not None:  # seen without the write lock
            with self._store.write():
                left = retention.fold(self._store, limit=limit)
        self._store.copy_log_back()
        return left

    # -- acts on runs ---------------------------------------------------------------------------------------------------

    def start_manual(
        self,
        node_id: str,
        now: Instant,
        starts: Sequence[ManualStart],
        change: Change,
        *,
        skip_running: bool = False,
    ) -> tuple[Claimed, ...]:
        with self._store.write():
            self._check_day(now)
            return asking.start_manual(self._store, node_id, now, starts, change, skip_running=skip_running)

    def ask_for_runs(self, now: Instant, starts: Sequence[ManualStart], change: Change) -> tuple[int, ...]:
        with self._store.write():
            self._check_day(now)
            return asking.ask_for_runs(self._store, now, starts, change)

    def ask_to_stop(self, run_id: int, now: Instant, change: Change) -> StopAsked:
        with self._store.write():
            return asking.ask_to_stop(self._store, run_id, now, change)

    def _check_day(self, now: Instant) -> None:
        sealed_until = retention.sealed_until(self._store)
        if now < sealed_until:
            raise DaySealed(iso(now), iso(sealed_until))

    # -- nodes ----------------------------------------------------------------------------------------------------------

    def join(self, node: NodeIdentity) -> None:
        with self._store.write():
            nodes.join(self._store, node)

    def beat(self, node_id: str, now: Instant) -> bool:
        with self._store.write():
            return self._store.run("beat", {"node_id": node_id, "now": now}).rowcount == 1

    def leave(self, node_id: str, now: Instant) -> None:
        with self._store.write():
            nodes.leave(self._store, node_id, now)

    def rescue(self, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
        with self._store.write():
            return nodes.rescue(self._store, node_id, seen_beat, now, max_attempts=max_attempts)

    def record_clock_event(self, event: ClockEvent) -> None:
        with self._store.write():
            nodes.record_clock_event(self._store, event)

    # -- jobs and versions ----------------------------------------------------------------------------------------------

    def sync_catalogue(
        self,
        specs: Sequence[JobSpec],
        quarantined: Sequence[QuarantineNotice],
        now: Instant,
        decide: Decide,
        change: Change,
        *,
        keep: str | None = None,
    ) -> SyncReport:
        # Looked at first without the write lock: most of the time nothing changed.
        with self._store.snapshot():
            if catalogue.is_current(self._store, specs, quarantined, keep):
                return catalogue.NOTHING
        with self._store.write():
            now = max(now, retention.sealed_until(self._store))
            return catalogue.sync(self._store, specs, quarantined, now, decide, change, keep=keep)

    def set_enabled(self, job_name: str, enabled: bool, now: Instant, decide: Decide, change: Change) -> JobView:
        asked = {"act": "enable" if enabled else "disable", "job_name": job_name}
        with self._store.write():
            now = max(now, retention.sealed_until(self._store))

            def act() -> dict[str, str]:
                catalogue.set_enabled(self._store, job_name, enabled, now, decide, change)
                return {"job_name": job_name}

            asking.once(self._store, change, asked, now, act)
        view = self.job(job_name)
        assert view is not None
        return view

    # -- retention ------------------------------------------------------------------------------------------------------

    def seal(self, draft: SealDraft, now: Instant) -> Seal | None:
        with self._store.write():
            return retention.seal(self._store, draft, now)

    def prune(self, before: Instant, *, limit: int) -> int:
        with self._store.write():
            return retention.prune(self._store, before, limit=limit)

    def give_back(self) -> int | None:
        with self._store.write():
            return retention.give_back(self._store)

    def checkpoint(self) -> None:
        self._store.fetch("checkpoint")
