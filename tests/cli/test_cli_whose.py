"""Whose lines `sp` shows, and whose doing it records."""

from __future__ import annotations

import os
import pwd

from desk import Desk


def test_installations_that_share_a_database_read_each_their_own_runs(live: Desk) -> None:
    other = Desk(live.folder / "other", real_time=True)
    shared = f"{live.home}/data/app.db\nledger: sqlite:///data/own.ledger.db"
    other.profile.write_text(other.profile.read_text().replace("data/app.db", shared))
    live.sp("jobs run by_hand")
    other.sp("jobs run nightly_report")

    assert live.sp("--json jobs logs 1").data["entries"] == []
    assert "counting" in {entry["message"] for entry in other.sp("--json jobs logs 1").data["entries"]}


def test_a_new_ledger_shows_no_lines_of_the_one_before(live: Desk) -> None:
    live.sp("jobs run nightly_report")
    for file in (live.home / "data").glob("app.ledger.db*"):
        file.unlink()
    live.sp("jobs run by_hand")

    assert live.sp("--json jobs logs 1").data["job_name"] == "by_hand"
    assert live.sp("--json jobs logs 1").data["total"] == 0


def test_a_run_by_hand_names_the_user_also_where_the_environment_does_not(live: Desk) -> None:
    del live.environ["USER"]
    live.sp("jobs run by_hand")
    live.sp("jobs disable by_hand")

    (entry,) = live.sp("--json jobs history").data["entries"]
    assert entry["actor"] == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    with live.system() as system:
        job = system.ledger.job("by_hand")
        assert job is not None
        assert system.ledger.versions(job.job_id)[-1].actor == entry["actor"]
