"""Half a minute of weather: two real nodes on one profile, killed and stopped at random; the ledger must agree with the witness."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from systemprompt.audit.auditor import audit
from systemprompt.clock import from_datetime
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.views import AttemptView, RunView
from systemprompt.runner.identity import is_gone, this_machine
from systemprompt.runner.rescue import Rescue
from systemprompt.system import System, open_system

SECONDS = float(os.environ.get("STORM_SECONDS", "30"))
LEASE = 2.0
PROFILE = """\
name: storm
database: sqlite:///app.db
extensions: [jobs.py]
entry_points: false
limits: {{lease: {lease}s, kill_grace: 1s, shutdown_grace: 3s, misfire_grace: 2s, max_concurrent_runs: 12}}
scheduler:
  jobs:
    command_fail: {{schedule: "*/2 * * * * *", command: [sh, -c, {command}]}}
    command_rerun: {{schedule: "*/3 * * * * *", on_lost: rerun, command: [sh, -c, {command}]}}
    command_long: {{schedule: "*/5 * * * * *", on_lost: rerun, command: [sh, -c, {long}]}}
"""
COMMAND = (
    r"""'printf "{\"run_id\": %s, \"job\": \"%s\", \"at\": \"%s\", \"fence\": %s, \"attempt\": %s}\n" """
    r"""$SP_RUN_ID $SP_JOB_NAME $SP_FIRE_AT $SP_FENCE $SP_ATTEMPT >> "$WITNESS"; sync "$WITNESS"'"""
)


