"""Make a ledger with millions of runs, as a node would have left it, in minutes instead of years.

Ten jobs fire once a minute; one run in a hundred failed, the rest went well, each has its attempt. The rows are written in bulk
with the triggers of the first schema out of the way, so what triggers keep is written here too; every later migration is then
applied by the program itself, which counts and indexes what is there. That the result is sound is for the audit to say, and the
bench asks it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from dataclasses import asdict, dataclass, replace

from bench._installation import Installation
from systemprompt.clock import SECOND, ManualClock, SystemClock
from systemprompt.ledger.sqlite.migrating import migrate
from systemprompt.ledger.sqlite.reader import MIGRATIONS, MIGRATIONS_TABLE
from systemprompt.ledger.sqlite.store import Store
from systemprompt.system import open_system

__all__ = ["JOBS", "LongLedger", "long_ledger", "oldest_day_pruned"]

JOBS = 10
MINUTE = 60 * SECOND
DAY = 1_440 * MINUTE
_FIRST = "0001_ledger.sql"
_NOTE = "long.json"

_JOBS_FILE = f"""\
from systemprompt import job

for number in range({JOBS}):

    @job(name=f"report_{{number}}", schedule="0 * * * * *", description=f"Writes report {{number}}", tags=["reports"])
    def report():
        pass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongLedger:
    """An installation whose ledger holds at least `runs` runs, due in (start, end], all closed; instants in microseconds."""

    folder: str
    runs: int
    start: int
    end: int

    @property
    def installation(self) -> Installation:
        return Installation(folder=self.folder)


def long_ledger(folder: str, runs: int) -> LongLedger:
    """Return the ledger that lies in this folder, or make it there."""
    note = os.path.join(folder, _NOTE)
    if os.path.exists(note):
        with open(note, encoding="utf-8") as file:
            kept = LongLedger(folder=folder, **json.load(file))
        if (kept.end - kept.start) // MINUTE * JOBS >= runs * 0.9:
            return kept
    shutil.rmtree(folder, ignore_errors=True)
    end = SystemClock().now() // MINUTE * MINUTE
    start = end - runs // JOBS * MINUTE
    if end - start > 3 * DAY:
        start -= start % DAY  # so that a day that is pruned is a whole one
    made = LongLedger(folder=folder, runs=runs, start=start, end=end)
    installation = Installation.furnish(folder, _JOBS_FILE)
    # What the program itself writes of jobs and versions on the day it begins.
    open_system(installation.profile, environ=installation.environ, clock=ManualClock(made.start)).close()
    template = os.path.join(folder, "template.db")
    os.rename(installation.ledger, template)
    _write(installation.ledger, template, made)
    open_system(installation.profile, environ=installation.environ, clock=ManualClock(made.end)).close()
    os.remove(template)
    _keep(made)
    return made


def oldest_day_pruned(ledger: LongLedger) -> tuple[LongLedger, float, int]:
    """Let the built-in job seal and prune the oldest day, and remember that it is gone.

    Returns the ledger as it is now, the seconds it took and the accounts that went.
    """
    until = (ledger.start // DAY + 1) * DAY
    days = (SystemClock().now() - until) // DAY
    began = time.perf_counter()
    answer = ledger.installation.sp("--json", "jobs", "run", "prune_history", "--enforce", "-p", f"days={days}")
    took = time.perf_counter() - began
    gone = json.loads(answer)["data"]["jobs_run"][0]["result"]["items_processed"]
    left = replace(ledger, start=until)
    _keep(left)
    return left, took, gone


def _keep(ledger: LongLedger) -> None:
    values = asdict(ledger)
    del values["folder"]
    with open(os.path.join(ledger.folder, _NOTE), "w", encoding="utf-8") as file:
        json.dump(values, file)


def _write(path: str, template: str, made: LongLedger) -> None:
    store = Store(path, {})
    connection = store.connection
    with tempfile.TemporaryDirectory() as only:
        shutil.copy(os.path.join(MIGRATIONS, _FIRST), only)
        migrate(connection, only, table=MIGRATIONS_TABLE, begin=store.begin)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    connection.execute("ATTACH ? AS template", (template,))
    store.begin(connection)
    aside = connection.execute(
        "SELECT type, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL AND type IN ('trigger', 'index')"
        " AND tbl_name IN ('job_runs', 'job_attempts', 'scheduled_jobs')"
    ).fetchall()
    for kind, name, _ in aside:
        connection.execute(f"DROP {kind} main.{name}")
    for table in ("scheduled_jobs", "job_versions"):
        columns = ", ".join(row["name"] for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(
            f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM template.{table}"
            f" WHERE {'id' if table == 'scheduled_jobs' else 'job_id'} LIKE 'job_report_%'"
        )
    _fill(connection, made)
    for _, _, sql in aside:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()


def _fill(connection: sqlite3.Connection, made: LongLedger) -> None:
    """Write runs, attempts, the node that ran them, and what their triggers would have kept."""
    values = {
        "start": made.start,
        "end": made.end,
        "minutes": (made.end - made.start) // MINUTE,
        "jobs": JOBS,
        "minute": MINUTE,
    }
    # A start 2 ms after the fire time, 5 ms of work; run ids and fences in the order of fire times.
    connection.execute(
        """
        WITH RECURSIVE minutes (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM minutes WHERE n < :minutes),
        jobs (id, place) AS (SELECT id, row_number() OVER (ORDER BY id) FROM scheduled_jobs),
        owed AS (SELECT (n - 1) * :jobs + place AS number, id, :start + n * :minute AS at FROM minutes CROSS JOIN jobs)
        INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, status, reason, error, attempt, fence, node_id,
                              queued_at, started_at, finished_at, duration_ms)
        SELECT number, id, 1, 'schedule', at, at, iif(number % 100 = 7, 'failed', 'success'),
               iif(number % 100 = 7, 'exception', NULL), iif(number % 100 = 7, 'RuntimeError: not today', NULL),
               1, number, 'node_bench', at + 1000, at + 2000, at + 7000, 5
        FROM owed
        """,
        values,
    )
    connection.execute(
        """
        INSERT INTO job_attempts (run_id, attempt, fence, node_id, started_at, ended_at, result)
        SELECT run_id, 1, fence, node_id, started_at, finished_at, status FROM job_runs ORDER BY run_id
        """
    )
    connection.execute(
        """
        INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, beat,
                           beat_at, stopped_at, fate)
        VALUES ('node_bench', 'serve', 'bench', 'bench', 1, 0, 'bench', 30000, 16, :start, 1, :end, :end + 100000, 'left')
        """,
        values,
    )
    connection.execute(
        """
        UPDATE scheduled_jobs SET planned_through = :end, next_due = :end + :minute, next_run = :end + :minute,
               run_count = :minutes, last_run = r.started_at, last_run_id = r.run_id, last_status = r.status, last_error = r.error
        FROM (SELECT * FROM job_runs WHERE due_at = :end) AS r WHERE r.job_id = scheduled_jobs.id
        """,
        values,
    )
    connection.execute(
        "UPDATE ledger_state SET fence = (SELECT max(fence) FROM job_attempts), high_water = :end", values
    )
