"""Hostile work is asked to stop, and all of it is gone within the grace and a second. Real processes, real time.

The fork bombs cannot run away with a shared machine: about fifty processes that pause, a budget of forks for all of them, and
each ends by itself after twenty seconds.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.runner_stage import Lifeline, RunnerStage, python
from systemprompt.discovery.definition import JobSource
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job

GRACE_S = 0.5
LIMIT_S = GRACE_S + 1.0
FLOOD_BYTES = 2**30
MEMORY_BYTES = 64 * 2**20
"""How much a flood may add to what the node holds: the buffers of the log, and room for the allocator."""

DEAF = "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
HEAD = f"import os, shutil, signal, sys, time\nfd = os.open(sys.argv[1], os.O_WRONLY)\n{DEAF}"
READY = "os.write(fd, b'ready\\n')\n"
STAY = "while True: time.sleep(1000)\n"

# Each fork takes a token out of a pipe, and without one there is no fork; an alarm is not inherited, so each sets its own.
BOUNDED = """
tokens, _bank = os.pipe()
os.set_blocking(tokens, False)
os.write(_bank, b'.' * BUDGET)
signal.alarm(20)
def fork():
    try:
        os.read(tokens, 1)
    except BlockingIOError:
        time.sleep(1000)
    pid = os.fork()
    if not pid:
        signal.alarm(20)
    return pid
"""
# 1 + 7 + 42 processes, each in a session of its own. A parent replaces a child that dies, a child replaces a parent that dies.
RESPAWNING = """
def keep(depth):
    if depth:
        os.setsid()
    if depth == 2:
        os.write(fd, b'born\\n')
    parent, children = os.getppid(), set()
    while True:
        while depth < 2 and len(children) < (7, 6)[depth]:
            pid = fork()
            if not pid:
                keep(depth + 1)
            children.add(pid)
        try:
            children.discard(os.waitpid(-1, os.WNOHANG)[0])
        except ChildProcessError:
            children.clear()
        if os.getppid() != parent:
            parent = os.getppid()
            if not fork():
                keep(1)
        time.sleep(0.002)

keep(0)
"""
# 50 chains: each process forks its successor, which leaves for a session of its own, and ends. No number lives for long.
MOVING = """
for _ in range(50):
    if not fork():
        os.write(fd, b'born\\n')
        while True:
            os.setsid()
            time.sleep(0.02)
            if fork():
                os._exit(0)
"""
FLOOD = f"""
block, left = b''.join(b'line %d of a flood\\n' % number for number in range(3000)), {FLOOD_BYTES}
while True:
    was, left = left, left - os.write(1, block)
    if left <= 0 < was:
        os.write(fd, b'ready\\n')
