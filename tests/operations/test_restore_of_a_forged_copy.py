"""A copy of the ledger that no program of ours wrote is refused before anything is replaced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from systemprompt.clock import ManualClock
from systemprompt.errors import UsageError
from systemprompt.operations.backup import DbBackupParams, db_backup
from systemprompt.operations.context import OperationContext
from systemprompt.operations.restore import DbRestoreParams, db_restore
from systemprompt.system import open_system

NOW = 1_768_386_600_000_000


@pytest.mark.parametrize(
    ("forgery", "why"),
    [
        (
            "CREATE TRIGGER mine AFTER INSERT ON job_runs BEGIN DELETE FROM run_texts; END",
            "trigger mine on job_runs was added",
        ),
        ("DROP TRIGGER job_runs_never_change", "trigger job_runs_never_change on job_runs is missing"),
        ("DROP INDEX job_runs_one_account", "index job_runs_one_account on job_runs is missing"),
        (
            (
                "PRAGMA writable_schema = ON; INSERT INTO sqlite_master SELECT type, 'sqlite_mine', tbl_name, rootpage,"
                " replace(sql, name, 'sqlite_mine') FROM sqlite_master WHERE name = 'job_runs_never_change'"
            ),
            "trigger sqlite_mine on job_runs was added",
        ),
        (
            "UPDATE ledger_state SET fence = 9223372036854775807",
            "fence in its table ledger_state holds 9223372036854775807",
        ),
        ("UPDATE ledger_state SET last_run = 9223372036854775806", "last_run in its table ledger_state holds"),
        ("UPDATE ledger_state SET high_water = 9223372036854775807", "high_water in its table ledger_state holds"),
        (
            "UPDATE jobs SET job_name = 'y$(touch here)' WHERE job_id = (SELECT min(job_id) FROM jobs)",
            "job name 'y$(touch here)' has",
        ),
        (
            (
                "INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, lease_ms,"
                " capacity, started_at, beat_at) SELECT 'x', 'serve', 'h', 'm', 4611686018427387904, 1, 'p', 1, 1, 1, 1"
                " FROM ledger_state"
            ),
            "pid in its table nodes holds 4611686018427387904",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_forged_copy_is_refused_and_nothing_is_replaced(
    tmp_path: Path, forgery: str, why: str, *, dry_run: bool
) -> None:
    context = _installation(tmp_path)
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as copy:
        copy.executescript(forgery)

    with pytest.raises(UsageError) as refused:
        db_restore(context, DbRestoreParams(file="copy.db", replace=True, dry_run=dry_run))

    assert why in refused.value.message
    assert "nothing was changed" in str(refused.value.hint)
    assert [*tmp_path.glob("*.replaced-*"), *tmp_path.glob(".*ledger.db*")] == []


def test_a_table_beside_ours_harms_nothing_whatever_it_holds(tmp_path: Path) -> None:
    context = _installation(tmp_path)
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as copy:
        copy.executescript("CREATE TABLE mine (n INTEGER); INSERT INTO mine VALUES (9223372036854775807)")

    db_restore(context, DbRestoreParams(file="copy.db", replace=True))


def _installation(folder: Path) -> OperationContext:
    path = folder / "profile.yaml"
    path.write_text(
        "database: sqlite:///app.db\nledger: sqlite:///ledger.db\nentry_points: false\n"
        "scheduler: {jobs: {hello: {command: [echo, hello]}}}\n",
        encoding="utf-8",
    )
    environ, clock = {"XDG_CACHE_HOME": str(folder)}, ManualClock(NOW)
    context = OperationContext(actor="cli:tester", environ=environ, cwd=str(folder), clock=clock, profile=str(path))
    with open_system(str(path), environ=environ, clock=clock) as system:
        system.sync()
        db_backup(context, DbBackupParams(file="copy.db"))
    return context
