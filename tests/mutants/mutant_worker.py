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

import hypothesis
import hypothesis.strategies
import pytest

ROOT = Path(__file__).parents[2]
MEMORY = 4 << 30
"""A mutant may build an endless list."""

SURVIVED, KILLED, TIMEOUT, BROKEN = "survived", "killed", "timeout", "broken"


class FirstFailure:
    """Writes down which test failed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid)


def run_tests(place: Path, module: str, tests: list[str], failure: Path) -> None:
    """Run the tests in this process, which ends with pytest's exit code, or 99 where they did not test the copy."""
    os.setsid()
    output = os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(place / "src"))
    os.environ |= {"PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    # The same examples each time, and none made smaller: the question is only whether one fails.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    # What is loaded before the fork cannot be rewritten, and need not be.
    ignored = "ignore::pytest.PytestAssertRewriteWarning"
    options = [
        "-x",
        "-W",
        ignored,
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--basetemp",
        str(place / "tmp"),
    ]
    code = int(pytest.main([*options, *tests], plugins=[FirstFailure(failure)]))
    loaded = sys.modules.get(module)
    if code == pytest.ExitCode.OK and (loaded is None or not str(loaded.__file__).startswith(str(place))):
        code = 99
    sys.stdout.flush()
    os._exit(code)


def judge(place: Path, asked: dict[str, object]) -> dict[str, object]:
    """Put the mutant in its place, run the tests, and say what became of it and which test failed."""
    path = place / str(asked["path"])
    original = path.read_text()
    failure = place / "failure.txt"
    failure.unlink(missing_ok=True)
    if asked["code"] is not None:
        path.write_text(str(asked["code"]))
    try:
        arguments = (place, asked["module"], asked["tests"], failure)
        process = multiprocessing.get_context("fork").Process(target=run_tests, args=arguments)
        process.start()
        ended = wait([process.sentinel], float(str(asked["timeout"])))
        # Before it is reaped: until then nobody else can have its number.
        _end(process.pid)
        process.join()
        outcome = _outcome(process.exitcode or 0) if ended else TIMEOUT
    finally:
        path.write_text(original)
    output = (place / "output.txt").read_text(errors="replace")[-4_000:]
    return {"outcome": outcome, "by": failure.read_text() if failure.exists() else "", "output": output}


def _outcome(code: int) -> str:
    if code == pytest.ExitCode.OK:
        return SURVIVED
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
