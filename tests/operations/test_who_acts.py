"""By which name the ledger knows who acts, and who notices that code or profile changed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from systemprompt.cli.settings import user_name
from systemprompt.ledger.records import JobSpec
from systemprompt.nodes.events import Listeners
from systemprompt.operations.context import OperationContext
from systemprompt.operations.run_jobs import RunJobsParams, run_jobs
from systemprompt.operations.switch_job import SwitchJobParams, disable_job
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
    monkeypatch: pytest.MonkeyPatch, known: str | None, environ: dict[str, str], name: str
) -> None:
    known_as(monkeypatch, known)
    assert user_name(environ) == name


def test_who_acts_is_passed_with_the_call(profile: Path) -> None:
    context = OperationContext(actor="mcp:agent", environ={}, cwd=".", profile=str(profile))
    ran = run_jobs(context, RunJobsParams(names=("hello",))).jobs_run[0]
    switch = SwitchJobParams(name="hello", why="holiday")
    disable_job(context, switch)
    assert ran.run_id is not None
    with System(load_profile(str(profile), {}), environ={}) as system:
        account = system.ledger.run(ran.run_id)
        assert account is not None
        assert account.actor == "mcp:agent"
        job = system.ledger.job("hello")
        assert job is not None
        versions = system.ledger.versions(job.job_id)
        assert [(one.actor, one.noticed_by) for one in versions] == [("code", "mcp:agent"), ("mcp:agent", "")]


def test_what_serves_notices_as_the_node_that_it_is(profile: Path) -> None:
    with System(load_profile(str(profile), {}), environ={}, opened_by="cli:alice") as system:
        system.node("run", Listeners())
        assert system.noticed_by == "cli:alice"
        node = system.node("serve", Listeners())
        assert system.noticed_by == f"node {node.node_id}"


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
