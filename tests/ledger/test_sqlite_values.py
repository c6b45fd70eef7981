"""The CHECKs of the schema: a row that says something impossible is refused, whatever wrote it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest

from support.raw_ledger import constraints, raw_ledger
from systemprompt.ledger.records import REASONS

HELD = "WHERE fence IS NOT NULL"
WAITS = "WHERE fence IS NULL"
REFUSED: dict[tuple[str, str], list[str]] = {
    ("ledger_state", "one = 1"): ["one = 2"],
    ("reasons", "status IN ('failed', 'skipped', 'missed', 'cancelled')"): ["status = 'success'"],
    ("jobs", "declared_enabled IN (0, 1)"): ["declared_enabled = 2"],
    ("jobs", "quarantine IN ('load', 'ledger_conflict')"): ["quarantine = 'whim', quarantine_error = 'x'"],
    ("jobs", "quarantine_has_an_error"): ["quarantine = 'load'", "quarantine_error = 'x'"],
    ("job_versions", "version >= 1"): ["version = 0 WHERE version = 1"],
    ("job_versions", "enabled IN (0, 1)"): ["enabled = 2"],
    ("job_versions", "valid_until >= valid_from"): ["valid_until = valid_from - 1"],
    ("job_versions", "cause IN ('added', 'changed', 'returned', 'enabled', 'disabled', 'quarantined')"): [
        "cause = 'whim'"
    ],
    ("job_last", "last_status = 'success' OR last_status = 'failed' OR last_status = 'cancelled'"): [
        "last_status = 'running'",
        "last_status = 'skipped'",
    ],
    ("job_last", "run_count >= 1"): ["run_count = 0"],
    ("open_runs", "fire_time_fits_origin"): [
        "origin = 'manual' WHERE fire_at IS NOT NULL",
        "origin = 'schedule' WHERE fire_at IS NULL",
        "origin = 'whim' WHERE fire_at IS NULL",
        "due_at = due_at + 1 WHERE fire_at IS NOT NULL",
    ],
    ("open_runs", "holder_fits_fence"): [
        f"node_id = NULL {HELD}",
        f"started_at = NULL {HELD}",
        f"fence = NULL {HELD}",
        f"fence = 0 {HELD}",
        f"attempt = 0 {HELD}",
        f"node_id = 'a' {WAITS}",
        f"started_at = 1 {WAITS}",
    ],
    ("open_runs", "stop_has_an_actor"): ["stop_asked_at = 1", "stop_by = 'me'"],
    ("nodes", "drain_has_an_actor"): ["draining_at = 1", "draining_by = 'me'"],
    ("job_runs", "fire_time_fits_origin"): [
        "origin = 'backfill' WHERE fire_at IS NOT NULL",
        "origin = 'catch_up' WHERE fire_at IS NULL",
        "origin = 'whim' WHERE fire_at IS NULL",
        "due_at = due_at + 1 WHERE fire_at IS NOT NULL",
    ],
    ("job_runs", "reason_fits_status"): [
        "status = 'failed' WHERE status = 'success'",
        "status = 'cancelled' WHERE status = 'success'",
        "status = 'done' WHERE status = 'success'",
        "status = 'running' WHERE status = 'success'",
        "reason = 'reported' WHERE status = 'success'",
        "attempt = 0 WHERE status = 'success'",
        "attempt = 0 WHERE status = 'failed'",
        "reason = NULL WHERE status = 'failed'",
        "status = 'skipped', reason = 'overlap' WHERE fence IS NOT NULL",
        "status = 'missed', reason = 'down' WHERE fence IS NOT NULL",
    ],
    ("job_runs", "lines_dropped >= 0"): ["lines_dropped = -1"],
    ("job_runs", "holder_fits_fence"): [f"{column} = NULL {HELD}" for column in ("node_id", "started_at", "fence")],
    ("run_texts", "kind IN ('error', 'output')"): ["kind = 'poem'"],
    ("job_run_ranges", "last_at >= first_at"): ["last_at = first_at - 1"],
    ("job_run_ranges", "count >= 1"): ["count = 0"],
    ("job_run_ranges", "status IN ('skipped', 'missed')"): ["status = 'failed'"],
    ("job_attempts", "attempt >= 1"): ["attempt = 0"],
    ("job_attempts", "kind IN ('ended', 'late')"): ["kind = 'early' WHERE kind = 'late'"],
    ("job_attempts", "fence > 0"): ["fence = 0"],
    ("job_attempts", "result IN ('success', 'failed', 'cancelled', 'lost', 'interrupted')"): ["result = 'fine'"],
    ("job_attempts", "recovered IN (0, 1)"): ["recovered = 2"],
    ("job_tallies", "n <> 0"): ["n = 0"],
    ("run_marks", "mark IN ('done')"): ["mark = 'undone'"],
    ("nodes", "kind IN ('serve', 'run')"): ["kind = 'leader'"],
    ("nodes", "fate IN ('left', 'lost')"): ["fate = 'bored' WHERE fate IS NOT NULL"],
    ("nodes", "stopped_node_has_a_fate"): [
        "fate = NULL WHERE fate IS NOT NULL",
        "stopped_at = NULL WHERE stopped_at IS NOT NULL",
    ],
    ("ledger_epochs", "epoch >= 0"): ["epoch = -1"],
    ("clock_events", "kind IN ('forward', 'backward')"): ["kind = 'sideways'"],
    ("ledger_seals", "seal >= 1"): ["seal = 0"],
    ("ledger_seals", "format >= 1"): ["format = 0"],
    ("ledger_seals", "length(day) = 10"): ["day = 'today'"],
    ("ledger_seals", "until_at > from_at AND until_at % 86400000000 = 0"): [
        "until_at = from_at",
        "until_at = until_at + 1",
    ],
    **{("ledger_seals", f"{n} >= 0"): [f"{n} = -1"] for n in ("runs", "attempts", "ranges", "fire_times")},
    **{("ledger_seals", f"length({n}) = 64"): [f"{n} = 'x'"] for n in ("content", "previous", "digest")},
}
CASES = [(table, check, change) for (table, check), changes in REFUSED.items() for change in changes]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A ledger with a row in each table and without triggers, so that a CHECK alone can refuse."""
    with raw_ledger(tmp_path_factory.mktemp("raw")) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        yield connection


