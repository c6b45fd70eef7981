"""What a run costs a node outside the ledger: events, threads, timeouts, logs, and the end on its way back.

A whole node, functions that do nothing, `max_concurrent_runs: 64`, and a ledger in memory that has every claim ready and
keeps nothing. The ledger that answers at once shows the hand-over alone. The one that takes 3 ms a turn gives the node that time
for the runs it has, as a commit does. CPU is that of the whole process. The floor is a bare `ThreadPoolExecutor` of 64 threads
that is handed the same function, and a list of its futures.

Aim: no more CPU than the floor.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

from bench._report import NotMeasured, Report, options
from systemprompt.clock import Clock, SystemClock
from systemprompt.discovery.definition import Catalogue, JobDefinition, JobSource
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import FunctionJob
from systemprompt.jobs.policies import Policies
from systemprompt.jobs.settings import JobSettings
from systemprompt.ledger.records import Claimed, Closing, NodeIdentity, Turn, ZoneDataStanding
from systemprompt.nodes.events import Listeners, NodeEvent
from systemprompt.nodes.hooks import Pace
from systemprompt.nodes.node import Node, NodeSettings
from systemprompt.runner.run_logs import RunLogs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.ledger.protocol import Ledger
    from systemprompt.ledger.records import Decide

AT_ONCE = 64
COMMIT_S = 0.003

SIZES = {"smoke": (100, 1), "quick": (10_000, 3), "normal": (20_000, 7), "full": (20_000, 25)}
"""How many runs, and how often; the first round, which starts the threads, is not counted."""

_WAIT_S = 120.0


def nothing(_ctx: JobContext) -> None:
    """Be the whole work of a job."""


async def nothing_async(_ctx: JobContext) -> None:
    """Be the whole work of an async job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: how long a turn takes, the jobs' timeout, and the function that is each job's work."""

    name: str
    turn_s: float = 0.0
    timeout_s: float | None = None
    work: Callable[..., Any] = nothing


CASES = (
    Case(name="a ledger that answers at once"),
    Case(name="the same, jobs with a timeout of an hour", timeout_s=3600.0),
    Case(name="the same, async jobs", work=nothing_async),
    Case(name=f"a ledger that takes {COMMIT_S * 1000:g} ms a turn", turn_s=COMMIT_S),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round took: seconds, seconds of CPU, turns of the ledger."""

    took_s: float
    cpu_s: float
    turns: int = 0


