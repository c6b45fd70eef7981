"""Make a ledger with millions of runs, as a node would have left it, in minutes instead of years.

Ten jobs fire once a minute; one run in a hundred failed, the rest went well. The rows are written in bulk with triggers and indexes
out of the way. That the result is sound is for the audit to say, and the bench asks it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from bench._installation import Installation
from systemprompt.clock import SECOND, ManualClock, SystemClock
from systemprompt.ledger.sqlite.store import SqliteStore
from systemprompt.system import open_system

__all__ = ["JOBS", "LongLedger", "long_ledger", "oldest_day_pruned"]

JOBS = 10
MINUTE = 60 * SECOND
DAY = 1_440 * MINUTE
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
    _write(installation.ledger, made)
    with open_system(installation.profile, environ=installation.environ, clock=ManualClock(made.end)) as system:
        # The built-in jobs are switched off, and each of their fire times is skipped for it: nobody has said so yet.
        system.ledger.turn("node_bench", made.end, system.decide)
    _keep(made)
    return made


def oldest_day_pruned(ledger: LongLedger) -> tuple[LongLedger, float, int]:
    """Let the built-in job seal and prune the oldest day, and remember that it is gone.

    Returns the ledger as it is now, the seconds it took and the accounts that went.
    """
    until = (ledger.start // DAY + 1) * DAY
    days = (SystemClock().now() - until) // DAY
    began = time.perf_counter()
    answer = ledger.installation.sp("--json", "jobs", "run", "prune_history", "-p", f"days={days}")
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


def _write(path: str, made: LongLedger) -> None:
    store = SqliteStore(path, {})
    connection = store.connection
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    store.begin(connection)
    aside = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name = 'job_runs'"
        " AND (type = 'trigger' OR (type = 'index' AND name <> 'job_runs_by_due'))"
    ).fetchall()
    for kind, name, _ in aside:
        connection.execute(f"DROP {kind} {name}")
    _fill(connection, made)
    for _, _, sql in aside:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()


def _fill(connection: sqlite3.Connection, made: LongLedger) -> None:
    """Write runs, the error texts, the node that ran them, and what is counted and shown of them."""
    values = {
        "start": made.start,
        "end": made.end,
        "minutes": (made.end - made.start) // MINUTE,
        "jobs": JOBS,
        "minute": MINUTE,
        "error": _ERROR,
        "hash": sha256(_ERROR.encode()).hexdigest(),
    }
    # A start 2 ms after the fire time, 5 ms of work; run ids and fences in the order of fire times.
    for statement in _STATEMENTS:
        connection.execute(statement, values)


_ERROR = "RuntimeError: not today"
_STATEMENTS = (
    """
    WITH RECURSIVE minutes (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM minutes WHERE n < :minutes),
    ours (job_id, place) AS (SELECT job_id, row_number() OVER (ORDER BY job_id) FROM jobs WHERE job_name LIKE 'report_%'),
    owed AS (SELECT (n - 1) * :jobs + place AS number, job_id, :start + n * :minute AS at FROM minutes CROSS JOIN ours)
    INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence,
                          started_at, actor, status, reason, finished_at, duration_ms, error_hash)
    SELECT number, job_id, 1, 'schedule', at, at, at, at + 1000, 'node_bench', 1, number, at + 2000, 'schedule',
           iif(number % 100 = 7, 'failed', 'success'), iif(number % 100 = 7, 'exception', NULL), at + 7000, 5,
           iif(number % 100 = 7, :hash, NULL)
    FROM owed
    """,
    """
    INSERT INTO run_texts (run_id, attempt, kind, text)
    SELECT run_id, 1, 'error', :error FROM job_runs WHERE error_hash IS NOT NULL
    """,
    """
    INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, beat, beat_at,
                       stopped_at, fate)
    VALUES ('node_bench', 'serve', 'bench', 'bench', 1, 0, 'bench', 30000, 16, :start, 1, :end, :end + 100000, 'left')
    """,
    """
    UPDATE job_cursors SET planned_through = :end, next_due = :end + :minute, next_run = :end + :minute
    WHERE job_id IN (SELECT job_id FROM jobs WHERE job_name LIKE 'report_%')
    """,
    """
    INSERT INTO job_last (job_id, last_run_id, last_fence, last_run, last_status, last_error, run_count)
    SELECT job_id, run_id, fence, started_at, status, iif(status = 'failed', :error, NULL), :minutes
    FROM job_runs WHERE due_at = :end
    """,
    """
    INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
    SELECT job_id, due_at / 3600000000, status, origin, count(*) FROM job_runs GROUP BY 1, 2, 3, 4
    """,
    """
    INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
    SELECT 0, hour, status, origin, sum(n) FROM job_tally_sums GROUP BY 2, 3, 4
    """,
    """
    UPDATE ledger_state
    SET fence = (SELECT max(fence) FROM job_runs), last_run = (SELECT max(run_id) FROM job_runs), high_water = :end
    """,
)
