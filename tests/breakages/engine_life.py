"""A life of two nodes over one ledger, on a clock moved by hand: the ground on which the engine is broken on purpose.

It goes through all that an engine is for: on time, overlap, starts by hand, disabled and enabled, an edited schedule, quarantine,
retired and back, a node that dies with runs in its hands and comes back as a zombie, a long weekend without anybody over the
night that has its hour twice, a backlog, a clock that jumps both ways, and retention. People ask for runs and for stops, code
that cannot be stopped is given up on and comes back, closings are told twice, and results come late: after the run was queued
again, after its stop was asked for, after its day was sealed. Nothing in it asserts what a sound engine would do, so that a
broken one lives through it too; the audit is asked after each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from engine_sqlite import SQLITE
from worker import Prepare, Worker, odd_runs_of

from support.ledger_stage import AUTUMN, HOUR
from support.ledger_stage import berlin_spec as spec
from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import AuditReport
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.errors import ConflictError, NotFoundError
from systemprompt.ledger.records import (
    Change,
    Claimed,
    Closing,
    JobSpec,
    ManualStart,
    QuarantineNotice,
)
from systemprompt.planning.planner import Planner

if TYPE_CHECKING:
    from breaking import Engine, Place


PARTS = (
    "the_operator_at_work",
    "somebody_asks",
    "code_that_cannot_be_stopped",
    "nodes_are_lost_in_mid_run",
    "a_node_dies_and_comes_back_as_a_zombie",
    "a_weekend_without_anybody",
    "the_clock_jumps",
    "what_is_old_goes",
    "the_last_minute",
)
"""What happens after an hour like any other."""


class Enough(Exception):
    """The life has shown what it was to show: the rest of it would show no more."""


class Life:
    """Two workers and an operator.

    until     the life is over once the audit has named these kinds of findings
    first     what happens first of PARTS; what is named there is named soon
    audited   False: nobody asks the audit, and the life is over once the ledger has refused to close a run
    """

    def __init__(
        self,
        place: Place,
        prepare: Prepare = lambda ledger: None,
        *,
        until: frozenset[str] | None = None,
        first: Sequence[str] = (),
        audited: bool = True,
        engine: Engine = SQLITE,
    ) -> None:
        self._until, self._first, self._audited = until, first, audited
        self.clock = ManualClock(AUTUMN)
        engine.create(place)
        self.a, self.b = (Worker(place, name, self.clock, prepare, engine) for name in "ab")
        self._late: list[Closing] = []
        self.operator = engine.open(place)
        prepare(self.operator)
        self._odd = odd_runs_of(self.operator)
        self.dead: set[str] = set()
        self.reports: list[AuditReport] = []
        self.specs = {
            one.name: one
            for one in (
                spec("tick", "*/10 * * * * *"),
                spec("skips", "*/15 * * * * *", catch_up="skip"),
                spec("every", "@every 30m", catch_up="all", on_lost="rerun"),
                spec("nightly", "0 30 2 * * *"),
                spec("abroad", "0 0 8 * * *", time_zone="America/New_York"),
                spec("again", "*/30 * * * * *", on_lost="rerun"),
                spec("hand", ""),
                spec("gone", "0 * * * * *"),
                spec("flaky", "0 */5 * * * *"),
                spec("punctual", "0 */10 * * * *", start_deadline_s=15.0),
                spec("frail", "*/30 * * * * *", retry={"times": 2, "after": 4}),
                spec("brittle", "*/30 * * * * *", retry={"times": 3, "after": 28}),
            )
        }

    # -- what happens ---------------------------------------------------------------------------------------------------

    def live(self) -> list[AuditReport]:
        with suppress(Enough):
            self._live()
        return self.reports

    def _live(self) -> None:
        self._an_hour_like_any_other()
        self._audit()
        rest = [part for part in PARTS if part not in self._first]
        for part in (*self._first, *rest):
            getattr(self, f"_{part}")()
            self._audit()

    def _an_hour_like_any_other(self) -> None:
        self.declare()
        for worker in self.both:
            worker.loop.join()
            worker.loop.look()
        self.work(12, 5)
        self.by_hand("hand")
        self.by_hand("hand", again=True)
        self.work(2, 5)
        # `tick` runs long: three of its fire times find it in the way
        self.work(8, 5, leave="tick")
        self.work(4, 5)

    def _the_operator_at_work(self) -> None:
        self.enable("tick", False)
        self.enable("again", False)
        self.work(4, 10)
        self.rest(HOUR)
        self.enable("tick", True)
        self.enable("again", True)
        self.work(3, 7)
        self.declare(spec("tick", "*/20 * * * * *"))
        self.work(4, 7)
        self.declare(spec("tick", "*/10 * * * * *"), quarantined="flaky")
        self.work(3, 200)
        self.declare()
        self.work(2, 150)
        # `gone` leaves while a run of it is open, and comes back
        self.work(7, 10, leave="gone")
        self.declare(without="gone")
        self.work(6, 30)
        self._audit()
        self.declare()
        self.work(6, 30)

    def _somebody_asks(self) -> None:
        self.ask("hand")
        self.work(1, 5, leave="hand")
        for worker in self.both:
            for run in [run for run in worker.held if run.job_name == "hand"]:
                self.ask_to_stop(run.run_id)
        # another is asked for while the first still runs, and given up before it has begun
        (waiting,) = self.ask("hand") or (0,)
        self.ask_to_stop(waiting)
        self._audit()
        self.work(1, 1, leave="hand")
        self.work(2, 5)
        self.ask("hand")
        self.work(2, 5)
        self._audit()

    def _code_that_cannot_be_stopped(self) -> None:
        self.settle()
        self.clock.advance(31 - self.now // SECOND % 30)
        self.a.loop.step()
        for run in [run for run in self.a.held if run.job_name == "again"]:
            self.a.give_up(run, times=2)
        self.ask("again")
        self._audit()
        self.work(16, 5, leave="again")
        self._audit()
        for run in list(self.a.given_up):
            self.a.comes_back(run)
        self.work(8, 5)
        # the answer to a closing was lost: it is told again
        begun = self.by_hand("hand")
        told = [self.a.ending(run, "failed", "reported") for run in begun]
        for run in begun:
            self.a.held.remove(run)
        for _ in range(2):
            for closing in told:
                self.a.loop.ended(closing)
            self.a.loop.step()
        self._audit()

    def _nodes_are_lost_in_mid_run(self) -> None:
        """Four nodes come and go, one after another, each with a run of `again` in its hands."""
        for name in "cdef":
            self.settle()
            self.clock.advance(31 - self.now // SECOND % 30)
            self.join(name)
            held = self.operator.turn(name, self.now, Planner().decide, room=9).claimed
            self.clock.advance(5)
            again = [run for run in held if run.job_name == "again"]
            if name == "d":
                for run in again:
                    self.ask_to_stop(run.run_id)
            self.clock.advance(45)
            self.operator.rescue(name, 0, self.now, max_attempts=3)
            self._audit()
            if name == "e":
                # what was queued again is not wanted any more
                for run in again:
                    self.ask_to_stop(run.run_id)
            self.work(2, 5)
            late = [self.a.ending(run, "success", None) for run in again]
            if name == "f":
                self._late = late  # it comes when its day is sealed
                continue
            for _ in range(2):
                self.operator.turn("a-1", self.now, Planner().decide, closings=late, plan=False)
            self._audit()

    def _a_node_dies_and_comes_back_as_a_zombie(self) -> None:
        self.settle()
        self.clock.advance(31 - self.now // SECOND % 30)
        self.b.loop.step()  # b takes what fell due
        held = list(self.b.held)
        self.dead.add(self.b.loop.node_id)
        self.work(24, 5, by="a", leave="again")
        self._audit()
        self.dead.clear()
        self.work(1, 1, by="a", leave="again")
        self.clock.advance(11)
        # b was held up between its beat and its turn: the turn is carried out under an id that others have declared lost
        self.b.held += self.b.ledger.turn(self.b.loop.node_id, self.now, Planner().decide, room=9).claimed
        for run in held:
            self.b.end(run)
        self.b.loop.step()
        self.work(1, 1, by="a", leave="again")
        for run in list(self.a.held):
            self.a.end(run, "failed", "reported")
        self.work(8, 5)
        # one job is slow enough for others to be begun meanwhile, and for its own queue to grow
        self.work(9, 10, leave="tick")
        self.work(2, 5)

    def _a_weekend_without_anybody(self) -> None:
        self.rest(60 * HOUR)
        self.work(9, 10, leave="every")
        self.work(125, 1)

    def _the_clock_jumps(self) -> None:
        self.work(2, 10)
        self.clock.step(2 * HOUR)
        self.work(6, 5)
        self.clock.step(-30)
        self.work(8, 10)

    def _what_is_old_goes(self) -> None:
        seal_closed_days(self.operator, now=self.now, alive=lambda node: None)
        self.operator.turn("a-1", self.now, Planner().decide, closings=self._late, plan=False)
        self._audit()
        for limit in (20, 20):
            self.operator.prune(self.now - HOUR * SECOND, limit=limit)
        self._audit()
        for limit in (200, 200, 200):
            self.operator.prune(self.now - HOUR * SECOND, limit=limit)
        self.work(3, 10)
        self._audit()

    def _the_last_minute(self) -> None:
        self.work(1, 1)
        self.work(7, 5, leave="tick")
        # `flaky` breaks when a run of it is queued: that one waits until it is mended
        self.settle()
        self.rest(301)
        self.declare(quarantined="flaky")
        self.rest(200)
        self.work(20, 16, by="a", leave="tick")

    # -- words for it ---------------------------------------------------------------------------------------------------

    @property
    def both(self) -> tuple[Worker, Worker]:
        return self.a, self.b

    def work(self, turns: int, seconds: float, *, by: str = "ab", leave: str = "") -> None:
        """Let time pass in steps; what is claimed ends in the next one, but for the job that is named."""
        for turn in range(turns):
            self.clock.advance(seconds)
            for worker in [one for one, name in zip(self.both, "ab", strict=True) if name in by]:
                for run in list(worker.held):
                    if run.job_name != leave:
                        worker.end(run, *(("failed", "reported") if turn % 4 == 3 else ("success", None)))
                worker.loop.step()

    def settle(self) -> None:
        """Let everything end, and nothing begin that is not due in these moments."""
        self.work(3, 1)

    def rest(self, seconds: float) -> None:
        """Let time pass with nobody at work. The machine slept: the monotonic clock counts it, so nobody calls it a jump."""
        self.clock.advance(seconds)

    def declare(self, *changed: JobSpec, quarantined: str = "", without: str = "") -> None:
        self.specs |= {one.name: one for one in changed}
        notices = [QuarantineNotice(name=quarantined, source="", error="it does not import")] if quarantined else []
        kept = [one for one in self.specs.values() if one.name not in (quarantined, without)]
        self.operator.sync_catalogue(kept, notices, self.clock.now(), Planner().decide, Change(actor="test"))

    def join(self, node_id: str) -> None:
        """Let a node come of which nothing more is seen than what it asks of the ledger."""
        self.operator.join(replace(self.a.identity(node_id), machine=node_id))

    def ask(self, name: str) -> tuple[int, ...]:
        with suppress(ConflictError):  # a broken engine may think that it cannot run
            asked: tuple[int, ...] = self.operator.ask_for_runs(
                self.now, [ManualStart(job_name=name)], Change(actor="me", why="to see")
            )
            return asked
        return ()

    def ask_to_stop(self, run_id: int) -> None:
        with suppress(ConflictError, NotFoundError):  # a broken engine may have closed it, or lost it
            self.operator.ask_to_stop(run_id, self.now, Change(actor="me", why="enough"))

    def enable(self, name: str, enabled: bool) -> None:
        self.operator.set_enabled(name, enabled, self.clock.now(), Planner().decide, Change(actor="test"))

    def by_hand(self, name: str, *, again: bool = False) -> Sequence[Claimed]:
        starts = [ManualStart(job_name=name)]
        try:
            claimed: Sequence[Claimed] = self.operator.start_manual(
                self.a.loop.node_id, self.clock.now(), starts, Change(actor="me"), skip_running=again
            )
        except ConflictError:
            return ()  # a broken engine may think that it runs already
        self.a.held.extend(claimed)
        self.a.loop.hold(claimed)
        return claimed

    @property
    def odd(self) -> list[int]:
        """The runs that the ledger refused to close."""
        return self.a.odd + self.b.odd + self._odd

    def _audit(self) -> None:
        if not self._audited:
            if self.odd:
                raise Enough
            return
        report = audit(
            self.operator, now=self.clock.now(), alive=lambda node: False if node.node_id in self.dead else None
        )
        self.reports.append(report)
        if self._until is not None and self._until <= {kind for one in self.reports for kind in one.by_kind}:
            raise Enough

    @property
    def now(self) -> Instant:
        return self.clock.now()

    def close(self) -> None:
        for ledger in (self.a.ledger, self.b.ledger, self.operator):
            ledger.close()
