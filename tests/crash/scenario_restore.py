"""A backup takes the place of the ledger and of the application's database, after both went on for a while."""

from __future__ import annotations

import os
import sqlite3

from crash_checks import check_ledger
from crash_worker import Worker, take_over

from support.ledger_stage import START
from systemprompt.clock import SECOND, ManualClock
from systemprompt.operations.backup import DbBackupParams, db_backup
from systemprompt.operations.context import OperationContext
from systemprompt.operations.restore import DbRestoreParams, db_restore
from systemprompt.system import open_system

BACKED_UP = START + 30 * SECOND
LATER = START + 100 * SECOND
PROFILE = """\
name: restored
database: sqlite:///app.db
ledger: sqlite:///ledger.db
entry_points: false
extensions: [jobs.py]
"""
JOBS = """\
from systemprompt import job


@job(schedule="*/5 * * * * *", on_lost="rerun")
def often(): ...


@job(schedule="*/20 * * * * *")
def seldom(): ...
"""


def prepare(folder: str) -> None:
    """Make a backup in which a node holds runs, and let the node go on and die."""
    clock = ManualClock(START)
    with open_system(write_installation(folder, jobs=JOBS), environ=_environ(folder), clock=clock) as system:
        system.database.execute("INSERT INTO logs (created_at, level, message) VALUES (1, 'INFO', 'before')")
        worker = Worker(system.ledger, clock, folder)
        worker.step(20)
        clock.set(BACKED_UP)
        params = DbBackupParams(file="ledger.copy", database="app.copy")
        db_backup(context_in(folder, clock), params)
        system.database.execute("INSERT INTO logs (created_at, level, message) VALUES (2, 'INFO', 'after')")
        worker.finish()
        worker.step(10)


def play(folder: str) -> None:
    params = DbRestoreParams(file="ledger.copy", database="app.copy", replace=True)
    db_restore(context_in(folder, ManualClock(START + 60 * SECOND)), params)


def write_installation(folder: str, *, jobs: str, more: str = "") -> str:
    """Write a profile and its jobs; return the profile's path."""
    for name, text in (("profile.yaml", PROFILE + more), ("jobs.py", jobs)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
            stream.write(text)
    return os.path.join(folder, "profile.yaml")


def context_in(folder: str, clock: ManualClock) -> OperationContext:
    profile = os.path.join(folder, "profile.yaml")
    return OperationContext(actor="cli:tester", environ=_environ(folder), cwd=folder, clock=clock, profile=profile)


def recover(folder: str) -> None:
    play(folder)
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


def _environ(folder: str) -> dict[str, str]:
    return {"XDG_CACHE_HOME": os.path.join(folder, "cache"), "USER": "me"}