class Weather:
    """Two nodes, and what happens to them. A node that dies of anything but our SIGKILL is a failure."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.witness = folder / "witness.jsonl"
        self.environ = {
            **os.environ,
            "WITNESS": str(self.witness),
            "PYTHONFAULTHANDLER": "1",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.said = (folder / "nodes.txt").open("w")
        self.nodes = [self._node(), self._node()]
        self.done: Counter[str] = Counter()
        self._pause = threading.Event()

    def rage(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._pause.wait(self.chance.uniform(0.2, 1.6))
            which = self.chance.randrange(2)
            self._alive()
            if self.chance.random() < 0.4:
                self.done["killed"] += 1
                self._kill(which)
                if self.chance.random() < 0.3:
                    self._pause.wait(self.chance.uniform(0, 2))
                self.nodes[which] = self._node()
            else:
                long = self.chance.random() < 0.7
                self.done["stopped for longer than its lease" if long else "stopped"] += 1
                self.nodes[which].send_signal(signal.SIGSTOP)
                self._pause.wait(
                    self.chance.uniform(LEASE * 1.4, LEASE * 1.8) if long else self.chance.uniform(0.05, 0.8)
                )
                if self.chance.random() < 0.2:
                    self._kill(which)
                    self.nodes[which] = self._node()
                else:
                    self.nodes[which].send_signal(signal.SIGCONT)

    def calm(self) -> None:
        self._alive()
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        # One that was only just starting dies of the signal.
        assert {self._wait(node) for node in self.nodes} <= {0, -signal.SIGTERM}, self._words()

    def close(self) -> None:
        for node in self.nodes:
            if node.poll() is None:
                node.kill()
            node.wait(30)
        self.said.close()

    def _node(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "systemprompt",
            "--json",
            "--profile",
            str(self.folder / "profile.yaml"),
            "serve",
        ]
        return subprocess.Popen(command, env=self.environ, stdout=subprocess.DEVNULL, stderr=self.said)

    def _wait(self, node: subprocess.Popen[bytes]) -> int:
        try:
            return node.wait(30)
        except subprocess.TimeoutExpired:
            node.send_signal(signal.SIGABRT)  # faulthandler then says where every thread is
            return node.wait(30)

    def _kill(self, which: int) -> None:
        self.nodes[which].kill()
        self.nodes[which].wait(30)

    def _alive(self) -> None:
        assert [node.poll() for node in self.nodes] == [None, None], self._words()

    def _words(self) -> str:
        self.said.flush()
        lines = (self.folder / "nodes.txt").read_text().splitlines()
        return "\n".join(line for line in lines[-200:] if not line.startswith("{") or '"failed"' in line)


@pytest.mark.storm
def test_two_nodes_in_a_storm_leave_a_ledger_that_agrees_with_what_really_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("STORM_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"the storm's seed: STORM_SEED={seed}")
    (tmp_path / "jobs.py").write_text((Path(__file__).parent / "storm_jobs.py.txt").read_text())
    long = COMMAND[:-1] + "; sleep 2'"
    (tmp_path / "profile.yaml").write_text(PROFILE.format(lease=LEASE, command=COMMAND, long=long))
    weather = Weather(tmp_path, seed)
    try:
        weather.rage(SECONDS)
        weather.calm()
    finally:
        weather.close()
    for name in ("WITNESS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, weather.environ[name])
    with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
        make_whole(system)
        check(system.ledger, weather.witness, system.clock.now())
    print(weather.done)


def make_whole(system: System) -> None:
    """Settle what the last ones left, stop the schedules, and let one node work off what is queued."""
    ledger = system.ledger
    Rescue(ledger=ledger, clock=system.clock).step("nobody")
    assert ledger.living_nodes() == []
    assert [run for run in ledger.open_runs() if run.status == "running"] == []
    for job in ledger.jobs():
        ledger.set_enabled(job.name, False, system.clock.now(), system.decide, actor="test")
    ended = threading.Semaphore(0)
    node = system.node("serve", lambda event: ended.release() if event.kind == "run_finished" else None)
    node.start()
    while ledger.open_runs():
        assert ended.acquire(timeout=20), "a queued run is never worked off"
    node.drain(5)
    assert node.error is None


def check(ledger: SqliteLedger, witness: Path, now: int) -> None:
    machine = this_machine()
    report = audit(ledger, now=now, alive=lambda node: not is_gone(node, machine))
    assert report.ok, [finding.sentence for finding in report.findings]
    assert ledger.integrity_faults() == []
    assert ledger.open_runs() == []
    # The built-in jobs, which may be due in the middle of it, write no witness.
    ours = {job.job_id for job in ledger.jobs() if not job.source.startswith("builtin:")}
    runs = {run.run_id: run for run in ledger.runs_between(0, 2**62) if run.job_id in ours}
    attempts = {attempt.fence: attempt for attempt in ledger.attempts()}
    seen = [json.loads(line) for line in witness.read_text().splitlines()]
    started = {line["fence"] for line in seen}
    assert len(started) == len(seen), "a fence was started twice"
    for line in seen:
        agree(line, attempts[line["fence"]], runs[line["run_id"]])
    assert [run for run in runs.values() if run.status == "success" and run.fence not in started] == []
    for run in runs.values():
        tries = [attempt for attempt in attempts.values() if attempt.run_id == run.run_id]
        assert [one.result for one in tries[:-1]] == ["lost"] * (len(tries) - 1), "tried again with no account of why"
        if not job_reruns(run):
            assert len(tries) <= 1, "on_lost: fail starts a fire time once"
    results = Counter(f"{run.status}/{run.reason}" if run.reason else run.status for run in runs.values())
    print(results, Counter(attempt.result for attempt in attempts.values()), "late:", _late(attempts))
    assert results["success"] > SECONDS
    assert Counter(attempt.result for attempt in attempts.values())["lost"] >= 1
    assert {run.job_name for run in runs.values() if run.status == "success"} >= {
        "async_fail",
        "plain_rerun",
        "command_fail",
    }


def agree(line: dict[str, Any], attempt: AttemptView, run: RunView) -> None:
    fire_at = line["fire_at"] if "fire_at" in line else from_datetime(datetime.fromisoformat(line["at"]))
    assert (attempt.run_id, attempt.attempt) == (run.run_id, line["attempt"])
    assert (run.job_name, run.fire_at) == (line["job"], fire_at)


def job_reruns(run: RunView) -> bool:
    return run.job_name in ("async_all", "plain_long", "plain_deaf", "command_long") or run.job_name.endswith("_rerun")


def _late(attempts: dict[int, AttemptView]) -> int:
    return sum(attempt.late_result is not None for attempt in attempts.values())
