"""Jobs in a process of their own: the same job, the same context, and an end for certain. Real processes."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.process_job import process_job
from support.runner_stage import Lifeline
from systemprompt.clock import from_datetime
from systemprompt.databases.address import Address
from systemprompt.jobs.settings import (
    ContentSource,
    FileSource,
    HostTable,
    JobSettings,
    Paths,
    PublishTarget,
    Retention,
)
from systemprompt.runner.flight import Finished
from systemprompt.runner.runner import ChildDatabase


def _end(folder: Path, body: str, **options: Any) -> Finished:
    with process_job(folder, body, **options) as (stage, run):
        return stage.finished(run)


def test_a_job_in_a_process_of_its_own_gets_the_whole_context(tmp_path: Path) -> None:
    settings = JobSettings(
        paths=Paths(home=str(tmp_path), profile=str(tmp_path / "profile.yaml")),
        time_zone="Europe/Berlin",
        content_sources=(ContentSource(name="notes", path="notes"),),
        file_sources=(FileSource(name="scans", path="scans", pattern="**/*.pdf"),),
        publish=PublishTarget(path="site"),
        tables={"logs": HostTable(table="app_logs", columns={"level": "severity"})},
        retention=Retention(logs_days=3),
        batch_size=7,
        ledger=Address("/srv/app.ledger.db"),
    )
    body = """
@job(name="work")
def work(ctx):
    ctx.progress(2, 2, "both")
    ctx.logger.info("%s pages", 3, extra={"pages": 3, "where": {1}})
    logging.getLogger("a.library").warning("from a library")
    print("on stdout", os.getpid() != ctx.get_parameter("node", int))
    print("on stderr", file=sys.stderr)
    assert repr(ctx.settings) == ctx.get_parameter("settings"), ctx.settings
    assert sys.stdin.read() == ""
    said = (ctx.job_name, ctx.run_id, ctx.fire_at.isoformat(), ctx.attempt, ctx.fence, ctx.actor, ctx.enforce)
    return JobResult.success().with_message(repr(said)).with_stats(3, 1).with_dry_run()
"""
    with process_job(
        tmp_path,
        body,
        settings=settings,
        fire_at=from_datetime(datetime(2026, 7, 1, 10, tzinfo=UTC)),
        time_zone="Europe/Berlin",
        attempt=2,
        fence=5,
        actor="cli:alice",
        enforce=True,
        defaults={"node": os.getpid()},
        parameters={"settings": repr(settings)},
    ) as (stage, run):
        end = stage.finished(run)
        assert end.outcome.status == "success", end.outcome.error
        assert end.outcome.message == "('work', 1, '2026-07-01T12:00:00+02:00', 2, 5, 'cli:alice', True)"
        assert (end.outcome.items_processed, end.outcome.items_failed, end.outcome.exit_code) == (3, 1, 0)
        assert end.outcome.dry_run
        assert stage.progress == [(run, 2, 2, "both")]
        assert sorted(stage.lines(run)) == [
            ("DEBUG", "progress", "2 of 2, both"),
            ("INFO", "job", "3 pages"),
            ("INFO", "stdout", "on stdout True"),
            ("WARNING", "job", "from a library"),
            ("WARNING", "stderr", "on stderr"),
        ]
        (fields,) = stage.database.fetch("SELECT fields FROM logs WHERE message = '3 pages'")
        assert fields == ('{"pages": 3, "where": "{1}"}',)


@pytest.mark.parametrize(
    ("code", "status", "reason", "text"),
    [
        ("return None", "success", None, None),
        ("return {1: object}", "success", None, "{1: <class 'object'>}"),
        ("return JobResult.failure('feed is gone')", "failed", "reported", "feed is gone"),
        ("raise ValueError('12 apples')", "failed", "exception", "ValueError: 12 apples"),
        ("sys.exit(4)", "failed", "exception", "SystemExit: 4"),
        ("os._exit(4)", "failed", "exit_nonzero", "the job's process ended with exit code 4"),
        (
            "atexit.register(os._exit, 3)",
            "failed",
            "exit_nonzero",
            "the job said success, and then the job's process ended with exit",
        ),
        (
            "atexit.register(os.abort); return 'ok'",
            "failed",
            "killed",
            "the job said success (ok), and then the job's process was killed by SIGABRT",
        ),
        ("atexit.register(os._exit, 3); raise ValueError('no')", "failed", "exception", "ValueError: no"),
        ("os._exit(0)", "failed", "exception", "the job's process ended with exit code 0 and did not say"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "failed", "killed", "the job's process was killed by SIGSEGV"),
    ],
)
@pytest.mark.parametrize("kind", ["", "async "])
def test_a_process_ends_as_its_job_does(
    tmp_path: Path, kind: str, code: str, status: str, reason: str | None, text: str | None
) -> None:
    if kind and "os." in code:
        code = f"await asyncio.sleep(0); {code}"
    end = _end(tmp_path, f"@job(name='work')\n{kind}def work():\n    {code}\n")
    assert (end.outcome.status, end.outcome.reason) == (status, reason)
    assert (end.outcome.message or "").startswith(text or "")
    if reason == "exception" and "raise" in code:
        assert "in work" in (end.outcome.error or "")


def test_the_last_words_of_a_process_that_dies_are_its_error(tmp_path: Path) -> None:
    body = "@job(name='work')\ndef work():\n    print('out of cheese', file=sys.stderr)\n    os.abort()\n"
    end = _end(tmp_path, body)
    assert (end.outcome.reason, end.outcome.error) == ("killed", "out of cheese")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("@job(name='other')\ndef work(): ...\n", "holds no job named 'work'"),
    ],
)
def test_a_job_that_does_not_load_in_its_process_says_why(tmp_path: Path, body: str, text: str) -> None:
    end = _end(tmp_path, body)
    assert (end.outcome.status, end.outcome.reason) == ("failed", "not_loaded")
    assert text in (end.outcome.error or "")


@pytest.mark.parametrize(
    "body",
    [
        "def work(ctx):\n    print('up')\n    ctx.cancel.wait(60)\n    ctx.raise_if_cancelled()\n",
        "async def work(ctx):\n    print('up')\n    await asyncio.sleep(60)\n",
    ],
)
def test_term_asks_a_job_in_a_process_to_stop(tmp_path: Path, body: str) -> None:
    with process_job(tmp_path, f"@job(name='work')\n{body}", kill_grace=30) as (stage, run):
        stage.said(run, "up")
        stage.runner.cancel(run, "shutdown")
        end = stage.finished(run)
    assert (end.outcome.status, end.outcome.reason) == ("cancelled", "shutdown")


def test_a_job_in_a_process_that_does_not_stop_is_ended(tmp_path: Path) -> None:
    pipe = Lifeline(tmp_path)
    body = f"""