"""
COMMANDS = {
    "a program that ignores TERM": READY,
    "a grandchild in a session of its own": f"if not os.fork() and not os.fork():\n    os.setsid()\n    {READY}",
    "a daemon": f"if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n    os.setsid()\n    {READY}",
    "a fork bomb whose processes replace each other": BOUNDED.replace("BUDGET", "300") + RESPAWNING,
    "a fork bomb that never stands still": BOUNDED.replace("BUDGET", "2000") + MOVING,
    "a flood of output": FLOOD,
    "a program that deletes its own folder": f"shutil.rmtree(os.getcwd())\n{READY}",
    "a stopped program": f"{READY}os.kill(os.getpid(), signal.SIGSTOP)\n",
    "a stopped child": f"if not os.fork():\n    {READY}    os.kill(os.getpid(), signal.SIGSTOP)\n",
    "a program that stops its guard": f"os.kill(os.getppid(), signal.SIGSTOP)\n{READY}",
}
BORN = {"a fork bomb whose processes replace each other": 42, "a fork bomb that never stands still": 50}

JOBS = {
    "a busy loop in C": "    ready()\n    sum(range(10**12))\n",
    "a job that ignores TERM": "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    ready()\n    while True: time.sleep(1000)\n",
    "a job that swallows what it is told": (
        "    ready()\n    while True:\n        try:\n            time.sleep(0.01)\n            ctx.raise_if_cancelled()\n"
        "        except BaseException:\n            pass\n"
    ),
    "a job with a daemon": (
        "    if not os.fork():\n        os.setsid()\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        ready()\n"
        "        while True: time.sleep(1000)\n    time.sleep(1000)\n"
    ),
    "a job that deletes its own folder": "    shutil.rmtree(os.getcwd())\n    ready()\n    sum(range(10**12))\n",
    "a flood of log records": "    ready()\n    while True: ctx.logger.info('x' * 200)\n",
    "a flood of progress": "    ready()\n    while True: ctx.progress(1, 1, 'x' * 2000)\n",
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_hostile_command_is_gone_within_its_grace_and_a_second(tmp_path: Path, kind: str) -> None:
    pipe = Lifeline(tmp_path)
    with RunnerStage(kill_grace=GRACE_S) as stage:
        before = _most_memory()
        code = HEAD + COMMANDS[kind] + STAY
        run = stage.start(
            python(code, pipe.path), working_dir=_folder(tmp_path), environment={"STOP_MARK": str(tmp_path)}
        )
        for _ in range(BORN.get(kind, 1)):
            assert pipe.word() in ("born", "ready")
        _stop(stage, run, tmp_path, pipe)
        assert _most_memory() - before < MEMORY_BYTES


@pytest.mark.parametrize("kind", JOBS)
def test_a_hostile_job_in_a_process_of_its_own_is_gone_within_its_grace_and_a_second(tmp_path: Path, kind: str) -> None:
    pipe = Lifeline(tmp_path)
    file = tmp_path / "hostile.py"
    file.write_text(
        "import os, shutil, signal, time\nfrom systemprompt import job\n\n"
        f"fd = os.open({pipe.path!r}, os.O_WRONLY)\n\ndef ready():\n    {READY}\n"
        f"@job(name='work')\ndef work(ctx):\n{JOBS[kind]}"
    )
    with RunnerStage(kill_grace=GRACE_S) as stage:
        run = stage.start(
            _Elsewhere(),
            isolation="process",
            source=JobSource(kind="file", name=str(file)),
            working_dir=_folder(tmp_path),
            environment={"STOP_MARK": str(tmp_path)},
        )
        assert pipe.word() == "ready"
        _stop(stage, run, tmp_path, pipe)


def _deaf_thread(ctx: JobContext, release: threading.Event) -> str:
    ctx.progress(0)
    release.wait(30)
    return "came back"


async def _deaf_task(ctx: JobContext, release: threading.Event) -> str:
    ctx.progress(0)
    while not release.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue
    return "came back"


async def _blocks_its_loop(ctx: JobContext, release: threading.Event) -> str:
    return _deaf_thread(ctx, release)


@pytest.mark.parametrize("deaf", [_deaf_thread, _deaf_task, _blocks_its_loop])
def test_code_that_cannot_be_stopped_is_abandoned_within_its_grace_and_a_second(deaf: Callable[..., object]) -> None:
    release = threading.Event()
    with RunnerStage(kill_grace=GRACE_S) as stage:
        # The runner looks whether the function itself is async.
        if asyncio.iscoroutinefunction(deaf):

            async def task(ctx: JobContext) -> object:
                return await deaf(ctx, release)

            run = stage.start(task)
        else:
            run = stage.start(lambda ctx: deaf(ctx, release))
        stage.begun(run)
        asked_at = time.monotonic()
        assert stage.runner.cancel(run, "requested")
        end = stage.finished(run)
        assert GRACE_S * 0.9 < time.monotonic() - asked_at < LIMIT_S
        assert (end.outcome.status, end.outcome.reason, end.abandoned) == ("cancelled", "requested", True)
        assert stage.runner.abandoned() == {run}
        assert stage.runner.running() == frozenset()

        release.set()
        late = stage.finished(run, late=True)
        assert (late.outcome.message, late.abandoned) == ("came back", False)
        assert stage.runner.abandoned() == frozenset()


def _stop(stage: RunnerStage, run: int, mark: Path, pipe: Lifeline) -> None:
    """Ask a run to stop; check how it is reported, that nothing of it lives, and how long that took."""
    asked_at = time.monotonic()
    assert stage.runner.cancel(run, "requested")
    end = stage.finished(run)
    pipe.ended()
    took_s = time.monotonic() - asked_at
    assert (end.outcome.status, end.outcome.reason, end.abandoned) == ("cancelled", "requested", False)
    assert _living(mark) == []
    assert took_s < LIMIT_S
    assert stage.runner.abandoned() == frozenset()


def _living(mark: Path) -> list[str]:
    """Return the processes that have this mark in their environment, which everything that is started inherits."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue  # gone, or another user's
        if f"STOP_MARK={mark}".encode() in environment.split(b"\0"):
            found.append(name)
    return found


def _most_memory() -> int:
    """Return the most that this process has held since it was last asked, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def _folder(tmp_path: Path) -> str:
    folder = tmp_path / "folder"
    folder.mkdir()
    return str(folder)


class _Elsewhere(Job):
    """What the node holds of the job; its process loads the real one."""

    name = "work"
