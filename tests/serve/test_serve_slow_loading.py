"""A job file that never finishes loading holds up nobody: a real node names it, goes on, and takes over what comes later."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.installation import Installation, serving

STEADY = '@job()\ndef steady() -> str:\n    return "done"\n'
ENDLESS = "import threading\nthreading.Event().wait()\n"
NEEDS_THE_MAIN_THREAD = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n\n\n@job()\ndef work(): ...\n"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path, "limits: {load_timeout: 0.3}\n")
    installation.job_file("steady.py", STEADY)
    return installation


def test_a_file_that_does_not_end_loading_is_named_and_later_changes_are_taken_over(installation: Installation) -> None:
    endless = installation.folder / "jobs" / "endless.py"
    with serving(installation) as node:
        installation.job_file("endless.py", ENDLESS)
        told = node.wait("not_loaded")
        assert (told["file"], told["line"]) == (str(endless), 5)
        assert "it has not loaded within 0.3 s" in told["error"]
        endless.unlink()
        node.wait("reloaded")
        installation.job_file("later.py", "@job()\ndef later(): ...\n")
        assert node.wait("reloaded")["added"] == ["later"]


def test_a_file_that_does_not_end_loading_keeps_no_node_from_starting_and_doctor_names_it(
    installation: Installation,
) -> None:
    installation.job_file("endless.py", ENDLESS)
    with serving(installation) as node:
        assert node.wait("not_loaded")["line"] == 5
        installation.sp("jobs", "run", "steady")
    (check,) = [one for one in installation.sp("doctor", code=1)["data"]["checks"] if one["name"] == "job module"]
    assert check["status"] == "fail"
    assert f"'{installation.folder}/jobs/endless.py': it has not loaded within 0.3 s" in check["message"]


def test_what_needs_the_main_thread_gets_the_same_answer_at_start_and_at_an_edit(installation: Installation) -> None:
    installation.job_file("picky.py", NEEDS_THE_MAIN_THREAD)
    with serving(installation) as node:
        at_start = node.wait("not_loaded")
        installation.job_file("picky.py", f"{NEEDS_THE_MAIN_THREAD}# edited\n")
        at_edit = node.wait("not_loaded")
    assert at_start["error"] == at_edit["error"]
    assert "signal only works in main thread" in at_start["error"]
    assert "signal only works in main thread" in installation.sp("jobs", "show", "work", code=3)["error"]["hint"]
