"""What `sp serve` promises, held against a real process."""

from __future__ import annotations

import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.installation import Installation, serving

EVERY_SECOND = '@job(schedule="* * * * * *")\nasync def {name}() -> None:\n    pass\n'
STUBBORN = """
import time

@job(schedule="* * * * * *", isolation="{isolation}")
def stubborn() -> None:
    time.sleep(60)
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    made.job_file("steady.py", EVERY_SECOND.format(name="steady"))
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs(installation: Installation, job: str, *flags: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = installation.sp("jobs", "history", "--job", job, "-n", "200", *flags)["data"][
        "entries"
    ]
    return entries


def audit_is_clean(installation: Installation) -> None:
    assert installation.sp("jobs", "audit")["data"]["findings"] == []


def test_a_job_fires_each_second_and_its_lateness_is_recorded(installation: Installation) -> None:
    with serving(installation) as node:
        for _ in range(3):
            node.run_of("steady")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    for run in runs(installation, "steady", "--status", "success"):
        assert 0 <= run["lateness_ms"] < 1_000
    audit_is_clean(installation)


def test_sigterm_lets_a_run_finish_within_the_grace(installation: Installation) -> None:
    # The job ends only once it sees that the node is draining: it waits for a file that the test makes after the signal.
    gate = installation.folder / "gate"
    installation.job_file(
        "patient.py",
        "import os\nimport threading\n\n\n"
        '@job(schedule="* * * * * *")\ndef patient() -> None:\n'
        f"    while not os.path.exists({str(gate)!r}):\n        threading.Event().wait(0.02)\n",
    )
    with serving(installation) as node:
        started = node.run_of("patient")
        node.signal(signal.SIGTERM)
        node.wait("draining")
        gate.touch()
        ended = node.wait("run_finished", lambda event: event["run_id"] == started["run_id"])
        assert ended["status"] == "success"
        assert node.ended() == 0
    audit_is_clean(installation)


def test_after_the_grace_work_is_stopped_and_accounted_for(installation: Installation) -> None:
    installation.job_file("stubborn.py", STUBBORN.format(isolation="process"))
    with serving(installation, "--grace", "0") as node:
        started = node.run_of("stubborn")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    account = next(run for run in runs(installation, "stubborn") if run["run_id"] == started["run_id"])
    assert (account["status"], account["reason"]) == ("cancelled", "shutdown")
    audit_is_clean(installation)


def test_a_second_signal_ends_the_node_at_once(installation: Installation) -> None:
    installation.job_file("stubborn.py", STUBBORN.format(isolation="thread"))
    with serving(installation, "--grace", "600") as node:
        node.run_of("stubborn")
        node.signal(signal.SIGTERM)
        node.wait("draining")
        with pytest.raises(subprocess.TimeoutExpired):
            node.process.wait(0.5)  # signals of one moment are one wish; this one comes later
        node.signal(signal.SIGINT)
        assert node.ended() == 0

    with serving(installation, "--grace", "0") as node:
        node.run_of("steady")
        node.signal(signal.SIGTERM)
        node.ended()
    audit_is_clean(installation)


def test_a_disabled_job_stops_at_once_and_an_enabled_one_starts_within_a_second(installation: Installation) -> None:
    installation.job_file("other.py", EVERY_SECOND.format(name="other"))
    with serving(installation) as node:
        node.run_of("steady")
        installation.sp("jobs", "disable", "steady")
        disabled_at = datetime.now(UTC)
        for _ in range(3):
            node.run_of("other")
        assert all(at(run["fire_at"]) <= disabled_at for run in runs(installation, "steady") if run["fire_at"])

        enabled_at = datetime.now(UTC)
        installation.sp("jobs", "enable", "steady")
        again = node.wait("run_started", lambda e: e["job_name"] == "steady" and at(e["fire_at"]) > enabled_at)
        assert (at(again["started_at"]) - enabled_at).total_seconds() < 3.0
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    skipped = runs(installation, "steady", "--status", "skipped")
    assert {entry["reason"] for entry in skipped} == {"disabled"}
    audit_is_clean(installation)


def test_new_and_changed_job_files_are_taken_over_while_the_node_runs(installation: Installation) -> None:
    with serving(installation) as node:
        node.run_of("steady")
        installation.job_file("late.py", EVERY_SECOND.format(name="late"))
        assert node.wait("reloaded")["added"] == ["late"]
        node.run_of("late")

        installation.job_file("late.py", '@job(schedule="* * * * * *")\ndef late() -> str:\n    return "second text"\n')
        node.wait("run_finished", lambda event: event.get("message") == "second text")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    audit_is_clean(installation)


def test_a_broken_job_file_is_quarantined_with_an_account_and_comes_back_when_mended(
    installation: Installation,
) -> None:
    installation.job_file("fragile.py", EVERY_SECOND.format(name="fragile"))
    with serving(installation) as node:
        node.run_of("fragile")
        installation.job_file("fragile.py", "import nothing_of_that_name\n")
        assert node.wait("reloaded")["quarantined"] == ["fragile"]
        shown = installation.sp("jobs", "show", "fragile")["data"]
        assert "nothing_of_that_name" in shown["quarantine_error"]
        node.run_of("steady")
        node.run_of("steady")

        installation.job_file("fragile.py", EVERY_SECOND.format(name="fragile"))
        assert node.wait("reloaded")["released"] == ["fragile"]
        node.run_of("fragile")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    assert "quarantined" in {entry["reason"] for entry in runs(installation, "fragile", "--status", "skipped")}
    audit_is_clean(installation)


def test_a_profile_edit_is_taken_over_and_a_faulty_one_is_refused_while_work_goes_on(
    installation: Installation,
) -> None:
    with serving(installation) as node:
        node.run_of("steady")
        installation.write_profile("scheduler: {jobs: {steady: {schedule: 'every day'}}}\n")
        assert "scheduler.jobs.steady.schedule: 'every day'" in node.wait("profile_invalid")["error"]
        node.run_of("steady")

        installation.write_profile("scheduler: {jobs: {shell: {command: [echo, hi], schedule: '* * * * * *'}}}\n")
        assert node.wait("reloaded")["added"] == ["shell"]
        assert node.wait("run_finished", lambda event: event.get("job_name") == "shell")["message"] == "hi"
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    audit_is_clean(installation)


def test_a_killed_node_is_settled_by_the_next_one_and_on_lost_decides(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    text = '@job(schedule="* * * * * *", on_lost="{policy}", isolation="process")\ndef {policy}() -> None:\n    time.sleep(60)\n'
    installation.job_file("fails.py", "import time\n\n\n" + text.format(policy="fail"))
    installation.job_file("reruns.py", "import time\n\n\n" + text.format(policy="rerun"))
    with serving(installation) as node:
        first = {name: node.run_of(name)["run_id"] for name in ("fail", "rerun")}
        node.signal(signal.SIGKILL)
        node.process.wait(10)

    with serving(installation, "--grace", "0") as node:
        again = node.wait("run_started", lambda event: event["run_id"] == first["rerun"])
        assert again["attempt"] == 2
        lost = next(run for run in runs(installation, "fail") if run["run_id"] == first["fail"])
        assert (lost["status"], lost["reason"]) == ("failed", "node_lost")
        node.signal(signal.SIGTERM)
        node.ended()
    audit_is_clean(installation)


def test_two_nodes_never_start_one_fire_time_twice(installation: Installation) -> None:
    witness = installation.folder / "witness"
    installation.job_file(
        "witness.py",
        "import os\n\n\n"
        '@job(schedule="* * * * * *")\ndef witnessed(ctx) -> None:\n'
        f"    handle = os.open({str(witness)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)\n"
        '    os.write(handle, f"{ctx.fire_at.isoformat()}\\n".encode())\n    os.close(handle)\n',
    )
    with serving(installation) as one, serving(installation) as two:
        for _ in range(3):
            one.run_of("witnessed")
        one.signal(signal.SIGTERM)
        one.ended()
        two.run_of("witnessed")
        two.signal(signal.SIGTERM)
        two.ended()

    lines = witness.read_text().split()
    assert len(lines) == len(set(lines)) >= 4  # three of one node, one of the other at least
    audit_is_clean(installation)


def test_a_bootstrap_job_runs_once_when_the_node_starts(installation: Installation) -> None:
    installation.job_file("first.py", "@job()\ndef first() -> str:\n    return 'ready'\n")
    installation.write_profile("scheduler: {bootstrap_jobs: [first]}\n")
    with serving(installation) as node:
        # The clockwork has its own thread: the run may begin before the node has said that it serves.
        begun = [event for event in node.seen if event["event"] == "run_started"] or [node.run_of("first")]
        assert begun[0]["origin"] == "bootstrap"
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert len(runs(installation, "first")) == 1


def test_a_reboot_job_runs_once_for_each_start_of_the_machine(installation: Installation) -> None:
    installation.job_file("first.py", "@job()\ndef first() -> str:\n    return 'ready'\n")
    installation.write_profile("scheduler: {reboot_jobs: [first]}\n")
    installation.sp("jobs", "run", "first")  # a command of this boot is no node that served
    for start in ("of the machine", "of a node alone"):
        with serving(installation) as node:
            if start == "of the machine" and not [event for event in node.seen if event["event"] == "run_started"]:
                node.run_of("first")
            node.signal(signal.SIGTERM)
            assert node.ended() == 0
    assert len(runs(installation, "first")) == 2


def test_a_job_that_outlives_its_timeout_is_stopped_for_certain(installation: Installation) -> None:
    installation.job_file(
        "slow.py",
        "import time\n\n\n"
        '@job(schedule="@hourly", isolation="process", timeout=0.2)\ndef slow() -> None:\n    time.sleep(60)\n',
    )
    answer = installation.sp("jobs", "run", "slow", code=1)["data"]["jobs_run"][0]

    assert (answer["status"], answer["reason"]) == ("failed", "timeout")
    assert answer["duration_ms"] < 30_000
