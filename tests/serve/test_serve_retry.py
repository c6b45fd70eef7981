"""A failed run is tried again by a real node, for every kind of work, and what is not to be tried again is not."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from support.installation import Installation, serving

JOBS = """\
import asyncio

from systemprompt import JobResult


@job(schedule="", retry={"times": 2, "after": 0.05, "on": ["OSError"]})
def plain(ctx):
    if ctx.attempt < 3:
        raise ConnectionResetError("gone")


@job(schedule="", retry={"times": 2, "after": 0.05, "on": ["OSError"]})
async def awaits(ctx):
    if ctx.attempt < 3:
        raise ConnectionResetError("gone")


@job(schedule="", retry={"times": 2, "after": 0.05, "on": ["OSError"]}, isolation="process")
def apart(ctx):
    if ctx.attempt < 3:
        raise ConnectionResetError("gone")


@job(schedule="", retry={"times": 2, "after": 0.05, "on": ["KeyError"]}, isolation="process")
def other(ctx):
    raise ConnectionResetError("gone")


@job(schedule="", retry={"times": 2, "after": 0.05})
def final(ctx):
    return JobResult.failure("it will never work", final=True)


@job(schedule="", retry={"times": 2, "after": 0.05}, isolation="process")
def final_apart(ctx):
    return JobResult.failure("it will never work", final=True)


@job(schedule="")
async def nothing_here(ctx):
    return JobResult.nothing("no new files")


@job(schedule="", isolation="process")
def nothing_apart(ctx):
    return JobResult.nothing()


@job(schedule="", on_lost="rerun", isolation="process")
def slow(ctx):
    if ctx.attempt == 1:
        ctx.cancel.wait(60)
        ctx.raise_if_cancelled()
"""
PROFILE = """\
limits: {kill_grace: 0.5, shutdown_grace: 0.2}
scheduler:
  jobs:
    command: {command: [sh, -c, '[ "$SP_ATTEMPT" -ge 3 ] || exit 75'], retry: {times: 2, after: 0.05s, on: [75]}}
    again:
      command: [sh, -c, '[ "$SP_ATTEMPT" -ge 3 ] || exit 75']
      retry: {times: 2, after: 0.05s, on: [KeyError]}
      exit_codes: {75: again}
    ended: {command: [sh, -c, 'exit 3'], retry: {times: 2, after: 0.05s}, exit_codes: {3: final}}
    idle: {command: [sh, -c, 'echo no news; exit 77'], exit_codes: {77: nothing}}
    odd: {command: [sh, -c, 'exit 2'], exit_codes: {2: success}}
    refused: {command: [sh, -c, 'exit 3'], retry: {times: 2, after: 0.05s, on: [75]}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    place = Installation(tmp_path, PROFILE)
    place.job_file("kinds.py", JOBS)
    return place


def tries(place: Installation, name: str) -> list[dict[str, Any]]:
    """Run a job on a node and return how each try ended, with the last one's account."""
    with serving(place) as node:
        (asked,) = place.sp("jobs", "run", name, "--detach", "--why", "a try")["data"]["jobs_run"]
        ends = [node.end_of(name)]
        while ends[-1]["tried_again_at"] is not None:
            ends.append(node.end_of(name))
        assert {end["run_id"] for end in ends} == {asked["run_id"]}
    (account,) = place.sp("jobs", "history", "--job", name)["data"]["entries"]
    assert (account["status"], account["attempt"]) == (ends[-1]["status"], len(ends))
    assert place.sp("jobs", "audit")["data"]["findings"] == []
    return ends


@pytest.mark.parametrize("name", ["plain", "awaits", "apart", "command", "again"])
def test_it_is_tried_again_until_it_succeeds(place: Installation, name: str) -> None:
    assert [end["status"] for end in tries(place, name)] == ["failed", "failed", "success"]


@pytest.mark.parametrize("name", ["other", "final", "final_apart", "refused", "ended"])
def test_what_its_policy_does_not_cover_and_what_is_final_is_closed_at_once(place: Installation, name: str) -> None:
    assert [end["status"] for end in tries(place, name)] == ["failed"]


@pytest.mark.parametrize(
    ("name", "did_nothing"), [("idle", True), ("odd", False), ("nothing_here", True), ("nothing_apart", True)]
)
def test_a_success_that_had_nothing_to_do_says_so_wherever_it_is_seen(
    place: Installation, name: str, did_nothing: bool
) -> None:
    (end,) = tries(place, name)
    assert (end["status"], end["did_nothing"]) == ("success", did_nothing)
    (account,) = place.sp("jobs", "history", "--job", name)["data"]["entries"]
    assert account["did_nothing"] is did_nothing
    (by_hand,) = place.sp("jobs", "run", name)["data"]["jobs_run"]
    assert (by_hand["status"], by_hand["result"]["did_nothing"]) == ("success", did_nothing)


def test_what_a_stopping_node_ends_is_begun_again_by_the_next(place: Installation) -> None:
    with serving(place) as node:
        place.sp("jobs", "run", "slow", "--detach", "--why", "a try")
        node.run_of("slow")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    with serving(place) as node:
        assert node.end_of("slow")["status"] == "success"
    (account,) = place.sp("jobs", "history", "--job", "slow")["data"]["entries"]
    assert (account["status"], account["attempt"]) == ("success", 2)
    assert place.sp("jobs", "audit")["data"]["findings"] == []
