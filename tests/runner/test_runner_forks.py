"""What a job's children by fork() inherit: nothing of ours. Real processes and real signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.installation import Installation, serving
from support.process_job import process_job
from support.runner_stage import RunnerStage

TERMINATE = """
def work(ctx):
    import multiprocessing, time
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    return f"{child.exitcode} {ctx.cancel.is_set()}"
"""
POOL = """
def work(ctx):
    import multiprocessing, time
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            pool.apply_async(time.sleep, (60,)).get(timeout=0.1)
        except multiprocessing.TimeoutError:
            return "gave up"
"""
COMES_BACK = """
def work(ctx):
    child = os.fork()
    if child == 0:
        {ending}
    return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TERMINATE, "-15 False"),
        (POOL, "gave up"),
        (COMES_BACK.format(ending="return 'twice'"), "0"),
        (COMES_BACK.format(ending="raise ValueError('in the child')"), "1"),
        (COMES_BACK.format(ending="raise SystemExit(7)"), "7"),
    ],
    ids=["terminate", "pool", "returns", "raises", "exits"],
)
@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_forked_child_ends_as_python_says_and_its_job_is_left_alone(
    tmp_path: Path, isolation: str, body: str, message: str
) -> None:
    installation = Installation(tmp_path)
    text = body.replace("def work(ctx)", f"import os\n\n\n@job(isolation={isolation!r})\ndef work(ctx)")
    installation.job_file("forking.py", text)
    with serving(installation) as node:
        installation.sp("jobs", "run", "work", "--detach")
        ended = node.end_of("work")
        assert (ended["status"], ended["message"]) == ("success", message)
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []


def test_what_a_job_left_forked_ends_with_the_node(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.job_file(
        "leaving.py",
        "import multiprocessing, time\n\n\n@job()\ndef work():\n"
        "    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))\n"
        "    child.start()\n    return str(child.pid)\n",
    )
    with serving(installation) as node:
        installation.sp("jobs", "run", "work", "--detach")
        pid = int(node.end_of("work")["message"])
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    done = installation.sp("jobs", "run", "work")
    with pytest.raises(ProcessLookupError):
        os.kill(int(done["data"]["jobs_run"][0]["result"]["message"]), 0)


def test_a_forked_child_logs_to_stderr_and_not_into_its_parents_run(tmp_path: Path) -> None:
    def work(ctx: object) -> str:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            import sys

            sys.__stderr__ = os.fdopen(write, "w", buffering=1)  # type: ignore[misc]  # the child's own
            ctx.logger.warning("from the child")  # type: ignore[attr-defined]
            ctx.progress(1, 1)  # type: ignore[attr-defined]
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with os.fdopen(read) as said:
            return said.read()

    with RunnerStage() as stage:
        run = stage.start(work)
        assert stage.finished(run).outcome.message == "WARNING work: from the child\n"
        assert stage.lines(run) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "    subprocess.run(['sh', '-c', 'echo up >&2; sleep 60 && echo all > export.csv'])\n    return 'exported'\n",
            "exported",
        ),
        ("    subprocess.run(['sh', '-c', 'echo up >&2; exec sleep 60'], check=True)\n", "died with"),
        (
            "    subprocess.run(['sh', '-c', 'echo up >&2; exec sleep 60'], start_new_session=True)\n    return 'exported'\n",
            "exported",
        ),
    ],
    ids=["same group", "raises", "own session"],
)
@pytest.mark.parametrize("kind", ["", "async "])
def test_what_a_job_says_after_our_stop_ended_its_child_is_not_believed(
    tmp_path: Path, kind: str, body: str, said: str
) -> None:
    with process_job(tmp_path, f"import subprocess\n@job(name='work')\n{kind}def work():\n{body}") as (stage, run):
        stage.said(run, "up")
        stage.runner.cancel(run, "shutdown")
        end = stage.finished(run)
    assert (end.outcome.status, end.outcome.reason) == ("cancelled", "shutdown")
    message = end.outcome.message or ""
    assert "stopped with it, so its own word does not count" in message
    assert said in message


def test_a_job_without_children_may_still_finish_after_it_was_asked_to_stop(tmp_path: Path) -> None:
    body = "@job(name='work')\ndef work(ctx):\n    print('up')\n    ctx.cancel.wait(60)\n    return 'all of it'\n"
    with process_job(tmp_path, body) as (stage, run):
        stage.said(run, "up")
        stage.runner.cancel(run, "shutdown")
        assert stage.finished(run).outcome.message == "all of it"