@job(name="work")
def work():
    fd = os.open({pipe.path!r}, os.O_WRONLY)
    if os.fork() == 0:
        os.setsid()
    os.write(fd, b"up\\n")
    while True:
        time.sleep(60)
"""
    with process_job(tmp_path, body, kill_grace=0.1) as (stage, run):
        assert pipe.word() == "up"
        assert pipe.word() == "up"
        stage.runner.cancel(run, "lease_lost")
        assert stage.finished(run).outcome.reason == "lease_lost"
        pipe.ended()


def test_a_result_counts_though_its_process_does_not_end_by_itself(tmp_path: Path) -> None:
    body = (
        "@job(name='work')\ndef work():\n    threading.Thread(target=time.sleep, args=(60,)).start()\n    return 'ok'\n"
    )
    with process_job(tmp_path, body, kill_grace=0.1) as (stage, run):
        assert stage.finished(run).outcome.message == "ok"
        assert "threads that are not daemons" in stage.lines(run, "stderr")[0][2]


SAYS = """
@job(name="work")
def work(ctx):
    channel = next(fd for fd in map(int, sys.argv[1:]))
    def says(**message):
        os.write(channel, json.dumps(message).encode() + b"\\n")
"""
RESULT = {
    "status": "success", "reason": None, "message": None, "error": None, "items_processed": 0, "items_failed": 0,
    "duration_ms": 1, "dry_run": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"status": "success", "duration_ms": "x"}, "'items_processed' is absent"),
        (RESULT | {"duration_ms": "x"}, "'duration_ms' is of type str"),
        (RESULT | {"duration_ms": -1}, "'duration_ms' is out of range"),
        (RESULT | {"items_failed": 2**63}, "'items_failed' is out of range"),
        (RESULT | {"items_failed": True}, "'items_failed' is of type bool"),
        (RESULT | {"items_failed": 0.5}, "'items_failed' is of type float"),
        (RESULT | {"message": ["m"]}, "'message' is of type list"),
        (RESULT | {"error": "e"}, "it is a success with a reason or an error"),
        (RESULT | {"status": "running"}, "its status is 'running', its reason None"),
        (RESULT | {"status": "cancelled", "reason": "requested"}, "its status is 'cancelled', its reason 'requested'"),
        (RESULT | {"status": "failed", "reason": "node_lost"}, "its status is 'failed', its reason 'node_lost'"),
        (RESULT | {"status": ["failed"], "reason": None}, "its status is ['failed'], its reason None"),
        (RESULT | {"reason": {}}, "'reason' is of type dict"),
        (RESULT | {"dry_run": "no"}, "'dry_run' is of type str"),
        ("success", "'outcome' is of type str"),
    ],
)
def test_a_result_that_cannot_be_read_is_the_runs_failure(tmp_path: Path, sent: object, why: str) -> None:
    body = f"{SAYS}    says(kind='result', cancellation=False, stopped=False, outcome={sent!r})\n    os._exit(0)\n"
    outcome = _end(tmp_path, body).outcome

    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert outcome.message == f"the job's process sent a result that cannot be read: {why}"


def test_the_result_of_a_process_that_also_sent_an_unreadable_one_is_no_success(tmp_path: Path) -> None:
    body = f"{SAYS}    says(kind='result', cancellation=0, outcome={{}})\n    return 'all is well'\n"

    assert _end(tmp_path, body).outcome.status == "failed"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("says(kind='log', message=[1], level='INFO', fields=None, created=1)", "'message' is of type list"),
        ("says(kind='log', message='m', level={}, fields=None, created=1)", "'level' is of type dict"),
        ("says(kind='log', message='m', level='INFO', fields=[1], created=1)", "'fields' is of type list"),
        ("says(kind='log', message='m', level='INFO', fields=None, created='now')", "'created' is of type str"),
        ("says(kind='progress', done='1', total=None, note='')", "'done' is of type str"),
        ("says(kind='progress', done=2**70, total=None, note='')", "'done' is out of range"),
        ("says(kind='result\\n')", "its kind is 'result\\n'"),
        ("says(kind=7)", "'kind' is of type int"),
        ("os.write(channel, b'[' * 100_000 + b'\\n')", "maximum recursion depth exceeded"),
        ("os.write(channel, b'[1]\\n')", "'kind' is absent"),
        ("os.write(channel, b'\\xff\\n')", "'utf-8' codec can't decode byte 0xff"),
        ("os.write(channel, b'9' * 2_000_000 + b'\\n')", "it is longer than 1,048,576 bytes"),
    ],
)
def test_a_message_that_cannot_be_read_is_told_in_the_runs_log(tmp_path: Path, code: str, why: str) -> None:
    with process_job(tmp_path, f"{SAYS}    {code}\n    ctx.logger.info('and on')\n    return 'ok'\n") as (stage, run):
        assert stage.finished(run).outcome.message == "ok"
        told, after = stage.lines(run)
        assert told[:2] == ("WARNING", "runner")
        assert told[2].startswith(f"unreadable message from the job's process: {why}")
        assert after == ("INFO", "job", "and on")


def test_a_log_line_from_no_time_of_ours_is_kept_with_the_nodes(tmp_path: Path) -> None:
    body = f"{SAYS}    says(kind='log', message='m', level='X' * 99, fields={{}}, created=1e300)\n"
    with process_job(tmp_path, body) as (stage, run):
        stage.finished(run)
        assert stage.lines(run) == [("X" * 20, "job", "m")]


def test_a_large_context_and_many_log_lines_pass(tmp_path: Path) -> None:
    body = """
