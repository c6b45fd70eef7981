"""What a node's runner does in a crash test: a witness line when a run starts, its end when told to, a line once that is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Claimed, Closing, JobSpec, NodeIdentity
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.identity import this_process
from systemprompt.nodes.loop import Loop
from systemprompt.nodes.rescue import Rescue
from systemprompt.planning.planner import Planner

START = 1_767_225_600 * SECOND
PACE = Pace(heartbeat=4.0, lease=9.0)
DECIDE = Planner().decide


def job(name: str, schedule: str, *, source: str = "file:jobs.py", **policies: object) -> JobSpec:
    return JobSpec(
        name=name, description="", schedule=schedule, time_zone="UTC", enabled=True, policies=policies, source=source
    )


def tell(folder: str, line: dict[str, object]) -> None:
    """Add a line to the witness, durably."""
    file = os.open(os.path.join(folder, "witness.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, json.dumps(line).encode() + b"\n")
    os.fsync(file)
    os.close(file)


def ledger_in(folder: str) -> SqliteLedger:
    return SqliteLedger(os.path.join(folder, "ledger.db"))


class Worker:
    """A node on a clock moved by hand. What it holds is in `held` until `finish`."""

    def __init__(
        self, ledger: SqliteLedger, clock: ManualClock, folder: str, *, pace: Pace = PACE, **said: str
    ) -> None:
        self.ledger = ledger
        self.clock = clock
        self.held: list[Claimed] = []
        self._folder = folder
        self._pace = pace
        self.loop = Loop(
            ledger=ledger,
            clock=clock,
            planner=Planner(),
            identity=self._identity(**said),
            hooks=Hooks(
                claimed=self.take,
                closed=self._closed,
                rescued=lambda rescued: None,
                lease_lost=lambda why, run_ids: self._identity(),
                asked_to_stop=lambda run_ids: None,
                failed=self._failed,
                watch=Rescue(ledger=ledger, clock=clock).step,
            ),
            pace=pace,
            plans=True,
        )
        self.loop.join()

    def step(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.loop.step()

    def finish(self, *, leave: Sequence[str] = (), how: Callable[[Claimed, int], Closing] | None = None) -> None:
        """End what is held, but for the jobs named, as `end_of` says where nobody else does."""
        ending, self.held = self.held, [run for run in self.held if run.job_name in leave]
        for run in ending:
            if run.job_name not in leave:
                self.loop.ended((how or end_of)(run, self.clock.now()))

    def take(self, claimed: Sequence[Claimed]) -> None:
        for run in claimed:
            tell(self._folder, {"run_id": run.run_id, "job": run.job_name, "fire_at": run.fire_at, "fence": run.fence})
            self.held.append(run)

    def leave(self) -> None:
        self.loop.drain()
        self.finish()
        self.step(0.1)
        self.ledger.leave(self.loop.node_id, self.clock.now())

    def _closed(self, closed: Sequence[int], late: Sequence[int]) -> None:
        for run_id in closed:
            tell(self._folder, {"closed": run_id})

    def _identity(self, **said: str) -> NodeIdentity:
        own = this_process(kind="serve", program="test", lease_s=self._pace.lease, capacity=9, now=self.clock.now())
        return NodeIdentity(**{**{name: getattr(own, name) for name in own.__dataclass_fields__}, **said})

    def _failed(self, error: Exception) -> None:
        raise error


def end_of(run: Claimed, now: int) -> Closing:
    """Every other run of `reruns` fails; all else goes well. Its other runs say something."""
    bad = run.job_name == "reruns" and run.fire_at is not None and run.fire_at // SECOND % 20 == 0
    return Closing(
        run_id=run.run_id,
        attempt=run.attempt,
        fence=run.fence,
        status="failed" if bad else "success",
        reason="reported" if bad else None,
        started_at=run.started_at,
        finished_at=now,
        message="well" if run.job_name == "reruns" and not bad else None,
    )


def take_over(folder: str, now: int) -> None:
    """Let the next node come: settle what the dead ones held, and work until nothing is open."""
    ledger = ledger_in(folder)
    worker = Worker(ledger, ManualClock(now), folder)
    worker.step(PACE.lease / 2)
    worker.step(PACE.lease)
    while ledger.open_runs():
        worker.finish()
        worker.step(0.01)
    worker.leave()
    ledger.close()
