"""A standby takes over before it had all: what nodes did in the lost stretch is brought back, and nothing begins twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ledger_stage import EVERY_SECOND, ME, START, at, audit_finds_nothing, ending, spec
from support.loop_node import LoopNode
from support.postgres_engine import PostgresEngine
from support.server_pair import ServerPair
from systemprompt.clock import ManualClock
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.records import Claimed, ManualStart
from systemprompt.nodes.journal import Journal
from systemprompt.planning.planner import Planner


class Failover:
    """Two nodes on a server with a standby. `begun` is what was really begun, by job and fire time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pair = ServerPair()
        self.engine = PostgresEngine(self.pair.address)
        self.clock = ManualClock(START)
        self.begun: Counter[tuple[str, int | None]] = Counter()
        self.ledger = self.engine.open_again()
        self.seen: set[int] = set()
        self.journals: list[Journal] = []
        self.nodes = [self.node("a"), self.node("b")]

    def node(self, name: str, machine: str = "") -> LoopNode:
        journal = Journal(str(self.folder / (machine or name)))
        self.journals.append(journal)
        return LoopNode(self.engine.open_again(), self.clock, name, journal=journal)

    def declare(self, *names: str, **policies: Any) -> None:
        specs = [spec(name, EVERY_SECOND, **policies) for name in names]
        self.ledger.sync_catalogue(specs, [], self.clock.now(), Planner().decide, ME)
        for node in self.nodes:
            node.loop.join()

    def rounds(self, number: int, *, ends: bool = True) -> None:
        """Let seconds pass, with a round of each node in each; what was begun ends in the next one."""
        for _ in range(number):
            self.clock.advance(1)
            for node in self.nodes:
                for _ in range(4):  # one that meets the new server, one that brings back, and one that works
                    node.loop.step()
                self.count(node)
                if ends:
                    self.end(node)
                    node.loop.step()

    def count(self, node: LoopNode) -> None:
        fresh = [run for run in node.held if run.fence not in self.seen]
        self.seen.update(run.fence for run in fresh)
        self.begun.update((run.job_name, run.fire_at) for run in fresh)

    def end(self, node: LoopNode) -> None:
        for run in node.held:
            node.loop.ended(ending(run, self.clock.now()))
        node.held.clear()

    def begun_twice(self) -> list[tuple[str, int | None]]:
        return [key for key, number in self.begun.items() if number > 1]

    def settle(self) -> None:
        self.rounds(3)
        for node in self.nodes:
            node.loop.step()

    def close(self) -> None:
        for journal in self.journals:
            journal.close()
        self.engine.close()
        self.pair.close()


@pytest.fixture
def failover(tmp_path: Path) -> Iterator[Failover]:
    failover = Failover(tmp_path)
    yield failover
    failover.close()


def recovered(ledger: PostgresLedger) -> list[tuple[int, str | None]]:
    return [(attempt.run_id, attempt.result) for attempt in ledger.attempts() if attempt.recovered]


def test_what_ended_in_the_lost_stretch_has_its_account_again_and_does_not_run_twice(failover: Failover) -> None:
    failover.declare("one", "two")
    failover.rounds(3)
    failover.pair.cut()
    failover.rounds(3)
    lost = {run.run_id: run for run in failover.ledger.runs_between(at(3), at(6)) if run.status == "success"}
    assert len(lost) >= 4
    failover.pair.fail_over()
    failover.settle()
    assert failover.begun_twice() == []
    again = {run.run_id: run for run in failover.ledger.runs_between(at(3), at(6))}
    for run_id, run in lost.items():
        assert (again[run_id].fire_at, again[run_id].fence, again[run_id].status) == (run.fire_at, run.fence, "success")
    assert {run_id for run_id, _ in recovered(failover.ledger)} >= set(lost)
    assert failover.ledger.open_runs() == []
    audit_finds_nothing(failover.ledger, failover.clock.now())


def test_every_try_of_the_lost_stretch_comes_back_in_order_and_none_is_made_again(failover: Failover) -> None:
    """A run that failed and was tried again: its tries lie between one fire time and the next."""
    specs = [spec("shaky", "*/10 * * * * *", retry={"times": 2, "after": 1})]
    failover.ledger.sync_catalogue(specs, [], failover.clock.now(), Planner().decide, ME)
    for node in failover.nodes:
        node.loop.join()
    failover.rounds(9)
    failover.pair.cut()
    failover.rounds(1, ends=False)
    for _ in range(3):
        for node in failover.nodes:
            for run in node.held:
                status, reason = ("success", None) if run.attempt == 3 else ("failed", "exception")
                node.loop.ended(ending(run, failover.clock.now(), status, reason, again=True))
            node.held.clear()
            node.loop.step()
        failover.rounds(3, ends=False)
    (before,) = failover.ledger.runs_between(0, 2**62)
    assert (before.status, before.attempt) == ("success", 3)
    tries = failover.begun["shaky", before.fire_at]

    failover.pair.fail_over()
    failover.settle()

    account = failover.ledger.run(before.run_id)
    assert account is not None
    assert (account.status, account.attempt, account.fence) == ("success", 3, before.fence)
    assert failover.begun["shaky", before.fire_at] == tries == 3
    audit_finds_nothing(failover.ledger, failover.clock.now())


