"""What a node's runner does in a crash test: a witness line when a run starts, its end when told to, a line once that is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from support.ledger_stage import ending, node
from support.loop_node import LoopNode
from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Claimed, Closing, NodeIdentity
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.nodes.hooks import Pace
from systemprompt.nodes.identity import this_process
from systemprompt.nodes.journal import Journal
from systemprompt.nodes.rescue import Rescue
from systemprompt.planning.planner import Planner

PACE = Pace(heartbeat=4.0, lease=9.0)
DECIDE = Planner().decide

CrashLedger: TypeAlias = SqliteLedger | PostgresLedger
NOTE = "postgres.json"
"""The file that says where a scenario's ledger is on PostgreSQL."""


def tell(folder: str, line: dict[str, object]) -> None:
    """Add a line to the witness, durably."""
    file = os.open(os.path.join(folder, "witness.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, json.dumps(line).encode() + b"\n")
    os.fsync(file)
    os.close(file)


def ledger_in(folder: str) -> CrashLedger:
    """Return the ledger of a scenario: a file in its folder, or the schema that a note there names."""
    if not os.path.exists(os.path.join(folder, NOTE)):
        return SqliteLedger(os.path.join(folder, "ledger.db"))
    address, schema = place_of(folder)
    return PostgresLedger(Address(address), schema=schema, decides_by="host")


def place_of(folder: str) -> tuple[str, str]:
    """Return the address and the schema of a scenario that is on PostgreSQL."""
    with open(os.path.join(folder, NOTE), encoding="utf-8") as stream:
        address, schema = json.load(stream)
    return address, schema


class Worker(LoopNode):
    """A node of this process, or with `machine` of another. What it holds is in `held` until `finish`."""

    ledger: Ledger

    def __init__(
        self, ledger: Ledger, clock: ManualClock, folder: str, *, machine: str = "", journal: Journal | None = None
    ) -> None:
        self._folder, self._machine = folder, machine
        super().__init__(ledger, clock, "", pace=PACE, rescue=Rescue(ledger=ledger, clock=clock), journal=journal)
        self.loop.join()

    def finish(self, *, leave: Sequence[str] = (), how: Callable[[Claimed, int], Closing] | None = None) -> None:
        """End what is held, but for the jobs named, as `end_of` says where nobody else does."""
        held, self.held = self.held, [run for run in self.held if run.job_name in leave]
        for run in held:
            if run.job_name not in leave:
                self.loop.ended((how or end_of)(run, self.clock.now()))

    def hold(self, claimed: Sequence[Claimed]) -> None:
        for run in claimed:
            tell(self._folder, {"run_id": run.run_id, "job": run.job_name, "fire_at": run.fire_at, "fence": run.fence})
        super().hold(claimed)

    def leave(self) -> None:
        self.loop.drain()
        self.finish()
        self.step(0.1)
        self.ledger.leave(self.loop.node_id, self.clock.now())

    def _closed(self, closed: Sequence[int], late: Sequence[int], again: Mapping[int, Instant]) -> None:
        for run_id in closed:
            tell(self._folder, {"closed": run_id})

    def _identity(self) -> NodeIdentity:
        now = self.clock.now()
        if self._machine:
            return node("ghost", now, machine=self._machine, lease_ms=round(PACE.lease * 1000), capacity=9)
        return this_process(kind="serve", program="test", lease_s=PACE.lease, capacity=9, now=now)

    def _failed(self, error: Exception) -> None:
        raise error


def end_of(run: Claimed, now: int) -> Closing:
    """Every other run of `reruns` fails; all else goes well. Its other runs say something."""
    bad = run.job_name == "reruns" and run.fire_at is not None and run.fire_at // SECOND % 20 == 0
    if bad:
        return ending(run, now, "failed", "reported", again=True)
    return ending(run, now, message="well" if run.job_name == "reruns" else None)


def take_over(folder: str, now: int, *, journal: Journal | None = None) -> None:
    """Let the next node come: settle what the dead ones held, and work until nothing is open."""
    ledger = ledger_in(folder)
    worker = Worker(ledger, ManualClock(now), folder, journal=journal)
    for _ in range(4):
        worker.step(PACE.lease / 2)
    while ledger.open_runs():
        worker.finish()
        worker.step(0.01)
    worker.leave()
    ledger.close()
