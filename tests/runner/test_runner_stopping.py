"""Timeouts, cancels, and code that will not stop. Time moves by hand."""

from __future__ import annotations

import asyncio
import threading
import weakref

import pytest

from support.runner_stage import RunnerStage
from support.waiting import WAIT_S
from systemprompt.clock import ManualClock
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.runner.deadlines import Deadlines


def _pass(stage: RunnerStage, clock: ManualClock, seconds: float) -> float | None:
    clock.advance(seconds)
    return stage.runner.expire(clock.monotonic())


async def _for_ever(ctx: JobContext) -> None:
    ctx.progress(0)
    await asyncio.Event().wait()


def _until_asked(ctx: JobContext) -> None:
    ctx.progress(0)
    ctx.cancel.wait(10)
    ctx.raise_if_cancelled()


@pytest.mark.parametrize("job", [_for_ever, _until_asked])
def test_a_job_is_stopped_at_its_timeout_and_not_before(job: object) -> None:
    clock = ManualClock()
    with RunnerStage(clock=clock) as stage:
        run = stage.start(job, timeout_s=30)  # type: ignore[arg-type]  # parametrized functions are objects to mypy
        stage.begun(run)
        assert _pass(stage, clock, 29.9) == 30
        assert stage.runner.running() == {run}
        _pass(stage, clock, 0.1)
        end = stage.finished(run)
    assert (end.outcome.status, end.outcome.reason) == ("failed", "timeout")
    assert end.outcome.message == "stopped: its timeout of 30s was over"
    assert end.outcome.duration_ms == 30_000


@pytest.mark.parametrize("reason", ["shutdown", "interrupted", "requested", "lease_lost"])
@pytest.mark.parametrize("job", [_for_ever, _until_asked])
def test_a_cancelled_job_ends_with_the_reason_it_was_cancelled_for(job: object, reason: str) -> None:
    with RunnerStage() as stage:
        run = stage.start(job)  # type: ignore[arg-type]  # parametrized functions are objects to mypy
        stage.begun(run)
        assert stage.runner.cancel(run, reason)
        end = stage.finished(run)
        assert not stage.runner.cancel(run, reason)
    assert (end.outcome.status, end.outcome.reason) == ("cancelled", reason)


def test_a_cancel_for_no_known_reason_is_refused() -> None:
    with RunnerStage() as stage, pytest.raises(ValueError, match="cancel reason 'bored' is not one of"):
        stage.runner.cancel_all("bored")


def test_the_first_reason_to_stop_stands() -> None:
    clock = ManualClock()
    release = threading.Event()
    with RunnerStage(clock=clock, kill_grace=5) as stage:
        timed_out = stage.start(lambda ctx: (ctx.progress(0), release.wait(10)), timeout_s=10)
        cancelled = stage.start(lambda ctx: (ctx.progress(0), release.wait(10)), timeout_s=12)
        stage.begun(timed_out, cancelled)
        _pass(stage, clock, 10)
        assert stage.runner.cancel_all("shutdown") == 1
        _pass(stage, clock, 5)
        assert stage.finished(timed_out).outcome.reason == "timeout"
        assert stage.finished(cancelled).outcome.reason == "shutdown"
        release.set()


def test_a_thread_that_does_not_react_is_given_up_on_after_the_grace_and_reports_late() -> None:
    clock = ManualClock()
    release = threading.Event()

    def stubborn(ctx: JobContext) -> JobResult:
        ctx.progress(0)
        release.wait(10)
        return JobResult.success().with_stats(9, 0)

    with RunnerStage(clock=clock, kill_grace=5) as stage:
        run = stage.start(stubborn, timeout_s=10, fence=4)
        stage.begun(run)
        _pass(stage, clock, 10)
        assert stage.runner.running() == {run}
        _pass(stage, clock, 5)
        end = stage.finished(run)
        assert (end.outcome.status, end.outcome.reason) == ("failed", "timeout")
        assert "isolation: process" in (end.outcome.message or "")
        assert stage.runner.running() == frozenset()

        clock.advance(60)
        release.set()
        late = stage.finished(run, late=True)
        assert (late.outcome.status, late.outcome.items_processed, late.fence) == ("success", 9, 4)
        assert late.outcome.duration_ms == 75_000
    assert [one.late for one in stage.heard] == [False, True]


