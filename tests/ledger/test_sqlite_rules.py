"""The triggers and keys of the schema: whatever a defect above them asks for, the file refuses."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.raw_ledger import copied, raw_ledger, refusals


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with raw_ledger(tmp_path) as connection:
        yield connection


class Copy:
    """A row like another one, in the words of `raw_ledger.copied`."""

    def __init__(self, into: str, source: str, where: str, **changes: str) -> None:
        self.into, self.source, self.where, self.changes = into, source, where, changes

    def sql(self, connection: sqlite3.Connection) -> str:
        return copied(self.into, self.source, self.where, connection, **self.changes)


BY_HAND = {"run_id": "99", "origin": "'manual'", "fire_at": "NULL"}
SKIPPED = {
    "status": "'skipped'",
    "reason": "'overlap'",
    "finished_at": "1",
    "attempt": "0",
    "node_id": "NULL",
    "fence": "NULL",
    "started_at": "NULL",
}
SEAL_ALL = "UPDATE ledger_state SET sealed_until = 9999999999999999"
RANGE = {"range_id": "99"}
LAST_AT = "SELECT g.last_at FROM job_run_ranges g"

# What is asked for -> the trigger that refuses, in which words, and the statements; all but the last of them are let through.
REFUSED: dict[str, tuple[str, str, list[str | Copy]]] = {
    **{
        f"{column} of the state falls": (
            "ledger_state_only_rises",
            "fences, run ids and the high-water mark only rise",
            [f"UPDATE ledger_state SET {column} = {column} - 1"],
        )
        for column in ("fence", "last_run", "runs_left_out", "high_water")
    },
    "a ledger gets another id": (
        "ledger_state_only_rises",
        "fences, run ids and the high-water mark only rise",
        ["UPDATE ledger_state SET ledger_id = 'x'"],
    ),
    "pruning runs ahead of sealing": (
        "ledger_state_prunes_what_is_sealed",
        "only what is sealed is pruned",
        ["UPDATE ledger_state SET pruned_until = sealed_until + 1"],
    ),
    **{
        f"{column} goes back": (
            "ledger_state_prunes_what_is_sealed",
            "only what is sealed is pruned",
            ["UPDATE ledger_state SET pruned_until = 5, pruned_run = 5", f"UPDATE ledger_state SET {change}"],
        )
        for column, change in {
            "seals": "seals = 0",
            "sealed_until": "sealed_until = sealed_until - 1",
            "pruned_until": "pruned_until = 4",
            "pruned_run": "pruned_run = 4",
        }.items()
    },
    "the state goes": ("ledger_state_stays", "its state is never deleted", ["DELETE FROM ledger_state"]),
    "a job goes": ("jobs_stay", "a job is retired, never deleted", ["DELETE FROM jobs"]),
    "versions overlap": (
        "job_versions_never_overlap",
        "versions of a job never overlap",
        [Copy("job_versions", "job_versions", "version = 2", version="9", valid_until="valid_from")],
    ),
    "a version changes": (
        "job_versions_are_immutable",
        "a version never changes; it only ends",
        ["UPDATE job_versions SET schedule = '@hourly', valid_until = valid_from WHERE valid_until IS NULL"],
    ),
    "a closed version is opened": (
        "job_versions_are_immutable",
        "a version never changes; it only ends",
        ["UPDATE job_versions SET valid_until = NULL WHERE version = 3"],
    ),
    "a version ends again": (
        "job_versions_are_immutable",
        "a version never changes; it only ends",
        ["UPDATE job_versions SET valid_until = valid_until + 1 WHERE version = 2"],
    ),
    "a version goes": ("job_versions_stay", "a version is never deleted", ["DELETE FROM job_versions"]),
    "a cursor moves back": (
        "job_cursors_move_forward",
        "a cursor never moves back",
        ["UPDATE job_cursors SET planned_through = planned_through - 1"],
    ),
    "work comes into a sealed day": (
        "open_runs_begin_new",
        "this day is sealed",
        [SEAL_ALL, Copy("open_runs", "open_runs", "run_id = 3", **BY_HAND)],
    ),
    "work of no job comes": (
        "open_runs_begin_new",
        "nobody knows this job",
        [Copy("open_runs", "open_runs", "run_id = 3", **BY_HAND | {"job_id": "99"})],
    ),
    "a closed run is opened": (
        "open_runs_begin_new",
        "this run is closed",
        [Copy("open_runs", "open_runs", "run_id = 3", **BY_HAND | {"run_id": "1"})],
    ),
    "a closed fire time is opened": (
        "open_runs_begin_new",
        "this fire time is accounted for already",
        [Copy("open_runs", "job_runs", "run_id = 1", run_id="99")],
    ),
    "a fire time of a range is opened": (
        "open_runs_begin_new",
        "this fire time is accounted for already",
        [Copy("open_runs", "open_runs", "run_id = 3", run_id="99", fire_at=f"({LAST_AT})", due_at=f"({LAST_AT})")],
    ),
    "an attempt falls": (
        "open_runs_keep_the_rules",
        "attempts only rise, by one for each claim",
        ["UPDATE open_runs SET attempt = attempt + 1 WHERE run_id = 2"],
    ),
    "a claim counts two": (
        "open_runs_keep_the_rules",
        "attempts only rise, by one for each claim",
        ["UPDATE open_runs SET fence = 99, node_id = 'a', started_at = 1, attempt = attempt + 2 WHERE run_id = 3"],
    ),
    "a run is tried again as the same attempt": (
        "open_runs_keep_the_rules",
        "attempts only rise, by one for each claim",
        [
            "UPDATE open_runs SET fence = NULL, node_id = NULL, started_at = NULL WHERE run_id = 2",
            "UPDATE open_runs SET fence = 99, node_id = 'a', started_at = 1 WHERE run_id = 2",
        ],
    ),
    "a run passes from node to node": (
        "open_runs_keep_the_rules",
        "a run is queued again before another node takes it",
        ["UPDATE open_runs SET fence = fence + 9 WHERE run_id = 2"],
    ),
    **{
        f"an open run gets another {column}": (
            "open_runs_keep_the_rules",
            "what a run accounts for never changes",
            [f"UPDATE open_runs SET {change} WHERE run_id = 3"],
        )
        for column, change in {
            "id": "run_id = 99",
            "job": "job_id = 2",
            "version": "version = 1",
            "origin": "origin = 'catch_up'",
            "fire time": "fire_at = 1, due_at = 1",
        }.items()
    },
    "an account comes into a sealed day": (
        "job_runs_account_once",
        "this day is sealed",
        [SEAL_ALL, Copy("job_runs", "job_runs", "run_id = 1", **BY_HAND)],
    ),
    "a reason does not fit its status": (
        "job_runs_account_once",
        "this is no reason for that status",
        [Copy("job_runs", "job_runs", "run_id = 1", **BY_HAND, status="'failed'", reason="'down'")],
    ),
    "a run is open and closed": (
        "job_runs_account_once",
        "this run is still open",
        [Copy("job_runs", "job_runs", "run_id = 1", **BY_HAND | {"run_id": "2"})],
    ),
    "an open fire time is skipped": (
        "job_runs_account_once",
        "this fire time is accounted for already",
        [Copy("job_runs", "open_runs", "run_id = 3", **SKIPPED, run_id="99")],
    ),
    "an account changes": (
        "job_runs_never_change",
        "a closed account never changes",
        ["UPDATE job_runs SET message = 'x' WHERE run_id = 1"],
    ),
    "an account goes that is not to be pruned": (
        "job_runs_go_when_pruned",
        "only what is sealed is pruned",
        ["DELETE FROM job_runs WHERE run_id = 1"],
    ),
    "a text changes": (
        "run_texts_never_change",
        "what a run left in words never changes",
        ["UPDATE run_texts SET text = 'x'"],
    ),
    "a range comes into a sealed day": (
        "job_run_ranges_account_once",
        "this day is sealed",
        [SEAL_ALL, Copy("job_run_ranges", "job_run_ranges", "true", **RANGE, first_at="1", last_at="2")],
    ),
    "a range's reason does not fit": (
        "job_run_ranges_account_once",
        "this is no reason for that status",
        [
            Copy(
                "job_run_ranges",
                "job_run_ranges",
                "true",
                **RANGE,
                first_at="last_at + 90000000",
                last_at="last_at + 90000000",
                reason="'down'",
            )
        ],
    ),
    "ranges overlap": (
        "job_run_ranges_account_once",
        "these fire times are accounted for already",
        [Copy("job_run_ranges", "job_run_ranges", "true", **RANGE, first_at="last_at")],
    ),
    **{
        f"a range covers {what} run": (
            "job_run_ranges_account_once",
            "these fire times are accounted for already",
            [Copy("job_run_ranges", "job_run_ranges", "true", **RANGE, first_at=f"({place})", last_at=f"({place})")],
        )
        for what, place in {
            "a closed": "SELECT r.fire_at FROM job_runs r WHERE r.run_id = 1",
            "an open": "SELECT o.fire_at FROM open_runs o WHERE o.run_id = 3",
        }.items()
    },
    "a range changes": (
        "job_run_ranges_never_change",
        "a range never changes",
        ["UPDATE job_run_ranges SET count = count + 1"],
    ),
    "a range goes that is not to be pruned": (
        "job_run_ranges_go_when_pruned",
        "only what is sealed is pruned",
        ["DELETE FROM job_run_ranges"],
    ),
    "an attempt comes into a sealed day": (
        "job_attempts_stay_out_of_sealed_days",
        "this day is sealed",
        [SEAL_ALL, Copy("job_attempts", "job_attempts", "kind = 'late'", attempt_id="99", attempt="7")],
    ),
    "an attempt changes": (
        "job_attempts_never_change",
        "an attempt never changes",
        ["UPDATE job_attempts SET node_id = 'b'"],
    ),
    "an attempt goes that is not to be pruned": (
        "job_attempts_go_when_pruned",
        "only what is sealed is pruned",
        ["DELETE FROM job_attempts"],
    ),
    "an epoch changes": (
        "ledger_epochs_never_change",
        "an epoch never changes",
        ["UPDATE ledger_epochs SET timeline = 2"],
    ),
    "an epoch goes": ("ledger_epochs_stay", "an epoch never changes", ["DELETE FROM ledger_epochs"]),
    "a tally changes": ("job_tallies_never_change", "a tally never changes", ["UPDATE job_tallies SET n = n + 1"]),
    "a mark changes": ("run_marks_never_change", "a mark never changes", ["UPDATE run_marks SET why = 'x'"]),
    "a request changes": ("requests_never_change", "a request never changes", ["UPDATE requests SET answer = '{}'"]),
    **{
        f"a node that stopped {what}": (
            "nodes_lost_stay_lost",
            "a node that stopped never comes back; a process takes a fresh id",
            [f"UPDATE nodes SET {change} WHERE node_id = 'gone'"],
        )
        for what, change in {"comes back": "stopped_at = NULL, fate = NULL", "beats": "beat = beat + 1"}.items()
    },
    **{
        f"a seal {what}": (
            "ledger_seals_follow_one_another",
            "a seal follows the one before it",
            [
                "DELETE FROM open_runs",
                Copy(
                    "ledger_seals", "ledger_seals", "true", **{"from_at": "until_at", "until_at": "until_at * 2"} | row
                ),
            ],
        )
        for what, row in {
            "does not follow the last": {"seal": "2"},
            "leaves one out": {"seal": "3", "previous": "digest"},
            "leaves a gap": {"seal": "2", "from_at": "until_at + 1", "previous": "digest"},
        }.items()
    },
    "a seal covers an open run": (
        "ledger_seals_cover_closed_runs",
        "a day with an open run is not sealed",
        [Copy("ledger_seals", "ledger_seals", "true", seal="2", from_at="until_at", until_at="until_at + 86400000000")],
    ),
    "a seal changes": ("ledger_seals_are_final", "a seal never changes", ["UPDATE ledger_seals SET runs = 9"]),
    "a seal goes": ("ledger_seals_stay", "a seal is never deleted", ["DELETE FROM ledger_seals"]),
}


def asked(raw: sqlite3.Connection, name: str) -> str:
    """Run what is let through, and return the statement that is not."""
    *first, last = [one.sql(raw) if isinstance(one, Copy) else one for one in REFUSED[name][2]]
    for statement in first:
        raw.execute(statement)
    return last


@pytest.mark.parametrize("name", REFUSED)
def test_the_schema_refuses_when(raw: sqlite3.Connection, name: str) -> None:
    trigger, said, _ = REFUSED[name]
    statement = asked(raw, name)
    before = "\n".join(raw.iterdump())
    with pytest.raises(sqlite3.IntegrityError) as refused:
        raw.execute(statement)
    assert str(refused.value) == f"ledger: {said}"
    assert "\n".join(raw.iterdump()) == before
    # It is this trigger that refused: without it the statement meets another rule, or none.
    raw.execute(f"DROP TRIGGER {trigger}")
    try:
        raw.execute(statement)
    except sqlite3.IntegrityError as other:
        assert str(other) != f"ledger: {said}"  # noqa: PT017  # as good an answer as none


def test_no_trigger_and_none_of_its_words_are_left_without_a_test(raw: sqlite3.Connection) -> None:
    assert refusals(raw) == {(trigger, f"ledger: {said}") for trigger, said, _ in REFUSED.values()}


def test_triggers_only_refuse(raw: sqlite3.Connection) -> None:
    """They keep no books: what a statement writes is what it says."""
    for name, sql in raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"):
        body = re.sub(r"'[^']*'", "", sql[sql.index("BEGIN") :])
        assert re.search(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", body) is None, name
        assert "RAISE(ROLLBACK" in body, name


UNIQUE = {
    "a fire time is open twice": (
        "open_runs.job_id, open_runs.fire_at",
        Copy("open_runs", "open_runs", "run_id = 3", run_id="99"),
    ),
    "a fire time is closed twice": (
        "index 'job_runs_one_account'",
        Copy("job_runs", "job_runs", "run_id = 1", run_id="99"),
    ),
    "a run has two accounts": (
        "job_runs.run_id",
        Copy("job_runs", "job_runs", "run_id = 1", fire_at="NULL", origin="'manual'"),
    ),
    "an attempt is kept twice": (
        "job_attempts.run_id, job_attempts.attempt, job_attempts.kind",
        Copy("job_attempts", "job_attempts", "kind = 'late'", attempt_id="99"),
    ),
    "a job has two names": ("jobs.job_name", Copy("jobs", "jobs", "job_id = 1", job_id="99")),
    "a job has two open versions": (
        "job_versions.job_id",
        Copy("job_versions", "job_versions", "valid_until IS NULL", version="9"),
    ),
    "a request id is used twice": ("requests.request_id", Copy("requests", "requests", "true")),
    "a run is marked twice": ("run_marks.run_id, run_marks.mark", Copy("run_marks", "run_marks", "true", mark_id="99")),
    "a text is kept twice": (
        "run_texts.run_id, run_texts.attempt, run_texts.kind",
        Copy("run_texts", "run_texts", "true"),
    ),
}


@pytest.mark.parametrize("name", UNIQUE)
def test_a_key_refuses_when(raw: sqlite3.Connection, name: str) -> None:
    said, copy = UNIQUE[name]
    if name == "a job has two open versions":
        raw.execute("DROP TRIGGER job_versions_never_overlap")
    with pytest.raises(sqlite3.IntegrityError) as refused:
        raw.execute(copy.sql(raw))
    assert str(refused.value) == f"UNIQUE constraint failed: {said}"


def test_runs_without_a_fire_time_stand_beside_one_of_the_same_instant(raw: sqlite3.Connection) -> None:
    for run_id in ("98", "99"):
        raw.execute(Copy("job_runs", "job_runs", "run_id = 1", **BY_HAND | {"run_id": run_id}).sql(raw))
    (due,) = raw.execute("SELECT due_at FROM job_runs WHERE run_id = 1").fetchone()
    assert raw.execute("SELECT count(*) FROM job_runs WHERE job_id = 1 AND due_at = ?", [due]).fetchone() == (3,)


@pytest.mark.parametrize("table", ["job_run_ranges", "job_versions", "job_cursors", "job_last"])
def test_what_is_told_of_a_job_is_of_a_job(raw: sqlite3.Connection, table: str) -> None:
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY constraint failed"):
        raw.execute(f"UPDATE {table} SET job_id = 99 WHERE job_id = 1")  # the test's own
