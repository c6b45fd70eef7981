"""A whole node in this process: what it fires, how it stops, and what it says when others took its work."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import pytest

from support.ledger_stage import EVERY_SECOND
from support.node_stage import NodeStage, catalogue, definition
from support.waiting import WAIT_S
from systemprompt.clock import SECOND
from systemprompt.errors import JobAlreadyRunning
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.nodes import identity, reboot
from systemprompt.nodes.events import Listeners, NodeEvent, RunLate
from systemprompt.planning.planner import Planner


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[NodeStage]:
    stage = NodeStage(tmp_path)
    yield stage
    stage.close()


ME = Change(actor="me")


def by_hand(*names: str) -> list[ManualStart]:
    return [ManualStart(job_name=name) for name in names]


def test_jobs_fire_every_second_and_each_end_is_in_the_ledger(stage: NodeStage) -> None:
    async def asynchronous() -> JobResult:
        await asyncio.sleep(0)
        return JobResult.success().with_message("done").with_stats(3, 1)

    def plain(ctx: JobContext) -> None:
        assert ctx.fire_at is not None

    node = stage.node(definition(asynchronous), definition(plain))
    node.start()
    stage.wait("run_finished", "asynchronous", 2)
    stage.wait("run_finished", "plain", 2)
    node.drain(5)
    for name in ("asynchronous", "plain"):
        runs = [run for run in stage.runs(name) if run.status == "success"]
        assert len(runs) >= 2
        assert len({run.fire_at for run in runs}) == len(runs)
        assert all(run.started_at is not None and run.fire_at is not None for run in runs)
        assert all(0 <= (run.started_at or 0) - (run.fire_at or 0) < 5 * SECOND for run in runs)
    first = stage.runs("asynchronous")[-1]
    assert (first.message, first.items_processed, first.items_failed) == ("done", 3, 1)


def test_draining_lets_short_work_finish_and_accounts_for_what_it_stopped(stage: NodeStage) -> None:
    go_on = threading.Event()

    def short() -> None:
        go_on.wait(WAIT_S)

    def long(ctx: JobContext) -> None:
        ctx.cancel.wait(WAIT_S)
        ctx.raise_if_cancelled()

    def deaf() -> None:
        never.wait(WAIT_S)

    never = threading.Event()
    node = stage.node(*(definition(one, "") for one in (short, long, deaf)))
    node.start()
    node.start_manual(by_hand("short", "long", "deaf"), ME)
    stage.wait("run_started", count=3)
    go_on.set()
    stage.wait("run_finished", "short")
    node.drain(0.05)
    accounts = {name: (run.status, run.reason) for name in ("short", "long", "deaf") for run in stage.runs(name)}
    assert accounts == {
        "short": ("success", None),
        "long": ("cancelled", "shutdown"),
        "deaf": ("cancelled", "shutdown"),
    }
    assert [node.fate for node in stage.ledger.nodes()] == ["left"]
    never.set()


def test_a_drained_node_fires_nothing_more(stage: NodeStage) -> None:
    def tick() -> None: ...

    node = stage.node(definition(tick))
    node.start()
    stage.wait("run_finished", "tick")
    node.drain(5)
    assert stage.ledger.open_runs() == []
    started = [event for event in stage.events if event.kind == "run_started"]
    assert len(started) == len([run for run in stage.runs("tick") if run.attempt])


def test_ending_at_once_leaves_no_open_run_behind(stage: NodeStage) -> None:
    def deaf() -> None:
        never.wait(WAIT_S)

    never = threading.Event()
    node = stage.node(definition(deaf, ""))
    node.start()
    node.start_manual(by_hand("deaf"), ME)
    node.kill()
    (run,) = stage.runs("deaf")
    assert (run.status, run.reason) == ("cancelled", "shutdown")
    never.set()


def test_a_claim_that_comes_after_the_runner_was_closed_is_accounted_for(stage: NodeStage) -> None:
    def job() -> None: ...

    node = stage.node(definition(job, ""))
    node.start()
    node.runner.close()
    node.start_manual(by_hand("job"), ME)
    node.close()
    (run,) = stage.runs("job")
    assert (run.status, run.reason) == ("cancelled", "shutdown")


def test_a_job_that_this_node_cannot_load_fails_with_that_reason(stage: NodeStage) -> None:
    def known() -> None: ...

    def unknown() -> None: ...

    stage.declare(definition(known, ""), definition(unknown, ""))
    node = stage.node(definition(known, ""), declared=False)
    node.start()
    node.start_manual(by_hand("unknown"), ME)
    node.drain(1)
    run = stage.runs("unknown")[-1]
    assert (run.status, run.reason) == ("failed", "not_loaded")
    assert "this node has no job named 'unknown'" in (run.message or "")


def test_a_node_that_ends_while_the_ledger_is_held_says_so_and_leaves_its_runs_to_the_next(stage: NodeStage) -> None:
    def job() -> None:
        gate.wait(WAIT_S)

    gate = threading.Event()
    node = stage.node(definition(job, ""))
    node.start()
    node.start_manual(by_hand("job"), ME)
    holder = sqlite3.connect(stage.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    gate.set()
    assert not node.close(timeout=0.1)
    holder.execute("ROLLBACK")
    holder.close()
    node._thread.join(WAIT_S)
    assert node.error is None
    # It may have left before the end was written, or after.
    stage.node(definition(job, "")).start()
    (run,) = stage.runs("job")
    assert (run.status, run.reason) in {("failed", "node_lost"), ("success", None), ("cancelled", "shutdown")}


def test_a_run_whose_code_is_still_on_its_way_begins_when_it_is_there(stage: NodeStage) -> None:
    # Any command brings a new job file into the ledger; the node may claim its run before it has read the file itself.
    def known() -> None: ...

    def new() -> str:
        return "here now"

    stage.declare(definition(known, ""), definition(new, ""))
    node = stage.node(definition(known, ""), declared=False)
    node.start()
    node.start_manual(by_hand("new"), ME)
    assert stage.runs("new")[0].status == "running"
    node.adopt(catalogue(definition(known, ""), definition(new, "")))
    stage.wait("run_finished", "new")
    (run,) = stage.runs("new")
    assert (run.status, run.message) == ("success", "here now")
    node.drain(1)


def test_a_run_whose_code_never_comes_is_closed_after_a_while(stage: NodeStage) -> None:
    def unknown() -> None: ...

    stage.declare(definition(unknown, ""))
    node = stage.node(declared=False)
    node.start()
    node.start_manual(by_hand("unknown"), ME)
    node.runner.expire(stage.clock.monotonic() + 3_600)
    (event,) = stage.wait("run_finished", "unknown")
    assert event.reason == "not_loaded"


def test_a_run_waits_for_its_code_no_longer_than_something_may_be_new(stage: NodeStage) -> None:
    def unknown() -> None: ...

    stage.declare(definition(unknown, ""))
    node = stage.node(declared=False)
    node.start()
    node.nothing_new()
    node.start_manual(by_hand("unknown"), ME)
    node.nothing_new()  # the look may have begun before the run came
    assert stage.runs("unknown")[0].status == "running"
    node.nothing_new()
    (event,) = stage.wait("run_finished", "unknown")
    assert event.reason == "not_loaded"


def test_bootstrap_jobs_run_once_at_the_start(stage: NodeStage) -> None:
    def setup(ctx: JobContext) -> None:
        assert ctx.fire_at is None

    node = stage.node(definition(setup, ""))
    node.start(bootstrap=["setup", "absent"])
    stage.wait("run_finished", "setup")
    node.drain(1)
    (run,) = stage.runs("setup")
    assert (run.origin, run.status, run.actor) == ("bootstrap", "success", "bootstrap")


def test_reboot_jobs_run_when_the_first_node_serves_after_the_machine_started(
    stage: NodeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def setup(ctx: JobContext) -> None:
        assert ctx.fire_at is None

    for boot in ("first boot", "first boot", "second boot"):
        for module in (identity, reboot):
            monkeypatch.setattr(module, "this_boot", lambda boot=boot: boot)
        node = stage.node(definition(setup, ""))
        node.start(reboot=["setup"])
        expected = 1 if boot == "first boot" else 2
        stage.wait("run_finished", "setup", expected)
        node.drain(1)
        assert [run.origin for run in stage.runs("setup")] == ["bootstrap"] * expected


def test_two_nodes_that_start_at_once_ask_for_a_reboot_job_once(stage: NodeStage) -> None:
    stage.declare(definition(_nothing, ""))
    for _ in range(2):  # neither has joined yet
        reboot.ask_for_reboot_jobs(stage.ledger, stage.clock, ["_nothing"])
    assert len(stage.runs("_nothing")) == 1


def _nothing() -> None:
    return


def test_a_node_whose_lease_was_taken_stops_what_runs_again_elsewhere_and_goes_on_as_another(stage: NodeStage) -> None:
    def held(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            ctx.cancel.wait(WAIT_S)
            ctx.raise_if_cancelled()

    node = stage.node(definition(held, "", on_lost="rerun"))
    node.start()
    node.start_manual(by_hand("held"), ME)
    former = node.node_id
    _take_lease(stage, former)
    stage.wait("run_late", "held")
    stage.wait("run_finished", "held")
    assert node.node_id != former
    node.drain(5)
    (run,) = stage.runs("held")
    assert (run.status, run.attempt) == ("success", 2)
    first, _ = stage.ledger.attempts(run.run_id)
    assert (first.result, first.late_result) == ("lost", "cancelled")


def test_a_run_that_was_closed_with_its_nodes_lease_goes_on_and_brings_a_late_result(stage: NodeStage) -> None:
    enough = threading.Event()

    def held(ctx: JobContext) -> None:
        assert enough.wait(WAIT_S)
        ctx.raise_if_cancelled()

    def tick() -> None: ...

    node = stage.node(definition(held, ""), definition(tick))
    node.start()
    node.start_manual(by_hand("held"), ME)
    former = node.node_id
    _take_lease(stage, former)
    (event,) = stage.wait("lease_lost")
    assert event.run_ids == ()
    enough.set()
    stage.wait("run_late", "held")
    before = len(stage.wait("run_finished", "tick"))
    stage.wait("run_finished", "tick", before + 1)
    assert node.node_id != former
    node.drain(5)
    (run,) = stage.runs("held")
    assert (run.status, run.reason) == ("failed", "node_lost")
    (attempt,) = stage.ledger.attempts(run.run_id)
    assert (attempt.result, attempt.late_result) == ("lost", "success")


def _take_lease(stage: NodeStage, node_id: str) -> None:
    while stage.ledger.rescue(node_id, _silenced(stage, node_id), stage.clock.now(), max_attempts=5) is None:
        pass  # it beat between the look and the claim of its loss


def _silenced(stage: NodeStage, node_id: str) -> int:
    """Return the node's beat, and let it have been silent for a whole lease since."""
    beat = next(node.beat for node in stage.ledger.nodes() if node.node_id == node_id)
    silent = "UPDATE nodes SET beat_at = beat_at - 1000 * lease_ms WHERE node_id = ?"
    with stage.ledger._store.write():
        stage.ledger._store.connection.execute(silent, [node_id])
    return beat