def test_what_runs_as_the_server_fails_goes_on_under_its_number_and_its_fence(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(2)
    failover.pair.cut()
    failover.rounds(1, ends=False)
    (running,) = [run for node in failover.nodes for run in node.held]
    failover.pair.fail_over()
    failover.rounds(1, ends=False)
    (run,) = [run for run in failover.ledger.open_runs() if run.status == "running"]
    assert (run.run_id, run.fence, run.fire_at) == (running.run_id, running.fence, running.fire_at)
    for node in failover.nodes:
        failover.end(node)
    failover.settle()
    found = failover.ledger.run(running.run_id)
    assert found is not None
    assert (found.status, found.fence) == ("success", running.fence)
    assert failover.begun_twice() == []
    audit_finds_nothing(failover.ledger, failover.clock.now())


def test_no_fence_and_no_run_id_is_given_out_again(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(2)
    failover.pair.cut()
    failover.rounds(3)
    before = {run.run_id: run.fence for run in failover.ledger.runs_between(0, 2**62) if run.fence is not None}
    failover.pair.fail_over()
    failover.settle()
    after = {run.run_id: run.fence for run in failover.ledger.runs_between(0, 2**62) if run.fence is not None}
    new = {run_id: fence for run_id, fence in after.items() if run_id not in before}
    assert new
    assert min(new) > max(before) + 900_000
    assert all(fence >> 40 == 1 for fence in new.values())
    assert all(fence >> 40 == 0 for fence in before.values())
    assert failover.nodes[0].ledger.epoch == 1


def test_nothing_begins_until_the_other_node_has_told_what_it_did(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(2)
    failover.pair.cut()
    failover.rounds(2)
    failover.pair.fail_over()
    first, second = failover.nodes
    failover.clock.advance(2)
    for _ in range(5):
        first.loop.step()
    assert first.held == [], "the other may have begun it in the lost stretch"
    for _ in range(5):
        second.loop.step()
    failover.nodes.reverse()
    failover.rounds(1, ends=False)
    assert [run.fire_at for node in failover.nodes for run in node.held] != []
    assert failover.begun_twice() == []


def test_a_node_that_died_with_the_server_is_waited_for_no_longer_than_a_lease(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(2)
    first, _ = failover.nodes
    failover.pair.cut()
    failover.pair.fail_over()
    failover.nodes = [first]
    failover.rounds(round(first.pace.lease) - 1)
    before = sum(failover.begun.values())
    failover.rounds(5)
    assert sum(failover.begun.values()) > before
    audit_finds_nothing(failover.ledger, failover.clock.now())


@pytest.mark.parametrize("on_lost", ["fail", "rerun"])
def test_the_next_node_of_a_machine_brings_back_what_one_did_that_died_with_the_server(
    failover: Failover, on_lost: str
) -> None:
    failover.declare("one", on_lost=on_lost)
    failover.rounds(2)
    failover.pair.cut()
    failover.rounds(1, ends=False)
    (running,) = [run for node in failover.nodes for run in node.held]
    (place,) = [n for n, node in enumerate(failover.nodes) if node.held]
    failover.pair.fail_over()
    failover.nodes[place].loop._journal.close()  # type: ignore[union-attr]  # the process is gone, and its lock with it
    failover.nodes[place] = failover.node("next", machine="ab"[place])
    failover.nodes[place].loop.join()
    failover.rounds(75)  # until the former one is taken for lost
    mine = [run for run in failover.ledger.runs_between(0, 2**62) if run.fire_at == running.fire_at]
    if on_lost == "fail":
        assert [(run.run_id, run.status, run.reason) for run in mine] == [(running.run_id, "failed", "node_lost")]
        assert failover.begun_twice() == []
    else:
        assert [run.status for run in mine] == ["success"]
        assert failover.begun_twice() == [("one", running.fire_at)], "begun again, since the job says so"
    assert [result for _, result in recovered(failover.ledger)][-1] == "interrupted"
    audit_finds_nothing(failover.ledger, failover.clock.now())


def test_a_start_by_hand_in_the_lost_stretch_is_brought_back(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(1)
    failover.pair.cut()
    first, _ = failover.nodes
    started: tuple[Claimed, ...] = first.ledger.start_manual(
        first.loop.node_id, failover.clock.now(), [ManualStart(job_name="one", parameters={"x": 1})], ME
    )
    first.loop.hold(started)
    failover.pair.fail_over()
    failover.rounds(1, ends=False)
    found = failover.ledger.run(started[0].run_id)
    assert found is not None
    assert (found.status, found.origin, found.actor, found.parameters) == ("running", "manual", "me", {"x": 1})
    first.loop.ended(ending(started[0], failover.clock.now()))
    failover.settle()
    found = failover.ledger.run(started[0].run_id)
    assert found is not None
    assert found.status == "success"
    audit_finds_nothing(failover.ledger, failover.clock.now())


def test_a_server_that_is_started_again_is_the_same(failover: Failover) -> None:
    failover.declare("one")
    failover.rounds(2)
    failover.pair.primary.stop()
    failover.pair.primary.start()
    failover.rounds(3)
    assert failover.nodes[0].ledger.epoch == 0
    assert recovered(failover.ledger) == []
    audit_finds_nothing(failover.ledger, failover.clock.now())
