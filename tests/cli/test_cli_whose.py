"""Whose lines `sp` shows, and whose doing it records."""

from __future__ import annotations

import os
import pwd

from support.cli_session import CliSession


def test_installations_that_share_a_database_read_each_their_own_runs(live: CliSession) -> None:
    other = CliSession(live.folder / "other", real_time=True)
    shared = f"{live.home}/data/app.db\nledger: sqlite:///data/own.ledger.db"
    other.profile.write_text(other.profile.read_text().replace("data/app.db", shared))
    live.sp("jobs run by_hand")
    other.sp("jobs run nightly_report")

    assert live.sp("--json jobs logs 1").data["entries"] == []
    assert "counting" in {entry["message"] for entry in other.sp("--json jobs logs 1").data["entries"]}


def test_a_new_ledger_shows_no_lines_of_the_one_before(live: CliSession) -> None:
    live.sp("jobs run nightly_report")
    for file in (live.home / "data").glob("app.ledger.db*"):
        file.unlink()
    live.sp("jobs run by_hand")

    assert live.sp("--json jobs logs 1").data["job_name"] == "by_hand"
    assert live.sp("--json jobs logs 1").data["total"] == 0


def test_a_run_by_hand_names_the_user_also_where_the_environment_does_not(live: CliSession) -> None:
    del live.environ["USER"]
    live.sp("jobs run by_hand")
    live.sp("jobs disable by_hand")

    (entry,) = live.sp("--json jobs history").data["entries"]
    assert entry["actor"] == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    with live.system() as system:
        job = system.ledger.job("by_hand")
        assert job is not None
        assert system.ledger.versions(job.job_id)[-1].actor == entry["actor"]


def test_a_change_of_the_profile_or_the_code_is_theirs_and_not_of_whoever_typed_the_next_command(
    live: CliSession,
) -> None:
    live.sp("jobs list")
    name = pwd.getpwuid(os.getuid()).pw_name

    live.profile.write_text(live.profile.read_text().replace("{owner: ops}", '{schedule: "0 0 4 * * *"}'))
    live.sp("jobs show nightly_report")
    jobs = next(live.folder.rglob("jobs/*.py"))
    jobs.write_text(jobs.read_text().replace('"0 */15 * * * *"', '"0 */10 * * * *"'))
    live.sp("jobs list")
    live.profile.write_text(live.profile.read_text().replace('{schedule: "0 0 4 * * *"}', "{}"))
    live.sp("jobs list")
    answer = live.sp("jobs", "disable", "by_hand", "--why", "it is back and retired")
    assert answer.code == 0, answer

    with live.system() as system:
        told = {
            (view.name, version.version): (version.cause, version.actor, version.noticed_by, version.why)
            for view in system.ledger.jobs()
            for version in system.ledger.versions(view.job_id)
        }
    noticed = f"cli:{name}"
    assert told["nightly_report", 1] == ("added", "code", noticed, "")
    assert told["nightly_report", 2] == ("changed", "profile", noticed, "schedule")
    assert told["nightly_report", 3] == ("changed", "profile", noticed, "schedule")
    assert told["broken_feed", 2] == ("changed", "code", noticed, "schedule")
    assert told["by_hand", 2] == ("disabled", f"cli:{name}", "", "it is back and retired")
