"""Jobs that print, return, raise and do what no job should: each has a clean account, and the node goes on firing.

One real node runs them all. `SP_CAMPAIGN=long` floods a gigabyte and runs every job in a process of its own as well.
"""

from __future__ import annotations

import queue
import signal
import sqlite3
import subprocess
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.campaign import LONG
from support.installation import SP, Installation, NodeProcess, serving
from systemprompt import JobResult
from systemprompt.errors import SystempromptError
from systemprompt.runner.outcome import outcome_of_exception, outcome_of_value

MEGABYTE = 2**20
FLOOD = 1024 * MEGABYTE if LONG else 64 * MEGABYTE
JOBS = (Path(__file__).parent / "wicked_jobs.py.txt").read_text(encoding="utf-8")
COMMANDS = {
    "binary": (["sh", "-c", "head -c 100000 /dev/urandom; printf '\\377\\000\\033[2J'"], "success", None),
    "flood": (["sh", "-c", f"yes | head -c {FLOOD}"], "success", None),
    "exits": (["sh", "-c", "exit 77"], "failed", "exit_nonzero"),
    "killed": (["sh", "-c", "kill -9 $$"], "failed", "killed"),
    "background": (["sh", "-c", "sleep 600 & setsid sleep 600 & exit 0"], "success", None),
    "deaf": (["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 600; done"], "failed", "timeout"),
    "absent": (["no-such-program-anywhere"], "failed", "spawn_error"),
    "a_folder": (["/"], "failed", "spawn_error"),
    "silent": (["sh", "-c", "exec >&- 2>&- <&-; sleep 0"], "success", None),
    "long_words": (["echo", "x" * 100_000], "success", None),
}
FAILURES = {
    "lies_to_its_node": "exception",
    "returns_a_generator": "exception",
    "fails_without_words": "reported",
    "exits_with_three": "exit_nonzero",
    "exits_with_zero": "exception",
    "aborts": "killed",
    "segfaults": "killed",
    "kills_itself": "killed",
    "closes_everything": "exit_nonzero",
    "ignores_sigterm": "timeout",
    "blocks_sigterm": "timeout",
    "eats_memory": "exception",
}


def profile(bootstrap: list[str]) -> str:
    commands = "".join(
        f"    command.{name}: {{command: [{', '.join(map(quoted, words))}], timeout: {1 if name == 'deaf' else 120}s}}\n"
        for name, (words, _, _) in COMMANDS.items()
    )
    return (
        "entry_points: false\n"
        "limits: {kill_grace: 0.4s, shutdown_grace: 5s, max_concurrent_runs: 12, max_output_bytes: 65536}\n"
        f"scheduler:\n  bootstrap_jobs: [{', '.join(bootstrap)}]\n  jobs:\n{commands}"
    )


def quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    made.environ |= {"WICKED_FLOOD": str(FLOOD), "WICKED_LONG": "1" * LONG, "WICKED_MARK": uuid.uuid4().hex}
    (tmp_path / "jobs/wicked.py").write_text(JOBS, encoding="utf-8")
    return made


def left_behind(mark: str) -> list[str]:
    """Return the processes that still carry the mark of a test's environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has just ended
    return found


def entries(installation: Installation, *flags: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = installation.sp("jobs", "history", "-n", "5000", *flags)["data"]["entries"]
    return found


def high_water_of_memory(node: NodeProcess) -> int:
    """Return the most memory that a node has held, in bytes."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def expected(job_name: str) -> tuple[str, str | None]:
    kind, _, name = job_name.partition(".")
    if kind == "command":
        return COMMANDS[name][1], COMMANDS[name][2]
    if name.startswith("raises_"):
        return "failed", "exception"
    return ("failed", FAILURES[name]) if name in FAILURES else ("success", None)


