"""Reading a long ledger costs what is shown: counted in steps of SQLite's machine, and against a plain count."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import pytest

from support.ledger_stage import DAY, EVERY_SECOND, HOUR, START, Stage, at, spec
from support.sqlite_engine import SqliteEngine
from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND
from systemprompt.ledger.records import STATUSES
from systemprompt.ledger.sqlite.ledger import MIGRATIONS, SqliteLedger
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.views import HistoryQuery, Place, RangeView, RunView


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Stage]:
    """Some days of four jobs: successes, failures, overlaps, downtime, a backlog being worked off, starts by hand, open runs."""
    stage = Stage(SqliteEngine(tmp_path / "ledger.db"))
    backlog = spec("backlog", "*/30 * * * * *", catch_up="all")
    stage.declare(spec("well"), spec("ill"), spec("by_hand", ""), backlog)
    for minute in range(10):
        stage.wait(60)
        for run in stage.turn().claimed:
            bad = run.job_name == "ill" and minute % 2
            stage.turn(stage.end(run, *(("failed", "exception") if bad else ("success",))), plan=False, room=0)
    stage.finish(*stage.start("by_hand"))
    stage.wait(3 * HOUR)
    for _ in range(6):
        stage.turn(room=2)
        stage.wait(600)
        stage.finish(*stage.turn(room=9).claimed)
    stage.start("by_hand")
    stage.enable("well", False)
    stage.wait(2 * DAY)
    stage.turn()
    yield stage
    stage.ledger.close()


def test_pages_and_totals_are_those_of_a_plain_count_whatever_is_asked_for(lived: Stage) -> None:
    runs, ranges, chosen, met = lived.runs(), lived.ranges(), random.Random(1), 0
    low, high = runs[0].due_at - HOUR * SECOND, lived.now + HOUR * SECOND
    instants: list[Callable[[], int | None]] = [
        lambda: None,
        lambda: chosen.randint(low, high),
        lambda: chosen.randint(low // 3_600_000_000, high // 3_600_000_000) * 3_600_000_000,
    ]

    def some(*words: str) -> tuple[str, ...]:
        return tuple(chosen.choices(words, k=chosen.choice([0, 0, 1, 1, 2, 3])))

    for _ in range(1_500):
        query = HistoryQuery(
            job_names=some("well", "ill", "by_hand", "backlog", "nobody"),
            statuses=some(*STATUSES),
            origins=some("schedule", "manual", "catch_up", "backfill"),
            since=chosen.choice(instants)(),
            until=chosen.choice(instants)(),
            limit=chosen.choice([0, 1, 5, 20, 1_000]),
        )
        wanted = _plainly(query, runs, ranges)
        page = lived.ledger.history(query)
        assert page.total == len(wanted), query
        assert list(page.entries) == wanted[: query.limit], query
        met += bool(wanted)
        if wanted:
            at = chosen.randrange(len(wanted))
            rest = lived.ledger.history(replace(query, after=Place.of(wanted[at])))
            assert rest.total == page.total, "whatever was shown before"
            assert list(rest.entries) == wanted[at + 1 :][: query.limit], (query, at)
    assert met > 100, "most of these ask for nothing that is there"


def _plainly(query: HistoryQuery, runs: list[RunView], ranges: list[RangeView]) -> list[RunView | RangeView]:
    def is_asked(entry: RunView | RangeView, instant: int) -> bool:
        return (
            (not query.job_names or entry.job_name in query.job_names)
            and (not query.statuses or entry.status in query.statuses)
            and (query.since is None or instant >= query.since)
            and (query.until is None or instant < query.until)
        )

    found: list[tuple[int, int, int, RunView | RangeView]] = [
        (-run.due_at, 0, -run.run_id, run)
        for run in runs
        if is_asked(run, run.due_at) and (not query.origins or run.origin in query.origins)
    ]
    if not query.origins or "schedule" in query.origins:
        found += [(-told.last_at, 1, -told.range_id, told) for told in ranges if is_asked(told, told.last_at)]
    return [entry for *_, entry in sorted(found, key=lambda one: one[:3])]


QUERIES = {
    "all": HistoryQuery(),
    "of a job": HistoryQuery(job_names=("busy",)),
    "of a status": HistoryQuery(statuses=("success",)),
    "of a rare status": HistoryQuery(statuses=("failed",)),
    "of a rare origin": HistoryQuery(origins=("manual",)),
    "of the usual origin": HistoryQuery(origins=("schedule",)),
    "of a job's rare status": HistoryQuery(job_names=("busy",), statuses=("failed",)),
    "of a job's rare origin": HistoryQuery(job_names=("busy",), origins=("manual",)),
    "of nothing that is there": HistoryQuery(job_names=("busy",), statuses=("cancelled",)),
    "since": HistoryQuery(since=START + 90 * HOUR * SECOND + 1),
    "until": HistoryQuery(until=START + 50 * HOUR * SECOND - 1),
    "of several jobs, statuses and origins": HistoryQuery(
        job_names=("busy", "other"), statuses=("failed", "success"), origins=("schedule", "manual")
    ),
    "the page after": HistoryQuery(after=Place(START + 50 * HOUR * SECOND, False, 2**40)),
    "the page after, of a status": HistoryQuery(
        statuses=("success",), after=Place(START + 50 * HOUR * SECOND, False, 2**40)
    ),
    "of a job between": HistoryQuery(
        job_names=("busy",), since=START + 10 * HOUR * SECOND + 5, until=START + 50 * HOUR * SECOND - 1
    ),
}


@pytest.fixture(scope="module")
def short_and_long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteLedger, SqliteLedger]]:
    folder = tmp_path_factory.mktemp("long")
    with closing(_filled(folder / "short.db", 1_000)) as short, closing(_filled(folder / "long.db", 30_000)) as long:
        yield short, long


def _filled(path: Path, rows: int) -> SqliteLedger:
    """Return a ledger with this many closed runs in the same hundred hours: of 1,000, two failed and one was started by hand."""
    stage = Stage(SqliteEngine(path))
    stage.declare(spec("busy", EVERY_SECOND, enabled=False), spec("other", EVERY_SECOND, enabled=False))
    connection = stage.ledger._store.connection  # type: ignore[attr-defined]  # rows by the thousand, behind the ledger's back
    connection.execute("PRAGMA synchronous = OFF")
    busy, other = stage.job_id("busy"), stage.job_id("other")
    said = {
        "run_id": "i + 1",
        "job_id": f"iif(i % 2, {busy}, {other})",
        "version": "1",
        "origin": "iif(hand, 'manual', 'schedule')",
        "fire_at": "iif(hand, NULL, due)",
        "node_id": "'a'",
        "attempt": "1",
        "fence": "i + 1",
        "actor": "'schedule'",
        "status": "iif(bad, 'failed', 'success')",
        "reason": "iif(bad, 'exception', NULL)",
        **dict.fromkeys(("due_at", "available_at", "queued_at", "started_at", "finished_at"), "due"),
    }
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :rows - 1), m AS"  # the test's own
        " (SELECT i, :start + i * (360000000000 / :rows) AS due, i % 1000 IN (1, 2) AS bad, i % 1000 = 3 AS hand FROM n)"
        f" INSERT INTO job_runs ({', '.join(said)}) SELECT {', '.join(said.values())} FROM m",
        {"rows": rows, "start": START},
    )
    # As folding would leave it.
    for job_id in ("job_id", "0"):
        connection.execute(
            f"INSERT INTO job_tally_sums SELECT {job_id}, due_at / 3600000000, status, origin, count(*) FROM job_runs"  # as above
            " GROUP BY 1, 2, 3, 4"
        )
    connection.execute("UPDATE ledger_state SET fence = :rows, last_run = :rows", {"rows": rows})
    return stage.ledger  # type: ignore[return-value]  # it is one


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_of_history_costs_the_same_in_a_long_ledger(
    name: str, short_and_long: tuple[SqliteLedger, SqliteLedger]
) -> None:
    short, long = (_steps(ledger, partial(ledger.history, QUERIES[name])) for ledger in short_and_long)
    query = QUERIES[name]
    asked = prod(max(1, len(one)) for one in (query.job_names, query.statuses, query.origins))
    assert long <= short * 1.5 + 3_000 * asked, "thirty times as many rows"
    assert long < 15_000 * asked, "a plain count takes 90,000 steps"


def test_jobs_and_one_job_cost_the_same_in_a_long_ledger(short_and_long: tuple[SqliteLedger, SqliteLedger]) -> None:
    def read(ledger: SqliteLedger) -> None:
        job = ledger.job("busy")
        assert job is not None
        ledger.versions(job.job_id)
        ledger.jobs()
        ledger.quarantined_sources()

    short, long = (_steps(ledger, partial(read, ledger)) for ledger in short_and_long)
    assert short == long


def test_an_audit_of_an_hour_reads_that_hour(short_and_long: tuple[SqliteLedger, SqliteLedger]) -> None:
    def hour(ledger: SqliteLedger) -> int:
        start, end = START + HOUR * SECOND, START + 2 * HOUR * SECOND
        report = audit(ledger, now=at(100 * HOUR), alive=lambda _: None, start=start, end=end)
        return report.counts.by_status["success"]

    seen = [hour(ledger) for ledger in short_and_long]
    short, long = (_steps(ledger, partial(hour, ledger)) for ledger in short_and_long)
    assert seen[1] > 10 * seen[0]
    assert long < short + 150 * (seen[1] - seen[0]), "what is beside the hour costs nothing"


def _steps(ledger: SqliteLedger, read: Callable[[], object]) -> int:
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    ledger._store.connection.set_progress_handler(count, 1)
    try:
        read()
    finally:
        ledger._store.connection.set_progress_handler(None, 1)
    return counted


def test_no_statement_that_reads_goes_through_every_run(short_and_long: tuple[SqliteLedger, SqliteLedger]) -> None:
    connection = short_and_long[0]._store.connection
    large = dict(
        connection.execute(
            "SELECT rootpage, name FROM sqlite_master WHERE tbl_name IN ('job_runs', 'job_run_ranges', 'run_texts')"
        ).fetchall()
    )
    whole = {
        "attempts",
        "fences_of_closed_runs",
        "fences_of_others",
        "runs_in_neither_table",
        "closed_runs_of_no_job",
        "foreign_key_check",
        "integrity_check",
    }
    walked = []
    for name, text in load_statements(str(Path(MIGRATIONS).parent / "sql" / "reading.sql")).items():
        if name in whole or text.lstrip("- ").startswith("PRAGMA"):
            continue
        values = dict.fromkeys(re.findall(r":(\w+)", text), 1)
        steps = connection.execute(f"EXPLAIN {text}", values).fetchall()
        opened = {
            step["p1"]: large[step["p2"]] for step in steps if step["opcode"] == "OpenRead" and step["p2"] in large
        }
        # A table is walked from its first row on.
        walked += [(name, opened[step["p1"]]) for step in steps if step["opcode"] == "Rewind" and step["p1"] in opened]
    assert walked == []


def test_the_audit_notices_a_number_that_is_off(lived: Stage) -> None:
    connection: sqlite3.Connection = lived.ledger._store.connection  # type: ignore[attr-defined]  # a defect
    while lived.ledger.fold():
        pass
    connection.execute(
        "UPDATE job_tally_sums SET n = n + 1 WHERE status = 'failed' AND job_id = ?", [lived.job_id("ill")]
    )
    report = audit(lived.ledger, now=lived.now, alive=lambda _: None)
    assert report.by_kind == {"counts": 1}
    assert report.findings[0].sentence == (
        "job 'ill': the ledger counts 1 more failed runs of origin schedule in the hour from 2026-01-01T00:00:00Z than there are"
    )
