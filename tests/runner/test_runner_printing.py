"""What jobs in the node's own process print: it goes into the log of the run that printed, and one job silences no other."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from weakref import WeakSet

import pytest

from support.embedded_node import profile_in
from support.installation import Installation
from support.runner_stage import RunnerStage
from systemprompt.jobs.context import JobContext
from systemprompt.runner import printing


def speak(ctx: JobContext) -> None:
    print("on stdout", ctx.run_id)
    print("a ", end="")
    print("b", file=sys.stderr)
    sys.stdout.buffer.write(b"bytes\n")
    sys.stdout.writelines(["no line break"])


async def speak_async(ctx: JobContext) -> None:
    speak(ctx)
    await asyncio.to_thread(print, "\nfrom a thread of asyncio")


def adopted(ctx: JobContext) -> object:
    return speak_async(ctx)


@pytest.mark.parametrize("job", [speak, speak_async, adopted])
def test_what_a_job_prints_is_in_the_log_of_its_run_and_at_the_end_of_its_output(
    job: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunnerStage() as stage:
        run = stage.start(job)  # type: ignore[arg-type]  # parametrized functions are objects to mypy
        end = stage.finished(run)
        lines = stage.lines(run)
    assert ("INFO", "stdout", f"on stdout {run}") in lines
    assert ("WARNING", "stderr", "b") in lines
    assert ("INFO", "stdout", "a bytes") in lines
    assert ("INFO", "stdout", "no line break") in lines
    if job is not speak:
        assert ("INFO", "stdout", "from a thread of asyncio") in lines
    assert (end.outcome.output or "").startswith(f"on stdout {run}\na b\nbytes\nno line break")
    assert capsys.readouterr() == ("", "")


def test_two_jobs_at_once_and_the_program_around_them_each_have_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    def one(ctx: JobContext) -> None:
        ctx.progress(0)
        meeting.wait()
        print("I am", ctx.run_id)

    async def two(ctx: JobContext) -> None:
        ctx.progress(0)
        await asyncio.to_thread(meeting.wait)
        print("I am", ctx.run_id)

    meeting = threading.Barrier(4, timeout=30)
    with RunnerStage() as stage:
        runs = [stage.start(one), stage.start(two), stage.start(two)]
        stage.begun(*runs)
        print("outside")
        meeting.wait()
        for run in runs:
            stage.finished(run)
            assert stage.lines(run, "stdout") == [("INFO", "stdout", f"I am {run}")]
    assert capsys.readouterr() == ("outside\n", "")


def test_a_flood_is_bounded_as_that_of_a_process() -> None:
    def flood() -> None:
        for number in range(2000):
            print(f"line {number:04}")

    with RunnerStage(max_output_bytes=1024) as stage:
        run = stage.start(flood)
        end = stage.finished(run)
        lines = stage.lines(run)
    assert len(lines) <= 105
    assert lines[-1][2].startswith("further output dropped: a run keeps its first 1024 bytes")
    assert (end.outcome.output or "").endswith("line 1999")
    assert len(end.outcome.output or "") <= 4096


def test_one_job_cannot_take_streams_or_logging_from_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def rude() -> str:
        logging.disable()
        sys.stderr.close()
        sys.stdout.close()
        sys.stdout.detach()  # type: ignore[union-attr]
        sys.stderr.reconfigure(encoding="ascii")  # type: ignore[union-attr]
        return f"{sys.stdout.isatty()} {sys.stdout.closed}"

    def polite(ctx: JobContext) -> None:
        ctx.logger.info("logged")
        print("printed ä", file=sys.stderr)

    try:
        with RunnerStage() as stage:
            assert stage.finished(stage.start(rude)).outcome.message == "False False"
            run = stage.start(polite)
            stage.finished(run)
            assert stage.lines(run) == [("INFO", "job", "logged"), ("WARNING", "stderr", "printed ä")]
            print("and the program", file=sys.stderr)
    finally:
        logging.disable(logging.NOTSET)
    assert capsys.readouterr().err == "and the program\n"


def test_a_forked_child_prints_where_the_node_does(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        child = os.fork()
        if child == 0:
            print("from the child", flush=True)
            os._exit(0)
        os.waitpid(child, 0)

    with RunnerStage() as stage:
        run = stage.start(work)
        stage.finished(run)
        assert stage.lines(run) == []
    assert "from the child" in capfd.readouterr().out


def test_the_streams_are_the_programs_own_again_when_the_last_runner_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(printing, "_captures", WeakSet())  # runners that other tests let go of without closing them
    before = sys.stdout, sys.stderr
    with RunnerStage():
        with RunnerStage():
            assert sys.stdout is not before[0]
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


def test_listeners_that_print_are_not_the_job(tmp_path: Path) -> None:
    program = """
import sys, systemprompt
from systemprompt import job

@job()
def loud(ctx):
    print("the job")
    ctx.progress(1, 1, "done")

def tell(event):
    if event.kind in ("progress", "run_finished"):
        sys.stdout.write(event.kind + '\\n')  # in one piece: two threads print here

with systemprompt.node(sys.argv[1], jobs=[loud], on_event=tell) as node:
    node.run("loud")
    sys.stdout.write("the program\\n")
"""
    command = [sys.executable, "-c", program, str(profile_in(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert sorted(done.stdout.split("\n")) == ["", "progress", "run_finished", "the program"]


def test_the_answer_of_jobs_run_is_its_own_and_the_logs_have_what_was_printed(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.job_file("loud.py", "@job()\ndef loud():\n    print('hello from inside')\n")
    run = installation.sp("jobs", "run", "loud")["data"]["jobs_run"][0]
    logs = installation.sp("jobs", "logs", str(run["run_id"]))
    assert "hello from inside" in str(logs)
