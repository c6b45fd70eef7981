"""Beginning an installation, and looking after it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support import cli_session
from systemprompt.clock import SECOND, ManualClock, iso
from systemprompt.errors import ConflictError, UsageError
from systemprompt.operations.context import OperationContext
from systemprompt.operations.init_profile import InitParams, init_profile
from systemprompt.operations.instants import read_instant
from systemprompt.operations.parameters import NoParams
from systemprompt.operations.profile import show_profile


def sp(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    answer = cli_session.sp(["--json", *words], folder, {"XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)})
    assert answer.code == code, answer
    return answer.document


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", "2026-01-14T11:58:30Z"),
        ("2h", "2026-01-14T10:00:00Z"),
        ("3d", "2026-01-11T12:00:00Z"),
        ("1w", "2026-01-07T12:00:00Z"),
        ("2026-01-14", "2026-01-13T23:00:00Z"),
        ("2026-01-14T10:30", "2026-01-14T09:30:00Z"),
        ("2026-01-14T10:30:00Z", "2026-01-14T10:30:00Z"),
        ("2026-01-14T10:30:00-05:00", "2026-01-14T15:30:00Z"),
    ],
)
def test_an_instant_is_so_long_ago_or_a_date_or_iso_8601(text: str, at: str) -> None:
    now = read_instant("2026-01-14T12:00:00Z", "since", 0, lambda: "UTC")

    assert iso(read_instant(text, "since", now, lambda: "Europe/Berlin")) == at


@pytest.mark.parametrize("text", ["", "h", "-2h", "2y", "yesterday", "2026-13-01", "99999999d", "1.5h", "²h"])
def test_what_is_no_instant_is_refused_by_the_name_of_its_parameter(text: str) -> None:
    with pytest.raises(UsageError, match="`since`"):
        read_instant(text, "since", 1_700_000_000 * SECOND, lambda: "UTC")


def test_init_writes_an_installation_whose_next_commands_work(tmp_path: Path) -> None:
    data = sp(tmp_path, "init", "site")["data"]

    assert data["next_commands"][0] == "cd site"
    assert Path(data["profile"]) == tmp_path / "site/.systemprompt/profiles/local/profile.yaml"
    assert all(os.path.isfile(path) for path in data["files"])
    site = tmp_path / "site"
    assert sp(site, "profile", "check")["data"]["valid"] is True
    for command in data["next_commands"][1:]:
        sp(site, *command.split()[1:])
    assert sp(site, "doctor")["data"]["healthy"] is True


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    context = OperationContext(actor="cli:tester", environ={}, cwd=str(tmp_path))
    first = init_profile(context, InitParams(dir="."))
    Path(first.profile).write_text("mine", encoding="utf-8")
    for path in first.files[1:]:
        os.unlink(path)

    with pytest.raises(ConflictError, match="nothing was written"):
        init_profile(context, InitParams(dir="."))

    assert Path(first.profile).read_text(encoding="utf-8") == "mine"
    assert not any(os.path.exists(path) for path in first.files[1:])
    assert sp(tmp_path, "init", code=6)["error"]["code"] == "conflict"


def test_a_new_job_is_listed_runs_and_its_test_passes(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    data = sp(tmp_path, "jobs", "new", "nightly_sums")["data"]

    assert data["listed"] is True
    assert data["next_commands"][0] == "sp jobs run nightly_sums"
    run = sp(tmp_path, "jobs", "run", "nightly_sums", "-p", "limit=3")["data"]["jobs_run"][0]
    assert (run["status"], run["result"]["items_processed"]) == ("success", 3)
    assert sp(tmp_path, "jobs", "new", "nightly_sums", code=6)["error"]["code"] == "conflict"


def test_a_new_job_does_not_take_the_name_of_another(tmp_path: Path) -> None:
    sp(tmp_path, "init")

    for name in ("session_cleanup", "hello"):
        error = sp(tmp_path, "jobs", "new", name, code=6)["error"]
        assert error["message"].startswith(f"a job is named {name!r} already, in ")
    assert not list(tmp_path.rglob("session_cleanup.py"))
    assert sp(tmp_path, "jobs", "show", "session_cleanup")["data"]["quarantine_error"] is None


def test_a_new_job_outside_the_profiles_folders_says_how_to_list_it(tmp_path: Path) -> None:
    data = sp(tmp_path, "jobs", "new", "alone", "--dir", "elsewhere")["data"]

    assert data["path"] == str(tmp_path / "elsewhere/alone.py")
    assert data["listed"] is False
    assert "extensions" in data["next_commands"][0]


def test_secrets_of_a_profile_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(
        "database: sqlite:///a.db\nscheduler:\n  jobs:\n    feed:\n      command: [curl, 'https://bob:hunter2@feed.example']\n"
        "      environment: {API_TOKEN: '${TOKEN}', REGION: eu}\n      parameters: {db_password: hunter2, limit: 3}\n",
        encoding="utf-8",
    )
    context = OperationContext(actor="cli:tester", environ={"TOKEN": "hunter2"}, cwd=str(tmp_path), profile=str(path))
    shown = show_profile(context, NoParams())

    assert "hunter2" not in repr(shown)
    job = shown.settings["jobs"]["feed"]
    assert job["environment"] == {"API_TOKEN": "***", "REGION": "eu"}
    assert job["parameters"] == {"db_password": "***", "limit": 3}
    assert job["command"] == ["curl", "https://bob:***@feed.example"]


def test_db_status_makes_nothing_and_migrate_makes_both_once(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    absent = sp(tmp_path, "db", "status")["data"]["databases"]
    assert [one["state"] for one in absent] == ["absent", "absent"]
    assert not any(os.path.exists(one["path"]) for one in absent)

    first = sp(tmp_path, "db", "migrate")["data"]
    again = sp(tmp_path, "db", "migrate")["data"]

    assert all(one["before"] == 0 < one["after"] for one in first["databases"])
    assert again["message"] == "Both databases are at the newest schema"
    assert [one["state"] for one in sp(tmp_path, "db", "status")["data"]["databases"]] == ["current", "current"]


def checks(folder: Path, code: int) -> dict[str, tuple[str, str | None]]:
    data = sp(folder, "doctor", code=code)["data"]
    return {check["name"]: (check["status"], check["mend"]) for check in data["checks"]}


def test_doctor_says_how_to_mend_a_missing_profile(tmp_path: Path) -> None:
    (status, mend) = checks(tmp_path, 1)["profile"]

    assert status == "fail"
    assert mend is not None
    assert "sp init" in mend


def test_doctor_sees_what_is_not_there_yet_and_makes_nothing(tmp_path: Path) -> None:
    sp(tmp_path, "init")

    found = checks(tmp_path, 0)

    assert found["ledger database"] == ("warn", "sp db migrate makes it")
    assert [one["state"] for one in sp(tmp_path, "db", "status")["data"]["databases"]] == ["absent", "absent"]


def test_doctor_sees_a_damaged_ledger_and_a_newer_one(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    ledger, application = (Path(one["path"]) for one in sp(tmp_path, "db", "migrate")["data"]["databases"])
    with sqlite3.connect(application) as connection:
        connection.execute("INSERT INTO systemprompt_migrations VALUES (99, '0099_future.sql', 0)")
    connection.close()
    ledger.write_bytes(b"no database at all" * 1000)

    assert "fail" in {status for name, (status, _) in checks(tmp_path, 1).items() if "database" in name}


def test_doctor_says_a_fault_in_two_places_once_and_sees_tables_that_are_not_there(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    home = tmp_path / ".systemprompt/profiles/local"
    (home / "jobs/twin.py").write_text("from systemprompt import job\n\n@job()\ndef hello(): pass\n", encoding="utf-8")
    with (home / "profile.yaml").open("a", encoding="utf-8") as profile:
        profile.write("tables:\n  logs: {table: app_log}\n  users: {table: user_contexts, columns: {email: mail}}\n")
        profile.write("  user_sessions: {table: user_sessions}\n")
    sp(tmp_path, "db", "migrate")

    found = sp(tmp_path, "doctor", code=1)["data"]["checks"]
    by_name = {check["name"]: check for check in found}

    assert [check["name"] for check in found].count("job hello") == 1
    assert by_name["job hello"]["message"].startswith("two jobs are named 'hello'")
    assert by_name["table for logs"]["mend"] == "mend tables.logs in the profile"
    assert by_name["table for users"]["message"] == "table 'user_contexts' has no column 'mail', needed as users.email"
    assert by_name["table for user_sessions"]["status"] == "ok"


def test_doctor_sees_a_clock_that_was_set_back_and_a_node_that_is_gone(tmp_path: Path) -> None:
    from systemprompt.nodes.identity import this_process
    from systemprompt.operations.doctor import DoctorParams, doctor
    from systemprompt.system import open_system

    sp(tmp_path, "init")
    sp(tmp_path, "db", "migrate")
    profile = str(tmp_path / ".systemprompt/profiles/local/profile.yaml")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    clock = ManualClock(1_800_000_000 * SECOND)
    with open_system(profile, environ=environ, clock=clock) as system:
        node = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=clock.now())
        system.ledger.join(node)
        system.ledger.turn(node.node_id, clock.now(), system.decide)

    clock.step(-3600)
    diagnosis = doctor(
        OperationContext(actor="cli:tester", environ=environ, cwd=str(tmp_path), clock=clock, profile=profile),
        DoctorParams(),
    )
    by_name = {check.name: check for check in diagnosis.checks}

    assert by_name["clock"].status == "fail"
    assert "run by hand what cannot wait" in str(by_name["clock"].mend)
    assert by_name["nodes"].status == "ok"
    assert f"pid {os.getpid()}" in by_name["nodes"].message
    assert not diagnosis.healthy


def test_a_dropped_trigger_is_found_by_doctor_db_status_and_the_audit(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    ledger, _ = (one["path"] for one in sp(tmp_path, "db", "migrate")["data"]["databases"])
    assert sp(tmp_path, "jobs", "audit")["data"]["schema"] == []
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        trigger, table = connection.execute(
            "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name LIMIT 1"
        ).fetchone()
        connection.execute(f"DROP TRIGGER {trigger}")
    sentence = f"trigger {trigger} on {table} is missing"

    by_name = {check["name"]: check for check in sp(tmp_path, "doctor", code=1)["data"]["checks"]}
    assert by_name["ledger schema"]["status"] == "fail"
    assert sentence in by_name["ledger schema"]["message"]
    assert by_name["clock"]["status"] == "ok", "the other checks are made anyway"
    assert sp(tmp_path, "db", "status")["data"]["databases"][0]["altered"] == [sentence]
    report = sp(tmp_path, "jobs", "audit", code=1)["data"]
    assert (report["clean"], report["schema"]) == (False, [sentence])
    assert report["verdict"].startswith(f"the ledger's schema was changed: {sentence}; apart from that clean")


def test_a_table_beside_the_ledgers_is_only_a_warning(tmp_path: Path) -> None:
    sp(tmp_path, "init")
    ledger, application = (one["path"] for one in sp(tmp_path, "db", "migrate")["data"]["databases"])
    for path in (ledger, application):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE notes (text)")

    found = checks(tmp_path, 0)

    assert found["ledger schema"][0] == "warn"
    assert "application schema" not in found, "a host's tables may live there"
    assert sp(tmp_path, "db", "status")["data"]["databases"][0]["added"] == ["table notes was added"]
    assert sp(tmp_path, "jobs", "audit")["data"]["clean"]
