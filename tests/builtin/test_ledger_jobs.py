"""ledger_audit and prune_history on a real ledger: what they say, what they seal, what goes, and what must stay."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.installation import SP
from support.ledger_stage import DAY, HOUR, HOURLY, START, ending, node, spec
from systemprompt.audit.auditor import audit
from systemprompt.audit.explain import explain
from systemprompt.builtin.upkeep.ledger_audit import LedgerAudit
from systemprompt.builtin.upkeep.prune_history import PruneHistory
from systemprompt.clock import SECOND, ManualClock
from systemprompt.databases.address import Address
from systemprompt.errors import ConfigurationError, DatabaseUnreachable
from systemprompt.jobs.context import CancelSignal, JobCancelled, JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import JobSettings, Retention
from systemprompt.ledger.records import Change
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.views import HistoryQuery
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide


class Installation:
    """A ledger, a clock, and days of work."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.clock = ManualClock(START)
        self.ledger = SqliteLedger(str(self.path))
        self.ledger.migrate()
        # No test cuts the power.
        self.ledger._store.connection.execute("PRAGMA synchronous = OFF")
        self.ledger.join(node("a", START, lease_ms=10**12, capacity=9))
        specs = [spec(name, HOURLY) for name in ("one", "two")]
        self.ledger.sync_catalogue(specs, [], START, DECIDE, Change(actor="test"))

    def work(self, days: float, every: float = 6 * HOUR) -> None:
        for _ in range(round(days * DAY / every)):
            self.clock.advance(every)
            now = self.clock.now()
            for run in self.ledger.turn("a", now, DECIDE, room=9).claimed:
                self.ledger.turn("a", now, DECIDE, closings=[ending(run, now, message="x" * 4_000)])

    def context(self, name: str, *, retention: int = 5, **more: Any) -> JobContext:
        settings = JobSettings(
            ledger=Address(self.path), retention=Retention(runs_days=retention), batch_size=more.pop("batch_size", 500)
        )
        return JobContext(job_name=name, settings=settings, **more)

    def audits(self, *, cancel: CancelSignal | None = None, **parameters: str) -> JobResult:
        job = LedgerAudit()
        job.clock, job.breather, job.settles = self.clock, 0, 0
        return job.execute(self.context("ledger_audit", parameters=parameters, cancel=cancel))

    def prunes(self, *, dry_run: bool = False, days: int | None = None, **more: Any) -> JobResult:
        job = PruneHistory()
        job.clock, job.breather = self.clock, 0
        return job.execute(self.context("prune_history", parameters={"dry_run": dry_run, "days": days}, **more))

    def sql(self, *statements: str) -> None:
        """Change the file behind the ledger's back: its triggers are away meanwhile."""
        connection = sqlite3.connect(self.path)
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
        for _, text in guards:
            connection.execute(text)
        connection.commit()
        connection.close()

    def asked(self, statement: str) -> list[Any]:
        """Run one statement behind the ledger's back, with its triggers in place."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def sound(self) -> bool:
        return audit(self.ledger, now=self.clock.now(), alive=lambda _: None).ok


def first_after(days: int) -> str:
    return f"(SELECT min(run_id) FROM job_runs WHERE due_at > {START + days * DAY * SECOND})"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.ledger.close()


# -- ledger_audit ---------------------------------------------------------------------------------------------------------


def test_nothing_is_sealed_while_a_guard_of_the_ledger_is_gone(here: Installation) -> None:
    here.work(3)
    ((name, text),) = here.asked("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name LIMIT 1")
    here.asked(f"DROP TRIGGER {name}")

    result = here.audits()

    assert not result.succeeded
    assert f"the ledger's schema was changed: trigger {name} on" in (result.message or "")
    assert here.ledger.seals() == []
    here.asked(text)
    assert here.audits().succeeded
    assert here.ledger.seals() != []


def test_the_audit_seals_what_passes_and_names_the_newest_seal(here: Installation) -> None:
    here.work(5)
    result = here.audits()
    last = here.ledger.seals()[-1]

    assert result.succeeded
    assert result.message is not None
    assert result.message.startswith("clean: 2 jobs in 2 versions; 240 fire times each have their one account")
    assert result.message.endswith(f"; sealed 4 days up to 2026-01-04; newest seal 4 of 2026-01-04: {last.digest}")
    assert (result.items_processed, result.items_failed) == (240, 0)
    assert here.sound()


def test_the_next_night_audits_only_what_is_new(here: Installation) -> None:
    here.work(5)
    here.audits()
    here.work(1)
    result = here.audits()

    assert result.items_processed == 2 * (2 * 24 + 1)
    assert "sealed 1 day up to 2026-01-05; newest seal 5" in (result.message or "")


def test_without_sealing_it_only_says_what_could_be_sealed(here: Installation) -> None:
    here.work(5)
    result = here.audits(dry_run="true")

    assert "; 4 days could be sealed; no day is sealed yet" in (result.message or "")
    assert result.dry_run
    assert here.ledger.seals() == []


def test_findings_fail_the_audit_and_are_named(here: Installation) -> None:
    here.work(5)
    here.sql(f"DELETE FROM job_runs WHERE run_id = {first_after(2)}")
    result = here.audits()

    assert not result.succeeded
    assert re.match(r"\d findings \(1 missing, .*\): job '", result.message or "")
    assert "fire time 2026-01-03T06:00:00Z has no account; " in (result.message or "")
    assert "sealed 2 days up to 2026-01-02; 2026-01-03 is not sealed for what was found in it" in (result.message or "")
    assert result.items_failed > 0


def test_a_sealed_day_that_was_altered_fails_the_audit_and_nothing_more_is_sealed(here: Installation) -> None:
    here.work(5)
    here.audits()
    here.work(1)
    here.sql("UPDATE job_runs SET message = 'fine' WHERE run_id = 3")
    result = here.audits()

    assert "1 finding (1 sealed_day): the sealed day 2026-01-01 does not hold what was sealed" in (result.message or "")
    assert len(here.ledger.seals()) == 4


def test_old_sealed_days_are_read_again_in_turn_or_all_at_once(here: Installation) -> None:
    here.work(20)
    here.audits()
    here.sql(f"UPDATE job_runs SET message = 'fine' WHERE run_id = {first_after(7)}")

    assert here.audits().succeeded, "the eighth day is not among the newest"
    assert not here.audits(everything="true").succeeded
    nights = 0
    while here.audits().succeeded and nights < 5:
        here.work(1)
        nights += 1
    assert nights == 2, "two nights later it is its turn, as every 28 days"


def test_what_a_node_left_a_moment_ago_is_looked_at_again_once_it_can_be_settled(here: Installation) -> None:
    here.work(1)
    here.clock.advance(HOUR)
    here.ledger.turn("a", here.clock.now(), DECIDE, room=1)
    here.ledger.leave("a", here.clock.now())

    assert "(1 open_without_node)" in (here.audits().message or "")

    class Rescued(CancelSignal):
        """While the job waits, another node settles what is open."""

        def wait(self, timeout: float | None = None) -> bool:
            here.ledger.rescue("a", 0, here.clock.now(), max_attempts=1)
            return False

    assert here.audits(cancel=Rescued()).succeeded


def test_what_waits_is_said(here: Installation) -> None:
    here.work(1)
    here.clock.advance(HOUR)
    held = here.ledger.turn("a", here.clock.now(), DECIDE, room=1).claimed
    here.work(4)
    result = here.audits()

    assert result.succeeded
    assert f"not closed yet: run {held[0].run_id} of " in (result.message or "")


def test_they_need_a_ledger(here: Installation) -> None:
    for job in (LedgerAudit(), PruneHistory()):
        with pytest.raises(ConfigurationError, match="looks after the ledger and this context names none"):
            job.execute(JobContext(job_name=job.name))


def test_a_ledger_that_was_deleted_is_not_made_anew_by_a_job(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for job in (LedgerAudit(), PruneHistory()):
        context = JobContext(job_name=job.name, settings=JobSettings(ledger=Address(path)))
        with pytest.raises(DatabaseUnreachable, match="there is no ledger at"):
            job.execute(context)
    assert not path.exists()


# -- prune_history ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(here: Installation) -> None:
    here.work(10)
    result = here.prunes(dry_run=True)
    accounts = len(list(here.ledger.runs_between(0, START + 5 * DAY * SECOND - 1)))
    accounts += len(list(here.ledger.ranges_between(0, START + 5 * DAY * SECOND - 1)))

    assert result.message == f"Would delete {accounts} accounts of 5 days older than 5 days"
    assert result.dry_run
    assert here.ledger.seals() == []
    here.audits()
    assert here.prunes(dry_run=True).message == result.message
    assert here.ledger.seal_state().pruned_until == 0


def test_it_seals_what_is_old_and_deletes_it_and_the_file_shrinks(here: Installation) -> None:
    here.work(30)
    here.ledger.checkpoint()
    before = os.path.getsize(here.path)
    dry = here.prunes(dry_run=True).message or ""
    result = here.prunes()

    assert result.succeeded
    assert not result.dry_run
    assert result.message is not None
    assert result.message.startswith(dry.replace("Would delete", "Deleted"))
    assert os.path.getsize(here.path) < before * 0.5
    assert [seal.day for seal in here.ledger.seals()][-1] == "2026-01-25"
    assert here.ledger.seal_state().pruned_until == START + 25 * DAY * SECOND
    assert here.sound()
    assert here.ledger.upkeep.faults() == []
    assert here.prunes().message == "Deleted 0 accounts of 0 days older than 5 days"


def test_of_pruned_days_the_history_is_empty_and_explain_tells_of_the_seal(here: Installation) -> None:
    here.work(10)
    here.prunes()
    day = (START + DAY * SECOND, START + 2 * DAY * SECOND)

    assert here.ledger.history(HistoryQuery(since=day[0], until=day[1])).total == 0
    text = "; ".join(explain(here.ledger, "one", day[0] + 6 * HOUR * SECOND).sentences)
    assert "its account was pruned" in text
    assert "of 2026-01-02 remains seal 2: " in text


def test_a_day_with_a_finding_stays_and_so_do_all_after_it(here: Installation) -> None:
    here.work(10)
    here.sql(f"DELETE FROM job_runs WHERE run_id = {first_after(2)}")
    result = here.prunes()

    assert not result.succeeded
    assert "of 2 days older than 5 days" in (result.message or "")
    assert re.search(r"; 2026-01-03 stays: \d findings \(1 missing, .*\): job '", result.message or "")
    assert here.ledger.seal_state().pruned_until == START + 2 * DAY * SECOND


def test_a_sealed_day_that_was_altered_stays(here: Installation) -> None:
    here.work(10)
    here.audits()
    here.sql(f"UPDATE job_runs SET message = 'fine' WHERE run_id = {first_after(3)}")
    result = here.prunes()

    assert not result.succeeded
    assert "of 3 days" in (result.message or "")
    assert "2026-01-04 stays: 1 finding (1 sealed_day): " in (result.message or "")
    assert here.ledger.seal_state().pruned_until == START + 3 * DAY * SECOND


def test_a_broken_chain_keeps_everything(here: Installation) -> None:
    here.work(10)
    here.audits()
    here.sql("UPDATE ledger_seals SET runs = 7 WHERE seal = 2")
    result = here.prunes()

    assert not result.succeeded
    assert (result.message or "").startswith(
        "Pruned nothing: 1 finding (1 seal_chain): seal 2 of 2026-01-02 was altered"
    )


def test_cancelled_between_batches_the_next_night_goes_on(here: Installation) -> None:
    here.work(10)
    asked = CancelSignal()
    progress: list[int] = []

    def stop_after_three(done: int, total: int | None, note: str) -> None:
        progress.append(done)
        if len(progress) == 3:
            asked.set("shutdown")

    with pytest.raises(JobCancelled):
        here.prunes(batch_size=7, cancel=asked, on_progress=stop_after_three)
    assert here.sound()

    result = here.prunes(batch_size=7)
    assert result.succeeded
    assert here.ledger.seal_state().pruned_until == START + 5 * DAY * SECOND
    assert min(run.due_at for run in here.ledger.runs_between(0, 2**62)) >= START + 5 * DAY * SECOND
    assert here.sound()


def test_with_0_days_all_goes_that_is_sealed_and_the_last_day_that_is_over_stays(here: Installation) -> None:
    here.work(10)
    result = here.prunes(days=0)

    assert "of 9 days older than 0 days" in (result.message or "")
    assert min(run.due_at for run in here.ledger.runs_between(0, 2**62)) >= START + 9 * DAY * SECOND


def test_a_file_that_cannot_shrink_is_said_to_be_one(here: Installation) -> None:
    here.work(10)
    here.ledger.close()
    connection = sqlite3.connect(here.path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA auto_vacuum = NONE")
    connection.execute("VACUUM")
    connection.close()

    assert "its file cannot shrink: docs/operating.md" in (here.prunes().message or "")


def test_nodes_that_stopped_before_the_retention_are_forgotten(here: Installation) -> None:
    here.ledger.leave("a", here.clock.now())
    here.clock.advance(30 * DAY)
    here.prunes()

    assert here.ledger.nodes() == []


# -- as a user has them -----------------------------------------------------------------------------------------------------


def test_both_run_in_a_real_installation_in_processes_of_their_own(tmp_path: Path) -> None:
    def sp(*words: str) -> str:
        command = [*SP, *words]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("SYSTEMPROMPT_")}
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    sp("init")
    answer = json.loads(sp("--json", "jobs", "run", "ledger_audit", "prune_history"))

    said = {run["job_name"]: run["result"]["message"] for run in answer["data"]["jobs_run"]}
    assert said["ledger_audit"].startswith("clean: ")
    assert said["ledger_audit"].endswith("; no day is sealed yet")
    assert said["prune_history"] == "Deleted 0 accounts of 0 days older than 400 days"
