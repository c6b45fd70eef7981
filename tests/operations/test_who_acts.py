"""By which name the ledger knows who acts, and who notices that code or profile changed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from systemprompt.ledger.records import JobSpec
from systemprompt.nodes.events import Listeners
from systemprompt.operations.context import OperationContext
from systemprompt.operations.run_jobs import RunJobsParams, run_jobs
from systemprompt.profile.load import load_profile
from systemprompt.system import System

PROFILE = """\
database: sqlite:///app.db
entry_points: false
time_zone: Asia/Tokyo
extensions: [jobs.py]
scheduler:
  jobs:
    hello: {schedule: "@hourly", on_lost: rerun}
    disk: {command: ["true"]}
"""
JOBS = "from systemprompt import job\n\n@job()\ndef hello(): ...\n\n@job(time_zone='UTC')\ndef bye(): ...\n"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (tmp_path / "profile.yaml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "jobs.py").write_text(JOBS, encoding="utf-8")
    return tmp_path / "profile.yaml"


@pytest.fixture
def system(profile: Path) -> Iterator[System]:
    with System(load_profile(str(profile), {}), environ={}) as system:
        yield system


def known_as(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """Have the system know this user by a name, or by none."""

    def entry(uid: int) -> pwd.struct_passwd:
        if name is None:
            raise KeyError(uid)
        return pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", entry)


@pytest.mark.parametrize(
    ("known", "environ", "name"),
    [
        ("alice", {}, "alice"),
        ("alice", {"USER": "somebody", "LOGNAME": "somebody"}, "alice"),
        (None, {"USER": "ada", "LOGNAME": "bob"}, "ada"),
        (None, {"LOGNAME": "bob"}, "bob"),
        (None, {}, str(os.getuid())),
    ],
    ids=str,
)
def test_a_user_is_known_by_the_systems_name_else_by_the_environments(
    profile: Path, monkeypatch: pytest.MonkeyPatch, known: str | None, environ: dict[str, str], name: str
) -> None:
    known_as(monkeypatch, known)
    with System(load_profile(str(profile), {}), environ=environ) as system:
        assert system.actor == f"cli:{name}"
        assert system.noticed_by == f"command by {name}"


def test_a_run_by_hand_is_recorded_under_the_users_name(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(monkeypatch, "alice")
    system.sync()
    ran = run_jobs(OperationContext.of(system), RunJobsParams(names=("hello",))).jobs_run[0]
    assert ran.run_id is not None
    account = system.ledger.run(ran.run_id)
    assert account is not None
    assert account.actor == "cli:alice"


def test_what_serves_notices_as_the_node_that_it_is(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(monkeypatch, "alice")
    system.node("run", Listeners())
    assert system.noticed_by == "command by alice"
    node = system.node("serve", Listeners())
    assert system.noticed_by == f"node {node.node_id}"
    assert system.actor == "cli:alice"


def test_a_program_acts_and_notices_as_itself(profile: Path) -> None:
    with System(load_profile(str(profile), {}), environ={"USER": "ada"}, program="shop") as system:
        system.node("serve", Listeners())
        assert (system.actor, system.noticed_by) == ("program:shop", "program shop")


def test_the_ledger_is_told_what_the_profile_sets_of_each_job(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, tuple[str, ...]] = {}
    sync = system.ledger.sync_catalogue

    def heard(specs: list[JobSpec], *given: Any, **named: Any) -> Any:
        told.update({spec.name: spec.profile_sets for spec in specs})
        return sync(specs, *given, **named)

    monkeypatch.setattr(system.ledger, "sync_catalogue", heard)
    system.sync()

    assert told["hello"] == ("on_lost", "schedule", "time_zone")
    assert told["bye"] == ()
    assert {"schedule", "enabled", "catch_up"} < set(told["disk"])
    assert list(told["disk"]) == sorted(told["disk"])