def test_a_task_that_swallows_its_cancellation_is_given_up_on_and_the_next_job_gets_a_fresh_loop() -> None:
    clock = ManualClock()
    release = threading.Event()

    async def blocks(ctx: JobContext) -> None:
        ctx.progress(0)
        release.wait(10)

    async def quick() -> str:
        return "ran"

    with RunnerStage(clock=clock, kill_grace=5) as stage:
        run = stage.start(blocks, timeout_s=10)
        stage.begun(run)
        _pass(stage, clock, 10)
        _pass(stage, clock, 5)
        assert stage.finished(run).outcome.reason == "timeout"
        waiting = stage.start(quick)
        _pass(stage, clock, 1)
        assert stage.finished(waiting).outcome.message == "ran"
        assert stage.finished(stage.start(quick)).outcome.message == "ran"
        release.set()
        assert stage.finished(run, late=True).outcome.status == "success"


def test_given_up_threads_do_not_use_up_the_pool() -> None:
    clock = ManualClock()
    release = threading.Event()
    with RunnerStage(clock=clock, kill_grace=1, max_threads=1) as stage:
        stuck = stage.start(lambda ctx: (ctx.progress(0), release.wait(10)))
        stage.begun(stuck)
        waiting = stage.start(lambda: "at last")
        stage.runner.cancel(stuck, "requested")
        _pass(stage, clock, 1)
        assert stage.finished(waiting).outcome.message == "at last"
        release.set()
        assert stage.finished(stuck, late=True).outcome.status == "success"


def test_at_the_limit_of_given_up_threads_no_plain_function_starts_until_one_comes_back() -> None:
    clock = ManualClock()
    releases = [threading.Event(), threading.Event()]
    with RunnerStage(clock=clock, kill_grace=1, max_abandoned_threads=2) as stage:
        stuck = [stage.start(lambda ctx, gate=gate: (ctx.progress(0), gate.wait(10))) for gate in releases]
        stage.begun(*stuck)
        stage.runner.cancel_all("requested")
        _pass(stage, clock, 1)
        end = stage.finished(stage.start(lambda: "not now"))
        assert (end.outcome.status, end.outcome.reason) == ("failed", "spawn_error")
        assert "limits.max_abandoned_threads is 2: sp doctor names the runs" in (end.outcome.message or "")
        assert stage.finished(stage.start(["true"])).outcome.status == "success", "what can be ended starts"
        (first,) = [thread for thread in threading.enumerate() if thread.name == f"work#{stuck[0]}"]
        releases[0].set()
        first.join(WAIT_S)
        assert stage.finished(stuck[0], late=True).outcome.status == "success"
        assert stage.finished(stage.start(lambda: "now")).outcome.message == "now"
        releases[1].set()


def test_a_run_that_waits_for_a_thread_is_cancelled_without_ever_beginning() -> None:
    release, ran = threading.Event(), threading.Event()
    with RunnerStage(max_threads=1) as stage:
        stage.begun(stage.start(lambda ctx: (ctx.progress(0), release.wait(10))))
        waiting = stage.start(ran.set)
        stage.runner.cancel(waiting, "shutdown")
        assert "it had not begun" in (stage.finished(waiting).outcome.message or "")
        release.set()
        assert stage.runner.wait_idle(10)
    assert not ran.is_set()


def test_work_that_was_finished_though_asked_to_stop_is_a_success() -> None:
    def finishes(ctx: JobContext) -> JobResult:
        ctx.progress(0)
        ctx.cancel.wait(10)
        return JobResult.success().with_message("all of it")

    with RunnerStage() as stage:
        run = stage.start(finishes)
        stage.begun(run)
        stage.runner.cancel(run, "shutdown")
        assert stage.finished(run).outcome.message == "all of it"


def test_work_that_was_finished_after_its_timeout_is_a_timeout_with_its_statistics() -> None:
    clock = ManualClock()

    def finishes(ctx: JobContext) -> JobResult:
        ctx.progress(0)
        ctx.cancel.wait(10)
        return JobResult.success().with_stats(5, 0)

    with RunnerStage(clock=clock) as stage:
        run = stage.start(finishes, timeout_s=3)
        stage.begun(run)
        _pass(stage, clock, 3)
        end = stage.finished(run)
    assert (end.outcome.reason, end.outcome.items_processed) == ("timeout", 5)


