"""`sp nodes` and `sp nodes drain`, and what waits for want of a node: told by `active`, `explain` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.cli_session import PROFILE, CliSession
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.nodes.identity import this_process

JOBS = """
from systemprompt import job

@job(schedule="0 * * * * *", runs_on=["gpu"])
def train(): ...

@job(schedule="0 * * * * *")
def anywhere(): ...
"""

Join = Callable[..., NodeIdentity]


@pytest.fixture
def cli(tmp_path: Path) -> CliSession:
    return CliSession(tmp_path, jobs=JOBS, profile=PROFILE)


@pytest.fixture
def join(cli: CliSession) -> Join:
    """Have this process join as a node with this id."""

    def joined(node_id: str, *, kind: str = "serve", labels: tuple[str, ...] = (), **more: Any) -> NodeIdentity:
        assert cli.clock is not None
        with cli.system() as system:
            now = cli.clock.now()
            mine = this_process(kind=kind, program="systemprompt 1.0", lease_s=300, capacity=4, now=now, labels=labels)
            mine = replace(mine, node_id=node_id, zone_data="2025b", **more)
            system.ledger.join(mine)
        return mine

    return joined


def turned(cli: CliSession, node_id: str, *, after_s: float = 0, room: int = 9) -> None:
    assert cli.clock is not None
    cli.clock.advance(after_s)
    with cli.system() as system:
        system.ledger.turn(node_id, cli.clock.now(), system.decide, room=room)


def entry(cli: CliSession, node_id: str) -> dict[str, Any]:
    (found,) = [one for one in cli.sp("--json nodes").data["entries"] if one["node_id"] == node_id]
    return dict(found)


def checks(cli: CliSession, name: str) -> list[dict[str, Any]]:
    return [check for check in cli.sp("--json doctor").data["checks"] if check["name"] == name]


def test_no_node_is_an_answer_too(cli: CliSession) -> None:
    data = cli.sp("--json nodes").data
    assert data == {"entries": [], "total": 0, "serving": 0}
    assert "No node lives: sp serve starts one." in cli.sp("nodes").out


def test_a_node_is_shown_with_what_it_runs_since_when_and_how_it_stands(cli: CliSession, join: Join) -> None:
    mine = join("a1b2", labels=("eu", "gpu"))
    turned(cli, "a1b2", after_s=60)
    shown = entry(cli, "a1b2")
    runs = shown.pop("runs")
    assert [(run["job_name"], run["started_at"]) for run in runs] == [
        ("anywhere", "2026-01-14T12:01:00Z"),
        ("train", "2026-01-14T12:01:00Z"),
    ]
    assert shown == {
        "node_id": "a1b2",
        "kind": "serve",
        "state": "serving",
        "host": mine.host,
        "pid": mine.pid,
        "version": "systemprompt 1.0",
        "labels": ["eu", "gpu"],
        "capacity": 4,
        "started_at": "2026-01-14T12:00:00Z",
        "last_beat": "2026-01-14T12:00:00Z",
        "clock_offset_s": 0.0,
        "zone_data": "2025b",
        "degraded": [],
        "draining_at": None,
        "draining_by": None,
        "draining_why": None,
    }
    table = cli.sp("nodes").out
    assert "eu, gpu" in table
    assert f"2 of 4: anywhere (run {runs[0]['run_id']}), train (run {runs[1]['run_id']})" in table


def test_fields_choose_what_is_shown_of_each_node(cli: CliSession, join: Join) -> None:
    join("a1b2")
    assert cli.sp("--json nodes --fields node_id,state").data["entries"] == [{"node_id": "a1b2", "state": "serving"}]
    assert cli.sp("nodes --json").data["total"] == 1, "global flags may stand behind"


def test_a_node_is_drained_by_the_beginning_of_its_id_and_twice_is_fine(cli: CliSession, join: Join) -> None:
    join("a1b2")
    join("c3d4")
    turned(cli, "a1b2", after_s=60)
    would = cli.sp("--json nodes drain a1 --dry-run")
    assert (would.code, would.data["changed"], would.data["state"]) == (0, False, "serving")
    assert would.data["message"] == "Node a1b2 would begin nothing more: it ends after 1 run"
    assert entry(cli, "a1b2")["draining_at"] is None

    asked = cli.sp("--json nodes --json drain a1 --why kernel")
    assert (asked.code, asked.data["changed"]) == (0, True)
    assert asked.data["message"] == "Node a1b2 begins nothing more: it ends after 1 run"
    assert (asked.data["state"], asked.data["running"]) == ("draining", 1)
    actor = asked.data["draining_by"]
    assert actor.startswith("cli:")
    assert asked.data["draining_why"] == "kernel"
    assert (entry(cli, "a1b2")["state"], entry(cli, "c3d4")["state"]) == ("draining", "serving")
    assert f"node a1b2 drains, as {actor} asked (kernel)" in cli.sp("nodes").out

    again = cli.sp("--json nodes drain a1b2 --why other")
    assert (again.code, again.data["changed"], again.data["draining_why"]) == (0, False, "kernel")
    assert again.data["message"] == f"Node a1b2 drains already, as {actor} asked (kernel): it ends after 1 run"
    assert "it hears of it within a second" in cli.sp("nodes drain a1b2").out


def test_a_node_that_drains_serves_no_more_for_whoever_looks(cli: CliSession, join: Join) -> None:
    join("a1b2")
    cli.sp("nodes drain a1b2")
    assert cli.sp("--json nodes").data["serving"] == 0
    assert cli.sp("--json jobs list").data["serving"] == []
    assert "no node serves" in cli.sp("jobs list").out
    assert [check["status"] for check in checks(cli, "nodes")] == ["ok", "warn"]
    assert cli.sp("--json doctor --serving").code == 1


def test_a_node_that_is_not_there_is_named_with_the_nearest(cli: CliSession, join: Join) -> None:
    nobody = cli.sp("--json nodes drain a1b2")
    assert (nobody.code, nobody.error["code"]) == (3, "node_not_found")
    assert nobody.error["hint"] == "no node lives: sp serve starts one"
    join("a1b2c3")
    error = cli.sp("--json nodes drain a1b3c3").error
    assert error["message"] == "no node has the id 'a1b3c3'"
    assert error["hint"] == "did you mean 'a1b2c3'? sp nodes shows all"
    assert cli.sp("--json nodes drain", "").code == 3, "nothing begins every id and names no node"


def test_a_beginning_that_several_nodes_have_is_refused(cli: CliSession, join: Join) -> None:
    join("a1b2")
    join("a1c3")
    refused = cli.sp("--json nodes drain a1")
    assert (refused.code, refused.error["code"]) == (2, "node_ambiguous")
    assert refused.error["message"] == "the ids of 2 nodes begin with 'a1': a1b2, a1c3"
    with cli.system() as system:
        system.ledger.leave("a1c3", system.clock.now())
    assert cli.sp("--json nodes drain a1").data["node_id"] == "a1b2", "one that lives is meant"


def test_a_node_that_has_ended_needs_no_drain(cli: CliSession, join: Join) -> None:
    join("a1b2")
    with cli.system() as system:
        system.ledger.leave("a1b2", system.clock.now())
    answer = cli.sp("--json nodes drain a1b2")
    assert (answer.code, answer.data["state"], answer.data["changed"]) == (0, "gone", False)
    assert answer.data["message"] == "Node a1b2 has ended already"


def test_a_command_that_runs_jobs_is_no_node_to_drain(cli: CliSession, join: Join) -> None:
    mine = join("a1b2", kind="run")
    refused = cli.sp("--json nodes drain a1b2")
    assert (refused.code, refused.error["code"]) == (6, "conflict")
    assert f"is a command that runs jobs (pid {mine.pid} on {mine.host})" in refused.error["message"]


def test_a_silent_node_is_shown_so_and_may_still_be_asked(cli: CliSession, join: Join) -> None:
    join("a1b2")
    assert cli.clock is not None
    cli.clock.advance(301)
    assert entry(cli, "a1b2")["state"] == "silent"
    answer = cli.sp("--json nodes drain a1b2")
    assert (answer.code, answer.data["state"], answer.data["changed"]) == (0, "silent", True)
    assert "was not heard since 2026-01-14T12:00:00Z" in answer.data["message"]


def test_a_run_that_no_living_node_may_take_says_what_it_waits_for(cli: CliSession, join: Join) -> None:
    reason = "no node with the label gpu takes runs now"
    join("a1b2")
    turned(cli, "a1b2", after_s=60)
    runs = {run["job_name"]: run for run in cli.sp("--json jobs active").data["entries"]}
    assert (runs["train"]["status"], runs["train"]["waits_for"]) == ("queued", reason)
    assert (runs["anywhere"]["status"], runs["anywhere"]["waits_for"]) == ("running", None)
    assert reason in cli.sp("jobs active").out
    assert f"it waits: {reason}" in cli.sp("--json jobs explain train").data["sentences"]
    (found,) = checks(cli, "labels")
    assert found["status"] == "warn"
    assert found["message"] == f"{reason}, and these jobs need one: train; 1 run waits"
    assert "`node.labels`" in found["mend"]

    join("c3d4", labels=("gpu",))
    assert checks(cli, "labels") == []
    runs = {run["job_name"]: run for run in cli.sp("--json jobs active").data["entries"]}
    assert runs["train"]["waits_for"] is None, "one is there that may, once it has room"
    assert not any("waits:" in said for said in cli.sp("--json jobs explain train").data["sentences"])
    cli.sp("nodes drain c3d4")
    assert len(checks(cli, "labels")) == 1, "a node that drains takes none"


def test_doctor_names_nodes_whose_versions_or_zone_data_differ(cli: CliSession, join: Join) -> None:
    join("a1b2", labels=("gpu",))
    join("c3d4")
    assert checks(cli, "versions") + checks(cli, "zone data") == []
    with cli.system() as system:
        other = system.ledger.node("c3d4")
        assert other is not None
        system.ledger.join(replace(other, node_id="e5f6", program="systemprompt 1.1", zone_data="2024a"))
        system.ledger.join(replace(other, node_id="e5f7", zone_data=""))
    (versions,), (zones,) = checks(cli, "versions"), checks(cli, "zone data")
    assert versions["status"] == zones["status"] == "warn"
    assert "e5f6 has systemprompt 1.1" in versions["message"]
    assert "e5f6 has 2024a" in zones["message"]
    assert "e5f7" not in zones["message"], "it does not say which it has"
    with cli.system() as system:
        system.ledger.leave("e5f6", system.clock.now())
    assert checks(cli, "versions") + checks(cli, "zone data") == []
