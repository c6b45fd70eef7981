"""`sp jobs run --detach` and `sp jobs cancel` on a real node, for every kind of work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.installation import Installation, serving

JOBS = """\
import asyncio
import time


@job(schedule="")
def plain(ctx):
    ctx.cancel.wait(60)
    ctx.raise_if_cancelled()


@job(schedule="")
async def awaits(ctx):
    await asyncio.sleep(60)


@job(schedule="", isolation="process")
def counts_in_c(ctx):
    return sum(range(10**12))


@job(schedule="")
def deaf(ctx):
    time.sleep(3)
"""
PROFILE = """\
limits: {kill_grace: 0.5}
scheduler:
  jobs:
    ignores_term: {command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]}
"""


@pytest.mark.parametrize("name", ["plain", "awaits", "counts_in_c", "deaf", "ignores_term"])
def test_a_run_of_every_kind_is_gone_within_its_grace_and_a_second(tmp_path: Path, name: str) -> None:
    place = Installation(tmp_path, PROFILE)
    place.job_file("kinds.py", JOBS)
    with serving(place) as node:
        (asked,) = place.sp("jobs", "run", name, "--detach", "--why", "a try")["data"]["jobs_run"]
        assert (asked["status"], asked["job_name"]) == ("queued", name)
        node.run_of(name)
        asked_at = time.monotonic()
        answer = place.sp("jobs", "cancel", str(asked["run_id"]), "--why", "enough")["data"]
        assert answer["status"] == "running"
        ended = node.wait("run_finished", lambda event: event["run_id"] == asked["run_id"])
        took = time.monotonic() - asked_at

    assert (ended["status"], ended["reason"]) == ("cancelled", "requested")
    assert took < 0.5 + 1.0 + 2.0, "the command itself takes a moment to start"
    (entry,) = place.sp("jobs", "history", "--job", name)["data"]["entries"]
    assert (entry["status"], entry["reason"]) == ("cancelled", "requested")
    assert place.sp("jobs", "cancel", str(asked["run_id"]), code=6)["error"]["code"] == "run_closed"
    assert place.sp("jobs", "audit")["data"]["clean"]


def test_a_run_that_nobody_takes_is_cancelled_without_a_node(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    place.job_file("kinds.py", JOBS)
    (asked,) = place.sp("jobs", "run", "plain", "--detach")["data"]["jobs_run"]
    would = place.sp("jobs", "cancel", str(asked["run_id"]), "--dry-run")["data"]
    assert (would["status"], would["dry_run"]) == ("queued", True)
    answer = place.sp("jobs", "cancel", str(asked["run_id"]))["data"]
    assert answer["status"] == "cancelled"
    assert place.sp("jobs", "cancel", "4711", code=3)["error"]["code"] == "run_not_found"
    assert place.sp("jobs", "audit")["data"]["clean"]
