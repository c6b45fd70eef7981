"""Commands: what they are given, what is kept of them, how their end reads. Real processes."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.runner_stage import RunnerStage, at_home, python
from systemprompt.clock import ManualClock, from_datetime
from systemprompt.runner.executors.output import LineCutter, Tail


def test_a_command_that_ends_with_0_is_a_success_with_its_last_line_as_message() -> None:
    with RunnerStage() as stage:
        run = stage.start(["sh", "-c", "echo one; echo two >&2; echo; echo 'three  '; echo"])
        end = stage.finished(run)
        assert (end.outcome.status, end.outcome.reason, end.outcome.exit_code) == ("success", None, 0)
        assert end.outcome.message == "three"
        assert end.outcome.error is None
        assert end.outcome.output is not None
        assert "two" in end.outcome.output
        assert end.outcome.duration_ms > 0
        assert stage.lines(run, "stdout") == [("INFO", "stdout", line) for line in ("one", "", "three  ", "")]
        assert stage.lines(run, "stderr") == [("WARNING", "stderr", "two")]


def test_another_exit_code_is_a_failure_with_the_end_of_stderr() -> None:
    with RunnerStage() as stage:
        end = stage.finished(stage.start(["sh", "-c", "echo out; echo 'no such table: users' >&2; exit 3"]))
    assert (end.outcome.status, end.outcome.reason, end.outcome.exit_code) == ("failed", "exit_nonzero", 3)
    assert end.outcome.message == "the command ended with exit code 3"
    assert end.outcome.error == "no such table: users"


def test_a_command_that_a_signal_ends_is_killed() -> None:
    with RunnerStage() as stage:
        end = stage.finished(stage.start(["sh", "-c", "kill -SEGV $$"]))
    assert (end.outcome.status, end.outcome.reason, end.outcome.exit_code) == ("failed", "killed", None)
    assert end.outcome.message == "the command was killed by SIGSEGV"


def test_a_command_that_kills_its_whole_group_does_not_hit_its_guard() -> None:
    with RunnerStage() as stage:
        assert (
            stage.finished(stage.start(["sh", "-c", "kill -9 0"])).outcome.message
            == "the command was killed by SIGKILL"
        )
        assert (
            stage.finished(stage.start(["sh", "-c", "kill 0"])).outcome.message == "the command was killed by SIGTERM"
        )


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["no-such-program-anywhere"], "no folder of PATH holds a program of this name"),
        (["/no/such/file"], "there is no such file"),
        (["./plain"], "it is not executable"),
        (["./orphan"], "the interpreter named in its first line does not exist"),
        (["true", "a\0b"], "embedded null byte"),
    ],
)
def test_a_command_that_cannot_start_says_why(tmp_path: Path, command: list[str], text: str) -> None:
    (tmp_path / "plain").write_text("echo")
    (tmp_path / "orphan").write_text("#!/no/such/interpreter\n")
    (tmp_path / "orphan").chmod(0o755)
    with RunnerStage(settings=at_home(tmp_path)) as stage:
        end = stage.finished(stage.start(command))
    assert (end.outcome.status, end.outcome.reason, end.outcome.exit_code) == ("failed", "spawn_error", None)
    assert text in (end.outcome.message or "")
    assert end.outcome.error == end.outcome.message


def test_a_working_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with RunnerStage(settings=at_home(tmp_path)) as stage:
        end = stage.finished(stage.start(["true"], working_dir="gone"))
    assert end.outcome.message == f"cannot start 'true': working folder '{tmp_path}/gone': No such file or directory"


def test_a_command_finds_its_run_in_its_environment(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    show = "import json, os; print(json.dumps([os.getcwd(), os.read(0, 1).decode(), dict(os.environ)]))"
    with RunnerStage(settings=at_home(tmp_path)) as stage:
        run = stage.start(
            [sys.executable, "-c", show],
            name="feeds",
            fire_at=from_datetime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
            attempt=2,
            fence=9,
            defaults={"batch-size": 5, "dry": True},
            parameters={"tags": ["a", "b"]},
            environment={"COLOUR": "green", "SP_FENCE": "0"},
            working_dir="sub",
        )
        folder, stdin, environment = json.loads(stage.finished(run).outcome.output or "")
    assert (folder, stdin) == (str(tmp_path / "sub"), "")
    assert environment["PATH"] == os.environ["PATH"]
    ours = {key: value for key, value in environment.items() if key.startswith("SP_") or key == "COLOUR"}
    assert ours == {
        "COLOUR": "green",
        "SP_JOB_NAME": "feeds",
        "SP_RUN_ID": "1",
        "SP_FIRE_AT": "2026-01-02T03:04:05Z",
        "SP_ATTEMPT": "2",
        "SP_FENCE": "9",
        "SP_IDEMPOTENCY_KEY": "feeds@2026-01-02T03:04:05Z",
        "SP_PARAM_BATCH_SIZE": "5",
        "SP_PARAM_DRY": "true",
        "SP_PARAM_TAGS": "a,b",
    }
    assert environment["SYSTEMPROMPT_PROFILE"] == str(tmp_path / "profile.yaml")


def test_a_manual_run_has_no_fire_time_and_a_key_that_no_other_ledger_gives() -> None:
    with RunnerStage() as stage:
        end = stage.finished(stage.start(["sh", "-c", 'echo "${SP_FIRE_AT-none} $SP_IDEMPOTENCY_KEY"']))
    assert end.outcome.message == "none work@run-1@a_ledger"


def test_a_command_starts_with_usual_signals_and_no_descriptors_of_ours() -> None:
    with RunnerStage() as stage:
        end = stage.finished(
            stage.start(["sh", "-c", "ls /proc/self/fd | wc -l; grep -E 'Sig(Ign|Blk)' /proc/self/status"])
        )
    descriptors, _, blocked, _, ignored = (end.outcome.output or "").split()
    assert descriptors == "4"  # 0, 1, 2, and the folder that is being listed
    assert int(blocked, 16) == 0
    # Signals 32 and 33 belong to the C library: nobody can set them, and some surroundings hand them down ignored.
    assert int(ignored, 16) & 0x7FFF_FFFF == 0


def test_a_flood_is_cut_and_its_end_is_kept() -> None:
    flood = (
        "import os\nfor _ in range(2000): os.write(1, b'x' * 99 + b'\\n' + b'y' * 65436)\nos.write(1, b'\\nthe end\\n')"
    )
    with RunnerStage(max_output_bytes=100_000) as stage:
        run = stage.start(python(flood))  # 131 MB
        end = stage.finished(run)
        assert end.outcome.message == "the end"
        assert len(end.outcome.output or "") <= 4096
        lines = stage.lines(run)
        assert sum(len(message) for _, _, message in lines) < 100_000
        assert lines[-1][1:] == (
            "runner",
            "further output dropped: a run keeps its first 100000 bytes, and the end in its outcome",
        )


def test_binary_output_is_decoded_with_replacement() -> None:
    with RunnerStage() as stage:
        run = stage.start(python(r"import os; os.write(1, b'\xff\x00ok\n')"))
        assert stage.finished(run).outcome.message == "\ufffd\x00ok"
        assert stage.lines(run, "stdout") == [("INFO", "stdout", "\ufffd\\x00ok")]


def test_many_commands_run_at_once() -> None:
    with RunnerStage() as stage:
        runs = [stage.start(["sh", "-c", f"echo {number}"]) for number in range(30)]
        assert [stage.finished(run).outcome.message for run in runs] == [str(number) for number in range(30)]


def test_a_command_is_ended_at_its_timeout_even_if_it_then_exits_with_0() -> None:
    clock = ManualClock()
    code = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    with RunnerStage(clock=clock) as stage:
        run = stage.start(["sh", "-c", code], timeout_s=60)
        stage.said(run, "up")
        clock.advance(60)
        stage.runner.expire(clock.monotonic())
        end = stage.finished(run)
        assert (end.outcome.status, end.outcome.reason) == ("failed", "timeout")
        assert (end.outcome.output or "").split()[-1] == "bye"
        assert ("WARNING", "runner", "asked to stop: timeout") in stage.lines(run)


def test_a_cancelled_command_ends_as_cancelled() -> None:
    with RunnerStage() as stage:
        run = stage.start(["sleep", "1000"])
        stage.runner.cancel(run, "requested")
        assert stage.finished(run).outcome.reason == "requested"


def test_lines_are_cut_wherever_chunks_end() -> None:
    cutter = LineCutter(longest=6)
    assert cutter.feed("caf\u00e9".encode()[:4]) == []
    assert cutter.feed("caf\u00e9".encode()[4:] + b"\r\nab") == ["caf\u00e9"]
    assert cutter.feed(b"cdefgh") == []
    assert cutter.feed(b"ijk\n\nx") == ["abcdef ... (line cut)", ""]
    assert cutter.end() == ["x"]
    assert cutter.end() == []


def test_a_tail_keeps_whole_lines_where_it_can() -> None:
    tail = Tail(10)
    for chunk in (b"first\nsec", b"ond\n", b"third\n"):
        tail.add(chunk)
    assert tail.text() == "third"
    assert tail.last_line() == "third"
    tail.add(b"z" * 50)
    assert tail.text() == "z" * 10