def test_what_another_process_disables_stops_and_what_it_enables_starts(stage: NodeStage) -> None:
    def tick() -> None: ...

    node = stage.node(definition(tick))
    node.start()
    stage.wait("run_finished", "tick")
    stage.ledger.set_enabled("tick", False, stage.clock.now(), Planner().decide, Change(actor="else"))
    version = stage.ledger.job("tick")
    assert version is not None
    assert version.next_run is None
    stage.ledger.set_enabled("tick", True, stage.clock.now(), Planner().decide, Change(actor="else"))
    before = len(stage.wait("run_finished", "tick"))
    stage.wait("run_finished", "tick", before + 1)
    node.drain(5)


def test_an_adopted_catalogue_brings_new_jobs_and_new_code(stage: NodeStage) -> None:
    said: list[str] = []

    def tick() -> None:
        said.append("old")

    old = definition(tick)
    node = stage.node(old)
    node.start()
    stage.wait("run_finished", "tick")

    def tick() -> None:  # type: ignore[no-redef]  # the file changed
        said.append("new")

    def more() -> None: ...

    new = (definition(tick), definition(more))
    stage.declare(*new)
    node.adopt(catalogue(*new))
    before = len(stage.wait("run_finished", "tick"))
    stage.wait("run_finished", "more")
    stage.wait("run_finished", "tick", before + 2)
    node.drain(5)
    assert said[0] == "old"
    assert said[-1] == "new"


