"""A stop begins at once, also where the runner is busy: what has not begun never begins, and nobody waits for anybody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from support.runner_stage import Lifeline, RunnerStage, python
from systemprompt.clock import SystemClock
from systemprompt.discovery.definition import JobDefinition, JobSource
from systemprompt.jobs.context import JobContext
from systemprompt.runner.executors import guard, supervisor
from systemprompt.runner.flight import Assignment, Finished, Flight
from systemprompt.runner.outcome import Outcome
from systemprompt.runner.run_logs import RunLogs

UNBEGUN = "stopped on request; it had not begun"


@pytest.fixture
def launching(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Make the first start of a process take until a test allows it: (it has begun, it may go on)."""
    begun, release = threading.Event(), threading.Event()
    launch = supervisor.Supervisor._launch

    def slow(self: supervisor.Supervisor, flight: Flight, what: supervisor.Launch) -> None:
        begun.set()
        release.wait(20)
        launch(self, flight, what)

    monkeypatch.setattr(supervisor.Supervisor, "_launch", slow)
    return begun, release


def test_an_async_job_behind_one_that_blocks_their_loop_is_cancelled_at_once_and_never_begins() -> None:
    blocked, release, ran = threading.Event(), threading.Event(), threading.Event()

    async def blocks() -> None:
        blocked.set()
        release.wait(20)

    async def behind() -> None:
        ran.set()

    with RunnerStage(kill_grace=3600) as stage:
        first = stage.start(blocks)
        assert blocked.wait(20)
        run = stage.start(behind)
        assert stage.runner.cancel(run, "requested")
        # Not "soon": it has been reported when the call returns.
        assert stage.runner.running() == {first}
        assert (stage.finished(run).outcome.message, stage.finished(run).abandoned) == (UNBEGUN, False)
        release.set()
        assert stage.finished(first).outcome.status == "success"
        assert stage.finished(stage.start(lambda: "the next")).outcome.message == "the next"
        assert stage.lines(run) == [("WARNING", "runner", "asked to stop: requested")]
    assert not ran.is_set()
    assert stage.runner.abandoned() == frozenset()


def test_a_command_behind_one_that_is_being_started_is_cancelled_at_once_and_never_begins(
    tmp_path: Path, launching: tuple[threading.Event, threading.Event]
) -> None:
    begun, release = launching
    with RunnerStage(kill_grace=3600) as stage:
        first = stage.start(["true"])
        assert begun.wait(20)
        run = stage.start(["touch", str(tmp_path / "ran")])
        assert stage.runner.cancel(run, "requested")
        assert stage.runner.running() == {first}
        assert stage.finished(run).outcome.message == UNBEGUN
        release.set()
        assert stage.finished(first).outcome.status == "success"
        assert stage.finished(stage.start(["true"])).outcome.status == "success"
    assert not (tmp_path / "ran").exists()


def test_a_command_that_is_cancelled_while_it_is_being_started_does_not_run_for_long(
    launching: tuple[threading.Event, threading.Event],
) -> None:
    begun, release = launching
    with RunnerStage(kill_grace=0.5) as stage:
        run = stage.start(["sleep", "1000"])
        assert begun.wait(20)
        assert stage.runner.cancel(run, "requested")
        release.set()
        end = stage.finished(run)
    assert (end.outcome.status, end.outcome.reason) == ("cancelled", "requested")


@pytest.mark.parametrize("word", [b"stop\n", b"kill\n", b""], ids=["stop", "kill", "the node is gone"])
def test_a_guard_that_is_asked_to_stop_before_it_has_started_its_program_never_starts_it(
    tmp_path: Path, word: bytes
) -> None:
    control_r, control_w = os.pipe()
    status_r, status_w = os.pipe()
    os.write(control_w, word)
    if not word:
        os.close(control_w)
    orders = [str(control_r), str(status_w), str(os.getpid()), "5", "", "", "", "", "touch", str(tmp_path / "ran")]
    subprocess.run([sys.executable, "-I", "-S", guard.__file__, *orders], pass_fds=[control_r, status_w], check=True)
    os.close(status_w)
    with os.fdopen(status_r) as status:
        assert status.read() == "unbegun\ndone\n"
    assert not (tmp_path / "ran").exists()


def test_two_hundred_runs_are_asked_to_stop_in_a_moment_though_a_process_is_slow_to_start(
    launching: tuple[threading.Event, threading.Event],
) -> None:
    begun, release = launching

    def waits(ctx: object) -> None:
        release.wait(20)

    async def sleeps() -> None:
        import asyncio

        await asyncio.sleep(1000)

    with RunnerStage(kill_grace=3600, max_threads=4) as stage:
        kinds = (waits, sleeps, ["sleep", "1000"], waits)
        runs = [stage.start(kinds[number % 4]) for number in range(200)]
        assert begun.wait(20)
        asked_at = time.monotonic()
        assert all(stage.runner.cancel(run, "requested") for run in runs)
        took_s = time.monotonic() - asked_at
        # Four threads, the tasks and the one process that is being started have begun; all others are closed already.
        unbegun = [one for one in stage.heard if one.outcome.message == UNBEGUN]
        assert len(unbegun) >= 100 + 50 - 4 - 1
        assert took_s < 1
        release.set()
        assert stage.runner.wait_idle(20)
        assert {stage.finished(run).outcome.reason for run in runs} <= {
            "requested",
            None,
        }  # None: four came back by themselves


