"""Asking a node for a run, and for the end of one, from another process's handle on the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.node_stage import NodeStage, definition
from support.waiting import WAIT_S
from systemprompt.jobs.context import JobContext
from systemprompt.ledger.records import Change, ManualStart

SOMEBODY = Change(actor="cli:ada", why="wrong file")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[NodeStage]:
    stage = NodeStage(tmp_path)
    yield stage
    stage.close()


def ask(stage: NodeStage, *names: str) -> tuple[int, ...]:
    return stage.ledger.ask_for_runs(stage.clock.now(), [ManualStart(job_name=name) for name in names], SOMEBODY)


def stop(stage: NodeStage, run_id: int) -> str:
    return stage.ledger.ask_to_stop(run_id, stage.clock.now(), SOMEBODY).status


def test_a_node_takes_a_run_that_somebody_asked_for(stage: NodeStage) -> None:
    def work() -> str:
        return "done"

    stage.node(definition(work, "")).start()
    (run_id,) = ask(stage, "work")
    stage.wait("run_finished", "work")
    run = stage.ledger.run(run_id)
    assert run is not None
    assert (run.status, run.origin, run.actor, run.why) == ("success", "manual", "cli:ada", "wrong file")


def test_a_run_that_is_asked_to_stop_begins_to_stop_within_a_second(stage: NodeStage) -> None:
    begun, told = threading.Event(), threading.Event()

    def work(ctx: JobContext) -> None:
        begun.set()
        ctx.cancel.wait(WAIT_S)
        told.set()
        ctx.raise_if_cancelled()

    stage.node(definition(work, "")).start()
    (run_id,) = ask(stage, "work")
    assert begun.wait(WAIT_S)
    asked_at = time.monotonic()
    assert stop(stage, run_id) == "running"
    assert told.wait(WAIT_S)
    assert time.monotonic() - asked_at < 1.0
    stage.wait("run_finished", "work")
    run = stage.ledger.run(run_id)
    assert run is not None
    assert (run.status, run.reason, run.stop_by, run.stop_why) == ("cancelled", "requested", "cli:ada", "wrong file")


def test_a_busy_node_begins_to_stop_a_run_within_a_second(stage: NodeStage) -> None:
    told = threading.Event()

    def work(ctx: JobContext) -> None:
        ctx.cancel.wait(WAIT_S)
        told.set()

    def tick() -> None: ...

    def named(number: int) -> object:
        def one() -> None: ...

        one.__name__ = f"tick_{number}"
        return definition(one)

    ticks = [named(number) for number in range(60)]
    stage.node(definition(work, ""), *ticks, capacity=8).start()  # type: ignore[arg-type]  # definitions
    (run_id,) = ask(stage, "work")
    stage.wait("run_started", "work")
    stage.wait("run_started", count=60)
    asked_at = time.monotonic()
    stop(stage, run_id)
    assert told.wait(WAIT_S)
    assert time.monotonic() - asked_at < 1.0
    stage.wait("run_finished", "work")


def test_a_run_that_waits_is_closed_at_once_and_never_begins(stage: NodeStage) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(WAIT_S)

    def late() -> None:
        raise AssertionError("it was cancelled")

    stage.node(definition(slow, ""), definition(late, ""), capacity=1).start()
    ask(stage, "slow")
    assert begun.wait(WAIT_S)
    (run_id,) = ask(stage, "late")
    assert stop(stage, run_id) == "cancelled"
    go_on.set()
    stage.wait("run_finished", "slow")
    (run,) = stage.runs("late")
    assert (run.status, run.reason, run.attempt) == ("cancelled", "requested", 0)


def test_what_cannot_be_stopped_stays_in_its_jobs_way_until_it_comes_back(stage: NodeStage) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def deaf() -> str:
        begun.set()
        go_on.wait(WAIT_S)
        return "after all"

    stage.node(definition(deaf, "")).start()
    (first,) = ask(stage, "deaf")
    assert begun.wait(WAIT_S)
    stop(stage, first)
    stage.wait("run_finished", "deaf")
    run = stage.ledger.run(first)
    assert run is not None
    assert (run.status, run.reason, run.abandoned) == ("cancelled", "requested", True)
    assert list(stage.ledger.abandoned_runs()) == [first]

    begun.clear()
    (second,) = ask(stage, "deaf")
    assert not begun.wait(0.3), "its code still runs"
    go_on.set()
    stage.wait("run_late")
    stage.wait("run_finished", "deaf", count=2)
    again = stage.ledger.run(second)
    assert again is not None
    assert again.status == "success"
    (attempt,) = stage.ledger.attempts(first)
    assert (attempt.result, attempt.late_result) == ("cancelled", "success")
    assert list(stage.ledger.abandoned_runs()) == []


def test_a_run_in_a_process_of_a_command_is_stopped_too(stage: NodeStage) -> None:
    told = threading.Event()

    def by_hand(ctx: JobContext) -> None:
        ctx.cancel.wait(WAIT_S)
        told.set()
        ctx.raise_if_cancelled()

    node = stage.node(definition(by_hand, ""), kind="run")
    node.start()
    (claimed,) = node.start_manual([ManualStart(job_name="by_hand")], SOMEBODY)
    stop(stage, claimed.run_id)
    assert told.wait(WAIT_S)
    assert node.wait_any([claimed.run_id], WAIT_S) == {claimed.run_id}