def test_whatever_a_job_raises_or_says_the_node_goes_on(stage: NodeStage) -> None:
    def surrogate() -> None:
        raise OSError("no such file: \udcff\0")

    def exits() -> None:
        raise SystemExit(3)

    def odd() -> JobResult:
        return JobResult.success().with_stats(10**30, -5).with_message("\ud800")

    jobs = [definition(one, "") for one in (surrogate, exits, odd)]
    node = stage.node(*jobs)
    node.start()
    claimed = node.start_manual(by_hand("surrogate", "exits", "odd"), ME)
    stage.wait("run_finished", count=3)
    node.drain(5)
    assert len(claimed) == 3
    accounts = {name: (run.status, run.reason) for name in ("surrogate", "exits", "odd") for run in stage.runs(name)}
    assert accounts["surrogate"] == accounts["exits"] == ("failed", "exception")
    assert accounts["odd"] == ("success", None)
    assert "\\udcff" in (stage.runs("surrogate")[0].error or "")


def test_whoever_listens_to_a_node_cannot_end_it(stage: NodeStage) -> None:
    def tick() -> None: ...

    def closed_terminal(event: NodeEvent) -> None:
        heard.release()
        raise BrokenPipeError

    heard = threading.Semaphore(0)
    node = stage.node(definition(tick))
    stage.listeners.add(closed_terminal)
    node.start()
    assert all(heard.acquire(timeout=WAIT_S) for _ in range(4))
    node.drain(5)
    assert len(stage.runs("tick")) >= 2


