"""Run tests against mutants, each in a process of its own. Started by `mutants.py`, which it answers line by line.

The package is copied once; a mutant's text replaces its module there, never in the working tree. Processes that tests start
find the copy as well. What every test needs is loaded before the fork, nothing of the package is: no cache that an earlier
mutant filled can answer for the next.
"""

from __future__ import annotations

import asyncio  # noqa: F401 - loaded once, for every fork
import compileall
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3  # noqa: F401 - as above
import sys
import tempfile
import zoneinfo  # noqa: F401 - as above
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies
import pytest

ROOT = Path(__file__).parents[2]
MEMORY = 4 << 30
"""A mutant may build an endless list."""

PATIENCE = 300
"""Seconds for one file's tests: a mutant may wait for ever without using a processor."""

# Whether a test fails is all that is asked: what only makes a failure readable would double the time.
_LEFT_OUT = ("xdist", "cacheprovider", "anyio", "unraisableexception", "threadexception")
OPTIONS = ("-x", "--assert=plain", *(f"-pno:{plugin}" for plugin in _LEFT_OUT))

SURVIVED, KILLED, TIMEOUT, BROKEN = "survived", "killed", "timeout", "broken"


class FirstFailure:
    """Writes down which test failed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid)


def run_tests(place: Path, module: str, test: str, failure: Path, *, seconds: int) -> None:
    """Run the tests in this process, which ends with pytest's exit code, or 99 where they did not test the copy."""
    os.setsid()
    output = os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if seconds:
        # Processor time: an endless loop ends soon, and a busy machine makes nothing look like one.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    # A mutant's bytecode must never be taken for another's; that of the tests is kept.
    sys.dont_write_bytecode = bool(seconds)
    sys.path.insert(0, str(place / "src"))
    os.environ |= {"PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    # The same examples each time, and none made smaller: the question is only whether one fails.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    code = int(pytest.main([*OPTIONS, "--basetemp", str(place / "tmp"), test], plugins=[FirstFailure(failure)]))
    loaded = sys.modules.get(module)
    if code == pytest.ExitCode.OK and (loaded is None or not str(loaded.__file__).startswith(str(place))):
        code = 99
    sys.stdout.flush()
    os._exit(code)


def judge(place: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Put the mutant in its place, run the tests until some fail, and say what became of it and which test failed.

    `seconds` is what the processes for each test file may use of a processor. Without a mutant it is empty, and the answer
    says what each has used.
    """
    path = place / asked["path"]
    original = path.read_text()
    failure = place / "failure.txt"
    failure.unlink(missing_ok=True)
    path.write_text(asked["code"] or original)
    outcome, used = SURVIVED, []
    try:
        # Each file by itself: most mutants fall to the first, and need not wait until the others are collected.
        for test, seconds in zip(asked["tests"], asked["seconds"] or [0] * len(asked["tests"]), strict=True):
            before = _children_used()
            process = multiprocessing.get_context("fork").Process(
                target=run_tests, args=(place, asked["module"], test, failure), kwargs={"seconds": seconds}
            )
            process.start()
            ended = wait([process.sentinel], PATIENCE)
            # Before it is reaped: until then nobody else can have its number.
            _end(process.pid)
            process.join()
            used.append(_children_used() - before)
            outcome = _outcome(process.exitcode or 0) if ended else TIMEOUT
            if outcome != SURVIVED:
                break
    finally:
        path.write_text(original)
    output = (place / "output.txt").read_text(errors="replace")[-4_000:]
    by = failure.read_text() if failure.exists() else ""
    return {"outcome": outcome, "by": by, "output": output, "used": used}


def _children_used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _outcome(code: int) -> str:
    if code == pytest.ExitCode.OK:
        return SURVIVED
    if code == -signal.SIGXCPU:
        return TIMEOUT
    # A module that cannot be imported interrupts the collection; a crash of the interpreter is a negative code.
    noticed = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    return KILLED if code < 0 or code in noticed else BROKEN


def _end(group: int | None) -> None:
    assert group is not None
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        place = Path(folder)
        shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(place / "src", quiet=1)
        for line in sys.stdin:
            asked = json.loads(line)
            cached = (place / asked["path"]).parent / "__pycache__"
            for stale in cached.glob(Path(asked["path"]).stem + ".*"):
                stale.unlink()
            print(json.dumps(judge(place, asked)), flush=True)


if __name__ == "__main__":
    main()
