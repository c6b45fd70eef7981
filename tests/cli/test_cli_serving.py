"""Whoever looks is told when nobody serves, when a node hangs, when the clock stands wrong, and what fails again and again."""

from __future__ import annotations

import pytest

from support.cli_session import CliSession
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.nodes.identity import this_process

LOOKING = ["jobs list", "jobs show broken_feed", "jobs upcoming"]


def served(cli: CliSession, *, turn: bool = True) -> NodeIdentity:
    """Have this process join as a node that serves; return it as it was then."""
    assert cli.clock is not None
    with cli.system() as system:
        node = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=cli.clock.now())
        system.ledger.join(node)
        if turn:
            system.ledger.turn(node.node_id, cli.clock.now(), system.decide, room=0)
    return node


def waited(cli: CliSession, seconds: float) -> None:
    assert cli.clock is not None
    cli.clock.advance(seconds)


@pytest.mark.parametrize("call", LOOKING)
def test_nobody_serves_and_programs_and_people_are_told(cli: CliSession, call: str) -> None:
    data = cli.sp(f"--json {call}").data
    assert (data["serving"], data["silent"], data["clock_behind_s"]) == ([], [], 0)
    if call != "jobs show broken_feed":
        assert "no node serves: schedules start nothing" in cli.sp(call).out


@pytest.mark.parametrize("call", LOOKING)
def test_a_node_that_serves_is_named_with_its_beginning(cli: CliSession, call: str) -> None:
    node = served(cli)
    waited(cli, 5)
    (told,) = cli.sp(f"--json {call}").data["serving"]
    assert (told["node_id"], told["pid"], told["since"]) == (node.node_id, node.pid, "2026-01-14T12:00:00Z")
    assert "no node serves" not in cli.sp(call).out


@pytest.mark.parametrize("call", LOOKING)
def test_a_node_that_was_not_heard_for_its_lease_is_silent_and_does_not_serve(cli: CliSession, call: str) -> None:
    node = served(cli)
    waited(cli, 31)
    data = cli.sp(f"--json {call}").data
    assert data["serving"] == []
    assert [one["node_id"] for one in data["silent"]] == [node.node_id]


@pytest.mark.parametrize("call", LOOKING)
def test_a_clock_behind_the_ledger_is_told_and_what_is_planned_is_not_promised_again(
    cli: CliSession, call: str
) -> None:
    assert cli.clock is not None
    cli.clock.step(86_400)
    served(cli)
    cli.clock.step(-86_400)
    data = cli.sp(f"--json {call}").data
    assert data["clock_behind_s"] == 86_400
    if call == "jobs list":
        (job,) = (one for one in data["jobs"] if one["name"] == "broken_feed")
        first = job["next_run"]
    else:
        first = data["next_fire_times"][0] if "next_fire_times" in data else data["entries"][0]["fire_at"]
    assert first > "2026-01-15T12:00:00Z", "one answer from one truth"
    doctor = cli.sp("--json doctor")
    assert doctor.code == 1
    assert {one["name"]: one["status"] for one in doctor.data["checks"]}["clock"] == "fail"


def test_failures_in_a_row_are_counted_up_to_the_last_success(cli: CliSession) -> None:
    def told() -> tuple[int, int]:
        jobs = cli.sp("--json jobs list").data["jobs"]
        (listed,) = (one["failed_in_a_row"] for one in jobs if one["name"] == "broken_feed")
        return listed, cli.sp("--json jobs show broken_feed").data["failed_in_a_row"]

    assert told() == (0, 0)
    for wanted in (1, 2, 3):
        cli.ran("broken_feed", status="failed", reason="exception", error="no route")
        assert told() == (wanted, wanted)
    cli.planned(after_s=3600)  # a range of missed fire times is neither
    assert told()[1] == 3
    cli.ran("broken_feed")
    assert told() == (0, 0)
    cli.ran("broken_feed", status="failed", reason="exception", error="no route")
    assert told() == (1, 1)


def checks(cli: CliSession, call: str = "doctor") -> tuple[int, dict[str, str]]:
    answer = cli.sp(f"--json {call}")
    return answer.code, {one["name"]: one["status"] for one in answer.data["checks"]}


def test_doctor_is_content_with_a_new_installation_and_says_that_nobody_served_yet(cli: CliSession) -> None:
    cli.sp("jobs list")
    waited(cli, 3 * 3600)
    code, found = checks(cli)
    assert (code, found["nodes"]) == (0, "warn")
    assert "no node has served yet" in cli.sp("doctor").out
    assert checks(cli, "doctor --serving") == (1, {"nodes": "fail", "planning": "fail"})


def test_doctor_fails_where_a_fire_time_has_passed_and_nobody_planned_it(cli: CliSession) -> None:
    cli.planned(after_s=60)
    assert checks(cli)[0] == 0
    waited(cli, 15 * 60)
    code, found = checks(cli)
    assert (code, found["nodes"], found["planning"]) == (1, "warn", "fail")
    assert "no node serves since 2026-01-14T12:01:00Z" in cli.sp("doctor").out


def test_doctor_fails_where_a_node_is_silent_for_longer_than_its_lease(cli: CliSession) -> None:
    served(cli)
    waited(cli, 29)
    assert checks(cli)[0] == 0
    assert checks(cli, "doctor --serving") == (0, {"nodes": "ok"})
    waited(cli, 2)
    code, found = checks(cli, "doctor --serving")
    assert code == 1
    assert found["nodes"] in ("fail", "warn")
    assert "is silent since 2026-01-14T12:00:00Z, for longer than its lease of 30 s" in cli.sp("doctor").out


def test_the_audit_names_how_far_the_accounts_reach_and_says_when_that_lies_behind(cli: CliSession) -> None:
    cli.planned(after_s=60)
    report = cli.sp("--json jobs audit").data
    assert report["accounted_through"] == "2026-01-14T12:01:00Z"
    assert "no further" not in report["verdict"]
    waited(cli, 15 * 60)
    report = cli.sp("--json jobs audit").data
    assert report["clean"]
    assert report["accounted_through"] < "2026-01-14T12:16:00Z"
    assert report["verdict"].endswith("and no further: does a node serve?")
