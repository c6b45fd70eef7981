"""A node of this release beside one of the next, which has a policy and a migration more: one ledger, the same job files."""

from __future__ import annotations

import copy
import signal
from pathlib import Path
from typing import Any

import pytest

from support import release_of_tomorrow
from support.installation import Installation, serving

EVERY_SECOND = '@job(schedule="* * * * * *")\nasync def {name}() -> None:\n    pass\n'
HURRIED = '@job(schedule="* * * * * *", hurry="now")\nasync def hurried() -> None:\n    pass\n'


@pytest.fixture
def older(tmp_path: Path, one_postgres: str) -> Installation:
    made = Installation(tmp_path / "shop", database=one_postgres)
    made.job_file("plain.py", EVERY_SECOND.format(name="plain"))
    return made


@pytest.fixture
def newer(older: Installation, tmp_path: Path) -> Installation:
    """The same installation: its profile, its files, its ledger."""
    same = copy.copy(older)
    same.environ = older.environ | release_of_tomorrow.build(tmp_path / "build")
    return same


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()


def changes(installation: Installation, job: str) -> list[str]:
    return [one["cause"] for one in installation.sp("jobs", "show", job, "--versions")["data"]["changes"]]


def check(installation: Installation, name: str) -> list[str]:
    checks = installation.sp("doctor", code=1)["data"]["checks"]
    return [one["message"] for one in checks if one["name"] == name]


def listed(installation: Installation, job: str) -> dict[str, Any]:
    (found,) = [one for one in installation.sp("jobs", "list")["data"]["jobs"] if one["name"] == job]
    return dict(found)


def test_two_releases_serve_one_ledger_and_each_plans_what_it_knows(older: Installation, newer: Installation) -> None:
    with serving(older) as old_node:
        old_node.run_of("plain")
        older.job_file("shared.py", f"{HURRIED}\n\n{EVERY_SECOND.format(name='beside')}")
        old_node.wait("not_loaded")
        with serving(newer) as new_node:  # it migrates the ledger under the older one
            for _ in range(2):
                new_node.run_of("hurried")
            new_node.run_of("beside")
            new_node.signal(signal.SIGTERM)
            assert new_node.ended() == 0
        for _ in range(2):
            old_node.run_of("plain")  # it goes on alone
        old_node.signal(signal.SIGTERM)
        assert old_node.ended() == 0
    with serving(older) as old_node:  # and begins anew on the newer schema
        old_node.run_of("plain")
        assert listed(older, "hurried")["unknown_policies"] == ["hurry"]
        assert "beside it" in check(older, "ledger database")[0]
        assert "nodes of a newer release alone plan and run them" in check(older, "policies")[0]
        report = older.sp("jobs", "audit", code=1)["data"]
        assert {(one["kind"], one["job_name"]) for one in report["findings"]} == {("unknown_policy", "hurried")}
        with serving(newer) as new_node:
            new_node.run_of("hurried")
            begun = {event["job_name"] for event in old_node.seen if event["event"] == "run_started"}
            new_node.signal(signal.SIGTERM)
            assert new_node.ended() == 0
        old_node.signal(signal.SIGTERM)
        assert old_node.ended() == 0

    assert not begun & {"hurried", "beside"}
    assert newer.sp("jobs", "audit")["data"]["findings"] == []
    for job in ("hurried", "beside", "plain"):
        assert changes(newer, job) == ["added"], "nobody took turns in writing versions"
    failed = newer.sp("jobs", "history", "--status", "failed")["data"]["entries"]
    assert failed == [], "nobody began a run whose code it does not have"
