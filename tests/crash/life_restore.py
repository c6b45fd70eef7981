"""A backup takes the place of the ledger and of the application's database, after both went on for a while."""

from __future__ import annotations

import os
import sqlite3

from crash_checks import check_ledger
from crash_worker import DECIDE, START, Worker, job, ledger_in, take_over

from systemprompt.clock import SECOND, ManualClock
from systemprompt.operations.backup import DbBackupParams, db_backup
from systemprompt.operations.restore import DbRestoreParams, db_restore
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Profile
from systemprompt.system import System

BACKED_UP = START + 30 * SECOND
LATER = START + 100 * SECOND
PROFILE = "name: restored\ndatabase: sqlite:///app.db\nledger: sqlite:///ledger.db\nentry_points: false\n"
JOBS = (job("often", "*/5 * * * * *", on_lost="rerun"), job("seldom", "*/20 * * * * *"))


def prepare(folder: str) -> None:
    """Make a backup in which a node holds runs, and let the node go on and die."""
    with open(os.path.join(folder, "profile.yaml"), "w", encoding="utf-8") as stream:
        stream.write(PROFILE)
    with System(_profile(folder), environ={}) as system:
        system.database.execute("INSERT INTO logs (created_at, level, message) VALUES (1, 'INFO', 'before')")
        ledger, clock = ledger_in(folder), ManualClock(START)
        ledger.migrate()
        ledger.sync_catalogue(JOBS, [], START, DECIDE, actor="test")
        worker = Worker(ledger, clock, folder)
        worker.step(20)
        clock.set(BACKED_UP)
        params = DbBackupParams(file="ledger.copy", database="app.copy")
        db_backup(_profile(folder), params, cwd=folder, clock=clock)
        system.database.execute("INSERT INTO logs (created_at, level, message) VALUES (2, 'INFO', 'after')")
        worker.finish()
        worker.step(10)
        ledger.close()


def live(folder: str) -> None:
    params = DbRestoreParams(file="ledger.copy", database="app.copy", replace=True)
    db_restore(_profile(folder), params, cwd=folder, clock=ManualClock(START + 60 * SECOND))


def recover(folder: str) -> None:
    live(folder)
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER, with_witness=False) as ledger:
        restored = list(ledger.runs_between(0, START + 20 * SECOND))
        assert [(run.job_name, run.fire_at) for run in restored] == [
            ("often", START + 20 * SECOND),
            ("seldom", START + 20 * SECOND),
        ]
        assert ledger.last_fence() > START, "a token of the time after the backup is never given out again"
    connection = sqlite3.connect(os.path.join(folder, "app.db"))
    assert connection.execute("SELECT message FROM logs").fetchall() == [("before",)]
    connection.close()


def _profile(folder: str) -> Profile:
    return load_profile(os.path.join(folder, "profile.yaml"), {})
