"""`sp nodes drain` on a real node: it takes no more, ends what it runs, leaves, and ends its process with 0."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from support.installation import Installation, serving

JOBS = """\
import os
import threading


@job(schedule="")
def patient() -> None:
    while not os.path.exists({gate!r}):
        threading.Event().wait(0.02)


@job(schedule="", runs_on=["gpu"])
def train() -> None: ...


@job(schedule="* * * * * *")
def tick() -> None: ...
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, "limits: {shutdown_grace: 0s}\n")
    made.job_file("work.py", JOBS.format(gate=str(tmp_path / "gate")))
    return made


def test_a_drained_node_ends_what_it_runs_however_long_that_takes_and_ends_with_0(installation: Installation) -> None:
    with serving(installation) as node:
        installation.sp("jobs", "run", "patient", "--detach")
        started = node.run_of("patient")
        (shown,) = installation.sp("nodes")["data"]["entries"]
        asked = installation.sp("nodes", "drain", shown["node_id"][:6], "--why", "new kernel")["data"]
        assert asked["state"] == "draining"
        heard = node.wait("drain_asked")
        assert (heard["node_id"], heard["why"], heard["running"]) == (shown["node_id"], "new kernel", 1)
        (queued,) = installation.sp("jobs", "run", "tick", "--detach")["data"]["jobs_run"]
        (entry,) = installation.sp("nodes")["data"]["entries"]
        assert (entry["state"], [run["run_id"] for run in entry["runs"]]) == ("draining", [started["run_id"]])
        (installation.folder / "gate").touch()
        ended = node.wait("run_finished", lambda event: event["run_id"] == started["run_id"])
        assert ended["status"] == "success", "the grace of a stop, which is none here, has no part in it"
        assert node.wait("left")["clean"] is True
        assert node.ended() == 0
    assert installation.sp("nodes")["data"]["entries"] == []
    waiting = [run["run_id"] for run in installation.sp("jobs", "active")["data"]["entries"]]
    assert queued["run_id"] in waiting, "it took nothing more"

    with serving(installation) as other:
        other.run_of("tick")
        other.signal(signal.SIGTERM)
        assert other.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []


def test_a_signal_hurries_a_node_that_drains(installation: Installation) -> None:
    with serving(installation) as node:
        installation.sp("jobs", "run", "patient", "--detach")
        started = node.run_of("patient")
        (shown,) = installation.sp("nodes")["data"]["entries"]
        installation.sp("nodes", "drain", shown["node_id"])
        node.wait("drain_asked")
        node.signal(signal.SIGTERM)
        ended = node.wait("run_finished", lambda event: event["run_id"] == started["run_id"])
        assert (ended["status"], ended["reason"]) == ("cancelled", "shutdown"), "the profile's grace is none"
        assert node.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []


def test_a_node_takes_what_its_profile_has_labels_for(installation: Installation) -> None:
    with serving(installation) as node:
        (asked,) = installation.sp("jobs", "run", "train", "--detach")["data"]["jobs_run"]
        node.run_of("tick")
        (waiting,) = [
            run for run in installation.sp("jobs", "active")["data"]["entries"] if run["run_id"] == asked["run_id"]
        ]
        assert waiting["waits_for"] == "no node with the label gpu takes runs now"
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    installation.write_profile("node: {labels: [gpu]}\n")
    with serving(installation) as node:
        assert node.run_of("train")["run_id"] == asked["run_id"]
        node.end_of("train")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
