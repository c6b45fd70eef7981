"""One process at work on a ledger, on a clock moved by hand: its loop, and in place of a runner the runs it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine_sqlite import SQLITE

from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Claimed, Closing, JobSpec, NodeIdentity, Turn
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.loop import Loop
from systemprompt.nodes.rescue import Rescue
from systemprompt.planning.planner import Planner

if TYPE_CHECKING:
    from breaking import Engine

START = 1_792_756_800 * SECOND
"""2026-10-23T12:00:00Z, the Friday before Berlin's clocks go back."""

PACE = Pace(heartbeat=6.0, lease=30.0)

Prepare = Callable[[Any], None]


def spec(name: str, schedule: str, *, zone: str = "Europe/Berlin", **policies: object) -> JobSpec:
    return JobSpec(name=name, description="", schedule=schedule, time_zone=zone, enabled=True, policies=policies)


def odd_runs_of(ledger: Any) -> list[int]:
    """Return a list into which the runs will come that this ledger refuses to close: their node goes on without a word."""
    odd: list[int] = []
    turn = ledger.turn

    def noted(*arguments: Any, **more: Any) -> Turn:
        done: Turn = turn(*arguments, **more)
        odd.extend(done.odd)
        return done

    ledger.turn = noted
    return odd


class Worker:
    """One process: its loop, and in place of a runner the runs it holds."""

    def __init__(self, path: Path, name: str, clock: ManualClock, prepare: Prepare, engine: Engine = SQLITE) -> None:
        self.ledger = engine.open(path)
        prepare(self.ledger)
        self.held: list[Claimed] = []
        self.given_up: list[Claimed] = []
        self.asked_to_stop: set[int] = set()
        self.odd = odd_runs_of(self.ledger)
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
        """Hear which runs are to stop. This one stops what somebody asked for, when it is told to end it, and goes on otherwise."""
        if reason == "requested":
            self.asked_to_stop.update(run_ids)

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
        if run.run_id in self.asked_to_stop:
            status, reason = "cancelled", "requested"
        self.loop.ended(self.ending(run, status, reason))

    def give_up(self, run: Claimed, *, times: int = 1) -> None:
        """Close a run whose code cannot be stopped. The closing may be told again: the answer to it was lost."""
        self.held.remove(run)
        self.given_up.append(run)
        for _ in range(times):
            self.loop.ended(replace(self.ending(run, "failed", "timeout"), abandoned=True))
            self.loop.step()

    def comes_back(self, run: Claimed) -> None:
        """Let code end that was given up on."""
        self.given_up.remove(run)
        self.loop.ended(self.ending(run, "success", None))

    def ending(self, run: Claimed, status: str, reason: str | None) -> Closing:
        bad = status == "failed"
        return Closing(
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
