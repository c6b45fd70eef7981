"""How jobs in this process end, whatever they do."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flying import Air, python

from systemprompt.clock import from_datetime
from systemprompt.discovery.definition import JobDefinition, JobSource
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobCancelled, JobContext
from systemprompt.jobs.job import Job
from systemprompt.jobs.result import JobResult
from systemprompt.runner.flight import Assignment
from systemprompt.runner.outcome import Outcome, outcome_of_exception, outcome_of_value


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


def test_an_outcome_survives_the_way_between_processes() -> None:
    outcome = Outcome(status="failed", reason="reported", message="m", error="e", items_processed=3, exit_code=0)
    assert Outcome.from_dict(outcome.as_dict() | {"from_a_newer_release": 1}) == outcome


def test_a_reported_failure_is_a_failure_with_its_statistics() -> None:
    with Air() as air:
        end = air.landed(air.fly(lambda: JobResult.failure("feed is gone").with_stats(3, 1)))
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
    with Air() as air:
        end = air.landed(air.fly(make(error)))
        assert (end.outcome.status, end.outcome.reason) == ("failed", "exception")
        assert type(error).__name__ in (end.outcome.message or "")
        assert "raise error" in (end.outcome.error or "")
        # And the next job runs as if nothing had been.
        assert air.landed(air.fly(lambda: "next")).outcome.message == "next"


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

    with Air() as air:
        assert air.landed(air.fly(starts_it)).outcome.message == "went on"
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

    with Air() as air:
        assert air.landed(air.fly(work)).outcome.status == "success"
        assert cancelled.wait(10)


def test_a_plain_execute_may_return_something_to_await() -> None:
    class Mixed(Job):
        name = "mixed"

        def execute(self, ctx: JobContext) -> Any:
            return self.later(ctx)

        async def later(self, ctx: JobContext) -> str:
            await asyncio.sleep(0)
            return f"run {ctx.run_id}"

    with Air() as air:
        assert air.landed(air.fly(Mixed())).outcome.message == "run 1"


def test_to_thread_works_in_an_async_job() -> None:
    async def work() -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    with Air() as air:
        assert (air.landed(air.fly(work)).outcome.message or "").startswith("sp-to-thread")


def test_a_blocking_async_job_holds_up_neither_the_caller_nor_threads() -> None:
    begun, release = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        release.wait(10)

    with Air() as air:
        blocking = air.fly(blocks)
        assert begun.wait(10)
        assert air.landed(air.fly(lambda: "meanwhile")).outcome.message == "meanwhile"
        release.set()
        assert air.landed(blocking).outcome.status == "success"


def test_the_job_sees_its_run() -> None:
    fire_at = from_datetime(datetime(2026, 7, 1, 10, 0, tzinfo=UTC))
    seen: list[JobContext] = []

    with Air() as air:
        run = air.fly(
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
        end = air.landed(run)
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

    with Air() as air:
        air.landed(air.fly(work))
        assert air.progress == [(1, 1, 2, "half")]

        def broken(*_: object) -> None:
            raise RuntimeError("watcher")

        air.runner._on_progress = broken
        assert air.landed(air.fly(work)).outcome.status == "success"


def test_a_job_that_is_not_loaded_is_said_to_be() -> None:
    with Air() as air:
        source = JobSource(kind="module", name="acme.jobs")
        air.runner.start([Assignment(run_id=5, definition=JobDefinition(name="feeds", source=source))])
        end = air.landed(5)
    assert (end.outcome.status, end.outcome.reason) == ("failed", "not_loaded")
    assert "'acme.jobs'" in (end.outcome.message or "")


def test_a_run_that_is_in_the_air_cannot_be_started_again() -> None:
    release = threading.Event()
    with Air() as air:
        run = air.fly(lambda: release.wait(10))
        assert air.runner.running() == {run}
        air._runs = 0
        with pytest.raises(ValueError, match="run 1 of 'work' is running already"):
            air.fly(lambda: None)
        release.set()
        assert air.runner.wait_idle(10)
        assert air.runner.running() == frozenset()


def test_runs_that_are_handed_over_together_are_started_each_in_its_own_way() -> None:
    async def later() -> None:
        pass

    with Air() as air:
        together = [
            air.assignment(lambda: None),
            air.assignment(later),
            air.assignment(lambda: None, timeout_s=60),
            air.assignment(python("pass")),
        ]
        air.runner.start(together)
        assert [air.landed(one.run_id).outcome.status for one in together] == ["success"] * 4


def test_where_one_of_several_runs_is_in_the_air_none_of_them_is_started() -> None:
    release = threading.Event()
    begun: list[str] = []
    with Air() as air:
        air.fly(lambda: release.wait(10))
        fresh = air.assignment(lambda: begun.append("fresh"))
        air._runs = 0
        with pytest.raises(ValueError, match="run 1 of 'work' is running already"):
            air.runner.start([fresh, air.assignment(lambda: begun.append("again"))])
        release.set()
        assert air.runner.wait_idle(10)
    assert begun == []


def test_a_closed_runner_takes_nothing() -> None:
    air = Air()
    with air:
        pass
    with pytest.raises(RuntimeError, match="after the runner was closed"):
        air.fly(lambda: None)


def test_idle_threads_are_used_again_and_the_limit_holds() -> None:
    names: set[str] = set()
    gate = threading.Barrier(3)

    def meets(ctx: JobContext) -> None:
        names.add(str(threading.get_ident()))
        gate.wait(10)

    with Air(max_threads=2) as air:
        first, second, waiting = (air.fly(meets) for _ in range(3))
        gate.wait(10)
        air.landed(first)
        air.landed(second)
        for _ in range(2):
            threading.Thread(target=gate.wait, args=(10,)).start()
        air.landed(waiting)
    assert len(names) == 2


def test_a_thread_that_never_comes_back_does_not_keep_the_interpreter_from_ending() -> None:
    import subprocess

    code = """
import threading
from flying import Air
air = Air(kill_grace=0.01)
stuck = air.fly(lambda: threading.Event().wait())
async def to_thread():
    import asyncio
    await asyncio.to_thread(threading.Event().wait)
other = air.fly(to_thread)
air.runner.cancel_all("shutdown")
print(air.landed(stuck).outcome.status, air.landed(other).outcome.status)
air.runner.close(1)
"""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("cancelled cancelled\n", "", 0)
