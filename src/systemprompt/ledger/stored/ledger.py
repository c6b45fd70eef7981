"""What writes to the ledger, whatever its engine: each method one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from systemprompt.clock import Instant, iso
from systemprompt.errors import DaySealed, LedgerBroken
from systemprompt.ledger.journaled import JournaledRun
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
    ZoneDataStanding,
)
from systemprompt.ledger.seals import Seal, SealDraft
from systemprompt.ledger.stored import asking, catalogue, clockwork, conflicts, lost_tail, nodes, retention, zone_data
from systemprompt.ledger.stored.for_newer import ForNewer
from systemprompt.ledger.stored.reader import StoredReader
from systemprompt.ledger.stored.remembered import HeldRunChanged, Remembered
from systemprompt.ledger.stored.store import Store
from systemprompt.ledger.views import JobView

__all__ = ["StoredLedger"]


class StoredLedger(StoredReader):
    """`systemprompt.ledger.protocol.Ledger`, but for what engines do differently; see there for what each method promises."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._remembered = Remembered()
        self._for_newer = ForNewer()
        self._stands_back = False

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
        return replace(rest, closed=ended.closed, late=ended.late, again=ended.again, odd=odd)

    def _turn(self, offer: clockwork.Offer, now: Instant, decide: Decide, closings: Sequence[Closing]) -> Turn:
        with self._store.write():
            done, began = clockwork.turn(
                self._store, self._remembered, self._for_newer, offer, self._decided(now), decide, closings
            )
        self._remembered.keep(began)
        return done

    def _decided(self, now: Instant) -> Instant:
        """Return the instant by which the open transaction decides: the caller's, where the engine has no clock of its own."""
        return now

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
            now = self._decided(now)
            self._check_day(now)
            return asking.start_manual(self._store, node_id, now, starts, change, skip_running=skip_running)

    def ask_for_runs(self, now: Instant, starts: Sequence[ManualStart], change: Change) -> tuple[int, ...]:
        with self._store.write():
            now = self._decided(now)
            self._check_day(now)
            return asking.ask_for_runs(self._store, now, starts, change)

    def ask_to_stop(self, run_id: int, now: Instant, change: Change) -> StopAsked:
        with self._store.write():
            return asking.ask_to_stop(self._store, run_id, self._decided(now), change)

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
            state = {"now": self._decided(now), "degraded": json.dumps(self._degraded())}
            return self._store.run("beat", {"node_id": node_id, **state}).rowcount == 1

    def _degraded(self) -> list[str]:
        """Return what a node that works on this ledger does not do: in the words of `NodeIdentity.degraded`."""
        return [
            *(["policies"] if self._for_newer.has_unknown else []),
            *(["zone_data"] if self._stands_back else []),
        ]

    def plan_by_zone_data(self, node_id: str, now: Instant) -> ZoneDataStanding:
        may_plan, takes_over = zone_data.may_plan(self._store, node_id)
        if takes_over:
            with self._store.write():
                self._store.hold_catalogue()
                zone_data.take_over(self._store, node_id, self._decided(now))
        self._stands_back = not may_plan
        return ZoneDataStanding(may_plan=may_plan, took_over=takes_over)

    def leave(self, node_id: str, now: Instant) -> None:
        with self._store.write():
            nodes.leave(self._store, node_id, self._decided(now))

    def drain(self, node_id: str, now: Instant, change: Change) -> NodeIdentity:
        asked = {"act": "drain", "node_id": node_id}
        with self._store.write():

            def act() -> dict[str, str]:
                nodes.drain(self._store, node_id, self._decided(now), change)
                return {"node_id": node_id}

            asking.once(self._store, change, asked, now, act)
        node = self.node(node_id)
        assert node is not None
        return node

    def rescue(self, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
        with self._store.write():
            return nodes.rescue(self._store, node_id, seen_beat, self._decided(now), max_attempts=max_attempts)

    @property
    def epoch(self) -> int | None:
        return None

    def tell_journaled(self, runs: Sequence[JournaledRun]) -> int:
        with self._store.write():
            return lost_tail.tell(self._store, runs)

    def settle_lost(self, now: Instant, decide: Decide) -> bool:
        if self._store.fetch("first_lost_job")[0]["job_id"] is None:
            return False
        with self._store.write():
            return lost_tail.settle(self._store, self._decided(now), decide)

    def enter_node(self, node: NodeIdentity, epoch: int) -> None:
        with self._store.write():
            if self._store.run("node", {"node_id": node.node_id}).fetchone() is None:
                nodes.join(self._store, node)
            self._store.run("enter_node", {"node_id": node.node_id, "epoch": epoch})

    def hear(self, heard: Callable[[], None]) -> None:
        """Nobody gives hints."""

    def held(self, node_id: str) -> tuple[Claimed, ...]:
        return nodes.held(self._store, node_id)

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
            if catalogue.is_current(self._store, self._for_newer, specs, quarantined, keep):
                return catalogue.NOTHING
        with self._store.write():
            self._store.hold_catalogue()
            now = max(self._decided(now), retention.sealed_until(self._store))
            return catalogue.sync(self._store, self._for_newer, specs, quarantined, now, decide, change, keep=keep)

    def set_enabled(self, job_name: str, enabled: bool, now: Instant, decide: Decide, change: Change) -> JobView:
        asked = {"act": "enable" if enabled else "disable", "job_name": job_name}
        with self._store.write():
            self._store.hold_catalogue()
            now = max(self._decided(now), retention.sealed_until(self._store))

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
            return retention.seal(self._store, draft, self._decided(now))

    def prune(self, before: Instant, *, limit: int) -> int:
        with self._store.write():
            return retention.prune(self._store, before, limit=limit)
