"""The reference's maintenance workflow in a new installation, and what a run says that only reported."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

HOUR = 3_600_000_000
HOME = ".systemprompt/profiles/local"
SP = f'sp() {{ "{sys.executable}" -m systemprompt --non-interactive "$@"; }}\n'
WORKFLOW = """
# Run all maintenance jobs
sp infra jobs run cleanup_inactive_sessions cleanup_empty_contexts database_cleanup

# Or run everything
sp infra jobs run --all

# Check results
sp --json jobs history -n 10
"""


class Place:
    """A new installation whose visitors have left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pasted("sp init\nsp db migrate")
        now = time.time_ns() // 1_000
        with closing(sqlite3.connect(folder / HOME / "data/app.db")) as db, db:
            db.executemany(
                "INSERT INTO user_sessions (id, started_at, last_activity_at) VALUES (?, 0, ?)",
                [("idle", now - 2 * HOUR), ("idler", 0), ("here", now)],
            )

    def pasted(self, text: str, code: int = 0) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SYSTEMPROMPT_")}
        environ |= {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
        done = subprocess.run(
            ["bash", "-c", SP + text], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def data(self, text: str) -> Any:
        return json.loads(self.pasted(f"sp --json {text}"))["data"]

    def sessions(self, where: str = "TRUE") -> list[str]:
        with closing(sqlite3.connect(self.folder / HOME / "data/app.db")) as db:
            return [name for (name,) in db.execute(f"SELECT id FROM user_sessions WHERE {where} ORDER BY 1")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_maintenance_workflow_leaves_no_idle_session(place: Place) -> None:
    first = WORKFLOW.strip().split("\n")[1]
    place.pasted(first)
    assert place.sessions("ended_at IS NULL") == ["here"]

    place.pasted(WORKFLOW)
    assert place.sessions() == ["here"]


def test_a_run_that_only_reported_says_so_wherever_it_is_read(place: Place) -> None:
    ran = place.data("jobs run session_cleanup -p dry_run=true")
    assert ran["jobs_run"][0]["result"]["dry_run"] is True
    assert ran["jobs_run"][0]["result"]["message"] == "Would clean up 2 inactive session(s)"
    assert place.data("jobs history")["entries"][0]["dry_run"] is True
    assert place.pasted("sp jobs run session_cleanup -p dry_run=true").endswith("\n1 only said what it would do\n")
    assert place.data("jobs run behavioral_analysis")["jobs_run"][0]["result"]["dry_run"] is True
    assert place.sessions() == ["here", "idle", "idler"]

    assert place.data("jobs run session_cleanup")["jobs_run"][0]["result"]["dry_run"] is False
    assert place.data("jobs history")["entries"][0]["dry_run"] is False
    assert place.sessions() == ["here"]


def test_a_table_of_the_host_is_cleaned_where_the_profile_says_so(place: Place) -> None:
    profile = place.folder / HOME / "profile.yaml"
    mapped = profile.read_text() + "\ntables:\n  user_sessions:\n    table: user_sessions\n"
    profile.write_text(mapped)

    kept = place.data("jobs cleanup-sessions")
    assert (kept["sessions_cleaned"], kept["dry_run"], kept["status"]) == (2, True, "success")
    assert "tables.user_sessions: the profile has no `clean: true` there" in kept["message"]
    assert place.sessions() == ["here", "idle", "idler"]

    profile.write_text(f"{mapped}    clean: true\n")
    done = place.data("jobs cleanup-sessions")
    assert (done["sessions_cleaned"], done["dry_run"]) == (2, False)
    assert place.sessions() == ["here"]


def test_show_says_whether_a_job_may_act_on_people(place: Place) -> None:
    profile = place.folder / HOME / "profile.yaml"
    assert place.data("jobs show behavioral_analysis")["enforce"] is False
    text = profile.read_text()
    profile.write_text(
        text.replace("  jobs:\n    content", "  jobs:\n    behavioral_analysis: {enforce: true}\n    content")
    )
    assert profile.read_text() != text
    for _ in range(2):  # read anew, and as it is remembered
        assert place.data("jobs show behavioral_analysis")["enforce"] is True
    assert place.data("jobs show session_cleanup")["enforce"] is False