@pytest.mark.parametrize(("table", "check", "change"), CASES, ids=[f"{table}: {change}" for table, _, change in CASES])
def test_a_check_refuses(bare: sqlite3.Connection, table: str, check: str, change: str) -> None:
    with pytest.raises(sqlite3.IntegrityError) as refused:
        bare.execute(f"UPDATE {table} SET {change}")  # the test's own
    assert str(refused.value) == f"CHECK constraint failed: {check}"


def test_no_check_is_left_without_a_test(bare: sqlite3.Connection) -> None:
    assert constraints(bare) == REFUSED.keys()


def test_each_table_has_a_row_to_be_refused(bare: sqlite3.Connection) -> None:
    tables = [name for (name,) in bare.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    empty = [name for name in tables if not bare.execute(f"SELECT count(*) FROM {name}").fetchone()[0]]  # as above
    assert empty == []


def test_a_column_of_numbers_takes_no_text(bare: sqlite3.Connection) -> None:
    for change in ("job_cursors SET next_due = 'soon'", "open_runs SET fence = 'high'", "job_runs SET due_at = 'now'"):
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
            bare.execute(f"UPDATE {change}")  # as above


def test_every_table_is_strict(bare: sqlite3.Connection) -> None:
    loose = [row[1] for row in bare.execute("PRAGMA table_list") if row[2] == "table" and not row[5]]
    assert [name for name in loose if not name.startswith("sqlite_")] == []


def test_the_reasons_of_the_schema_are_those_of_the_records(bare: sqlite3.Connection) -> None:
    kept = bare.execute("SELECT status, reason, sentence FROM reasons").fetchall()
    assert sorted(kept) == sorted(
        (status, reason, sentence) for status, reasons in REASONS.items() for reason, sentence in reasons.items()
    )


def test_the_checks_of_the_hot_tables_hold_no_lists(bare: sqlite3.Connection) -> None:
    """SQLite makes a table of a list, for every row that it writes."""
    tables = "'open_runs', 'job_runs', 'job_last', 'job_tallies'"
    texts = bare.execute(f"SELECT sql FROM sqlite_master WHERE tbl_name IN ({tables})").fetchall()  # as above
    assert [text for (text,) in texts if text and re.search(r"\bIN \('", text)] == []