def test_whatever_jobs_do_each_has_its_account_and_the_node_goes_on(installation: Installation) -> None:
    installation.write_profile(profile([]))
    known = [job["name"] for job in installation.sp("jobs", "list")["data"]["jobs"]]
    wicked = [name for name in known if name.partition(".")[0] in ("thread", "async", "process", "command")]
    assert len(wicked) > 90
    installation.write_profile(profile(wicked))
    with serving(installation, "--grace", "5") as node:
        missing = set(wicked)
        while missing:
            try:
                missing.discard(node.wait("run_finished", lambda event: event["job_name"] != "steady")["job_name"])
            except queue.Empty:
                raise AssertionError(f"never ended: {sorted(missing)}") from None
        for _ in range(2):
            node.run_of("steady")
        memory = high_water_of_memory(node)
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    accounts = {
        run["job_name"]: (run["status"], run["reason"]) for run in entries(installation, "--origin", "bootstrap")
    }
    wrong = {name: accounts.get(name) for name in wicked if accounts.get(name) != expected(name)}
    assert not wrong, "\n".join(f"{name}: {account}" for name, account in wrong.items())
    assert {run["status"] for run in entries(installation, "--job", "steady", "--status", "success")} == {"success"}
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
    assert left_behind(installation.environ["WICKED_MARK"]) == []
    assert memory < 300 * MEGABYTE, f"{memory / MEGABYTE:.0f} MiB"
    assert (installation.folder / "app.db").stat().st_size < 120 * MEGABYTE


def test_a_node_goes_on_where_a_thread_has_wrecked_what_all_of_its_process_share(installation: Installation) -> None:
    installation.write_profile(
        "entry_points: false\nlimits: {kill_grace: 0.4s}\nscheduler: {bootstrap_jobs: [wreck.surroundings, wreck.streams]}\n"
    )
    late = '@job(schedule="*/2 * * * * *", isolation="process")\ndef late() -> None:\n    pass\n'
    installation.job_file("late.py", late)
    installation.sp("jobs", "list")
    # It cannot be heard: its streams are closed. The ledger says how it fares.
    with (installation.folder / "said.txt").open("w") as said:
        node = subprocess.Popen([*SP, "serve"], env=installation.environ, stdout=said, stderr=said)
        try:
            gate = Gate(installation.ledger)
            for _ in range(3):
                gate.wait_for_another("late")
                gate.wait_for_another("steady")
            node.send_signal(signal.SIGTERM)
            assert node.wait(30) == 0
        finally:
            node.kill()
            node.wait(30)

    assert {run["status"] for run in entries(installation) if run["status"] not in ("skipped", "missed")} == {"success"}
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
    assert left_behind(installation.environ["WICKED_MARK"]) == []


class Gate:
    """Waits until the ledger has one more success of a job than when it was last asked."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._seen: dict[str, int] = {}
        self._pause = threading.Event()

    def wait_for_another(self, job: str) -> None:
        deadline = time.monotonic() + 30
        while (count := self._count(job)) <= self._seen.get(job, 0):
            assert time.monotonic() < deadline, f"{job} fires no more"
            self._pause.wait(0.05)
        self._seen[job] = count

    def _count(self, job: str) -> int:
        with closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as connection:
            found: int = connection.execute(
                "SELECT count(*) FROM job_runs JOIN jobs ON jobs.job_id = job_runs.job_id"
                " WHERE job_name = ? AND status = 'success'",
                (job,),
            ).fetchone()[0]
            return found


class Unreadable:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise KeyboardInterrupt


class Unspeakable(SystempromptError):
    """One of ours that was never made as ours are, and ends the program when it is looked at."""

    def __init__(self) -> None:
        pass

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # on purpose
        raise SystemExit(3)


def test_what_a_job_returns_or_raises_is_an_outcome_whatever_it_does_when_it_is_looked_at() -> None:
    assert outcome_of_value(Unreadable(), took_ms=1).message == "<Unreadable: its repr raised KeyboardInterrupt>"
    result = JobResult(succeeded=Unreadable(), message=Unreadable())  # type: ignore[arg-type]  # on purpose
    assert outcome_of_value(result, took_ms=1).status == "success"
    try:
        raise Unspeakable
    except Unspeakable as error:
        outcome = outcome_of_exception(error, took_ms=1)
    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert "Unspeakable, which cannot be shown" in (outcome.message or "")
    assert "raise Unspeakable" in (outcome.error or "")


def test_threads_that_a_job_leaves_behind_do_not_keep_its_command_from_ending(installation: Installation) -> None:
    installation.write_profile("entry_points: false\n")
    answer = installation.sp("jobs", "run", "thread.leaves_threads")
    assert answer["data"]["succeeded"] == 1
