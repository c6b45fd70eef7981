"""A node fires jobs every second while its ledger is copied; the copy, put elsewhere, is a whole ledger that goes on."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.installation import Installation, serving

JOBS = """\
from os.path import exists
from time import sleep

@job(schedule="* * * * * *", catch_up="all")
def every_one():
    sleep(0.01)

@job(schedule="* * * * * *", catch_up="skip")
def no_catching_up():
    pass

@job(schedule="* * * * * *", on_lost="rerun")
def long_one(ctx):
    while not exists(ctx.path("gate")):
        sleep(0.01)
"""


def test_a_copy_taken_in_mid_load_restores_to_a_ledger_that_accounts_for_the_gap(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (Installation(tmp_path / name, "limits: {misfire_grace: 1s}") for name in ("old", "new"))
    for one in (old, new):
        one.job_file("load.py", JOBS)
    copies = [str(tmp_path / f"copy{number}.db") for number in range(2)]
    with serving(old) as node:
        node.run_of("long_one")
        for copy in copies:
            taken = old.sp("db", "backup", copy, "--database", f"{copy}.app", "--audit")["data"]
            assert taken["clean"], taken["audit"]
        copied_at = datetime.now(UTC)
        in_use = old.sp("db", "restore", copies[0], "--replace", code=6)["error"]
        assert "in use by serve node " in in_use["message"]
        assert old.sp("db", "restore", copies[0], "--replace", "--dry-run", code=6)["error"] == in_use
        # A gap well over the misfire grace, however quick the commands are.
        later = (copied_at + timedelta(seconds=3)).isoformat()
        node.wait("run_started", lambda event: event["job_name"] == "every_one" and event["fire_at"] > later)
        (old.folder / "gate").touch()
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert old.sp("jobs", "audit")["data"]["clean"]

    restored = new.sp("db", "restore", copies[0], "--database", f"{copies[0]}.app")["data"]
    assert restored["settled"] >= 1, "the long one was running"
    (new.folder / "gate").touch()
    assert restored["fence"] > 10**15, "above all that the old ledger ever gave out"
    assert new.sp("jobs", "audit")["data"]["clean"]

    with serving(new) as node:
        caught_up = node.wait(
            "run_started", lambda event: event["job_name"] == "every_one" and event["origin"] == "catch_up"
        )
        assert caught_up["fire_at"] > restored["planned_through"]
        node.wait("run_started", lambda event: event["job_name"] == "every_one" and event["origin"] == "schedule")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    report = new.sp("jobs", "audit")["data"]
    assert report["clean"], report
    history = new.sp("jobs", "history", "-n", "1000", "--job", "no_catching_up")["data"]["entries"]
    assert "missed" in {entry["status"] for entry in history}, "the gap"
    numbers = {entry["run_id"] for entry in new.sp("jobs", "history", "-n", "1000")["data"]["entries"]} - {None}
    with closing(sqlite3.connect(copies[0])) as copy_of_old:
        copied = {
            run_id
            for (run_id,) in copy_of_old.execute("SELECT run_id FROM job_runs UNION SELECT run_id FROM open_runs")
        }
    assert numbers > copied
    assert min(numbers - copied) > max(copied), "no run's number is given twice"
