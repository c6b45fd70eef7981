"""What a run says reaches the table, in order and in bounds, and no trouble with it reaches the run."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.runner_stage import LogDatabase, RunnerStage
from support.waiting import WAIT_S
from systemprompt.clock import ManualClock
from systemprompt.jobs.context import JobContext
from systemprompt.runner.log_records import MAX_LINE_CHARS, encode_fields
from systemprompt.runner.run_logs import RunLogs


@pytest.fixture
def database() -> Iterator[LogDatabase]:
    made = LogDatabase()
    yield made
    made.close()


def test_what_a_job_logs_is_kept_with_its_run() -> None:
    def work(ctx: JobContext) -> None:
        ctx.logger.debug("small")
        ctx.logger.getChild("part").warning("from %s", "a part", extra={"pages": 3})
        try:
            raise ValueError("12 apples")
        except ValueError:
            ctx.logger.exception("it broke")

    with RunnerStage() as stage:
        run = stage.start(work, name="feeds", attempt=2)
        stage.finished(run)
        lines = stage.lines(run)
        assert lines[:2] == [("DEBUG", "job", "small"), ("WARNING", "job", "from a part")]
        assert lines[2][0] == "ERROR"
        assert lines[2][2].startswith("it broke\nTraceback")
        assert lines[2][2].endswith("ValueError: 12 apples")
        rows = stage.database.fetch("SELECT DISTINCT job_name, ledger_id, run_id, attempt FROM logs")
        assert rows == [("feeds", "a_ledger", run, 2)]
        assert json.loads(stage.database.fetch("SELECT fields FROM logs")[1][0]) == {"pages": 3}


def test_a_run_leaves_no_logger_behind() -> None:
    def work(ctx: JobContext) -> None:
        ctx.logger.getChild("part").info("hello")

    before = set(logging.Logger.manager.loggerDict)
    with RunnerStage() as stage:
        stage.finished(stage.start(work, name="a_name_of_its_own"))
    assert not [name for name in set(logging.Logger.manager.loggerDict) - before if "a_name_of_its_own" in name]


@pytest.mark.parametrize(
    ("message", "arguments", "kept"),
    [
        ("%d apples", ("no",), "%d apples (its arguments do not fit: TypeError: "),
        ("a\x00b \udc80", (), "a\\x00b \\udc80"),
        ("x" * 10_000, (), "x" * 8192 + " ... (1808 more characters)"),
    ],
)
def test_no_message_is_too_odd_to_keep(message: str, arguments: tuple[str, ...], kept: str) -> None:
    with RunnerStage() as stage:
        run = stage.start(lambda ctx: ctx.logger.info(message, *arguments))
        assert stage.finished(run).outcome.status == "success"
        assert stage.lines(run)[0][2].startswith(kept)


def test_fields_that_json_cannot_say_cost_no_line() -> None:
    circular: dict[str, object] = {}
    circular["self"] = circular
    with RunnerStage() as stage:
        run = stage.start(lambda ctx: ctx.logger.info("kept", extra={"odd": circular}))
        stage.finished(run)
        assert stage.lines(run) == [("INFO", "job", "kept")]


def _deep(levels: int) -> list[object]:
    made: list[object] = []
    for _ in range(levels):
        made = [made]
    return made


class _Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": "y" * 9000},
        {"payload": '"\\' * 9000},
        {"payload": "ü\udc80\x00" * 3000},
        {"number": float("nan"), "far": float("inf"), "nested": {"in": [float("-inf")]}},
        {"deep": _deep(400)},
        {"deep": _deep(900)},
        {"wide": [[] for _ in range(3000)]},
        {"number": 10**5000},
        {"unshown": _Unshown()},
        {f"field_{number}": "x" * 90 for number in range(300)},
        {"k" * 9000: 1, 7: 2},
    ],
)
def test_whatever_fields_hold_they_are_kept_as_json_that_the_database_takes(fields: dict[str, Any]) -> None:
    text = encode_fields(fields)

    assert len(text) <= MAX_LINE_CHARS + 1000
    assert isinstance(json.loads(text), dict)
    assert sqlite3.connect(":memory:").execute("SELECT json_valid(?)", (text,)).fetchone() == (1,)


def test_fields_that_are_too_long_leave_the_others_whole_and_say_what_is_missing() -> None:
    kept = json.loads(encode_fields({"before": 1, "payload": "y" * 9000, "after": [2]}))

    assert kept["payload"].startswith('"yyy')
    assert kept["payload"].endswith(" ... (9002 characters of JSON)")
    assert (list(kept), kept["before"], kept["after"]) == (["before", "payload", "after"], 1, [2])
    many = json.loads(encode_fields({f"field_{number}": "x" * 100 for number in range(300)}))
    assert many["fields_left_out"] + len(many) - 1 == 300


def test_a_line_that_the_database_refuses_takes_no_other_with_it(
    database: LogDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", flush_after_s=3600)
    good, bad = logs.open(job_name="good", run_id=1, attempt=1), logs.open(job_name="bad", run_id=2, attempt=1)
    for number in range(100):
        good.write(f"line {number}", level="ERROR")
        if number % 40 == 20:
            bad.write("no instant of ours", at=2**70)
    assert logs.flush(WAIT_S)

    rows = database.fetch("SELECT message FROM logs WHERE run_id = 1 ORDER BY id")
    assert rows == [(f"line {number}",) for number in range(100)]
    ((told,),) = database.fetch("SELECT message FROM logs WHERE run_id = 2")
    assert told.startswith("2 lines dropped, refused by the database: ")
    assert caplog.text.count("dropped: the database refused them") == 1
    assert logs.close()


def test_a_record_that_a_filter_spoilt_is_kept(database: LogDatabase) -> None:
    def spoil(record: logging.LogRecord) -> bool:
        record.levelname, record.created = 5, float("nan")  # type: ignore[assignment]  # what nothing keeps a filter from
        return True

    logs = RunLogs(database, ledger_id="a_ledger", clock=ManualClock(123_456_789))
    logger = logs.open(job_name="work", run_id=1, attempt=1).logger()
    logger.addFilter(spoil)
    logger.info("kept")
    assert logs.close()
    assert database.fetch("SELECT created_at, level, message FROM logs") == [(123_456_789, "5", "kept")]


def test_a_job_that_says_again_and_again_that_it_is_done_fills_no_log(database: LogDatabase) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", lines_per_run=10)
    log = logs.open(job_name="work", run_id=1, attempt=1)
    for number in range(100):
        log.progress(number, number, "done")
    assert logs.close()
    assert database.fetch("SELECT count(*) FROM logs") == [(10,)]


def test_lines_that_were_dropped_are_counted(database: LogDatabase) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", lines_per_run=10)
    log = logs.open(job_name="work", run_id=1, attempt=1)
    for number in range(25):
        log.write(f"line {number}")
    assert log.dropped == 15
    assert logs.close()


def test_a_run_that_says_too_much_is_cut_with_one_line_that_says_so() -> None:
    def work(ctx: JobContext) -> None:
        for number in range(50):
            ctx.logger.info("line %d", number)

    with RunnerStage(lines_per_run=10) as stage:
        run, other = stage.start(work), stage.start(lambda ctx: ctx.logger.info("still heard"))
        stage.finished(run)
        stage.finished(other)
        assert [message for _, _, message in stage.lines(run)] == [f"line {number}" for number in range(10)] + [
            "further lines dropped: a run keeps its first 10"
        ]
        assert stage.lines(other) == [("INFO", "job", "still heard")]


def test_lines_wait_for_a_busy_database() -> None:
    with RunnerStage() as stage:
        stage.database.busy.set()
        run = stage.start(lambda ctx: ctx.logger.info("patience"))
        assert stage.finished(run).outcome.status == "success"
        assert stage.database.refused.wait(WAIT_S)
        stage.database.busy.clear()
        assert stage.lines(run) == [("INFO", "job", "patience")]


def test_lines_that_find_no_room_are_counted(database: LogDatabase) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", max_pending=5, flush_after_s=0)
    database.busy.set()
    log = logs.open(job_name="work", run_id=1, attempt=1)
    log.write("taken and tried")
    assert database.refused.wait(WAIT_S)
    for number in range(12):
        log.write(f"line {number}")
    database.busy.clear()
    assert logs.close()
    messages = [message for (message,) in database.fetch("SELECT message FROM logs ORDER BY id")]
    assert messages == [
        "taken and tried",
        *(f"line {number}" for number in range(5)),
        "7 lines dropped: they came faster than the database took them",
    ]


def test_lines_are_written_in_batches(database: LogDatabase) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", flush_after_s=3600)
    log = logs.open(job_name="work", run_id=1, attempt=1)
    for number in range(400):
        log.write(str(number))
    assert logs.flush(WAIT_S)
    assert database.commits <= 2
    assert logs.close()


def test_a_database_that_refuses_lines_fails_no_job(caplog: pytest.LogCaptureFixture) -> None:
    with RunnerStage() as stage:
        stage.database.fetch("DROP TABLE logs")
        run = stage.start(lambda ctx: ctx.logger.info("into the void"))
        assert stage.finished(run).outcome.status == "success"
        assert stage.logs.flush(WAIT_S)
    assert "1 log line of work dropped: the database refused them" in caplog.text
    assert any(record.exc_info and record.exc_info[0] is sqlite3.OperationalError for record in caplog.records)


def test_closing_gives_up_on_a_database_that_stays_busy(
    database: LogDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database.busy.set()
    logs = RunLogs(database, ledger_id="a_ledger", flush_after_s=0)
    logs.open(job_name="work", run_id=1, attempt=1).write("lost")
    assert database.refused.wait(WAIT_S)
    assert not logs.close(timeout=0)
    assert "1 log lines were not written" in caplog.text


def test_without_a_database_lines_go_nowhere() -> None:
    logs = RunLogs(None, ledger_id="a_ledger")
    logs.open(job_name="work", run_id=1, attempt=1).write("gone")
    assert logs.flush(0)
    assert logs.close()


def test_lines_carry_the_clocks_instant(database: LogDatabase) -> None:
    logs = RunLogs(database, ledger_id="a_ledger", clock=ManualClock(123_456_789))
    logs.open(job_name="work", run_id=None, attempt=1).write("now")
    assert logs.close()
    assert database.fetch("SELECT created_at FROM logs") == [(123_456_789,)]


def test_many_threads_write_to_one_log() -> None:
    def work(ctx: JobContext) -> None:
        def say(who: int) -> None:
            for number in range(100):
                ctx.logger.info("%d %d", who, number)

        threads = [threading.Thread(target=say, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with RunnerStage() as stage:
        run = stage.start(work)
        stage.finished(run)
        lines = [tuple(map(int, message.split())) for _, _, message in stage.lines(run)]
        assert len(lines) == 800
        assert [number for who, number in lines if who == 3] == list(range(100))