def test_a_job_that_breaks_while_it_stops_keeps_its_traceback() -> None:
    clock = ManualClock()

    async def breaks(ctx: JobContext) -> None:
        try:
            ctx.progress(0)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("half-written file") from None

    with RunnerStage(clock=clock) as stage:
        timed_out, cancelled = stage.start(breaks, timeout_s=3), stage.start(breaks)
        stage.begun(timed_out, cancelled)
        _pass(stage, clock, 3)
        stage.runner.cancel(cancelled, "shutdown")
        end = stage.finished(timed_out)
        assert end.outcome.reason == "timeout"
        assert "half-written file" in (end.outcome.error or "")
        assert stage.finished(cancelled).outcome.reason == "exception"


def test_a_task_cancelled_before_its_first_step_still_ends() -> None:
    begun, release = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        release.wait(10)

    with RunnerStage() as stage:
        first = stage.start(blocks)
        assert begun.wait(10)
        second = stage.start(_for_ever)
        stage.runner.cancel(second, "shutdown")
        release.set()
        assert stage.finished(second).outcome.reason == "shutdown"
        assert stage.finished(first).outcome.status == "success"


def test_kill_all_ends_every_run_at_once() -> None:
    release = threading.Event()
    with RunnerStage(kill_grace=3600) as stage:
        runs = [
            stage.start(lambda ctx: (ctx.progress(0), release.wait(10))),
            stage.start(_for_ever),
            stage.start(["sleep", "1000"]),
        ]
        stage.begun(*runs[:2])
        stage.runner.cancel_all("shutdown")
        stage.runner.kill_all()
        assert stage.runner.wait_idle(10)
        assert [stage.finished(run).outcome.reason for run in runs] == ["shutdown"] * 3
        release.set()


def test_an_end_that_cannot_be_reported_does_not_stop_the_others() -> None:
    with RunnerStage() as stage:

        def broken(_: object) -> None:
            raise RuntimeError("ledger is away")

        keep, stage.runner._on_finished = stage.runner._on_finished, broken
        stage.start(lambda: None)
        assert stage.runner.wait_idle(10)
        stage.runner._on_finished = keep
        assert stage.finished(stage.start(lambda: "ok")).outcome.message == "ok"


def test_deadlines_fall_due_in_order_once_and_dropped_ones_never() -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    fired: list[str] = []
    deadlines.add(3, lambda: fired.append("third"))
    deadlines.add(1, lambda: fired.append("first"))
    dropped = deadlines.add(2, lambda: fired.append("dropped"))
    dropped.drop()
    dropped.drop()
    clock.advance(1)
    assert deadlines.expire(clock.monotonic()) == 3
    clock.advance(10)
    assert deadlines.expire(clock.monotonic()) is None
    assert deadlines.expire(clock.monotonic()) is None
    deadlines.close()
    assert fired == ["first", "third"]


def test_dropped_deadlines_do_not_pile_up() -> None:
    deadlines = Deadlines(ManualClock())
    kept = [deadlines.add(86_400, lambda: None) for _ in range(200)]
    for _ in range(5000):
        deadlines.add(86_400, lambda: None).drop()
    assert len(kept) <= len(deadlines._heap) <= 2 * len(kept) + 1
    for one in kept:
        one.drop()
    assert deadlines.expire(0.0) is None
    deadlines.close()


def test_a_run_that_ended_is_not_kept_until_its_timeout() -> None:
    class Parcel:
        pass

    gone = threading.Event()
    with RunnerStage(clock=ManualClock()) as stage:
        parcel = Parcel()
        weakref.finalize(parcel, gone.set)
        stage.start(lambda: None, timeout_s=86_400, parameters={"parcel": parcel})
        del parcel
        assert gone.wait(WAIT_S)


def test_real_time_expires_by_itself() -> None:
    with RunnerStage(kill_grace=0.01) as stage:
        end = stage.finished(stage.start(_for_ever, timeout_s=0.05))
    assert end.outcome.reason == "timeout"
