"""Fill a ledger on PostgreSQL with millions of accounts, as nodes would have left it, in minutes instead of years.

Ten jobs fired once a minute until now; one run in a hundred failed, the rest went well. The rows are written in bulk, with
triggers out of the way, into the partitions that a node would have made. For reading alone: tallies are made up to fit.
"""

from __future__ import annotations

import time
from hashlib import sha256

from bench._installation import Installation, NodeProcess
from bench.cluster.server import BenchServer

__all__ = ["JOBS", "fill"]

JOBS = 10
MINUTE_S = 60

JOBS_FILE = f"""\
from systemprompt import job

for number in range({JOBS}):

    @job(name=f"report_{{number}}", schedule="0 0 3 29 2 *", description=f"Writes report {{number}}", tags=["reports"])
    def report():
        pass
"""
"""Due once in four years: the accounts of the years before are ours to make up."""

_ERROR = "RuntimeError: not today"


def fill(server: BenchServer, address: str, folder: str, runs: int) -> Installation:
    """Make an installation in this folder whose ledger, in the database at this address, holds so many closed runs."""
    installation = Installation.furnish(folder, JOBS_FILE, database=address)
    with NodeProcess(installation):  # what the program itself writes of jobs, versions and a node
        pass
    end = int(time.time()) // MINUTE_S * MINUTE_S
    minutes = runs // JOBS
    values = {
        "end": end,
        "start": end - minutes * MINUTE_S,
        "minutes": minutes,
        "jobs": JOBS,
        "runs": runs + 1,
        "error": _ERROR,
    }
    values["hash"] = sha256(_ERROR.encode()).hexdigest()
    with server.connected(address) as connection:
        connection.execute("SET search_path = systemprompt, pg_temp")
        connection.execute("SET session_replication_role = replica")  # no triggers
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        for statement in _STATEMENTS:
            connection.execute(statement.encode(), values)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return installation


_STATEMENTS = (
    "SELECT count(make_partitions(m)) FROM generate_series(to_timestamp(%(start)s), to_timestamp(%(end)s), interval '27 days') m",
    """
    INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence,
                          started_at, actor, status, reason, finished_at, duration_ms, error_hash)
    SELECT number, job_id, 1, 'schedule', at, at, at, at + interval '1 ms', 'node_bench', 1, number, at + interval '2 ms',
           'schedule', CASE WHEN number %% 100 = 7 THEN 'failed' ELSE 'success' END,
           CASE WHEN number %% 100 = 7 THEN 'exception' END, at + interval '7 ms', 5, CASE WHEN number %% 100 = 7 THEN %(hash)s END
    FROM (SELECT (n - 1) * %(jobs)s + place AS number, job_id, to_timestamp(%(start)s) + n * interval '1 minute' AS at
          FROM generate_series(1::bigint, %(minutes)s) n
          CROSS JOIN (SELECT job_id, row_number() OVER (ORDER BY job_id) AS place FROM jobs WHERE job_name LIKE 'report%%') j
         ) owed
    """,
    """
    INSERT INTO run_texts (run_id, attempt, kind, text)
    SELECT run_id, 1, 'error', %(error)s FROM job_runs WHERE error_hash IS NOT NULL
    """,
    "UPDATE job_versions SET valid_from = to_timestamp(%(start)s)",
    """
    INSERT INTO job_last (job_id, last_run_id, last_fence, last_run, last_status, last_error, run_count)
    SELECT job_id, run_id, fence, started_at, status, CASE WHEN status = 'failed' THEN %(error)s END, %(minutes)s
    FROM job_runs WHERE due_at = to_timestamp(%(end)s)
    """,
    """
    INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
    SELECT job_id, (extract(epoch FROM due_at)::bigint / 3600), status, origin, count(*) FROM job_runs GROUP BY 1, 2, 3, 4
    """,
    """
    INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
    SELECT 0, hour, status, origin, sum(n) FROM job_tally_sums GROUP BY 2, 3, 4
    """,
    "SELECT setval('run_ids', %(runs)s), setval('fences', %(runs)s)",
)
