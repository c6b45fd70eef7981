"""A node's clockwork on a real ledger and a clock moved by hand; its runner is the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.errors import DatabaseBusy
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, Claimed, Closing, JobSpec, NodeIdentity, Rescued
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.loop import Loop
from systemprompt.nodes.rescue import Rescue
from systemprompt.planning.planner import Planner

START = 1_767_225_600 * SECOND
LEASE, HEARTBEAT = 30.0, 6.0

WRITING = ("turn", "start_manual", "join", "beat", "leave", "rescue", "record_clock_event")


def at(seconds: float) -> Instant:
    return START + round(seconds * SECOND)


def spec(name: str, schedule: str = "* * * * * *", **policies: object) -> JobSpec:
    return JobSpec(name=name, description="", schedule=schedule, time_zone="UTC", enabled=True, policies=policies)


def ending(run: Claimed, now: Instant, status: str = "success", reason: str | None = None) -> Closing:
    return Closing(
        run_id=run.run_id,
        attempt=run.attempt,
        fence=run.fence,
        status=status,
        reason=reason,
        started_at=run.started_at,
        finished_at=now,
    )


class FailingLedger:
    """A ledger that is busy, or fails, when told to; it keeps count of what was asked of it."""

    def __init__(self, inner: SqliteLedger) -> None:
        self._inner = inner
        self.error: Exception | None = None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in WRITING:
            return method

        def ask(*arguments: Any, **more: Any) -> Any:
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            return method(*arguments, **more)

        return ask

    def busy(self, is_busy: bool = True) -> None:
        self.error = DatabaseBusy("held by another process") if is_busy else None


class LoopStage:
    """One loop. `claimed`, `closed`, `late`, `lost` (with `stopped`), `rescued` and `failed` are what it told its node."""

    def __init__(
        self, path: Path, *, node_id: str = "one", pace: Pace | None = None, capacity: int = 4, now: Instant = START
    ) -> None:
        self.path = path
        self.events: list[str] = []
        self.real = SqliteLedger(str(path), patience=0.2, on_statement=self.events.append)
        self.real.migrate()
        self.ledger = FailingLedger(self.real)
        self.clock = ManualClock(now)
        self.claimed: list[Claimed] = []
        self.closed: list[int] = []
        self.late: list[int] = []
        self.lost: list[str] = []
        self.stopped: list[int] = []
        self.rescued: list[Rescued] = []
        self.failed: list[Exception] = []
        self._fresh = 0
        self._others: list[SqliteLedger] = []
        self.capacity = capacity
        self.pace = pace or Pace(heartbeat=HEARTBEAT, lease=LEASE)
        ledger = cast(Ledger, self.ledger)
        self.asked_to_stop: list[int] = []
        self.rescue = Rescue(ledger=ledger, clock=self.clock, gone=lambda node, machine: None)
        self.loop = Loop(
            ledger=ledger,
            clock=self.clock,
            planner=Planner(),
            identity=self.identity(node_id),
            hooks=Hooks(
                claimed=self.claimed.extend,
                closed=self._closed,
                rescued=self.rescued.extend,
                lease_lost=self._lease_lost,
                asked_to_stop=self.asked_to_stop.extend,
                failed=self.failed.append,
                watch=self.rescue.step,
            ),
            pace=self.pace,
            plans=True,
        )

    def identity(self, node_id: str) -> NodeIdentity:
        return NodeIdentity(
            node_id=node_id,
            kind="serve",
            host="here",
            machine="elsewhere",
            pid=1,
            pid_started_at=1,
            program="test",
            lease_ms=round(self.pace.lease * 1000),
            capacity=self.capacity,
            started_at=self.clock.now(),
        )

    def declare(self, *specs: JobSpec) -> None:
        self.real.sync_catalogue(specs, [], self.clock.now(), Planner().decide, Change(actor="test"))

    def begin(self, *specs: JobSpec) -> None:
        self.declare(*specs)
        self.loop.join()
        self.loop.step()
        self.events.clear()
        self.ledger.asked.clear()

    def step(self, seconds: float = 0.0) -> float:
        self.clock.advance(seconds)
        return self.loop.step()

    def take(self) -> list[Claimed]:
        """Return what was claimed since last asked."""
        taken, self.claimed[:] = list(self.claimed), []
        return taken

    def end(self, *runs: Claimed, status: str = "success", reason: str | None = None) -> None:
        for run in runs:
            self.loop.ended(ending(run, self.clock.now(), status, reason))

    def other(self) -> SqliteLedger:
        """Return the ledger as another process has it."""
        ledger = SqliteLedger(str(self.path))
        ledger.migrate()
        self._others.append(ledger)
        return ledger

    def statuses(self) -> list[str]:
        return [run.status for run in self.real.runs_between(0, 2**62)]

    def sound(self) -> None:
        report = audit(self.real, now=self.clock.now(), alive=lambda _: None)
        assert report.ok, [finding.sentence for finding in report.findings]

    def close(self) -> None:
        for ledger in (self.real, *self._others):
            ledger.close()

    def _closed(self, closed: Sequence[int], late: Sequence[int]) -> None:
        self.closed += closed
        self.late += late

    def _lease_lost(self, why: str, run_ids: Sequence[int]) -> NodeIdentity:
        self.lost.append(why)
        self.stopped += run_ids
        self._fresh += 1
        return self.identity(f"fresh-{self._fresh}")
