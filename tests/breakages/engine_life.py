"""A life of two nodes over one ledger, on a clock moved by hand: the ground on which the engine is broken on purpose.

It goes through all that an engine is for: on time, overlap, starts by hand, disabled and enabled, an edited schedule, quarantine,
retired and back, a node that dies with runs in its hands and comes back as a zombie, a long weekend without anybody over the
night that has its hour twice, a backlog, a clock that jumps both ways, and retention. Nothing in it asserts what a sound engine
would do, so that a broken one lives through it too; the audit is asked after each part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import AuditReport
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.errors import ConflictError
from systemprompt.ledger.records import Change, Claimed, Closing, JobSpec, ManualStart, NodeIdentity, QuarantineNotice
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.runner.rescue import Rescue
from systemprompt.scheduler.loop import Hooks, Loop, Pace
from systemprompt.scheduler.planner import Planner

START = 1_792_756_800 * SECOND
"""2026-10-23T12:00:00Z, the Friday before Berlin's clocks go back."""

PACE = Pace(heartbeat=6.0, lease=30.0)
HOUR, DAY = 3_600, 86_400

Prepare = Callable[[SqliteLedger], None]


def spec(name: str, schedule: str, *, zone: str = "Europe/Berlin", **policies: object) -> JobSpec:
    return JobSpec(name=name, description="", schedule=schedule, time_zone=zone, enabled=True, policies=policies)


class Worker:
    """One process: its loop, and in place of a runner the runs it holds."""

    def __init__(self, path: Path, name: str, clock: ManualClock, prepare: Prepare) -> None:
        self.ledger = SqliteLedger(str(path), patience=0.2)
        self.ledger._store.connection.execute("PRAGMA synchronous = OFF")
        prepare(self.ledger)
        self.held: list[Claimed] = []
        self._name, self._clock, self._names = name, clock, 0
        self.loop = Loop(
            ledger=self.ledger,
            clock=clock,
            planner=Planner(),
            identity=self._identity(),
            hooks=Hooks(
                claimed=self.held.extend,
                closed=lambda closed, late: None,
                rescued=lambda rescued: None,
                lease_lost=self._lease_lost,
                asked_to_stop=lambda run_ids: self.told_to_stop(run_ids, "requested"),
                failed=lambda error: None,
                watch=Rescue(ledger=self.ledger, clock=clock, gone=lambda node, machine: None).step,
            ),
            pace=PACE,
            plans=True,
        )

    def told_to_stop(self, run_ids: Sequence[int], reason: str) -> None:
        """Hear which runs are to stop. This one has no ears."""

    def _lease_lost(self, why: str, run_ids: Sequence[int]) -> NodeIdentity:
        self.told_to_stop(run_ids, "lease_lost")
        return self._identity()

    def _identity(self) -> NodeIdentity:
        self._names += 1
        return NodeIdentity(
            node_id=f"{self._name}-{self._names}",
            kind="serve",
            host="here",
            machine=self._name,
            pid=1,
            pid_started_at=1,
            program="test",
            lease_ms=round(PACE.lease * 1000),
            capacity=9,
            started_at=self._clock.now(),
        )

    def end(self, run: Claimed, status: str = "success", reason: str | None = None) -> None:
        self.held.remove(run)
        bad = status == "failed"
        self.loop.ended(
            Closing(
                run_id=run.run_id,
                attempt=run.attempt,
                fence=run.fence,
                status=status,
                reason=reason,
                started_at=run.started_at,
                finished_at=self._clock.now(),
                message="no" if bad else None,
                error="no" if bad else None,
                exit_code=3 if bad else None,
            )
        )


class Enough(Exception):
    """The audit has named what it was to name: the rest of the life would show no more."""


class Life:
    """Two workers and an operator. With `until`, the life is over once the audit has named these kinds of findings."""

    def __init__(
        self, path: Path, prepare: Prepare = lambda ledger: None, *, until: frozenset[str] | None = None
    ) -> None:
        self._until = until
        self.clock = ManualClock(START)
        first = SqliteLedger(str(path))
        first.migrate()
        first.close()
        self.a, self.b = (Worker(path, name, self.clock, prepare) for name in "ab")
        self.operator = self.a.ledger
        self.dead: set[str] = set()
        self.reports: list[AuditReport] = []
        self.specs = {
            one.name: one
            for one in (
                spec("tick", "*/10 * * * * *"),
                spec("skips", "*/15 * * * * *", catch_up="skip"),
                spec("every", "@every 30m", catch_up="all", on_lost="rerun"),
                spec("nightly", "0 30 2 * * *"),
                spec("abroad", "0 0 8 * * *", zone="America/New_York"),
                spec("again", "*/30 * * * * *", on_lost="rerun"),
                spec("hand", ""),
                spec("gone", "0 * * * * *"),
                spec("flaky", "0 */5 * * * *"),
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
        self._the_operator_at_work()
        self._a_node_dies_and_comes_back_as_a_zombie()
        self._a_weekend_without_anybody()
        self._the_clock_jumps()
        self._audit()
        self._what_is_old_goes()
        self._the_last_minute()
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

    def enable(self, name: str, enabled: bool) -> None:
        self.operator.set_enabled(name, enabled, self.clock.now(), Planner().decide, Change(actor="test"))

    def by_hand(self, name: str, *, again: bool = False) -> None:
        starts = [ManualStart(job_name=name)]
        try:
            claimed: Sequence[Claimed] = self.operator.start_manual(
                self.a.loop.node_id, self.clock.now(), starts, Change(actor="me"), skip_running=again
            )
        except ConflictError:
            return  # a broken engine may think that it runs already
        self.a.held.extend(claimed)
        self.a.loop.hold(claimed)

    def _audit(self) -> None:
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
        for worker in self.both:
            worker.ledger.close()
