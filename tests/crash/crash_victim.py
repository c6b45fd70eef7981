"""A node's life of a few turns, on a clock moved by hand, in a process that can be killed at any event of its ledger.

Run as a program it reads lines `database witness event` and, for each, forks a child that lives that life and kills itself with
SIGKILL at that event (0: lives to its end), then answers with the child's events as one line. One event is `begin`, a statement's
name, `commit` (before it) or `committed` (after it).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence

from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Claimed, Closing, JobSpec, NodeIdentity
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.runner.identity import this_process
from systemprompt.runner.rescue import Rescue
from systemprompt.scheduler.loop import Hooks, Loop, Pace
from systemprompt.scheduler.planner import Planner

START = 1_767_225_600 * SECOND
PACE = Pace(heartbeat=4.0, lease=9.0)


def job(name: str, schedule: str, **policies: object) -> JobSpec:
    return JobSpec(name=name, description="", schedule=schedule, time_zone="UTC", enabled=True, policies=policies)


JOBS = (
    job("fails", "*/10 * * * * *"),
    job("reruns", "*/10 * * * * *", on_lost="rerun"),
    job("every", "*/5 * * * * *", catch_up="all", on_lost="rerun"),
    job("skips", "*/2 * * * * *", catch_up="skip"),
    job("long", "*/10 * * * * *"),
)
PERIODS = {"fails": 10, "reruns": 10, "every": 5, "skips": 2, "long": 10}


class Worker:
    """What a node's runner does here: write a witness line when a run starts, end it when told to."""

    def __init__(self, ledger: SqliteLedger, clock: ManualClock, witness: str, identity: NodeIdentity) -> None:
        self.clock = clock
        self.held: list[Claimed] = []
        self._witness = witness
        self.loop = Loop(
            ledger=ledger,
            clock=clock,
            planner=Planner(),
            identity=identity,
            hooks=Hooks(
                claimed=self._start,
                closed=lambda closed, late: None,
                rescued=lambda rescued: None,
                lease_lost=self._fenced,
                failed=self._failed,
                watch=Rescue(ledger=ledger, clock=clock).step,
            ),
            pace=PACE,
            plans=True,
        )

    def step(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.loop.step()

    def finish(self, *, leave: Sequence[str] = ()) -> None:
        """End what is held, but for the jobs named."""
        ending, self.held = self.held, [run for run in self.held if run.job_name in leave]
        for run in ending:
            if run.job_name not in leave:
                bad = run.job_name == "reruns" and run.fire_at is not None and run.fire_at // SECOND % 20 == 0
                self.loop.ended(
                    Closing(
                        run_id=run.run_id,
                        attempt=run.attempt,
                        fence=run.fence,
                        status="failed" if bad else "success",
                        reason="reported" if bad else None,
                        started_at=run.started_at,
                        finished_at=self.clock.now(),
                    )
                )

    def _start(self, claimed: Sequence[Claimed]) -> None:
        for run in claimed:
            line = json.dumps({"run_id": run.run_id, "job": run.job_name, "fire_at": run.fire_at, "fence": run.fence})
            file = os.open(self._witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, line.encode() + b"\n")
            os.fsync(file)
            os.close(file)
            self.held.append(run)

    def _fenced(self, why: str) -> NodeIdentity:
        raise AssertionError(f"nobody takes this node's lease: {why}")

    def _failed(self, error: Exception) -> None:
        raise error


def identity(clock: ManualClock) -> NodeIdentity:
    return this_process(kind="serve", program="test", lease_s=PACE.lease, capacity=9, now=clock.now())


def prepare(database: str, witness: str) -> None:
    """Make a ledger in which a node of another machine died with two runs in its hands."""
    ledger, clock = SqliteLedger(database), ManualClock(START)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, Planner().decide, actor="test")
    ghost = identity(clock)
    values = {name: getattr(ghost, name) for name in ghost.__dataclass_fields__}
    worker = Worker(ledger, clock, witness, NodeIdentity(**{**values, "node_id": "ghost", "machine": "elsewhere"}))
    worker.loop.join()
    worker.step(10)
    worker.finish(leave=("fails", "reruns"))
    worker.step(0.5)
    ledger._store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()


def live(database: str, witness: str, kill_at: int) -> list[str]:
    """Plan, claim, close, beat and rescue through ten turns; return the events there were."""
    events: list[str] = []

    def hear(event: str) -> None:
        events.append(event)
        if len(events) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger = SqliteLedger(database, on_statement=hear)
    clock = ManualClock(START + round(10.5 * SECOND))
    worker = Worker(ledger, clock, witness, identity(clock))
    worker.loop.join()
    worker.step(0)  # nothing is due
    worker.step(4.5)
    worker.step(5)  # the ghost's runs are rescued in here, and one of them is claimed again
    worker.finish(leave=("long",))
    worker.step(4)
    worker.step(6)  # `long` blocks itself
    ledger.set_enabled("skips", False, clock.now(), Planner().decide, actor="test")
    worker.finish()
    worker.step(0.2)
    worker.step(60)  # it was suspended: ranges, and a backlog for `every`
    for _ in range(3):
        worker.finish()
        worker.step(1)
    worker.loop.drain()
    worker.finish()
    worker.step(0.1)
    ledger.leave(worker.loop.node_id, clock.now())
    ledger.close()
    return events


def main() -> None:
    for line in sys.stdin:
        database, witness, kill_at = line.split()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            status = 1
            try:
                os.write(writer, json.dumps(live(database, witness, int(kill_at))).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        _, how = os.waitpid(pid, 0)
        ended = {"signal": os.WTERMSIG(how) if os.WIFSIGNALED(how) else 0, "status": how >> 8}
        print(json.dumps({**ended, "events": json.loads(answer or b"[]")}), flush=True)


def take_over(database: str, witness: str, now: int) -> None:
    """Let the next node come: settle what the dead ones held, and work until nothing is open."""
    ledger, clock = SqliteLedger(database), ManualClock(now)
    worker = Worker(ledger, clock, witness, identity(clock))
    worker.loop.join()
    worker.step(PACE.lease / 2)
    worker.step(PACE.lease)
    while ledger.open_runs():
        worker.finish()
        worker.step(0.01)
    ledger.leave(worker.loop.node_id, clock.now())
    ledger.close()


if __name__ == "__main__":
    main()
