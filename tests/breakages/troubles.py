"""What befalls nodes in a life that Hypothesis makes up: they freeze, and the database is away, for longer than a lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from worker import Worker

from support.loop_node import PACE
from systemprompt.clock import Instant, ManualClock
from systemprompt.errors import (
    ConflictError,
    DatabaseBusy,
    DatabaseUnreachable,
    NotFoundError,
    RequestMismatch,
    RunClosed,
    RunNotFound,
    SystempromptError,
)
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.records import Change, ManualStart, NodeIdentity
from systemprompt.ledger.stored.asking import KEPT_REQUESTS

ENDS = (("success", None), ("failed", "reported"), ("cancelled", "interrupted"))
AWAY: dict[str, SystempromptError] = {
    "busy": DatabaseBusy("held by another process"),
    "unreachable": DatabaseUnreachable("no answer"),
}


class Node(Worker):
    """A worker that may lose sight of the database, and that keeps in mind what its loop told it to stop.

    stops   the fences of held runs that are to stop, with the reason
    """

    def __init__(self, path: Path, name: str, clock: ManualClock) -> None:
        self.away: SystempromptError | None = None
        self.stops: dict[int, str] = {}
        super().__init__(path, name, clock, self._guard)

    def _guard(self, ledger: Any) -> None:
        """Let every call fail while the database is away."""
        names = {name for name in (*vars(Ledger), *vars(LedgerReader)) if not name.startswith("_")}
        for name in names - {"close", "upkeep", "dialect", "decides_by", "epoch"}:
            setattr(ledger, name, self._guarded(getattr(ledger, name)))

    def _guarded(self, method: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            if self.away is not None:
                raise self.away
            return method(*arguments, **more)

        return call

    def _asked_to_stop(self, run_ids: Sequence[int]) -> None:
        super()._asked_to_stop(run_ids)
        self._note_stops(run_ids, "requested")

    def _lease_lost(self, why: str, run_ids: Sequence[int]) -> NodeIdentity:
        self._note_stops(run_ids, "lease_lost")
        return super()._lease_lost(why, run_ids)

    def _note_stops(self, run_ids: Sequence[int], reason: str) -> None:
        self.stops |= {run.fence: reason for run in self.held if run.run_id in run_ids}

    def stop_what_is_to_stop(self) -> None:
        for run in [run for run in self.held if run.fence in self.stops]:
            self.end(run, "cancelled", self.stops.pop(run.fence))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was answered."""

    job_name: str
    run_id: int
    until_at: Instant


