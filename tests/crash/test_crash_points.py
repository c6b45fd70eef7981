"""A node killed with SIGKILL at every statement boundary of plan, claim, close and rescue, and what the next node makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import crash_victim
import pytest
from crash_victim import PERIODS, START, take_over

from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.runner.identity import is_gone, this_machine

SHARDS = 4
LATER = START + 100 * SECOND


class Victims:
    """The process that forks them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        crash_victim.prepare(str(folder / "template.db"), str(folder / "template.txt"))
        self._process = subprocess.Popen(
            [sys.executable, crash_victim.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def live(self, kill_at: int) -> tuple[dict[str, object], Path, Path]:
        database, witness = self.folder / f"{kill_at}.db", self.folder / f"{kill_at}.txt"
        shutil.copy(self.folder / "template.db", database)
        shutil.copy(self.folder / "template.txt", witness)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{database} {witness} {kill_at}\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._process.stdout.readline())
        return answer, database, witness

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    victims = Victims(tmp_path)
    yield victims
    victims.close()


def check(database: Path, witness: Path) -> None:
    """The ledger is whole and agrees with what really ran."""
    ledger, machine = SqliteLedger(str(database)), this_machine()
    report = audit(ledger, now=LATER + 100 * SECOND, alive=lambda node: _not(is_gone(node, machine)))
    assert report.ok, [finding.sentence for finding in report.findings]
    assert ledger.integrity_faults() == []
    assert ledger.open_runs() == []
    jobs = {job.name: job for job in ledger.jobs()}
    runs = {run.run_id: run for run in ledger.runs_between(0, 2**62)}
    for name, period in PERIODS.items():
        rows = [run.fire_at for run in runs.values() if run.job_name == name]
        spans = ledger.ranges_between(0, 2**62, job_id=jobs[name].job_id)
        owed = (jobs[name].planned_through - START) // SECOND // period
        assert len(rows) + sum(span.count for span in spans) == owed, name
    attempts = {attempt.fence: attempt for attempt in ledger.attempts()}
    seen = [json.loads(line) for line in witness.read_text().splitlines()]
    fences = [line["fence"] for line in seen]
    assert len(fences) == len(set(fences)), "one start a fence"
    for line in seen:
        run = runs[line["run_id"]]
        assert attempts[line["fence"]].run_id == run.run_id
        assert (run.job_name, run.fire_at) == (line["job"], line["fire_at"])
    for attempt in attempts.values():
        run = runs[attempt.run_id]
        if attempt.result in ("success", "failed"):
            assert attempt.fence in fences, "an outcome of what never started"
        if run.job_name in ("reruns", "every"):
            assert run.reason != "node_lost", "it says on_lost: rerun"
            assert run.status in ("success", "failed")
        elif attempt.result == "lost":
            assert (run.status, run.reason, run.attempt) == ("failed", "node_lost", 1)
    ledger.close()


def _not(gone: bool | None) -> bool | None:
    return None if gone is None else not gone


@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_any_statement_the_next_node_makes_the_ledger_whole(victims: Victims, shard: int) -> None:
    whole, database, witness = victims.live(0)
    events = whole["events"]
    assert isinstance(events, list)
    assert (whole["signal"], whole["status"]) == (0, 0)
    assert {"due_jobs", "write_runs", "write_ranges", "move_cursors", "claim_queued_runs", "close_run"} <= set(events)
    assert {"declare_lost", "requeue_run", "fail_lost_run", "beat", "join_node", "leave", "committed"} <= set(events)
    take_over(str(database), str(witness), LATER)
    check(database, witness)
    for kill_at in range(1 + shard, len(events) + 1, SHARDS):
        answer, database, witness = victims.live(kill_at)
        assert answer["signal"] == 9, f"not killed at event {kill_at}"
        try:
            take_over(str(database), str(witness), LATER)
            check(database, witness)
        except AssertionError as error:
            at = f"killed at event {kill_at} of {len(events)}: {events[max(0, kill_at - 4) : kill_at]}"
            raise AssertionError(f"{at}\n{error}") from error
        for file in victims.folder.glob(f"{kill_at}.*"):
            file.unlink()
