"""The application's database on PostgreSQL, as jobs get it in threads, on the event loop, and in processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.process_job import process_job
from support.runner_stage import RunnerStage
from systemprompt.databases.postgres_database import PostgresDatabase
from systemprompt.jobs.context import JobContext
from systemprompt.runner.runner import ChildDatabase

OPENER = "systemprompt.databases.postgres_database:PostgresDatabase"
SECRET = "s3cret-word"


@pytest.fixture
def database(one_postgres: str) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(one_postgres)) as database:
        database.execute("CREATE TABLE facts (who text, said text)")
        yield database


def who(database: PostgresDatabase) -> list[str]:
    return [row["who"] for row in database.fetch("SELECT who FROM facts ORDER BY 1")]


def test_async_jobs_and_plain_ones_share_one_pool_and_no_transaction(database: PostgresDatabase) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def holds(ctx: JobContext) -> str:
        with ctx.db_pool.transaction() as tx:
            tx.execute("INSERT INTO facts VALUES (?, 'async')", ("holder",))
            inside.set()
            await go_on.wait()
            raise ValueError("rolled back")

    async def goes_on(ctx: JobContext) -> str:
        await inside.wait()
        ctx.db_pool.execute("INSERT INTO facts VALUES (:who, 'async')", {"who": "other"})
        seen = await asyncio.to_thread(ctx.db_pool.fetch, "SELECT who FROM facts")
        go_on.set()
        return str([row["who"] for row in seen])

    def plain(ctx: JobContext) -> int:
        with ctx.db_pool.transaction() as tx:
            return tx.execute_many("INSERT INTO facts VALUES (?, 'thread')", [("one",), ("two",)])

    with RunnerStage(jobs_database=database) as stage:
        held, went_on = stage.start(holds, name="holds"), stage.start(goes_on, name="goes_on")
        assert stage.finished(went_on).outcome.message == "['other']"
        assert stage.finished(held).outcome.status == "failed"
        assert stage.finished(stage.start(plain, name="plain")).outcome.status == "success"
    assert who(database) == ["one", "other", "two"]


def test_a_job_in_a_process_of_its_own_gets_the_database_and_nobody_sees_its_password(
    database: PostgresDatabase, one_postgres: str, tmp_path: Path
) -> None:
    body = """
@job(name='work')
def work(ctx):
    with ctx.db_pool.transaction() as tx:
        tx.execute("INSERT INTO facts VALUES (:who, 'process')", {"who": "child"})
        assert tx.execute("INSERT INTO facts VALUES (?, ?)", ("child", "process")) == 1
    shown = []
    for pid in (os.getpid(), os.getppid()):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                shown.append(file.read().decode("utf-8", "replace"))
    assert all(shown)
    place = ctx.db_pool.address
    return json.dumps({"dialect": ctx.db_pool.dialect, "place": str(place), "known": SECRET in place.with_password(),
                       "shown": any(SECRET in text for text in shown)})
""".replace("SECRET", repr(SECRET))
    secret = one_postgres.replace("tester@", f"tester:{SECRET}@")
    assert SECRET in secret
    opener = ChildDatabase(opener=OPENER, location=secret)
    assert SECRET not in repr(opener)

    with process_job(tmp_path, body, child_database=opener) as (stage, run):
        outcome = stage.finished(run).outcome
        lines = stage.lines(run)

    shown = one_postgres.replace("tester@", "tester:***@")
    assert outcome.status == "success", outcome.error
    assert outcome.message == f'{{"dialect": "postgresql", "place": "{shown}", "known": true, "shown": false}}'
    assert lines == [], "its pool was closed without a word at the end"
    assert who(database) == ["child", "child"]


def test_an_async_job_in_a_process_of_its_own_uses_the_pool(
    database: PostgresDatabase, one_postgres: str, tmp_path: Path
) -> None:
    body = """
@job(name='work')
async def work(ctx):
    said = [asyncio.to_thread(ctx.db_pool.execute, "INSERT INTO facts VALUES (?, 'async')", (str(n),)) for n in range(8)]
    return str(sum(await asyncio.gather(*said)) + len(ctx.db_pool.fetch("SELECT 1")))
"""
    with process_job(tmp_path, body, child_database=ChildDatabase(opener=OPENER, location=one_postgres)) as (
        stage,
        run,
    ):
        assert stage.finished(run).outcome.message == "9"
    assert who(database) == [str(number) for number in range(8)]


def impatient(location: str) -> PostgresDatabase:
    """Opens the database in a child that does not wait long for a server."""
    return PostgresDatabase(location, patience=0.2)


def test_a_process_whose_database_does_not_answer_fails_and_says_so_without_the_password(tmp_path: Path) -> None:
    nowhere = f"postgresql://tester:{SECRET}@/app?host={tmp_path}"
    opener = ChildDatabase(opener=f"{__name__}:impatient", location=nowhere)
    body = "@job(name='work')\ndef work(ctx):\n    return ctx.db_pool.fetch('SELECT 1')\n"
    with process_job(tmp_path, body, child_database=opener) as (stage, run):
        outcome = stage.finished(run).outcome
        told = f"{outcome.message} {outcome.error} {stage.lines(run)}"
    assert outcome.status == "failed"
    assert "postgresql://tester:***@/app" in (outcome.message or "")
    assert SECRET not in told
