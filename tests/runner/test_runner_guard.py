"""Nothing that a command starts outlives it. Real processes; each holds a pipe open whose end proves that it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import finds_support
from support.runner_stage import Lifeline, RunnerStage, python

# Each of these is left holding the pipe, says "ready" into it once it has come to be, and then waits for ever.
HOLD = "import os, signal, sys, time\nfd = os.open(sys.argv[1], os.O_WRONLY)\n"
STAY = "os.write(fd, b'ready\\n')\ntime.sleep(1000)\n"
DEAF = "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
STUBBORN = {
    "ignores TERM": HOLD + DEAF + STAY,
    "has a child that ignores TERM": HOLD + "if os.fork(): time.sleep(1000)\n" + DEAF + STAY,
    "has a child in a session of its own": HOLD + "if os.fork(): time.sleep(1000)\nos.setsid()\n" + DEAF + STAY,
    "has a daemon": HOLD
    + DEAF
    + "if os.fork(): time.sleep(1000)\nos.setsid()\nif os.fork(): os._exit(0)\nos.setsid()\n"
    + STAY,
    "has a stopped child": HOLD
    + "if os.fork(): time.sleep(1000)\nos.write(fd, b'ready\\n')\nos.kill(os.getpid(), signal.SIGSTOP)\n",
    "has children of many threads": HOLD
    + DEAF
    + "import threading, subprocess\n"
    + "run = lambda: subprocess.Popen(['sleep', '1000'], pass_fds=[fd], start_new_session=True)\n"
    + "threads = [threading.Thread(target=run) for _ in range(4)]\n"
    + "[t.start() for t in threads]\n[t.join() for t in threads]\n"
    + STAY,
}


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_a_stopped_command_leaves_nothing_behind(tmp_path: Path, code: str) -> None:
    pipe = Lifeline(tmp_path)
    with RunnerStage(kill_grace=0.1) as stage:
        run = stage.start(python(code, pipe.path))
        assert pipe.word() == "ready"
        stage.runner.cancel(run, "requested")
        assert stage.finished(run).outcome.reason == "requested"
        pipe.ended()


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_a_node_killed_in_mid_run_leaves_nothing_behind(tmp_path: Path, code: str) -> None:
    pipe = Lifeline(tmp_path)
    node = _node(tmp_path, python(code, pipe.path), grace=0.1)
    assert pipe.word() == "ready"
    node.kill()
    pipe.ended()
    node.wait()


def test_a_node_killed_while_a_fork_of_it_lives_on_leaves_nothing_behind(tmp_path: Path) -> None:
    # A job that uses multiprocessing's `fork` copies the lifeline, so its end of file alone would come too late.
    pipe = Lifeline(tmp_path)
    (tmp_path / "fork").mkdir()
    fork = Lifeline(tmp_path / "fork")
    forks = (
        f"import os, time\nif os.fork() == 0:\n    os.write(os.open({fork.path!r}, os.O_WRONLY), {os.linesep!r}.encode())"
        "\n    time.sleep(1000)\n"
    )
    node = _node(tmp_path, python(STUBBORN["ignores TERM"], pipe.path), grace=0.1, then=forks, session=True)
    try:
        assert pipe.word() == "ready"
        fork.word()
        os.kill(node.pid, signal.SIGKILL)
        pipe.ended()
    finally:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def test_what_a_command_leaves_running_in_the_background_is_ended_with_it(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    code = HOLD + "if os.fork():\n    time.sleep(0.05); print('done'); sys.exit()\nos.setsid()\n" + STAY
    with RunnerStage() as stage:
        run = stage.start(python(code, pipe.path))
        end = stage.finished(run)
        assert (end.outcome.status, end.outcome.message) == ("success", "done")
        pipe.ended()
        assert stage.lines(run, "runner") == [
            ("WARNING", "runner", "ended 1 process that was left running in the background")
        ]


def test_a_command_whose_guard_is_killed_is_killed_with_it(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    code = HOLD + "os.fork()\nos.write(fd, b'%d %d\\n' % (os.getpid(), os.getppid()))\ntime.sleep(1000)\n"
    with RunnerStage() as stage:
        run = stage.start(python(code, pipe.path))
        pids = {tuple(map(int, pipe.word().split())) for _ in range(2)}
        (guard,) = {parent for _, parent in pids} - {pid for pid, _ in pids}
        os.kill(guard, signal.SIGKILL)
        end = stage.finished(run)
        assert (end.outcome.status, end.outcome.reason) == ("failed", "killed")
        assert end.outcome.message == "the command was killed together with its guard"
        pipe.ended()


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_a_guard_that_does_not_answer_is_ended_by_force_with_all_that_it_guards(tmp_path: Path, code: str) -> None:
    pipe = Lifeline(tmp_path)
    with RunnerStage(kill_grace=3600) as stage:
        run = stage.start(python(code, pipe.path))
        assert pipe.word() == "ready"
        (process,) = stage.runner._processes._supervisor._processes.values()
        stage.runner.cancel(run, "requested")
        os.kill(process.guard.pid, signal.SIGSTOP)
        stage.runner.expire(stage.clock.monotonic() + 7200)
        assert stage.finished(run).outcome.reason == "requested"
        pipe.ended()


def test_a_guard_collects_any_number_of_processes_that_ended_at_once(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    code = HOLD + (
        "heard, _held = os.pipe()\n"
        "for _ in range(150):\n    if not os.fork():\n        os.close(_held); os.read(heard, 1); os._exit(0)\n"
        "os.write(fd, b'%d\\n' % os.getppid())\nos.kill(os.getppid(), signal.SIGSTOP)\n"
    )
    with RunnerStage() as stage:
        run = stage.start(python(code, pipe.path))
        guard = int(pipe.word())
        pipe.ended()
        # By now all have ended, and the guard has heard of it once at most.
        continued_at = time.monotonic()
        os.kill(guard, signal.SIGCONT)
        assert stage.finished(run).outcome.status == "success"
        assert time.monotonic() - continued_at < 3  # after five seconds it would have looked anyway


def test_signals_to_the_guard_do_not_unguard_its_program(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    code = HOLD + "os.write(fd, b'%d\\n' % os.getppid())\ntime.sleep(1000)\n"
    with RunnerStage(kill_grace=0.1) as stage:
        run = stage.start(python(code, pipe.path))
        guard = int(pipe.word())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(guard, number)
        stage.runner.cancel(run, "requested")
        assert stage.finished(run).outcome.reason == "requested"
        pipe.ended()


def test_closing_the_runner_ends_what_still_runs(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    with RunnerStage(kill_grace=60) as stage:
        run = stage.start(python(STUBBORN["has a daemon"], pipe.path))
        assert pipe.word() == "ready"
        assert stage.runner.close()
        assert stage.finished(run).outcome.reason == "shutdown"
        pipe.ended()


def test_the_runner_leaves_no_descriptor_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with RunnerStage() as stage:
        for command in (["true"], ["no-such-program"], ["true", "\0"]):
            stage.finished(stage.start(command))
    assert sorted(os.listdir("/proc/self/fd")) == before


def _node(
    folder: Path, command: list[str], *, grace: float, then: str = "", session: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process that runs this command as a node does."""
    code = f"from support.runner_stage import RunnerStage\nstage = RunnerStage(kill_grace={grace})\n"
    code += f"run = stage.start({command!r})\n"
    # The guard is up before the node forks, as it is when one job forks beside another's command.
    code += f"import time\nwhile not stage.runner._processes._supervisor._processes: time.sleep(0.001)\n{then}"
    code += "stage.finished(run)\n"
    (folder / "node.py").write_text(code)
    return subprocess.Popen([sys.executable, str(folder / "node.py")], env=finds_support(), start_new_session=session)
