"""Signals that end a node or `sp jobs run`: each is accounted for, and a closed terminal is no exception."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import SP, Installation, serving
from support.waiting import WAIT_S

PATIENT = """
@job(isolation="{isolation}")
def patient(ctx) -> None:
    with open({fifo!r}, "w") as told:
        told.write("up")
    ctx.cancel.wait()
    ctx.raise_if_cancelled()
"""


@pytest.fixture(autouse=True)
def hang_ups_are_heard() -> Iterator[None]:
    """Where `nohup` started the tests, every child would ignore SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def patient(installation: Installation, isolation: str) -> str:
    """Write a job that says that it is up, and waits until it is told to stop."""
    fifo = str(installation.folder / "up")
    os.mkfifo(fifo)
    installation.job_file("patient.py", PATIENT.format(isolation=isolation, fifo=fifo))
    return fifo


def up(fifo: str) -> None:
    with open(fifo) as told:
        assert told.read() == "up"


def account(installation: Installation) -> tuple[str, str, str]:
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
    (entry,) = installation.sp("jobs", "history", "--job", "patient")["data"]["entries"]
    return entry["status"], entry["reason"], entry["message"]


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_run_by_hand_is_named_in_its_account(
    installation: Installation, isolation: str, number: signal.Signals
) -> None:
    fifo = patient(installation, isolation)
    process = subprocess.Popen(
        [*SP, "--json", "jobs", "run", "patient"], env=installation.environ, stdout=subprocess.PIPE, text=True
    )
    try:
        up(fifo)
        process.send_signal(number)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, json.loads(out)["error"]["code"]) == (130, "interrupted")
    assert account(installation) == ("cancelled", "interrupted", f"stopped by {number.name}")


@pytest.mark.parametrize("command", [["serve", "--grace", "0"], ["jobs", "run", "patient"]])
def test_a_terminal_that_is_closed_leaves_an_account(installation: Installation, command: list[str]) -> None:
    """The kernel sends SIGHUP, and nothing that is said afterwards reaches anybody."""
    fifo = patient(installation, "thread")
    if command[0] == "serve":
        installation.write_profile("scheduler: {bootstrap_jobs: [patient]}\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(SP[0], [*SP, *command], installation.environ)
    up(fifo)
    os.close(terminal)
    os.waitpid(pid, 0)
    status, reason, _ = account(installation)
    assert (status, reason) == ("cancelled", "shutdown" if command[0] == "serve" else "interrupted")
    assert installation.sp("doctor")["data"]["failures"] == 0


def test_a_node_under_nohup_outlives_its_terminal(installation: Installation) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with serving(installation) as node:
        node.signal(signal.SIGHUP)
        installation.job_file("later.py", "@job()\ndef later():\n    return 'it serves'\n")
        installation.sp("jobs", "run", "later", "--detach")
        assert node.end_of("later")["message"] == "it serves"
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
