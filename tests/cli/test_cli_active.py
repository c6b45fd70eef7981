"""What runs and what waits, what the last run said, and how far it is: asked from beside the node that does it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli_session import CliSession

JOBS = """
import time, pathlib
from systemprompt import job

@job(timeout="1h")
def long_one(ctx):
    ctx.logger.info("began")
    ctx.progress(3, 10, "pages")
    while not pathlib.Path("GO").exists() and not ctx.cancel.wait(0.05):
        pass
    ctx.logger.info("went on")
    ctx.progress(10, 10, "pages")

@job()
def quick(ctx):
    ctx.logger.warning("said quickly")

@job()
def fails(ctx):
    raise ValueError("no")
"""
PROFILE = "database: sqlite:///data/app.db\nentry_points: false\nextensions: [jobs/]\nlimits: {misfire_grace: 60s}\n"


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[tuple[CliSession, subprocess.Popen[bytes]]]:
    """An installation in real time, where another process runs `long_one` and is waited for to have begun it."""
    cli = CliSession(tmp_path, jobs=JOBS.replace("GO", str(tmp_path / "go")), profile=PROFILE, real_time=True)
    assert cli.sp("jobs run quick").code == 0
    words = [sys.executable, "-m", "systemprompt", "--profile", str(cli.profile), "jobs", "run", "long_one"]
    other = subprocess.Popen(words, env={**cli.environ, "PATH": "/usr/bin:/bin"}, stdout=-3, stderr=-3)
    deadline = time.monotonic() + 30
    while not (entries := cli.sp("--json jobs active").data["entries"]) or entries[0]["progress"] is None:
        assert time.monotonic() < deadline
    yield cli, other
    (tmp_path / "go").touch()
    other.wait(30)


def test_what_runs_is_shown_with_its_node_its_limit_and_how_far_it_is(
    beside: tuple[CliSession, subprocess.Popen[bytes]],
) -> None:
    cli, other = beside
    data = cli.sp("--json jobs active").data
    (run,) = data["entries"]
    assert (data["total"], data["running"]) == (1, 1)
    assert (run["job_name"], run["status"], run["timeout_s"]) == ("long_one", "running", 3600.0)
    assert (run["node_pid"], run["node_state"]) == (other.pid, "serving")
    assert run["progress"] == {"done": 3, "total": 10, "note": "pages"}
    assert run["elapsed_s"] > 0
    assert run["usual_s"] is None
    assert "3 of 10, pages" in cli.sp("jobs active").out


def test_a_run_whose_node_was_killed_is_not_shown_as_if_it_ran(
    beside: tuple[CliSession, subprocess.Popen[bytes]],
) -> None:
    cli, other = beside
    other.kill()
    other.wait(30)
    (run,) = cli.sp("--json jobs active").data["entries"]
    assert (run["status"], run["node_state"]) == ("running", "gone")
    assert ", gone" in cli.sp("jobs active").out


def test_a_log_is_followed_until_the_run_has_ended(beside: tuple[CliSession, subprocess.Popen[bytes]]) -> None:
    cli, _ = beside
    words = [sys.executable, "-m", "systemprompt", "--json", "--profile", str(cli.profile), "jobs", "logs", "--follow"]
    said = cli.folder / "said"
    with said.open("wb") as stderr:
        following = subprocess.Popen(
            words, env={**cli.environ, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=stderr
        )
    deadline = time.monotonic() + 30
    while b"pages" not in said.read_bytes():
        assert time.monotonic() < deadline
    assert b"went on" not in said.read_bytes()
    (cli.folder / "go").touch()
    out, _ = following.communicate(timeout=30)
    told = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    document = json.loads(out)["data"]
    assert {(one["event"], one["job_name"]) for one in told} == {("said", "long_one")}
    assert [one["line"]["message"] for one in told] == [entry["message"] for entry in document["entries"]]
    assert [one["line"]["message"] for one in told] == ["began", "3 of 10, pages", "went on", "10 of 10, pages"]
    assert (document["status"], document["followed"]) == ("success", True)


def test_the_log_of_the_last_run_is_found_by_the_jobs_name_or_by_nothing(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE, real_time=True)
    nothing = cli.sp("--json jobs logs")
    assert (nothing.code, nothing.error["code"]) == (3, "not_found")
    first = cli.sp("--json jobs run quick").data["jobs_run"][0]["run_id"]
    cli.sp("--json jobs run fails")
    last = cli.sp("--json jobs run quick").data["jobs_run"][0]["run_id"]
    failed = cli.sp("--json jobs logs fails").data
    assert (failed["job_name"], failed["status"]) == ("fails", "failed")
    assert "ValueError: no" in failed["error"]
    assert cli.sp("--json jobs logs quick").data["run_id"] == last
    assert cli.sp("--json jobs logs").data["run_id"] == last
    assert cli.sp(f"--json jobs logs {first}").data["run_id"] == first
    assert [entry["message"] for entry in cli.sp("--json jobs logs quick").data["entries"]] == ["said quickly"]
    assert cli.sp("--json jobs logs long_one").error["message"] == "job 'long_one' has not run yet"
    assert cli.sp("--json jobs logs qiuck").error["code"] == "job_not_found"
    assert cli.sp("--json jobs logs 999").error["code"] == "run_not_found"


@pytest.mark.parametrize(
    "call", ["jobs list", "jobs history", "jobs show quick", "jobs logs quick", "jobs explain quick"]
)
def test_a_profile_that_does_not_read_hides_nothing_from_whoever_only_looks(tmp_path: Path, call: str) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE, real_time=True)
    broken = PROFILE + "limits: {lease: never}\nsecret: ${NOT_SET}\n"
    cli.profile.write_text(broken, encoding="utf-8")
    assert cli.sp(f"--json {call}").code == 4, "it never read without faults"
    cli.profile.write_text(PROFILE, encoding="utf-8")
    cli.sp("jobs run quick")
    cli.sp("jobs list")
    wanted = cli.sp(f"--json {call}").data
    cli.profile.write_text(broken, encoding="utf-8")

    answer = cli.sp(f"--json {call}")

    assert answer.code == 0
    assert answer.data.keys() == wanted.keys()
    assert answer.err.startswith("warning: the profile has faults now (profile ")
    assert answer.err.rstrip().endswith("this is by what it said when it last had none")
    assert cli.sp("--json jobs run quick").code == 4, "who acts needs a profile without faults"
