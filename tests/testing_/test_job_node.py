"""`systemprompt.testing.node`: a user's jobs fire in no time, and the accounts are real."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from systemprompt import Job, JobContext, JobResult, job, testing
from systemprompt.errors import JobDefinitionError, JobNotFound, ProfileNotFound, UsageError

seen: list[datetime | None] = []


@job(schedule="0 30 2 * * *")
def nightly(ctx: JobContext) -> JobResult:
    """Notes its fire time."""
    seen.append(ctx.fire_at)
    ctx.logger.info("tonight: %s", ctx.fire_at)
    return JobResult.success().with_message("slept well").with_stats(1, 0)


@job(schedule="0 0 * * * *", parameters={"limit": 3})
async def hourly(ctx: JobContext) -> str:
    await asyncio.sleep(0)
    return f"{ctx.get_parameter('limit', int)} items"


@job(schedule="0 */10 * * * *", timeout="25m")
def slow(ctx: JobContext) -> None:
    while not ctx.cancel.wait(60):
        pass
    ctx.raise_if_cancelled()


@job(schedule="@hourly")
def breaks() -> None:
    raise LookupError("nothing there")


@job(schedule="@hourly", isolation="process")
def apart() -> str:
    return "in a process of its own"


class Stays(Job):
    name = "stays"
    schedule = "0 0 * * * *"
    catch_up = "all"

    def execute(self, ctx: JobContext) -> None:
        pass


def test_a_day_passes_in_no_time_and_every_fire_time_has_its_account() -> None:
    seen.clear()
    with testing.node(jobs=[nightly, hourly], start="2026-05-01T12:00Z") as node:
        runs = node.advance("1d")
        assert node.now == datetime(2026, 5, 2, 12, tzinfo=UTC)
        assert (
            [run.fire_at for run in runs if run.job_name == "nightly"]
            == seen
            == [datetime(2026, 5, 2, 2, 30, tzinfo=UTC)]
        )
        assert [run.message for run in runs if run.job_name == "hourly"] == ["3 items"] * 24
        assert [run.fire_at for run in runs] == sorted(run.fire_at for run in runs if run.fire_at)
        assert all(run.succeeded and run.started_at == run.fire_at == run.finished_at for run in runs)
        assert node.runs("nightly") == [run for run in runs if run.job_name == "nightly"]
        assert len(node.runs()) == 25
        node.audit()


def test_two_lives_are_the_same_to_the_letter() -> None:
    def life() -> list[tuple[object, ...]]:
        with testing.node(jobs=[nightly, hourly, Stays]) as node:
            node.advance("36h")
            return [(run.run_id, run.job_name, run.fire_at, run.status) for run in node.runs()]

    assert life() == life()


def test_the_night_the_clocks_go_forward_and_the_night_they_go_back() -> None:
    with testing.node(jobs=[nightly], start="2026-03-28T12:00", time_zone="Europe/Berlin") as node:
        (spring,) = node.advance("1d")
        assert spring.fire_at is not None
        assert spring.fire_at.isoformat() == "2026-03-29T03:00:00+02:00", (
            "02:30 does not exist: it runs at the gap's end"
        )
        assert node.now.isoformat() == "2026-03-29T13:00:00+02:00"
        node.advance_to("2026-10-24T12:00")
        (autumn,) = node.advance("25h")
        assert autumn.fire_at is not None
        assert autumn.fire_at.isoformat() == "2026-10-25T02:30:00+02:00", "the first of two passes, and no second"
        node.audit()


def test_a_day_of_minutes_takes_a_second() -> None:
    ran = 0

    @job(schedule="* * * * *")
    def minutely() -> None:
        nonlocal ran
        ran += 1

    with testing.node(jobs=[minutely]) as node:
        assert len(node.advance("1d")) == ran == 1_440


def test_what_a_job_raises_comes_out_once_it_is_accounted_for() -> None:
    with testing.node(jobs=[breaks, hourly]) as node:
        with pytest.raises(LookupError, match="nothing there") as caught:
            node.advance("2h")
        assert caught.traceback[-1].name == "breaks"
        assert node.now.hour == 1
        assert [(run.status, run.reason) for run in node.runs("breaks")] == [("failed", "exception")]
        with pytest.raises(LookupError):
            node.run("breaks")
        with pytest.raises(LookupError):
            node.advance("1h")
        assert len(node.advance("50m")) == 0
        assert [run.status for run in node.runs("hourly")] == ["success"] * 2
        node.audit()


def test_of_two_jobs_that_raise_at_once_the_second_is_told_with_the_first() -> None:
    @job(schedule="@hourly")
    def breaks_too() -> None:
        raise ValueError("nor there")

    with testing.node(jobs=[breaks, breaks_too]) as node:
        with pytest.raises(LookupError) as caught:
            node.advance("1h")
        assert caught.value.__notes__ == ["at the same time job 'breaks_too' raised ValueError('nor there')"]
        assert {run.status for run in node.runs()} == {"failed"}


def test_a_failure_can_be_looked_at_instead() -> None:
    with testing.node(jobs=[breaks], raise_errors=False) as node:
        (run,) = node.advance("1h")
        assert (run.status, run.message) == ("failed", "LookupError: nothing there")
        assert 'raise LookupError("nothing there")' in (run.error or "")


@job(schedule="0 0 3 * * *", retry={"times": 2, "after": "5m"})
def shaky(ctx: JobContext) -> JobResult:
    return JobResult.success() if ctx.attempt == 3 else JobResult.failure("not yet")


def test_a_failed_run_is_tried_again_when_its_time_has_come() -> None:
    with testing.node(jobs=[shaky], start="2026-05-01T02:59Z") as node:
        node.advance("5m")
        (waits,) = node.runs("shaky")
        assert (waits.status, waits.attempt) == ("queued", 1)
        node.advance("15m")
        (run,) = node.runs("shaky")
        assert (run.status, run.attempt) == ("success", 3)
        node.audit()


def test_a_run_by_hand_is_tried_once() -> None:
    with testing.node(jobs=[shaky], start="2026-05-01T12:00Z") as node:
        run = node.run("shaky")
        assert (run.status, run.attempt, run.message) == ("failed", 1, "not yet")


def test_a_run_by_hand_has_parameters_and_an_account() -> None:
    with testing.node(jobs=[hourly]) as node:
        run = node.run("hourly", {"limit": "5"})
        assert (run.message, run.origin, run.fire_at) == ("5 items", "manual", None)
        with pytest.raises(JobNotFound, match="no job is named 'hourli'"):
            node.run("hourli")
        with pytest.raises(JobNotFound):
            node.runs("hourli")
        node.audit()


def test_waiting_lets_time_pass_so_overlap_and_timeout_can_be_tested() -> None:
    with testing.node(jobs=[slow, hourly]) as node:
        (first, other) = node.advance("60m")[:2]
        assert (first.job_name, first.status, first.reason) == ("slow", "failed", "timeout")
        assert first.finished_at is not None
        assert first.started_at is not None
        assert first.finished_at - first.started_at == timedelta(minutes=25)
        skipped = [run for run in node.runs("slow") if run.status == "skipped"]
        assert [run.fire_at.minute for run in skipped if run.fire_at][:2] == [20, 30]
        assert {run.reason for run in skipped} == {"overlap"}
        assert other.job_name in ("slow", "hourly")
        node.advance("1h")
        node.audit()


def test_while_it_is_down_nothing_fires_and_catch_up_decides() -> None:
    with testing.node(jobs=[hourly, Stays]) as node:
        back = node.down("5h30m")
        assert [run.origin for run in back] == ["catch_up"] * 6
        assert sorted(run.job_name for run in back) == ["hourly"] + ["stays"] * 5
        node.audit()


def test_a_job_can_run_in_a_process_of_its_own() -> None:
    with testing.node(jobs=[apart]) as node:
        (run,) = node.advance("1h")
        assert run.message == "in a process of its own", run.error
        node.audit()


def test_an_async_test_can_drive_async_jobs() -> None:
    async def main() -> None:
        with testing.node(jobs=[hourly]) as node:
            assert [run.message for run in node.advance("1h")] == ["3 items"]

    asyncio.run(main())


def test_what_jobs_log_takes_the_ordinary_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with testing.node(jobs=[nightly]) as node:
        node.run("nightly")
    assert "tonight: None" in caplog.messages


def test_a_profile_is_tested_with_its_own_words_and_its_data_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "notes.py").write_text(
        "from systemprompt import job\n\n\n@job()\ndef note(ctx):\n"
        "    ctx.db_pool.execute('CREATE TABLE IF NOT EXISTS notes (n)')\n"
        "    ctx.db_pool.execute('INSERT INTO notes VALUES (1)')\n"
        "    return str(ctx.db_pool.fetch_one('SELECT count(*) AS n FROM notes')['n'])\n"
    )
    (tmp_path / "profile.yaml").write_text(
        "database: sqlite:///app.db\ntime_zone: Asia/Tokyo\nextensions: [jobs/]\nentry_points: false\nscheduler:\n"
        '  jobs:\n    note: {schedule: "0 0 9 * * *"}\n    say: {schedule: "@daily", command: [echo, hello]}\n'
    )
    with testing.node(tmp_path, only=["note", "say"], start="2026-05-01T08:00") as node:
        assert [run.message for run in node.advance("2d")] == ["1", "hello", "2", "hello"]
        assert node.now.isoformat() == "2026-05-03T08:00:00+09:00"
        node.audit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs", "profile.yaml"]
    with testing.node(tmp_path / "profile.yaml", raise_errors=False) as node:
        assert {"note", "say", "log_cleanup"} <= {run.job_name for run in node.advance("1d")}
    with pytest.raises(JobNotFound), testing.node(tmp_path, only=["nothing"]):
        pytest.fail("it was opened")


def test_what_cannot_be_tested_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to test"), testing.node():
        pytest.fail("it was opened")
    with pytest.raises(ProfileNotFound), testing.node(tmp_path / "absent.yaml"):
        pytest.fail("it was opened")
    with pytest.raises(JobDefinitionError, match="is none"), testing.node(jobs=[print]):
        pytest.fail("it was opened")
    with pytest.raises(UsageError, match="'noon' is no instant"), testing.node(jobs=[nightly], start="noon"):
        pytest.fail("it was opened")
    with pytest.raises(JobDefinitionError, match="Mars"), testing.node(jobs=[nightly], time_zone="Mars/Base"):
        pytest.fail("it was opened")
    with testing.node(jobs=[nightly]) as node:
        with pytest.raises(UsageError, match="is past"):
            node.advance_to("2025-12-31")
        with pytest.raises(JobDefinitionError, match="is not a duration"):
            node.advance("soon")


def test_a_job_that_waits_for_ever_is_told_so() -> None:
    @job()
    def patient(ctx: JobContext) -> None:
        ctx.cancel.wait()

    with testing.node(jobs=[patient]) as node, pytest.raises(UsageError, match="nothing in this test would end it"):
        node.run("patient")
