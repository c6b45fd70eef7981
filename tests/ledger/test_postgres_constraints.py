"""The constraints of the schema on PostgreSQL: each CHECK, unique index and reference refuses what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.postgres_server import a_database
from support.raw_postgres import (
    Connection,
    checks,
    copied,
    raw_postgres,
    references,
    refused_by,
    undone,
    unique_indexes,
)


@pytest.fixture(scope="module")
def ledger(postgres_server: str) -> Iterator[Connection]:
    with a_database(postgres_server) as address, raw_postgres(address) as connection:
        yield connection


@pytest.fixture
def raw(ledger: Connection) -> Iterator[Connection]:
    """The one ledger of these tests, without the triggers that would refuse before; what a test does is undone."""
    with undone(ledger):
        asked = (
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        )
        for (table,) in ledger.execute(asked).fetchall():
            ledger.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        yield ledger


# Table -> the rule -> changes that break it, each on its own: a SET of the rows that the rule is about.
CHECKS: dict[str, dict[str, list[str]]] = {
    "ledger_state": {"ledger_state_one_check": ["one = 2"]},
    "reasons": {"reasons_status_check": ["status = 'success'"]},
    "jobs": {
        "jobs_quarantine_check": ["quarantine = 'x', quarantine_error = 'x'"],
        "quarantine_has_an_error": ["quarantine = 'load'", "quarantine_error = 'x'"],
    },
    "job_versions": {
        "job_versions_version_check": ["version = 0 WHERE job_id = 1 AND version = 1"],
        "job_versions_check": ["valid_until = valid_from - interval '1 us'"],
        "job_versions_cause_check": ["cause = 'x'"],
    },
    "job_last": {
        "job_last_last_status_check": ["last_status = 'running'"],
        "job_last_run_count_check": ["run_count = 0"],
    },
    "open_runs": {
        "fire_time_fits_origin": [
            "fire_at = NULL WHERE origin = 'schedule' OR origin = 'catch_up'",
            "fire_at = fire_at + interval '1 us'",
            "origin = 'manual' WHERE fire_at IS NOT NULL",
            "origin = 'x', fire_at = NULL",
        ],
        "holder_fits_fence": [
            "node_id = NULL WHERE run_id = 3",
            "started_at = NULL WHERE run_id = 3",
            "fence = NULL WHERE run_id = 3",
            "fence = 0 WHERE run_id = 3",
            "attempt = 0 WHERE run_id = 3",
            "node_id = 'a' WHERE run_id = 4",
            "started_at = now() WHERE run_id = 4",
        ],
        "stop_has_an_actor": ["stop_asked_at = now()", "stop_by = 'x'"],
    },
    "job_runs": {
        "job_runs_lines_dropped_check": ["lines_dropped = -1"],
        "fire_time_fits_origin": [
            "fire_at = NULL WHERE run_id = 2",
            "fire_at = due_at + interval '1 us' WHERE run_id = 2",
            "origin = 'manual' WHERE run_id = 2",
            "origin = 'x', fire_at = NULL WHERE run_id = 2",
        ],
        "reason_fits_status": [
            "status = 'x' WHERE run_id = 2",
            "reason = 'x' WHERE run_id = 2",
            "attempt = 0 WHERE run_id = 2",
            "status = 'failed' WHERE run_id = 2",
            "status = 'cancelled' WHERE run_id = 2",
            "status = 'skipped' WHERE run_id = 2",
            "status = 'skipped', reason = 'overlap' WHERE run_id = 2",
            "status = 'missed' WHERE run_id = 2",
            "status = 'missed', reason = 'down' WHERE run_id = 2",
            "status = 'failed', reason = 'x', attempt = 0 WHERE run_id = 2",
        ],
        "holder_fits_fence": [
            "fence = NULL WHERE run_id = 2",
            "node_id = NULL WHERE run_id = 2",
            "started_at = NULL WHERE run_id = 2",
        ],
    },
    "run_texts": {"run_texts_kind_check": ["kind = 'x'"]},
    "job_run_ranges": {
        "job_run_ranges_check": ["last_at = first_at - interval '1 us'"],
        "job_run_ranges_count_check": ["count = 0"],
        "job_run_ranges_status_check": ["status = 'failed'"],
    },
    "job_attempts": {
        "job_attempts_attempt_check": ["attempt = 0 WHERE kind = 'late'"],
        "job_attempts_kind_check": ["kind = 'x'"],
        "job_attempts_fence_check": ["fence = 0"],
        "job_attempts_result_check": ["result = 'x'"],
    },
    "job_tallies": {"job_tallies_n_check": ["n = 0"]},
    "run_marks": {"run_marks_mark_check": ["mark = 'x'"]},
    "nodes": {
        "nodes_kind_check": ["kind = 'x'"],
        "nodes_fate_check": ["fate = 'x', stopped_at = now()"],
        "stopped_node_has_a_fate": ["fate = NULL WHERE node_id = 'gone'", "stopped_at = NULL WHERE node_id = 'gone'"],
        "drain_has_an_actor": ["draining_by = 'me' WHERE node_id = 'a'", "draining_at = now() WHERE node_id = 'a'"],
    },
    "clock_events": {"clock_events_kind_check": ["kind = 'x'"]},
    "ledger_epochs": {"ledger_epochs_epoch_check": ["epoch = -1"]},
    "ledger_seals": {
        "ledger_seals_seal_check": ["seal = 0"],
        "ledger_seals_format_check": ["format = 0"],
        "ledger_seals_day_check": ["day = '2026-1-1'"],
        "ledger_seals_check": ["until_at = from_at", "until_at = until_at + interval '1 s'"],
        "ledger_seals_runs_check": ["runs = -1"],
        "ledger_seals_attempts_check": ["attempts = -1"],
        "ledger_seals_ranges_check": ["ranges = -1"],
        "ledger_seals_fire_times_check": ["fire_times = -1"],
        "ledger_seals_content_check": ["content = ''"],
        "ledger_seals_previous_check": ["previous = ''"],
        "ledger_seals_digest_check": ["digest = ''"],
    },
}
BROKEN = [
    (table, rule, change) for table, rules in CHECKS.items() for rule, all_of in rules.items() for change in all_of
]


@pytest.mark.parametrize(("table", "rule", "change"), BROKEN)
def test_a_check_refuses_when(raw: Connection, table: str, rule: str, change: str) -> None:
    refused = refused_by(raw, f"UPDATE {table} SET {change}")
    assert refused is not None
    assert refused.diag.constraint_name == rule


def test_no_check_is_left_without_a_test(raw: Connection) -> None:
    assert checks(raw) == {(table, rule) for table, rules in CHECKS.items() for rule in rules}


def test_a_partition_has_every_rule_of_the_table_that_it_is_a_part_of(raw: Connection) -> None:
    asked = (
        "SELECT c.oid::regclass::text, array_agg(k.conname || pg_get_constraintdef(k.oid) ORDER BY k.conname)"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.contype = 'c' AND c.relname LIKE 'job\\_runs%' GROUP BY 1"
    )
    found = dict(raw.execute(asked).fetchall())
    assert len(found) > 2
    assert all(rules == found["job_runs"] for rules in found.values()), found


# A unique index -> the row that it refuses: into, like a row of, where, with what changes.
UNIQUE: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "ledger_state_pkey": ("ledger_state", "ledger_state", "true", {}),
    "reasons_pkey": ("reasons", "reasons", "true", {}),
    "jobs_pkey": ("jobs", "jobs", "job_id = 1", {"job_name": "'x'"}),
    "jobs_job_name_key": ("jobs", "jobs", "job_id = 1", {"job_id": "99"}),
    "quarantined_sources_pkey": ("quarantined_sources", "quarantined_sources", "true", {}),
    "job_versions_pkey": ("job_versions", "job_versions", "version = 2", {}),
    "job_versions_open": ("job_versions", "job_versions", "valid_until IS NULL", {"version": "9"}),
    "job_cursors_pkey": ("job_cursors", "job_cursors", "true", {}),
    "job_last_pkey": ("job_last", "job_last", "true", {}),
    "open_runs_pkey": ("open_runs", "open_runs", "run_id = 4", {"fire_at": "NULL", "origin": "'manual'"}),
    "open_runs_one_account": ("open_runs", "open_runs", "run_id = 4", {"run_id": "99"}),
    "job_runs_by_id": ("job_runs", "job_runs", "run_id = 2", {"fire_at": "NULL", "origin": "'manual'"}),
    "job_runs_one_account": ("job_runs", "job_runs", "run_id = 2", {"run_id": "99"}),
    "run_texts_run_id_attempt_kind_key": ("run_texts", "run_texts", "true", {}),
    "job_attempts_run_id_attempt_kind_key": ("job_attempts", "job_attempts", "kind = 'late'", {}),
    "abandoned_runs_pkey": ("abandoned_runs", "abandoned_runs", "true", {}),
    "job_tally_sums_pkey": ("job_tally_sums", "job_tally_sums", "true", {}),
    "run_marks_run_id_mark_key": ("run_marks", "run_marks", "true", {}),
    "requests_pkey": ("requests", "requests", "true", {}),
    "nodes_pkey": ("nodes", "nodes", "true", {}),
    "ledger_epochs_pkey": ("ledger_epochs", "ledger_epochs", "true", {}),
    "lost_runs_pkey": ("lost_runs", "lost_runs", "true", {}),
    "ledger_seals_pkey": ("ledger_seals", "ledger_seals", "true", {}),
    "zone_data_changes_pkey": ("zone_data_changes", "zone_data_changes", "true", {}),
}
NUMBERED = {
    "job_run_ranges_pkey": ("job_run_ranges", "range_id"),
    "job_attempts_pkey": ("job_attempts", "attempt_id"),
    "run_marks_pkey": ("run_marks", "mark_id"),
    "clock_events_pkey": ("clock_events", "event_id"),
}
"""Numbers that the table gives itself: nobody else does."""


@pytest.mark.parametrize("index", UNIQUE)
def test_a_key_refuses_when(raw: Connection, index: str) -> None:
    into, source, where, changes = UNIQUE[index]
    refused = refused_by(raw, copied(raw, into, source, where, **changes))
    assert refused is not None
    # Of a partitioned table, the index of the partition speaks.
    rule = refused.diag.constraint_name or ""
    parents = raw.execute("SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [rule])
    assert index in {rule, *(row[0] for row in parents)}


@pytest.mark.parametrize("index", NUMBERED)
def test_a_number_that_the_table_gives_is_given_by_nobody_else(raw: Connection, index: str) -> None:
    table, column = NUMBERED[index]
    raw.execute("SAVEPOINT asked")
    with pytest.raises(Exception, match=f'cannot insert a non-DEFAULT value into column "{column}"'):
        raw.execute(f"INSERT INTO {table} SELECT * FROM {table}".encode())
    raw.execute("ROLLBACK TO asked")
    refused = refused_by(raw, f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}")
    assert refused is not None
    assert refused.diag.constraint_name == index


def test_no_key_is_left_without_a_test(raw: Connection) -> None:
    assert unique_indexes(raw) == {*UNIQUE, *NUMBERED, "ledger_migrations_pkey"}


def test_runs_without_a_fire_time_stand_beside_one_of_the_same_instant(raw: Connection) -> None:
    for run_id in ("98", "99"):
        raw.execute(
            copied(raw, "job_runs", "job_runs", "run_id = 2", run_id=run_id, origin="'manual'", fire_at="NULL").encode()
        )
    same = "SELECT count(*) FROM job_runs WHERE job_id = 1 AND due_at = (SELECT due_at FROM job_runs WHERE run_id = 2)"
    assert raw.execute(same).fetchone() == (3,)


@pytest.mark.parametrize("table", ["job_versions", "job_cursors", "job_last"])
def test_what_is_told_of_a_job_is_of_a_job(raw: Connection, table: str) -> None:
    refused = refused_by(raw, f"UPDATE {table} SET job_id = 99 WHERE job_id = 1")
    assert refused is not None
    assert refused.diag.constraint_name == f"{table}_job_id_fkey"


def test_no_reference_is_left_without_a_test(raw: Connection) -> None:
    assert references(raw) == {f"{table}_job_id_fkey" for table in ("job_versions", "job_cursors", "job_last")}
