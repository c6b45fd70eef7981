"""One node whose time passes by hand: the real planner, ledger and accounts, on a manual clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta

from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.ledger.records import Change, Claimed, Closing, ManualStart, NodeIdentity
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.identity import this_process
from systemprompt.nodes.loop import Loop
from systemprompt.planning.planner import Planner
from systemprompt.system import System

__all__ = ["SimulatedNode"]


class SimulatedNode:
    """A node at work in the calling thread. It plans, claims and closes as `sp serve` does, and never waits.

    program     what the ledger calls it
    carry_out   called with each run that starts, one after another, at the instant it starts. It reports the end with `ended`,
                at once or later, and may let time pass first with `advance_to`: other runs then start meanwhile
    on_settled  called whenever nothing more is due at this instant. What it raises leaves the node, and time stands still there
    """

    def __init__(
        self,
        system: System,
        clock: ManualClock,
        *,
        program: str,
        carry_out: Callable[[Claimed], None],
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._system = system
        self._clock = clock
        self._program = program
        self._carry_out = carry_out
        self._on_settled = on_settled
        self._claimed: deque[Claimed] = deque()
        self._loop = Loop(
            ledger=system.ledger,
            clock=clock,
            planner=Planner(grace=round(system.profile.limits.misfire_grace * SECOND)),
            identity=self._identity(),
            hooks=Hooks(
                claimed=self._claimed.extend,
                closed=lambda _closed, _late, _again: None,
                rescued=lambda _rescued: None,
                lease_lost=lambda _why, _run_ids: self._identity(),
                asked_to_stop=lambda _run_ids: None,
                asked_to_drain=lambda _by, _why: None,
                failed=_failed,
                watch=lambda _own: [],
            ),
            pace=Pace(poll=_FAR_S, heartbeat=_FAR_S, lease=_FAR_S),
            plans=True,
        )

    def begin(self) -> None:
        """Join the ledger and start the bootstrap jobs, as a node does."""
        self._loop.join()
        for name in self._system.catalogue.bootstrap:
            self._loop.ask(ManualStart(job_name=name, origin="bootstrap"))
        self._settle()

    def advance_to(self, until: Instant) -> None:
        """Let time pass up to and including an instant. Each run that falls due starts at its own instant."""
        pause = self._settle()
        while (due := self._clock.now() + max(1, round(pause * SECOND))) <= until:
            self._clock.advance(timedelta(microseconds=due - self._clock.now()))
            pause = self._settle()
        if until > self._clock.now():
            self._clock.advance(timedelta(microseconds=until - self._clock.now()))

    def run(self, start: ManualStart, change: Change) -> int:
        """Start a job by hand, carry it out and return the number of its run. Raises JobNotFound."""
        (claimed,) = self._system.ledger.start_manual(self._loop.node_id, self._clock.now(), [start], change)
        self._loop.hold([claimed])
        self._claimed.append(claimed)
        self._work()
        self._settle()
        return claimed.run_id

    def ended(self, closing: Closing) -> None:
        """Take the end of a run that was carried out."""
        self._loop.ended(closing)

    def _settle(self) -> float:
        """Work until nothing more is due at this instant; return the seconds until something is."""
        while True:
            pause = self._loop.step()
            if self._claimed:
                self._work()
            elif pause > 0:
                self._on_settled()
                return pause

    def _work(self) -> None:
        while self._claimed:
            self._carry_out(self._claimed.popleft())

    def _identity(self) -> NodeIdentity:
        # It stands for all nodes of the installation together, so it has every label that a job asks for.
        labels = {label for job in self._system.catalogue.jobs.values() for label in job.policies.runs_on}
        return this_process(
            kind="serve",
            program=self._program,
            lease_s=_FAR_S,
            capacity=_ROOM,
            now=self._clock.now(),
            labels=tuple(sorted(labels)),
        )


def _failed(error: Exception) -> None:
    raise error


_FAR_S = 1e9
_ROOM = 10_000