@job(name="work")
def work(ctx):
    for number in range(5000):
        ctx.logger.debug("line %d", number)
    return str(len(ctx.get_parameter("long")))
"""
    with process_job(tmp_path, body, parameters={"long": "x" * 1_000_000}) as (stage, run):
        assert stage.finished(run).outcome.message == "1000000"
        assert [line[2] for line in stage.lines(run)] == [f"line {number}" for number in range(5000)]


def open_for_a_test(location: str) -> Any:
    """Stands in for the profile's database in a child."""
    connection = sqlite3.connect(location)

    class Opened:
        dialect = "sqlite"

        def fetch(self, sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        def close(self) -> None:
            connection.close()

    return Opened()


def test_the_database_is_opened_again_in_theprocess_job(tmp_path: Path) -> None:
    path = str(tmp_path / "app.db")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE facts AS SELECT 'from the database' AS fact")
    connection.commit()
    connection.close()
    body = "@job(name='work')\ndef work(ctx):\n    return ctx.db_pool.fetch('SELECT fact FROM facts')[0][0]\n"
    opener = ChildDatabase(opener="test_runner_process_jobs:open_for_a_test", location=path)
    end = _end(tmp_path, body, child_database=opener)
    assert end.outcome.message == "from the database", end.outcome.error


def test_a_job_in_a_process_of_its_own_that_is_not_ours_is_not_sent_the_password_of_the_ledger(tmp_path: Path) -> None:
    body = """
@job(name="work")
def work(ctx):
    return ctx.settings.ledger.with_password()
"""
    ledger = Address("postgresql://app:hunter2@h/shop")

    end = _end(tmp_path, body, settings=JobSettings(paths=Paths(home=str(tmp_path)), ledger=ledger))

    assert end.outcome.message == "postgresql://app:***@h/shop"