def test_a_node_for_starts_by_hand_plans_nothing_and_waits_for_its_own(stage: NodeStage) -> None:
    def tick() -> None: ...

    gate = threading.Event()

    def slow() -> None:
        gate.wait(WAIT_S)

    node = stage.node(definition(tick), definition(slow, ""), kind="run")
    node.start()
    claimed = node.start_manual(by_hand("slow"), ME)
    other = stage.node(definition(tick), definition(slow, ""), kind="run")
    other.start()
    with pytest.raises(JobAlreadyRunning):
        other.start_manual(by_hand("slow"), ME)
    gate.set()
    run_ids = [run.run_id for run in claimed]
    assert node.wait_any(run_ids, WAIT_S) == set(run_ids)
    outcome = node.outcome(run_ids[0])
    assert outcome is not None
    assert outcome.outcome.status == "success"
    node.drain(5)
    other.drain(5)
    assert stage.runs("tick") == []


def test_two_nodes_share_the_work_and_never_the_same_fire_time(stage: NodeStage) -> None:
    lock = threading.Lock()
    fired: list[tuple[str, object]] = []

    def job(ctx: JobContext) -> None:
        with lock:
            fired.append((ctx.job_name, ctx.fire_at))

    jobs = [definition(_named(job, f"job{n}"), EVERY_SECOND) for n in range(10)]
    nodes = [stage.node(*jobs, capacity=4), stage.node(*jobs, capacity=4)]
    for node in nodes:
        node.start()
    stage.wait("run_finished", count=30)
    for node in nodes:
        node.drain(5)
    assert len(fired) == len(set(fired)) >= 30


def _named(function: Callable[[JobContext], None], name: str) -> Callable[[JobContext], None]:
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__, function.__globals__, name, None, function.__closure__)


def test_any_number_may_listen_and_one_that_raises_keeps_nobody_from_hearing() -> None:
    heard: list[str] = []

    def closed_terminal(event: NodeEvent) -> None:
        raise BrokenPipeError

    listeners = Listeners(lambda event: heard.append(f"first {event.kind}"), closed_terminal)
    listeners.add(lambda event: heard.append(f"last {event.kind}"))
    listeners.tell(RunLate(run_id=1))
    assert heard == ["first run_late", "last run_late"]
