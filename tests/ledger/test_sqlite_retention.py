"""Sealing and pruning on SQLite: what a batch costs, that nodes work on meanwhile, and what the schema refuses."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ledger_stage import DAY, EVERY_MINUTE, EVERY_SECOND, START, at, ending, node, spec, together
from systemprompt.audit.auditor import audit
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND
from systemprompt.ledger.records import Change, Decision, JobToPlan, PlannedRun
from systemprompt.ledger.seals import ATTEMPT_COLUMNS, RANGE_COLUMNS, RUN_COLUMNS, read_content
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

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
    going = ["prune_runs", "prune_texts", "prune_marks", "mark_runs_pruned", "write_tallies", "mark_jobs_pruned"]
    beside = ["prune_attempts", "prune_nodes", "prune_requests", "commit", "committed"]
    batch = ["begin", "last_sealed_before", "mark_ledger_pruned", "prune_batch", *going, *beside]
    assert heard[: len(batch)] == batch
    assert len(heard) <= len(batch) * (len(rows) + 1)
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


def test_folding_costs_what_it_folds_not_what_there_is(sealed: SqliteLedger) -> None:
    connection = sealed._store.connection
    while sealed.fold():
        pass

    def cost() -> int:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
            " INSERT INTO job_tallies (job_id, hour, status, origin, n) SELECT 1, i, 'success', 'manual', 1 FROM n"
        )
        counted: list[int] = []

        def count() -> int:
            counted.append(1)
            return 0

        connection.set_progress_handler(count, 100)
        sealed.fold()
        connection.set_progress_handler(None, 0)
        return len(counted)

    cost()
    few = cost()
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
        " INSERT INTO job_tally_sums (job_id, hour, status, origin, n) SELECT 2, i, 'success', 'manual', 1 FROM n"
    )
    assert cost() <= few + 5


def test_a_sum_that_has_come_to_nothing_goes(sealed: SqliteLedger) -> None:
    connection = sealed._store.connection
    while sealed.fold():
        pass
    sums = connection.execute("SELECT count(*) FROM job_tally_sums").fetchone()[0]
    while sealed.prune(at(3 * DAY), limit=1_000):
        pass
    while sealed.fold(limit=100):
        pass
    assert connection.execute("SELECT count(*) FROM job_tallies").fetchone()[0] == 0
    assert connection.execute("SELECT count(*) FROM job_tally_sums").fetchone()[0] == sums - 2 * 3 * 24


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


# Attempts of one instant are few, and what is pruned at once is as many rows as were asked for.
SORTED = {
    "attempts_to_seal": ["USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"],
    "prune_batch": ["USE TEMP B-TREE FOR ORDER BY"],
}


def test_reading_a_day_for_its_seal_sorts_next_to_nothing_and_walks_only_that_day(sealed: SqliteLedger) -> None:
    for name in ("runs_to_seal", "attempts_to_seal", "ranges_to_seal", "prune_batch", "day_moved_on", "next_account"):
        text = sealed._store._statements[name]
        values = dict.fromkeys(
            ("from", "until", "limit", "last_run", "last_range", "last_attempt", "versions", "at"), 1
        )
        plan = [row[3] for row in sealed._store.connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        assert [step for step in plan if "TEMP B-TREE" in step] == SORTED.get(name, []), name
        walked = [step for step in plan if step.startswith("SCAN")]
        allowed = ("CONSTANT ROW", "ledger_state", "job_versions", "open_runs", "(")
        assert [step for step in walked if not step.removeprefix("SCAN ").startswith(allowed)] == [], name
        if name == "day_moved_on":
            assert not [step for step in plan if "job_runs_by_due" in step], "only what is new"


def test_the_schema_lets_go_only_of_what_is_sealed_and_to_be_pruned(sealed: SqliteLedger) -> None:
    connection = sealed._store.connection
    for run_id in (10_000, 1):
        with pytest.raises(sqlite3.IntegrityError, match="only what is sealed is pruned"):
            connection.execute("DELETE FROM job_runs WHERE run_id = ?", [run_id])
    assert sealed.prune(at(DAY), limit=1) == 1
    connection.execute("DELETE FROM job_runs WHERE run_id = 2")
    with pytest.raises(sqlite3.IntegrityError, match="only what is sealed is pruned"):
        connection.execute("DELETE FROM job_runs WHERE run_id = 10000")


def test_a_content_digest_takes_rows_as_they_come_and_keeps_none() -> None:
    said = {"run_id": 1, "origin": "manual", "due_at": 5, "status": "success"}
    row = tuple(said.get(name) for name in RUN_COLUMNS)

    content = read_content((row for _ in range(1_000)), iter(()), iter(()))

    assert (content.runs, content.fire_times, content.counts) == (1_000, 0, '{"ranges":{},"runs":{"success":1000}}')


def test_a_digest_covers_every_column_but_the_id_that_the_table_gives_an_attempt(sealed: SqliteLedger) -> None:
    """A migration that adds a column must say what becomes of seals that were made without it."""
    tables = {"runs": ("job_runs", RUN_COLUMNS), "attempts": ("job_attempts", ATTEMPT_COLUMNS)}
    tables["ranges"] = ("job_run_ranges", RANGE_COLUMNS)
    connection = sealed._store.connection
    for name, (table, columns) in tables.items():
        there = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert list(columns) == [column for column in there if column != "attempt_id"]
        read = connection.execute(sealed._store._statements[f"{name}_to_seal"], {"from": 0, "until": 1})
        assert tuple(column[0] for column in read.description) == columns


def test_a_text_may_go_before_its_account_and_changes_no_digest(tmp_path: Path) -> None:
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.migrate()
    ledger.join(node("a", START))
    ledger.sync_catalogue([spec("job", EVERY_SECOND)], [], START, DECIDE, Change(actor="test"))
    (claimed,) = ledger.turn("a", at(1), DECIDE, room=1).claimed
    said = ending(claimed, at(1), "failed", "exception", error="Traceback", output="words")
    ledger.turn("a", at(1), DECIDE, closings=[said], plan=False)
    before = ledger.content_between(START, at(DAY))
    ledger._store.connection.execute("DELETE FROM run_texts")
    run = ledger.run(claimed.run_id)
    assert run is not None
    assert (run.status, run.error, run.output) == ("failed", None, None)
    assert ledger.content_between(START, at(DAY)) == before
    assert ledger.stray_runs() == []
    ledger.close()


@pytest.mark.parametrize("column", RUN_COLUMNS)
def test_no_column_of_an_account_changes_without_its_digest(column: str) -> None:
    row = dict.fromkeys(RUN_COLUMNS, 1)
    digests = {read_content([tuple(values.values())], [], []).content for values in (row, row | {column: 2})}
    assert len(digests) == 2


def test_the_order_and_the_kind_of_rows_are_part_of_the_digest() -> None:
    one, two = (tuple(number for _ in RUN_COLUMNS) for number in (1, 2))
    attempt, span = (tuple(1 for _ in names) for names in (ATTEMPT_COLUMNS, RANGE_COLUMNS))
    contents = [
        read_content([one, two], [], []),
        read_content([two, one], [], []),
        read_content([one, two], [attempt], []),
        read_content([one, two], [], [span]),
    ]
    assert len({content.content for content in contents}) == 4
    assert [(c.runs, c.attempts, c.ranges) for c in contents] == [(2, 0, 0), (2, 0, 0), (2, 1, 0), (2, 0, 1)]
