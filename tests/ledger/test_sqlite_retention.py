"""Sealing and pruning on SQLite: what a batch costs, that nodes work on meanwhile, and what the schema refuses."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_stage import DAY, EVERY_MINUTE, EVERY_SECOND, HOURLY, START, at, ending, node, spec, together

from systemprompt.audit.auditor import audit
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND
from systemprompt.ledger.records import Change, Decision, JobToPlan, PlannedRun
from systemprompt.ledger.seals import ATTEMPT_COLUMNS, RANGE_COLUMNS, RUN_COLUMNS, read_content
from systemprompt.ledger.sqlite import ledger as sqlite_ledger
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.scheduler.planner import Planner

DECIDE = Planner().decide
DAYS = 7
NOW = at(DAYS * DAY) + SECOND


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven days of a job that was missed every minute, ten thousand rows; six of the days are sealed."""
    path = tmp_path_factory.mktemp("long") / "ledger.db"
    ledger = SqliteLedger(str(path))
    ledger.migrate()
    ledger._store.connection.execute("PRAGMA synchronous = OFF")  # no test cuts the power
    ledger.join(node("a", START))
    ledger.sync_catalogue([spec("minutely", EVERY_MINUTE, catch_up="skip")], [], START, DECIDE, Change(actor="test"))
    for day in range(1, DAYS + 1):
        through = at(day * DAY)

        def missed(job: JobToPlan, now: int, through: int = through) -> Decision:
            first = job.planned_through // (60 * SECOND) + 1
            minutes = range(first, through // (60 * SECOND) + 1)
            rows = tuple(PlannedRun(fire_at=n * 60 * SECOND, status="missed", reason="down") for n in minutes)
            following = through + 60 * SECOND
            return Decision(planned_through=through, next_due=following, next_run=following, runs=rows)

        ledger.turn("a", through + SECOND, missed, room=0)
    made = seal_closed_days(ledger, now=NOW, alive=lambda _: None)
    assert made.report.ok, made.report.findings
    assert len(made.sealed) == DAYS - 1
    ledger.checkpoint()
    ledger.close()
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "ledger.db"))


