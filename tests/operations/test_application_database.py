"""Operations on the application's tables, and jobs of every kind, whatever engine its database is on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from support.cli_session import CliSession
from systemprompt.builtin.tables.application_schema import ApplicationSchema
from systemprompt.clock import SECOND, iso
from systemprompt.databases.address import Address
from systemprompt.databases.database import Database
from systemprompt.databases.dialect import dialect_named
from systemprompt.databases.postgres_database import PostgresDatabase
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.nodes.identity import this_process
from systemprompt.operations.active_runs import ActiveRunsParams, active_runs
from systemprompt.operations.cleanup import CleanupSessionsParams, LogCleanupParams, cleanup_sessions, log_cleanup
from systemprompt.operations.context import OperationContext
from systemprompt.operations.run_jobs import RunJobsParams, run_jobs
from systemprompt.operations.run_logs import RunLogsParams, run_logs
from systemprompt.profile.load import load_profile
from systemprompt.runner.run_logs import RunLogs
from systemprompt.runner.runner import ChildDatabase
from systemprompt.system import System

HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND

PROFILE = """\
name: shop
database: sqlite:///data/app.db
entry_points: false
extensions: [jobs/]
scheduler:
  jobs:
    cleanup_inactive_sessions: {isolation: process}
"""

JOBS = """
import asyncio
from systemprompt import job

SAID = "INSERT INTO said (who, run) VALUES (:who, :run)"


def say(ctx):
    ctx.logger.info("saying", extra={"who": ctx.job_name})
    with ctx.db_pool.transaction() as tx:
        tx.execute(SAID, {"who": ctx.job_name, "run": ctx.run_id})
        return str(tx.fetch_one("SELECT count(*) AS n FROM said WHERE who = ?", [ctx.job_name])["n"])


@job(name="in_a_thread")
def in_a_thread(ctx):
    return say(ctx)


@job(name="in_a_process", isolation="process")
def in_a_process(ctx):
    return say(ctx)


@job(name="on_the_loop")
async def on_the_loop(ctx):
    await asyncio.sleep(0)
    return await asyncio.to_thread(say, ctx)
"""


class OnPostgres(System):
    """An installation whose ledger is a file, and whose application's database is on a server."""

    address: str

    @cached_property
    def database(self) -> Database:
        ApplicationSchema(Address(self.address)).migrate()
        return PostgresDatabase(self.address)

    @property
    def child_database(self) -> ChildDatabase:
        opener = "systemprompt.databases.postgres_database:PostgresDatabase"
        return ChildDatabase(opener=opener, location=self.address)

    def close(self) -> None:
        self.database.close()
        super().close()


@pytest.fixture
def system(tmp_path: Path, postgres_or_none: str | None) -> Iterator[System]:
    session = CliSession(tmp_path, profile=PROFILE, jobs=JOBS, real_time=True)
    profile = load_profile(str(session.profile), session.environ)
    kind = System if postgres_or_none is None else OnPostgres
    with kind(profile, environ=session.environ) as system:
        if isinstance(system, OnPostgres):
            assert postgres_or_none is not None
            system.address = postgres_or_none
        system.sync()
        yield system


def insert(system: System, table: str, **values: Any) -> None:
    dialect = dialect_named(system.database.dialect)
    values = {name: dialect.stored(value) if name.endswith("_at") else value for name, value in values.items()}
    marks = ", ".join(f":{name}" for name in values)
    system.database.execute(f"INSERT INTO {dialect.own(table)} ({', '.join(values)}) VALUES ({marks})", values)


def left(system: System, table: str) -> list[Any]:
    own = dialect_named(system.database.dialect).own(table)
    return [row["id"] for row in system.database.fetch(f"SELECT id FROM {own} ORDER BY 1")]


