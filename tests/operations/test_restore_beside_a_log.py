"""A ledger is restored where somebody deleted the old one and left its log behind."""

from __future__ import annotations

import shutil
from pathlib import Path

from systemprompt.clock import ManualClock
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import Change, JobSpec
from systemprompt.operations.backup import DbBackupParams, db_backup
from systemprompt.operations.context import OperationContext
from systemprompt.operations.restore import DbRestoreParams, db_restore
from systemprompt.system import open_system

NOW = 1_768_386_600_000_000


def test_the_log_of_a_deleted_ledger_is_not_taken_for_that_of_the_restored_one(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("database: sqlite:///app.db\nledger: sqlite:///ledger.db\nentry_points: false\n", encoding="utf-8")
    environ, clock = {"XDG_CACHE_HOME": str(tmp_path)}, ManualClock(NOW)
    context = OperationContext(actor="cli:tester", environ=environ, cwd=str(tmp_path), clock=clock, profile=str(path))
    ledger, log = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    with open_system(str(path), environ=environ, clock=clock) as system:
        db_backup(context, DbBackupParams(file="copy.db"))
        extra = JobSpec(name="since", description="", schedule="", time_zone="UTC", enabled=True, policies=Policies())
        system.ledger.sync_catalogue([extra], [], NOW, system.decide, Change(actor="test"))
        shutil.copy(log, tmp_path / "kept")
    ledger.unlink()
    (tmp_path / "kept").rename(log)

    db_restore(context, DbRestoreParams(file="copy.db"))

    with open_system(str(path), environ=environ, clock=clock) as system:
        assert "since" not in {job.name for job in system.ledger.jobs(retired=True)}
        assert system.ledger.upkeep.faults() == []
    assert len(list(tmp_path.glob("ledger.db.replaced-*-wal"))) == 1, "it is kept"