def test_a_stop_does_not_wait_for_the_processes_that_are_still_to_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, release = threading.Event(), threading.Event()
    done: list[tuple[str, int]] = []
    launch, tell = supervisor.Supervisor._launch, supervisor.Supervisor._tell

    def launching(self: supervisor.Supervisor, flight: Flight, what: supervisor.Launch) -> None:
        if flight.run_id == second:
            begun.set()
            release.wait(20)
        done.append(("start", flight.run_id))
        launch(self, flight, what)

    def telling(self: supervisor.Supervisor, flight: Flight, word: bytes) -> None:
        done.append(("stop", flight.run_id))
        tell(self, flight, word)

    monkeypatch.setattr(supervisor.Supervisor, "_launch", launching)
    monkeypatch.setattr(supervisor.Supervisor, "_tell", telling)
    second = 2
    with RunnerStage() as stage:
        first = stage.start(python("import time\nprint('up', flush=True)\ntime.sleep(1000)"))
        stage.said(first, "up")
        assert stage.start(["true"]) == second
        assert begun.wait(20)
        third = stage.start(["true"])
        assert stage.runner.cancel(first, "requested")
        release.set()
        assert stage.finished(first).outcome.reason == "requested"
        assert [stage.finished(run).outcome.status for run in (second, third)] == ["success"] * 2
        assert done == [("start", first), ("start", second), ("stop", first), ("start", third)]


def _touches(ctx: JobContext) -> None:
    Path(ctx.parameters["path"]).touch()


async def _touches_as_task(ctx: JobContext) -> None:
    _touches(ctx)


async def _nothing() -> None:
    """Shows that those before it had their turn."""


@pytest.mark.parametrize("kind", ["thread", "task", "command"])
def test_a_run_that_is_cancelled_before_its_executor_has_it_never_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "ran"
    with RunnerStage() as stage:
        work: Any = {"thread": _touches, "task": _touches_as_task, "command": ["touch", str(path)]}[kind]
        executors = {"thread": stage.runner._threads, "task": stage.runner._async, "command": stage.runner._processes}
        executor: Any = executors[kind]
        start = executor.start

        def cancelled_first(flights: list[Flight]) -> None:
            if flights[0].run_id == 1:
                assert stage.runner.cancel(1, "requested")
            start(flights)

        monkeypatch.setattr(executor, "start", cancelled_first)
        monkeypatch.setattr(executor, "stop", lambda _flight: None)  # it knew nothing of the run, so it forgot nothing
        run = stage.start(work, defaults={"path": str(path)})
        assert stage.finished(run).outcome.message == UNBEGUN
        after: Any = {"thread": lambda: None, "task": _nothing, "command": ["true"]}[kind]
        assert stage.finished(stage.start(after)).outcome.status == "success"
    assert not path.exists()


def test_a_late_report_comes_after_the_report_that_closed_the_run() -> None:
    told: list[str] = []
    late: list[threading.Thread] = []

    def on_land(flight: Flight, finished: Finished) -> None:
        if not finished.late:
            late.append(threading.Thread(target=flight.land, args=(Outcome(status="success"),)))
            late[0].start()
            late[0].join(0.1)  # it could be here by now if it did not wait for us
        told.append("late" if finished.late else "closed")

    flight = Flight(
        Assignment(run_id=1, definition=JobDefinition(name="work", source=JobSource(kind="module", name=__name__))),
        clock=SystemClock(),
        log=RunLogs(None, ledger_id="a_ledger").open(job_name="work", run_id=1, attempt=1),
        on_land=on_land,
        on_progress=lambda *_: None,
    )
    assert flight.begin()
    assert flight.land(Outcome(status="cancelled", reason="requested"), abandoned=True)
    late[0].join(20)
    assert told == ["closed", "late"]
    assert not flight.land(Outcome(status="success"))


def test_a_process_that_is_born_while_its_family_is_looked_at_is_ended_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Lifeline(tmp_path)
    order_r, order_w = os.pipe()
    code = (
        "import os, signal, sys, time\nfd = os.open(sys.argv[1], os.O_WRONLY)\n"
        "if not os.fork():\n    os.setsid()\n    os.write(fd, b'ready\\n')\n"
        f"    os.read({order_r}, 1)\n"
        "    if not os.fork():\n        os.setsid()\n        os.write(fd, b'born\\n')\n"
        "while True: time.sleep(1000)\n"
    )
    root = subprocess.Popen(python(code, pipe.path), pass_fds=[order_r])
    try:
        assert pipe.word() == "ready"
        send = guard._send

        def born_first(how: object, target: int, number: int) -> int | None:
            if not born:
                born.append(target)
                os.write(order_w, b"!")
                assert pipe.word() == "born"
            return send(how, target, number)  # type: ignore[arg-type]  # handed on as it came

        born: list[int] = []
        monkeypatch.setattr(guard, "_send", born_first)
        guard.end_below(root.pid)
        root.kill()
        pipe.ended()
    finally:
        root.kill()
        root.wait()
        os.close(order_r)
        os.close(order_w)
