"""How jobs in this process end, whatever they do."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support import finds_support
from support.runner_stage import RunnerStage, python
from systemprompt.clock import from_datetime
from systemprompt.discovery.definition import JobDefinition, JobSource
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobCancelled, JobContext
from systemprompt.jobs.job import Job
from systemprompt.jobs.result import JobResult
from systemprompt.runner.flight import Assignment
from systemprompt.runner.outcome import outcome_of_exception, outcome_of_value


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def _raise(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def _raise_async(error: BaseException) -> Callable[[], Any]:
    async def work() -> None:
        await asyncio.sleep(0)
        raise error

    return work


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, None),
        ("12 pages", "12 pages"),
        (12, "12"),
        ({"a": 1}, "{'a': 1}"),
        (JobResult.success().with_message("fine"), "fine"),
        (JobResult.success(), None),
    ],
)
def test_what_a_job_returns_is_a_success_and_its_message(value: object, message: str | None) -> None:
    outcome = outcome_of_value(value, took_ms=3)
    assert (outcome.status, outcome.reason, outcome.message) == ("success", None, message)


def test_an_error_of_ours_says_what_is_true_and_the_way_out() -> None:
    outcome = outcome_of_exception(ConfigurationError("there is no table 'a'", hint="mend tables.logs"), took_ms=0)

    assert outcome.message == "there is no table 'a' (mend tables.logs)"
    assert outcome_of_exception(ValueError("bad thing"), took_ms=0).message == "ValueError: bad thing"


def test_a_value_whose_repr_raises_is_a_success_all_the_same() -> None:
    assert outcome_of_value(Unspeakable(), took_ms=0).message == "<Unspeakable: its repr raised RuntimeError>"


def test_statistics_that_are_no_numbers_count_as_nothing() -> None:
    result = JobResult.success().with_stats("many", 2.0)  # type: ignore[arg-type]  # what a careless job does
    outcome = outcome_of_value(result.with_duration(7), took_ms=0)
    assert (outcome.items_processed, outcome.items_failed, outcome.duration_ms) == (0, 2, 7)


@pytest.mark.parametrize("result", [JobResult.success(), JobResult.failure("no")])
def test_a_job_can_say_that_it_only_reported(result: JobResult) -> None:
    assert outcome_of_value(result, took_ms=0).dry_run is False
    assert outcome_of_value(result.with_dry_run(), took_ms=0).dry_run is True


def test_a_reported_failure_is_a_failure_with_its_statistics() -> None:
    with RunnerStage() as stage:
        end = stage.finished(stage.start(lambda: JobResult.failure("feed is gone").with_stats(3, 1)))
    assert (end.outcome.status, end.outcome.reason) == ("failed", "reported")
    assert (end.outcome.message, end.outcome.error) == ("feed is gone", "feed is gone")
    assert (end.outcome.items_processed, end.outcome.items_failed) == (3, 1)


@pytest.mark.parametrize("make", [_raise, _raise_async])
@pytest.mark.parametrize(
    "error",
    [ValueError("12 apples"), SystemExit(3), KeyboardInterrupt(), JobCancelled("by itself"), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_job_raises_is_its_own_failure(make: Callable[..., Any], error: BaseException) -> None:
    with RunnerStage() as stage:
        end = stage.finished(stage.start(make(error)))
        assert (end.outcome.status, end.outcome.reason) == ("failed", "exception")
        assert type(error).__name__ in (end.outcome.message or "")
        assert "raise error" in (end.outcome.error or "")
        # And the next job runs as if nothing had been.
        assert stage.finished(stage.start(lambda: "next")).outcome.message == "next"


def test_a_background_task_that_raises_system_exit_does_not_end_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def leaves() -> None:
        raise SystemExit(9)

    async def starts_it() -> str:
        task = asyncio.get_running_loop().create_task(leaves())
        while not task.done():
            await asyncio.sleep(0)
        task.exception()
        return "went on"

    with RunnerStage() as stage:
        assert stage.finished(stage.start(starts_it)).outcome.message == "went on"
    assert "tried to end the event loop" in caplog.text


def test_tasks_that_an_async_job_leaves_behind_are_cancelled() -> None:
    cancelled = threading.Event()

    async def forgotten() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def work() -> None:
        task = asyncio.create_task(forgotten())
        await asyncio.sleep(0)
        assert not task.done()

    with RunnerStage() as stage:
        assert stage.finished(stage.start(work)).outcome.status == "success"
        assert cancelled.wait(10)


def test_a_plain_execute_may_return_something_to_await() -> None:
    class Mixed(Job):
        name = "mixed"

        def execute(self, ctx: JobContext) -> Any:
            return self.later(ctx)

        async def later(self, ctx: JobContext) -> str:
            await asyncio.sleep(0)
            return f"run {ctx.run_id}"

    with RunnerStage() as stage:
        assert stage.finished(stage.start(Mixed())).outcome.message == "run 1"


def test_to_thread_works_in_an_async_job() -> None:
    async def work() -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    with RunnerStage() as stage:
        assert (stage.finished(stage.start(work)).outcome.message or "").startswith("sp-to-thread")


def test_a_blocking_async_job_holds_up_neither_the_caller_nor_threads() -> None:
    begun, release = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        release.wait(10)

    with RunnerStage() as stage:
        blocking = stage.start(blocks)
        assert begun.wait(10)
        assert stage.finished(stage.start(lambda: "meanwhile")).outcome.message == "meanwhile"
        release.set()
        assert stage.finished(blocking).outcome.status == "success"


def test_the_job_sees_its_run() -> None:
    fire_at = from_datetime(datetime(2026, 7, 1, 10, 0, tzinfo=UTC))
    seen: list[JobContext] = []

    with RunnerStage() as stage:
        run = stage.start(
            lambda ctx: seen.append(ctx),  # noqa: PLW0108  # only a function of ours says how many arguments it takes
            fire_at=fire_at,
            time_zone="Europe/Berlin",
            attempt=2,
            fence=77,
            defaults={"a": "1", "b": "1"},
            parameters={"b": "2"},
            actor="cli:alice",
            enforce=True,
        )
        end = stage.finished(run)
        assert (end.run_id, end.attempt, end.fence, end.late) == (run, 2, 77, False)
    (ctx,) = seen
    assert ctx.fire_at is not None
    assert ctx.fire_at.isoformat() == "2026-07-01T12:00:00+02:00"
    assert (ctx.run_id, ctx.attempt, ctx.fence, ctx.actor, ctx.enforce) == (run, 2, 77, "cli:alice", True)
    assert ctx.parameters == {"a": "1", "b": "2"}
    assert ctx.db_pool.dialect == "sqlite"


def test_progress_reaches_who_watches_and_a_watcher_that_raises_hurts_nobody() -> None:
    def work(ctx: JobContext) -> None:
        ctx.progress(1, 2, "half")

    with RunnerStage() as stage:
        stage.finished(stage.start(work))
        assert stage.progress == [(1, 1, 2, "half")]

        def broken(*_: object) -> None:
            raise RuntimeError("watcher")

        stage.runner._on_progress = broken
        assert stage.finished(stage.start(work)).outcome.status == "success"


def test_a_job_that_is_not_loaded_is_said_to_be() -> None:
    with RunnerStage() as stage:
        source = JobSource(kind="module", name="acme.jobs")
        stage.runner.start([Assignment(run_id=5, definition=JobDefinition(name="feeds", source=source))])
        end = stage.finished(5)
    assert (end.outcome.status, end.outcome.reason) == ("failed", "not_loaded")
    assert "'acme.jobs'" in (end.outcome.message or "")


def test_a_run_that_is_in_the_air_cannot_be_started_again() -> None:
    release = threading.Event()
    with RunnerStage() as stage:
        run = stage.start(lambda: release.wait(10))
        assert stage.runner.running() == {run}
        stage._runs = 0
        with pytest.raises(ValueError, match="run 1 of 'work' is running already"):
            stage.start(lambda: None)
        release.set()
        assert stage.runner.wait_idle(10)
        assert stage.runner.running() == frozenset()


def test_runs_that_are_handed_over_together_are_started_each_in_its_own_way() -> None:
    async def later() -> None:
        pass

    with RunnerStage() as stage:
        together = [
            stage.assignment(lambda: None),
            stage.assignment(later),
            stage.assignment(lambda: None, timeout_s=60),
            stage.assignment(python("pass")),
        ]
        stage.runner.start(together)
        assert [stage.finished(one.run_id).outcome.status for one in together] == ["success"] * 4


def test_where_one_of_several_runs_is_in_the_air_none_of_them_is_started() -> None:
    release = threading.Event()
    begun: list[str] = []
    with RunnerStage() as stage:
        stage.start(lambda: release.wait(10))
        fresh = stage.assignment(lambda: begun.append("fresh"))
        stage._runs = 0
        with pytest.raises(ValueError, match="run 1 of 'work' is running already"):
            stage.runner.start([fresh, stage.assignment(lambda: begun.append("again"))])
        release.set()
        assert stage.runner.wait_idle(10)
    assert begun == []


def test_a_closed_runner_takes_nothing() -> None:
    stage = RunnerStage()
    with stage:
        pass
    with pytest.raises(RuntimeError, match="after the runner was closed"):
        stage.start(lambda: None)


def test_idle_threads_are_used_again_and_the_limit_holds() -> None:
    names: set[str] = set()
    gate = threading.Barrier(3)

    def meets(ctx: JobContext) -> None:
        names.add(str(threading.get_ident()))
        gate.wait(10)

    with RunnerStage(max_threads=2) as stage:
        first, second, waiting = (stage.start(meets) for _ in range(3))
        gate.wait(10)
        stage.finished(first)
        stage.finished(second)
        for _ in range(2):
            threading.Thread(target=gate.wait, args=(10,)).start()
        stage.finished(waiting)
    assert len(names) == 2


def test_a_thread_that_never_comes_back_does_not_keep_the_interpreter_from_ending() -> None:
    import subprocess

    code = """
import threading
from support.runner_stage import RunnerStage
stage = RunnerStage(kill_grace=0.01)
stuck = stage.start(lambda: threading.Event().wait())
async def to_thread():
    import asyncio
    await asyncio.to_thread(threading.Event().wait)
other = stage.start(to_thread)
stage.runner.cancel_all("shutdown")
print(stage.finished(stuck).outcome.status, stage.finished(other).outcome.status)
stage.runner.close(1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, env=finds_support())
    told = "job 'work' (run 1) did not stop: 1 of at most 32 threads are given up on\n"
    assert (done.stdout, done.stderr, done.returncode) == ("cancelled cancelled\n", told, 0)