def test_the_clean_up_commands_count_and_then_delete_the_same_rows(system: System) -> None:
    context, now = OperationContext.of(system), system.clock.now()
    for name, ago in (("old", 3 * HOUR), ("older", 99 * HOUR), ("here", 0)):
        insert(system, "user_sessions", id=name, started_at=now - ago, last_activity_at=now - ago)
    for ago in (40 * DAY, 50 * DAY, 0):
        insert(system, "logs", created_at=now - ago, level="INFO", message=f"{ago // DAY} days ago")

    dry = cleanup_sessions(context, CleanupSessionsParams(dry_run=True))
    assert (dry.sessions_cleaned, dry.status, len(left(system, "user_sessions"))) == (2, "would_run", 3)
    wet = cleanup_sessions(context, CleanupSessionsParams())
    assert (wet.sessions_cleaned, wet.status, left(system, "user_sessions")) == (2, "success", ["here"])

    dry_logs = log_cleanup(context, LogCleanupParams(days=30, dry_run=True))
    assert (dry_logs.entries_deleted, dry_logs.message) == (2, "Would delete 2 log entries older than 30 days")
    assert log_cleanup(context, LogCleanupParams(days=30)).entries_deleted == 2


def test_jobs_of_every_kind_write_with_both_placeholders_and_their_lines_are_read_back(system: System) -> None:
    context, began = OperationContext.of(system), system.clock.now()
    system.database.execute("CREATE TABLE said (who TEXT, run BIGINT)")
    names = ("in_a_thread", "in_a_process", "on_the_loop")

    ran = run_jobs(context, RunJobsParams(names=names))

    assert [(run.job_name, run.status, run.result and run.result.message) for run in ran.jobs_run] == [
        (name, "success", "1") for name in names
    ], ran
    said = system.database.fetch("SELECT who, run FROM said")
    assert {(row["who"], row["run"]) for row in said} == {(run.job_name, run.run_id) for run in ran.jobs_run}
    for name in names:
        logs = run_logs(context, RunLogsParams(run=name))
        (line,) = [entry for entry in logs.entries if entry.message == "saying"]
        assert (line.level, line.source, line.fields) == ("info", "job", {"who": name})
        assert iso(began) <= line.at <= iso(system.clock.now())
        assert logs.total == len(logs.entries)
    first = run_logs(context, RunLogsParams(run="in_a_thread", limit=0))
    assert (first.shown, first.total) == (0, 1)
    assert run_logs(context, RunLogsParams(run="in_a_thread", level="error")).total == 0


def test_how_far_a_run_is_is_read_from_its_last_line_of_progress(system: System) -> None:
    ledger, now = system.ledger, system.clock.now()
    node = this_process(kind="run", program="test", lease_s=30, capacity=1, now=now)
    ledger.join(node)
    (run,) = ledger.start_manual(node.node_id, now, [ManualStart(job_name="in_a_thread")], Change(actor="me"))
    logs = RunLogs(system.database, ledger_id=ledger.ledger_id(), clock=system.clock)
    log = logs.open(job_name="in_a_thread", run_id=run.run_id, attempt=1)
    log.progress(1, 3, "pages")
    log.progress(3, 3, "pages")
    log.write("and a line of another kind")
    assert logs.close()

    (active,) = active_runs(OperationContext.of(system), ActiveRunsParams()).entries

    assert active.progress == {"done": 3, "total": 3, "note": "pages"}


def test_a_built_in_job_in_a_process_of_its_own_works_there(system: System) -> None:
    now = system.clock.now()
    insert(system, "user_sessions", id="idle", started_at=now - 9 * HOUR, last_activity_at=now - 9 * HOUR)

    (run,) = run_jobs(OperationContext.of(system), RunJobsParams(names=("cleanup_inactive_sessions",))).jobs_run

    assert (run.status, run.result and run.result.message) == ("success", "Ended 1 session idle for more than 1 hour")
    own = dialect_named(system.database.dialect).own("user_sessions")
    (row,) = system.database.fetch(f"SELECT ended_at FROM {own}")
    assert dialect_named(system.database.dialect).instant(row["ended_at"]) >= now