class LedgerInMemory:
    """The part of a ledger that a node's clockwork calls. It hands out the claims it was given and forgets what is closed."""

    def __init__(self, turn_s: float) -> None:
        self._turn_s = turn_s
        self._waiting: list[Claimed] = []
        self.turns = 0

    def offer(self, claims: Sequence[Claimed]) -> None:
        self._waiting = list(claims)
        self.turns = 0

    def turn(
        self,
        _node_id: str,
        _now: int,
        _decide: Decide,
        *,
        closings: Sequence[Closing] = (),
        room: int = 0,
        plan: bool = True,  # noqa: ARG002  # the protocol's own name
        patience: int = 0,  # noqa: ARG002  # as above
    ) -> Turn:
        self.turns += 1
        if self._turn_s:
            time.sleep(self._turn_s)
        claimed = tuple(self._waiting[:room])
        del self._waiting[:room]
        return Turn(closed=tuple([closing.run_id for closing in closings]), claimed=claimed)

    epoch = None

    def answered_within(self, _seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext()

    def settle_lost(self, _now: int, _decide: Decide) -> bool:
        return False

    def plan_by_zone_data(self, _node_id: str, _now: int) -> ZoneDataStanding:
        return ZoneDataStanding(may_plan=True, took_over=False)

    def held(self, _node_id: str) -> tuple[Claimed, ...]:
        return ()

    def stops_asked(self, _node_id: str) -> list[tuple[int, int]]:
        return []

    def fold(self) -> bool:
        return False

    def clock(self, host: Clock) -> Clock:
        return host

    def hear(self, _heard: Callable[[], None]) -> None:
        pass

    def join(self, node: NodeIdentity) -> None:
        pass

    def beat(self, _node_id: str, _now: int) -> bool:
        return True

    def leave(self, node_id: str, now: int) -> None:
        pass

    def node(self, _node_id: str) -> NodeIdentity | None:
        return None

    def living_nodes(self) -> list[NodeIdentity]:
        return []

    def high_water(self) -> int:
        return 0

    def change_marker(self) -> int:
        return 0


class Stage:
    """A node on a ledger in memory, and a way to wait until it has closed so many runs."""

    def __init__(self, case: Case) -> None:
        self._ledger = LedgerInMemory(case.turn_s)
        self._definition = JobDefinition(
            name="nothing",
            policies=Policies(timeout_s=case.timeout_s),
            source=JobSource(kind="module", name=__name__),
            job=FunctionJob(case.work, {"name": "nothing"}),
        )
        self._left = 0
        self._run_id = 0
        self._all_closed = threading.Event()
        self.node = Node(
            ledger=cast("Ledger", self._ledger),
            clock=SystemClock(),
            settings=NodeSettings(capacity=AT_ONCE, pace=Pace()),
            job_settings=JobSettings(),
            database=None,
            child_database=None,
            logs=RunLogs(None, ledger_id="bench"),
            catalogue=Catalogue(jobs={"nothing": self._definition}),
            listeners=Listeners(self._hear),
        )

    def measure(self, runs: int) -> Round:
        claims = [self._claim() for _ in range(runs)]
        self._left = runs
        self._all_closed.clear()
        self._ledger.offer(claims)
        return _timed(self._run, lambda: self._ledger.turns)

    def _run(self) -> None:
        self.node.loop.look()
        if not self._all_closed.wait(_WAIT_S):
            raise NotMeasured(f"{self._left} runs were not closed within {_WAIT_S:g} s: {self.node.error}")

    def _claim(self) -> Claimed:
        self._run_id += 1
        return Claimed(
            run_id=self._run_id,
            job_name="nothing",
            version=1,
            origin="schedule",
            fire_at=1_000_000,
            attempt=1,
            fence=self._run_id,
            started_at=1_000_000,
            actor="schedule",
            parameters={},
            enforce=None,
        )

    def _hear(self, event: NodeEvent) -> None:
        if event.kind == "run_finished":
            self._left -= 1
            if not self._left:
                self._all_closed.set()


def main(arguments: list[str]) -> int:
    """Print the table."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    runs, times = SIZES[chosen.scale]
    report = Report(
        name="handover",
        title="Handing a run over and taking its end back, without a ledger",
        columns=("", "runs", "runs/s", "CPU us a run", "runs a turn"),
    )
    bare = floor(runs, times)
    _row(report, f"floor: a bare pool of {AT_ONCE} threads", runs, bare)
    for case in CASES:
        rounds = handed_over(case, runs, times)
        _row(report, case.name, runs, rounds)
        if case is CASES[0]:
            ours, least = (min(one.cpu_s for one in some) / runs * 1e6 for some in (rounds, bare))
            report.aim("no more CPU than the floor", f"{ours:.1f} us against {least:.1f}", ours <= least)
    report.note("the least of all rounds: other programs on the machine can only add")
    return report.finish(chosen, busy)


def handed_over(case: Case, runs: int, times: int) -> list[Round]:
    """Return what each round took a node."""
    stage = Stage(case)
    stage.node.start()
    try:
        return [stage.measure(runs) for _ in range(times + 1)][1:]
    finally:
        stage.node.close()


def floor(runs: int, times: int) -> list[Round]:
    """Return what each round took a bare pool."""
    context = JobContext(job_name="nothing")
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def submit() -> None:
            for future in [pool.submit(nothing, context) for _ in range(runs)]:
                future.result()

        return [_timed(submit) for _ in range(times + 1)][1:]


def _timed(work: Callable[[], Any], turns: Callable[[], int] = lambda: 0) -> Round:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return Round(took_s=time.perf_counter() - began, cpu_s=time.process_time() - cpu, turns=turns())


def _row(report: Report, name: str, runs: int, rounds: list[Round]) -> None:
    report.row(
        name,
        f"{runs:,}",
        f"{runs / min(one.took_s for one in rounds):,.0f}",
        f"{min(one.cpu_s for one in rounds) / runs * 1e6:.1f}",
        f"{runs * len(rounds) / turns:.0f}" if (turns := sum(one.turns for one in rounds)) else "",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
