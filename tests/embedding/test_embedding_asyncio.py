"""`async with systemprompt.node(...)`: a node inside a program of the user's own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import systemprompt
from support.embedded_node import Held, audit_is_clean, nothing_is_left_running, profile_in
from support.waiting import WAIT_S, Heard
from systemprompt import JobContext, NodeEvent, job
from systemprompt.embedding.serving_node import ServingNode
from systemprompt.errors import JobNotFound, LedgerReplaced, ProfileNotFound, UsageError

Main = Callable[[], Coroutine[Any, Any, None]]


@job()
async def where(ctx: JobContext) -> str:
    """Says which thread it runs in."""
    await asyncio.sleep(0)
    return threading.current_thread().name


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return profile_in(tmp_path)


async def told(event: threading.Event) -> None:
    """Wait in the event loop for what a thread sets."""
    assert await asyncio.get_running_loop().run_in_executor(None, event.wait, WAIT_S)


def test_a_program_runs_jobs_while_its_own_loop_goes_on(profile: Path) -> None:
    async def main() -> None:
        turns = 0

        async def goes_on() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(goes_on())
        async with systemprompt.node(profile, jobs=[where]) as node:
            run = await node.run("where")
            assert run.message == "sp-async-jobs", "in the node's loop, not the program's"
            assert await node.result(run.run_id) == run
            assert [one.run_id for one in await node.history("where")] == [run.run_id]
            with pytest.raises(JobNotFound):
                await node.run("were")
            assert not node.draining
        other.cancel()
        assert turns > 10

    with nothing_is_left_running():
        asyncio.run(main())
    audit_is_clean(profile)


def test_events_come_in_the_event_loop(profile: Path) -> None:
    heard: list[tuple[str, int]] = []

    def hear(event: NodeEvent) -> None:
        heard.append((event.kind, threading.get_ident()))

    async def main() -> None:
        async with systemprompt.node(profile, jobs=[where], on_event=hear) as node:
            await node.run("where")

    asyncio.run(main())
    assert {kind for kind, _ in heard} == {"serving", "run_started", "run_finished", "draining"}
    assert {thread for _, thread in heard} == {threading.get_ident()}


def test_leaving_lets_a_job_finish_and_an_exception_passes(profile: Path) -> None:
    held, heard = Held(), Heard()

    def hear(event: NodeEvent) -> None:
        heard(event)
        if event.kind == "draining":
            held.gate.set()

    async def main() -> None:
        async with systemprompt.node(profile, jobs=[held], grace=WAIT_S, on_event=hear) as node:
            await node.start("held")
            raise ZeroDivisionError

    with nothing_is_left_running(), pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    with systemprompt.node(profile) as node:
        assert [run.message for run in node.history("held")] == ["let go"]
    audit_is_clean(profile)


def test_a_cancelled_program_drains(profile: Path) -> None:
    held = Held()

    async def main() -> None:
        async with systemprompt.node(profile, jobs=[held], grace=0) as node:
            await node.start("held")
            await told(held.begun)
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # this runs in a task
            await asyncio.Event().wait()

    with nothing_is_left_running(), pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    with systemprompt.node(profile) as node:
        assert [(run.status, run.reason) for run in node.history("held")] == [("cancelled", "shutdown")]
    audit_is_clean(profile)


def test_cancelling_while_it_drains_ends_everything_at_once_and_still_accounts(profile: Path) -> None:
    held, heard = Held(), Heard()
    tasks: list[asyncio.Task[None]] = []

    def hear(event: NodeEvent) -> None:
        heard(event)
        if event.kind == "draining":
            tasks[0].cancel()

    async def serve() -> None:
        async with systemprompt.node(profile, jobs=[held], grace=3_600, on_event=hear) as node:
            await node.start("held")
            await told(held.begun)

    async def main() -> None:
        tasks.append(asyncio.create_task(serve()))
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert tasks[0].cancelled()

    asyncio.run(main())
    with systemprompt.node(profile) as node:
        assert [(run.status, run.reason) for run in node.history("held")] == [("cancelled", "shutdown")]
    audit_is_clean(profile)


def test_cancelled_while_it_starts_it_is_left_again(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    begin = ServingNode.begin

    def slow_begin(self: ServingNode) -> None:
        begin(self)
        started.set()
        go_on.wait(WAIT_S)

    monkeypatch.setattr(ServingNode, "begin", slow_begin)

    async def serve() -> None:
        async with systemprompt.node(profile):
            pytest.fail("it was entered")

    async def main() -> None:
        task = asyncio.create_task(serve())
        await told(started)
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    with nothing_is_left_running():
        asyncio.run(main())


def test_giving_up_on_a_run_leaves_it_running(profile: Path) -> None:
    held = Held()

    async def main() -> None:
        async with systemprompt.node(profile, jobs=[held], grace=WAIT_S) as node:
            run_id = await node.start("held")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await node.result(run_id)
            held.gate.set()
            assert (await node.result(run_id)).message == "let go"

    asyncio.run(main())


def test_a_node_that_ended_by_itself_says_so(profile: Path) -> None:
    async def main() -> None:
        async with systemprompt.node(profile) as node:
            (profile.parent / "app.ledger.db").unlink()
            with pytest.raises(LedgerReplaced):
                await node.wait()
            assert isinstance(node.error, LedgerReplaced)

    with nothing_is_left_running(), pytest.raises(LedgerReplaced):
        asyncio.run(main())


def test_it_is_entered_once_and_a_start_that_fails_raises(profile: Path) -> None:
    async def main() -> None:
        embedded = systemprompt.node(profile)
        async with embedded:
            with pytest.raises(UsageError, match="entered before"):
                await embedded.__aenter__()
        with pytest.raises(ProfileNotFound):
            async with systemprompt.node(profile.parent / "absent.yaml"):
                pytest.fail("it was entered")

    with nothing_is_left_running():
        asyncio.run(main())


def test_two_nodes_serve_in_one_loop(tmp_path: Path) -> None:
    here, there = profile_in(tmp_path / "here"), profile_in(tmp_path / "there")

    async def main() -> None:
        async with systemprompt.node(here, jobs=[where]) as one, systemprompt.node(there, jobs=[where]) as two:
            runs = await asyncio.gather(one.run("where"), two.run("where"), one.result(await one.start("log_cleanup")))
            assert [run.status for run in runs] == ["success"] * 3

    with nothing_is_left_running():
        asyncio.run(main())