class Troubles(RuleBasedStateMachine):
    """Rules for a machine that has two nodes."""

    ledger: Any
    clock: ManualClock
    workers: list[Node]
    still: set[Worker]

    def __init__(self) -> None:
        super().__init__()
        self.requests: dict[str, Asked] = {}
        self.latest = 0

    def step(self, worker: Worker) -> None:
        raise NotImplementedError

    def go_round(self) -> None:
        raise NotImplementedError

    def end_all(self, turn: int) -> None:
        raise NotImplementedError

    def wait_until_due(self) -> None:
        raise NotImplementedError

    # -- nodes that freeze ----------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), rounds=st.integers(1, 12), end=st.sampled_from(ENDS), works_on=st.booleans())
    def a_node_freezes_with_runs_in_its_hands(
        self, which: int, rounds: int, end: tuple[str, str | None], works_on: bool
    ) -> None:
        """The other works on meanwhile; in the end the frozen one brings what it had, or does first as its loop says."""
        frozen = self.workers[which]
        self.still.clear()
        self.wait_until_due()
        self.step(frozen)
        self.still.add(frozen)
        for turn in range(rounds):
            self.clock.advance(PACE.heartbeat)
            self.end_all(turn)
        self.still.discard(frozen)
        if works_on:
            for run in list(frozen.held):
                frozen.end(run, *end)
        self.go_round()
        frozen.stop_what_is_to_stop()
        self.go_round()

    # -- a database that is away ----------------------------------------------------------------------------------------

    @rule(
        who=st.sampled_from(((0,), (1,), (0, 1))),
        how=st.sampled_from(sorted(AWAY)),
        seconds=st.sampled_from((9, 24, 45, 60, 120)),
        ends=st.sampled_from(("nothing", "what the others run", "all")),
        asks=st.sampled_from((False, False, True)),
    )
    def the_database_is_away(self, who: tuple[int, ...], how: str, seconds: int, ends: str, asks: bool) -> None:
        """For some nodes or all; those that see it go on, and settle what the others hold once their lease is over.

        Nothing runs twice at once for it: what others may start again has stopped before they may.
        """
        cut = [self.workers[which] for which in who]
        self.still.clear()
        self.wait_until_due()
        self.step(cut[0])  # it takes what fell due
        self.go_round()
        twice = self._twice()
        for node in cut:
            node.away = AWAY[how]
        for turn in range(seconds // 3):
            self.clock.advance(3)
            self.go_round()
            for node in cut:
                node.stop_what_is_to_stop()
            if asks and turn == 1:
                self._ask_all_to_stop()
            if ends == "all" and turn % 3 == 2:
                self.end_all(turn)
            if ends == "what the others run":
                for node in self.workers:
                    for run in list(node.held) if node not in cut else ():
                        node.end(run)
            assert self._twice() <= twice, "a run is at work on two nodes"
        for node in cut:
            node.away = None
        self.go_round()
        for node in self.workers:
            node.stop_what_is_to_stop()
        self.go_round()
        assert self._twice() <= twice, "a run is at work on two nodes"

    def _twice(self) -> set[int]:
        """Return the runs that are at work on more than one node."""
        held = Counter(run_id for node in self.workers for run_id in {run.run_id for run in node.held})
        return {run_id for run_id, number in held.items() if number > 1}

    def _ask_all_to_stop(self) -> None:
        for run in self.ledger.open_runs():
            self.ledger.ask_to_stop(run.run_id, self.clock.now(), Change(actor="me"))

    # -- requests -------------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(("one", "two", "three")), request_id=st.sampled_from(("r", "s")))
    def a_run_is_asked_for_under_an_id(self, name: str, request_id: str) -> None:
        """The same id does it once, for a week; for something else it is refused."""
        now = self.clock.now()
        self.latest = max(self.latest, now)
        before = self.requests.get(request_id)
        if before is not None and before.until_at <= self.latest:
            before = None  # retention may have taken it, whatever the clock says now
            del self.requests[request_id]
        try:
            (run_id,) = self.ledger.ask_for_runs(
                now, [ManualStart(job_name=name)], Change(actor="me", request_id=request_id)
            )
        except RequestMismatch:
            assert before is None or before.job_name != name
        except (NotFoundError, ConflictError):
            pass  # there is no such job, it is quarantined, or the clock stands in a sealed day
        else:
            assert before is None or (before.job_name, before.run_id) == (name, run_id)
            self.requests.setdefault(request_id, Asked(name, run_id, now + KEPT_REQUESTS))

    @rule(number=st.integers(0, 30))
    def a_stop_is_asked_of_any_run(self, number: int) -> None:
        """A closed one is refused, one that waits is closed at once, and the node of one that runs is told within a second."""
        runs = list(self.ledger.runs_between(-(2**62), 2**62))
        if not runs:
            with pytest.raises(RunNotFound):
                self.ledger.ask_to_stop(1, self.clock.now(), Change(actor="me"))
            return
        run = runs[-1 - number % len(runs)]
        if run.finished_at is not None:
            with pytest.raises(RunClosed):
                self.ledger.ask_to_stop(run.run_id, self.clock.now(), Change(actor="me"))
            return
        self.ledger.ask_to_stop(run.run_id, self.clock.now(), Change(actor="me"))
        after = self.ledger.run(run.run_id)
        assert after.stop_by == (run.stop_by or "me"), "the first request stands"
        if run.status == "queued":
            assert (after.status, after.reason) == ("cancelled", "requested")
        self.clock.advance(1)
        self.go_round()
        for node in self.workers:
            if node not in self.still and (run.run_id, run.fence) in {(one.run_id, one.fence) for one in node.held}:
                assert run.fence in node.stops