@pytest.fixture
def sealed(path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(str(path))
    yield ledger
    ledger.close()


def test_a_batch_is_a_handful_of_statements_and_never_more_rows_than_asked_for(
    path: Path, sealed: SqliteLedger
) -> None:
    heard: list[str] = []
    ledger = SqliteLedger(str(path), on_statement=heard.append)
    rows = []
    while gone := ledger.prune(at(3 * DAY), limit=400):
        rows.append(gone)
    first = ["begin", "last_sealed_before", "mark_ledger_pruned", "prune_batch", "prune_runs", "mark_jobs_pruned"]
    assert heard[:9] == [*first, "prune_nodes", "commit", "committed"]
    assert len(heard) <= 9 * (len(rows) + 1)
    assert sum(rows) == 3 * 1440 - 1, "the first fire time is a minute after the start"
    assert max(rows) == 400
    ledger.close()


def test_a_batch_costs_what_it_deletes_not_what_there_is(sealed: SqliteLedger) -> None:
    costs = []
    for until in (DAY, (DAYS - 2) * DAY):
        counted: list[int] = []

        def count(counted: list[int] = counted) -> int:
            counted.append(1)
            return 0

        sealed._store.connection.set_progress_handler(count, 100)
        sealed.prune(at(until), limit=100)
        sealed._store.connection.set_progress_handler(None, 0)
        costs.append(len(counted))
        while sealed.prune(at(until), limit=1_000):
            pass
    assert max(costs) < 1.5 * min(costs)


def test_nodes_plan_and_claim_while_old_days_go_and_the_file_shrinks(path: Path, sealed: SqliteLedger) -> None:
    sealed.checkpoint()
    before = os.path.getsize(path)
    # A loop without a breath leaves others little, and less on a busy machine.
    working = SqliteLedger(str(path), patience=60.0)
    working.join(node("b", NOW))
    done: list[int] = []

    def work() -> None:
        now = NOW
        for _ in range(60):
            now += 60 * SECOND
            claimed = working.turn("b", now, DECIDE, room=5).claimed
            working.turn("b", now, DECIDE, closings=[ending(run, now) for run in claimed], room=0)
            done.extend(run.run_id for run in claimed)

    def prune() -> None:
        while sealed.prune(at((DAYS - 1) * DAY), limit=100):
            pass
        while sealed.give_back():
            pass

    together(work, prune)
    assert len(done) == 60
    sealed.checkpoint()
    assert os.path.getsize(path) < before / 3
    report = audit(sealed, now=NOW + 3600 * SECOND, alive=lambda _: None)
    assert report.ok, report.findings
    assert report.counts.rows == 1440 + 1 + 60
    assert sealed.upkeep.faults() == []
    working.close()


def test_reading_a_day_for_its_seal_sorts_nothing_and_walks_only_that_day(sealed: SqliteLedger) -> None:
    for name in ("runs_to_seal", "attempts_to_seal", "ranges_to_seal", "prune_batch", "day_moved_on", "next_account"):
        text = sealed._store._statements[name]
        values = {"from": 0, "until": 1, "limit": 1, "last_run": 0, "last_range": 0, "versions": 0, "at": 0}
        plan = [row[3] for row in sealed._store.connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        assert not [step for step in plan if "TEMP B-TREE" in step], name
        walked = [step for step in plan if step.startswith("SCAN")]
        allowed = ("CONSTANT ROW", "ledger_state", "job_versions", "job_runs USING INDEX job_runs_open_of_job", "(")
        assert [step for step in walked if not step.removeprefix("SCAN ").startswith(allowed)] == [], name
        if name == "day_moved_on":
            assert not [step for step in plan if "job_runs_by_due" in step], "only what is new"


def test_a_ledger_of_the_release_before_is_taken_over_with_what_it_had_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "migrations"
    first.mkdir()
    shutil.copy(Path(sqlite_ledger.MIGRATIONS) / "0001_ledger.sql", first)
    ours = sqlite_ledger.MIGRATIONS
    monkeypatch.setattr(sqlite_ledger, "MIGRATIONS", str(first))
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.migrate()
    connection = ledger._store.connection
    connection.executescript(f"""
        INSERT INTO scheduled_jobs
            (id, job_name, schedule, created_at, updated_at, version, planned_through, pruned_through, next_due)
        VALUES ('job_old', 'old', '0 0 * * * *', {START}, {START}, 1, {at(DAY)}, {at(DAY)}, {at(DAY + 3600)}),
               ('job_young', 'young', '0 0 * * * *', {at(DAY)}, {at(DAY)}, 1, {at(DAY)}, {at(DAY)}, {at(DAY + 3600)});
        INSERT INTO job_versions (job_id, version, schedule, time_zone, policies, enabled, valid_from, actor)
        SELECT id, 1, schedule, 'UTC', '{{}}', 1, created_at, 'test' FROM scheduled_jobs;
    """)
    monkeypatch.setattr(sqlite_ledger, "MIGRATIONS", ours)
    assert "0002_seals.sql" in ledger.migrate()
    assert ledger.seal_state().pruned_unsealed == at(DAY)
    assert "pruned" not in audit(ledger, now=at(DAY), alive=lambda _: None).by_kind
    connection.execute("UPDATE scheduled_jobs SET pruned_through = planned_through + 1 WHERE id = 'job_old'")
    assert "pruned" in audit(ledger, now=at(DAY), alive=lambda _: None).by_kind
    ledger.close()


REFUSED = {
    "an unsealed row goes": ("only what is sealed is pruned", "DELETE FROM job_runs WHERE run_id = 10000"),
    "a sealed row goes that is not to be pruned": (
        "only what is sealed is pruned",
        "DELETE FROM job_runs WHERE run_id = 1",
    ),
    "pruning runs ahead of sealing": (
        "only what is sealed is pruned",
        "UPDATE ledger_state SET pruned_until = sealed_until + 1",
    ),
    "sealing goes back": ("only what is sealed is pruned", "UPDATE ledger_state SET sealed_until = 0"),
    "a row comes into a sealed day": (
        "this day is sealed",
        (
            "INSERT INTO job_runs (job_id, version, origin, due_at, status, reason, queued_at, finished_at) "
            "SELECT job_id, version, 'manual', due_at, 'skipped', 'overlap', queued_at, finished_at FROM job_runs WHERE run_id = 1"
        ),
    ),
    "a range reaches into a sealed day": (
        "this day is sealed",
        (
            "INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at) "
            "SELECT job_id, version, fire_at, fire_at + 604800000000, 1, 'missed', 'down', 0 FROM job_runs WHERE run_id = 1"
        ),
    ),
    "a seal changes": ("a seal never changes", "UPDATE ledger_seals SET runs = 0 WHERE seal = 1"),
    "a seal goes": ("a seal is never deleted", "DELETE FROM ledger_seals WHERE seal = 6"),
    "a seal does not follow the last": (
        "a seal follows the one before it",
        (
            "INSERT INTO ledger_seals SELECT 7, day, until_at, until_at + 86400000000, runs, attempts, ranges, fire_times, counts, "
            "content, sealed_at, previous, digest FROM ledger_seals WHERE seal = 6"
        ),
    ),
    "a seal leaves one out": (
        "a seal follows the one before it",
        (
            "INSERT INTO ledger_seals SELECT 8, day, until_at, until_at + 86400000000, runs, attempts, ranges, fire_times, counts, "
            "content, sealed_at, digest, digest FROM ledger_seals WHERE seal = 6"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_schema_refuses_that(name: str, path: Path, sealed: SqliteLedger) -> None:
    said, statement = REFUSED[name]
    with pytest.raises(sqlite3.IntegrityError, match=said):
        sealed._store.connection.execute(statement)


def test_the_schema_refuses_a_seal_over_an_open_run_and_a_change_of_an_attempt_that_ended(tmp_path: Path) -> None:
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.migrate()
    ledger.join(node("a", START))
    ledger.sync_catalogue([spec("one", HOURLY), spec("two", EVERY_SECOND)], [], START, DECIDE, Change(actor="test"))
    held = ledger.turn("a", at(3600), DECIDE, room=9).claimed
    (one,) = [run for run in held if run.job_name == "one"]
    ledger.turn("a", at(3600), DECIDE, closings=[ending(one, at(3601))], room=0, plan=False)
    connection = ledger._store.connection
    with pytest.raises(sqlite3.IntegrityError, match="a day with an open run is not sealed"):
        connection.execute(
            "INSERT INTO ledger_seals VALUES (1, '2026-01-01', 0, 1767312000000000, 0, 0, 0, 0, '', ?, 0, ?, ?)",
            ["0" * 64] * 3,
        )
    with pytest.raises(sqlite3.IntegrityError, match="an attempt that ended never changes"):
        connection.execute("UPDATE job_attempts SET node_id = 'b' WHERE run_id = ?", [one.run_id])
    with pytest.raises(sqlite3.IntegrityError, match="an attempt goes with its run"):
        connection.execute("DELETE FROM job_attempts WHERE run_id = ?", [one.run_id])
    late = "UPDATE job_attempts SET late_result = 'failed', late_at = 1 WHERE run_id = ?"
    connection.execute(late, [one.run_id])
    with pytest.raises(sqlite3.IntegrityError, match="an attempt that ended never changes"):
        connection.execute(late.replace("failed", "success"), [one.run_id])
    ledger.close()


def test_a_content_digest_takes_rows_as_they_come_and_keeps_none() -> None:
    row = (1, "job", 1, "manual", None, 5, "success", None, *[None] * 17)

    content = read_content((row for _ in range(1_000)), iter(()), iter(()))

    assert (content.runs, content.fire_times, content.counts) == (1_000, 0, '{"ranges":{},"runs":{"success":1000}}')


def test_a_digest_covers_every_column_but_what_may_still_come(sealed: SqliteLedger) -> None:
    """A migration that adds a column must say what becomes of seals that were made without it."""
    tables = {"runs": ("job_runs", RUN_COLUMNS), "attempts": ("job_attempts", ATTEMPT_COLUMNS)}
    tables["ranges"] = ("job_run_ranges", RANGE_COLUMNS)
    connection = sealed._store.connection
    for name, (table, columns) in tables.items():
        there = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert list(columns) == [column for column in there if not column.startswith("late_")]
        read = connection.execute(sealed._store._statements[f"{name}_to_seal"], {"from": 0, "until": 1})
        assert tuple(column[0] for column in read.description) == columns
