"""A job file that does not load is news: a real node says which file, which line and why, at start and after each edit."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.installation import SP, Installation, NodeProcess, serving
from support.waiting import WAIT_S

STEADY = '@job()\ndef steady() -> str:\n    return "done"\n'
TORN = "@job()\ndef nightly():\n    return (1,\n"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    installation.job_file("steady.py", STEADY)
    return installation


def path_of(installation: Installation, name: str) -> str:
    return str(installation.folder / "jobs" / name)


def not_loaded(node: NodeProcess, name: str) -> dict[str, Any]:
    return node.wait("not_loaded", lambda event: event["source"].endswith(name))


def test_a_new_job_file_that_does_not_load_is_told_with_file_line_and_error(installation: Installation) -> None:
    with serving(installation) as node:
        installation.job_file("torn.py", TORN)
        assert node.wait("reloaded")["not_loaded"] == [path_of(installation, "torn.py")]
        told = not_loaded(node, "torn.py")

    assert (told["file"], told["line"]) == (path_of(installation, "torn.py"), 6)
    assert "SyntaxError: '(' was never closed (torn.py, line 6)" in told["error"]
    assert told["quarantined"] == []


def test_a_job_file_that_does_not_load_when_a_node_starts_is_told_too(installation: Installation) -> None:
    installation.job_file("torn.py", TORN)
    installation.job_file("wrong.py", '@job(schedule="0 0 24 * * *")\ndef wrong(): ...\n')
    with serving(installation) as node:
        assert not_loaded(node, "torn.py")["line"] == 6
        wrong = not_loaded(node, "wrong.py")

    assert (wrong["job_name"], wrong["line"]) == ("wrong", 4)
    assert f"({path_of(installation, 'wrong.py')}, line 4)" in wrong["error"]


def test_an_edit_that_does_not_help_is_news_again_and_names_the_jobs_that_wait_for_it(
    installation: Installation,
) -> None:
    with serving(installation) as node:
        installation.job_file("steady.py", "import nothing_of_that_name\n")
        first = not_loaded(node, "steady.py")
        assert first["quarantined"] == ["steady"]
        installation.job_file("steady.py", "import nothing_of_that_name\n# looked at\n")
        again = node.wait("reloaded")
        assert again["not_loaded"] == [path_of(installation, "steady.py")]
        assert not_loaded(node, "steady.py")["error"] == first["error"]


def test_people_read_which_file_does_not_load_and_why(installation: Installation) -> None:
    process = subprocess.Popen(
        [*SP, "serve"], env=installation.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert "serves" in process.stderr.readline()
        installation.job_file("torn.py", TORN)
        changed, reason = process.stderr.readline(), process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
    finally:
        process.kill()
        process.communicate()

    path = path_of(installation, "torn.py")
    assert changed.endswith(f"profile or job files changed: not loaded {path}\n")
    assert reason.endswith(f"  cannot load jobs from '{path}': SyntaxError: '(' was never closed (torn.py, line 6)\n")


@pytest.mark.parametrize(
    "command",
    [
        "jobs run nightly",
        "jobs run nightly --detach",
        "jobs show nightly",
        "jobs enable nightly",
        "jobs disable nightly",
        "jobs history --job nightly",
        "jobs logs nightly",
        "jobs audit --job nightly",
        "jobs explain nightly 2026-01-14T10:00:00Z",
        "jobs upcoming --job nightly",
    ],
)
def test_a_job_that_nobody_knows_may_be_in_what_does_not_load_and_every_command_says_so(
    installation: Installation, command: str
) -> None:
    installation.job_file("nightly.py", TORN)

    error = installation.sp(*command.split(), code=3)["error"]

    assert error["code"] == "job_not_found"
    assert "SyntaxError: '(' was never closed (nightly.py, line 6)" in error["hint"]
    assert path_of(installation, "nightly.py") in error["hint"]
    assert len(error["details"]["not_loaded"]) == 1


def test_a_near_name_does_not_hide_what_does_not_load(installation: Installation) -> None:
    installation.job_file("nightly.py", TORN)
    installation.job_file("near.py", "@job()\ndef nightly2(): ...\n")
    installation.write_profile("scheduler: {jobs: {nightly: {schedule: '@daily'}}}\n")

    quarantined = installation.sp("jobs", "show", "nightly")["data"]["quarantine_error"]
    missing = installation.sp("jobs", "show", "nightly22", code=3)["error"]["hint"]

    for said in (quarantined, missing):
        assert "did you mean 'nightly2'?" in said
        assert "(nightly.py, line 6)" in said
