"""An async job that blocks the event loop all async jobs share: the others go on, or fail for the true reason."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import Installation, serving
from support.runner_stage import RunnerStage
from support.waiting import WAIT_S
from systemprompt.clock import ManualClock
from systemprompt.jobs.context import JobContext


class Blocked(RunnerStage):
    """A runner whose event loop is held by the job `clumsy` until the test lets it go."""

    def __init__(self) -> None:
        self.time = ManualClock()
        super().__init__(clock=self.time, kill_grace=5)
        self.gate = threading.Event()

    async def block(self, ctx: JobContext) -> str:
        ctx.progress(0)
        self.gate.wait(WAIT_S)
        return "came back"

    def passed(self, seconds: float) -> None:
        self.time.advance(seconds)
        self.runner.expire(self.time.monotonic())


@pytest.fixture
def stage() -> Iterator[Blocked]:
    stage = Blocked()
    with stage:
        yield stage
        stage.gate.set()


async def endless(ctx: JobContext) -> None:
    ctx.progress(0)
    await asyncio.Event().wait()


async def quick() -> str:
    return "ran"


def plain() -> object:
    return quick()


def test_what_had_not_begun_moves_and_what_had_begun_fails_by_the_name_of_the_job_that_blocks(stage: Blocked) -> None:
    innocent = stage.start(endless, name="innocent")
    stage.begun(innocent)
    clumsy = stage.start(stage.block, name="clumsy", timeout_s=2)
    stage.begun(clumsy)
    waiting = stage.start(quick, name="waiting")
    adopted = stage.start(plain, name="adopted")
    stage.passed(2)
    stage.passed(5)
    assert stage.finished(clumsy).outcome.reason == "timeout"
    assert {innocent, waiting, adopted} == stage.runner.running(), "a loop has a second to answer"
    stage.passed(1)

    end = stage.finished(innocent)
    assert (end.outcome.status, end.outcome.reason, end.abandoned) == ("failed", "loop_blocked", False)
    assert (
        end.outcome.message
        == f"job 'clumsy' (run {clumsy}) blocked the event loop that all async jobs share, so this one could not go on"
    )
    assert stage.finished(waiting).outcome.message == "ran"
    assert stage.finished(adopted).outcome.message == "ran"
    stage.gate.set()
    assert stage.finished(clumsy, late=True).outcome.message == "came back"
    assert [one.run_id for one in stage.heard].count(innocent) == 1


def test_a_job_that_was_in_time_to_be_cancelled_says_who_kept_it_from_that(stage: Blocked) -> None:
    innocent = stage.start(endless, name="innocent", timeout_s=2)
    stage.begun(innocent)
    clumsy = stage.start(stage.block, name="clumsy")
    stage.begun(clumsy)
    stage.passed(2)
    stage.passed(5)
    message = stage.finished(innocent).outcome.message or ""
    assert message == f"its timeout of 2s was over; job 'clumsy' (run {clumsy}) blocks the event loop that they share"
    stage.passed(1)
    assert clumsy in stage.runner.running(), "it has no timeout, and is at work"
    assert stage.finished(stage.start(quick)).outcome.message == "ran"
    stage.gate.set()
    assert stage.finished(clumsy).outcome.message == "came back"


def test_a_job_that_only_swallows_its_cancellation_costs_the_others_nothing(stage: Blocked) -> None:
    async def swallows(ctx: JobContext) -> None:
        ctx.progress(0)
        while not stage.gate.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    innocent = stage.start(endless, name="innocent")
    stubborn = stage.start(swallows, name="stubborn", timeout_s=2)
    stage.begun(innocent, stubborn)
    stage.passed(2)
    stage.passed(5)
    assert stage.finished(stubborn).outcome.message == "its timeout of 2s was over; it did not let itself be cancelled"
    assert stage.finished(stage.start(quick)).outcome.message == "ran", "the loop has answered"
    stage.passed(1)
    assert stage.runner.running() == {innocent}


def test_an_innocent_job_of_a_node_goes_on_firing(tmp_path: Path) -> None:
    installation = Installation(tmp_path, "limits: {kill_grace: 1s}\n")
    installation.job_file(
        "two.py",
        "import asyncio, os, time\n\n\n"
        '@job(schedule="@every 1s")\nasync def innocent() -> str:\n    await asyncio.sleep(0.01)\n    return "done"\n\n\n'
        '@job(timeout="1s")\nasync def clumsy() -> None:\n    time.sleep(600)\n',
    )
    with serving(installation) as node:
        installation.sp("jobs", "run", "clumsy", "--detach")
        node.wait("run_finished", lambda event: event["job_name"] == "clumsy")
        for _ in range(2):
            node.wait("run_finished", lambda event: (event["job_name"], event["status"]) == ("innocent", "success"))
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
