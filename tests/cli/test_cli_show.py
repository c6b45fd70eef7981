"""`jobs show` says what a job is, who switched it and why, and what changed in each of its versions."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from support.cli_session import CliSession

JOBS = "from systemprompt import job\n\n@job(parameters={'region': 'eu', 'limit': 3})\ndef report(ctx): ...\n"
PROFILE = """database: sqlite:///data/app.db
entry_points: false
extensions: [jobs/]
scheduler:
  jobs:
    report: {enforce: true, parameters: {limit: 4}}
    fetch: {command: ["curl", "-s", "https://feed.example"], schedule: "@hourly", environment: {TOKEN: hunter2}, working_dir: data}
"""
WHO = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


def test_show_says_what_a_job_of_python_is(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    data = cli.sp("--json jobs show report").data
    assert (data["kind"], data["command"], data["enforce"]) == ("function", None, True)
    assert data["parameters"] == {"region": "eu", "limit": 4}
    assert "parameters       limit=4, region='eu'" in cli.sp("jobs show report").out
    assert data["source"].endswith("shop_jobs.py")


def test_show_says_what_a_command_is_and_names_its_variables_without_their_values(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    answer = cli.sp("--json jobs show fetch")
    data = answer.data
    assert (data["kind"], data["command"]) == ("command", ["curl", "-s", "https://feed.example"])
    assert data["environment"] == ["TOKEN"]
    assert str(data["working_dir"]).endswith("data")
    assert "hunter2" not in answer.out
    assert "curl -s https://feed.example" in cli.sp("jobs show fetch").out


def test_show_follows_the_profile(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    assert cli.sp("--json jobs show report").data["versions"] == 1
    cli.profile.write_text(PROFILE.replace("limit: 4", "limit: 5"), encoding="utf-8")
    data = cli.sp("--json jobs show report").data
    assert data["parameters"]["limit"] == 5
    assert data["versions"] == 1, "what a job is, is no part of its version"


def test_show_says_who_switched_a_job_when_and_why(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    assert cli.sp("--json jobs show fetch").data["switched"] is None
    cli.sp("jobs disable fetch --why", "vendor is down")
    switched = cli.sp("--json jobs show fetch").data["switched"]
    assert (switched["cause"], switched["actor"], switched["why"]) == ("disabled", WHO, "vendor is down")
    assert switched["valid_from"] == "2026-01-14T12:00:00Z"
    assert f"by {WHO}: vendor is down" in cli.sp("jobs show fetch").out


def test_a_second_reason_is_kept_and_nothing_is_said_to_have_been_done_twice(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    cli.sp("jobs disable fetch --why", "vendor is down")
    assert cli.clock is not None
    cli.clock.advance(60)
    again = cli.sp("--json jobs disable fetch --why", "contract ended").data
    assert (again["changed"], again["message"]) == (False, "Job 'fetch' is disabled already, now for this reason")
    same = cli.sp("--json jobs disable fetch --why", "contract ended").data
    assert (same["changed"], same["message"]) == (False, "Job 'fetch' is disabled already")
    data = cli.sp("--json jobs show fetch --versions").data
    assert [(one["cause"], one["why"]) for one in data["changes"]] == [
        ("added", ""),
        ("disabled", "vendor is down"),
        ("disabled", "contract ended"),
    ]
    assert data["switched"]["why"] == "contract ended"
    assert cli.sp("jobs audit").code == 0


def test_versions_say_what_changed_by_whom_and_who_noticed(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=JOBS, profile=PROFILE)
    cli.sp("jobs list")
    cli.profile.write_text(PROFILE.replace("@hourly", "@daily").replace("TOKEN", "KEY"), encoding="utf-8")
    cli.sp("jobs list")
    first, second = cli.sp("--json jobs show fetch --versions").data["changes"]
    assert (first["cause"], first["fields"], first["valid_until"]) == ("added", [], second["valid_from"])
    assert (second["cause"], second["fields"]) == ("changed", ["schedule"])
    assert (second["actor"], second["noticed_by"]) == ("profile", WHO)
    text = cli.sp("jobs show fetch --versions").out
    assert "changed: schedule" in text
    assert f"profile, noticed by {WHO}" in text
    assert cli.sp("--json jobs show fetch").data["changes"] == []
