"""Nodes and rescue: who stopped beating loses its runs, once, and finds out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.ledger_stage import EVERY_SECOND, ME, Stage, at, node, spec, together
from systemprompt.errors import RequestMismatch
from systemprompt.ledger.records import Change, ClockEvent, Rescued
from systemprompt.node_errors import NodeDrains, NodeNotFound


class NodeRules:
    """What becomes of nodes, and of the runs of lost ones."""

    def test_a_node_is_remembered_as_it_joined(self, stage: Stage) -> None:
        stage.ledger.join(node("c", stage.now, kind="run", lease_ms=2_000))
        (found,) = [one for one in stage.ledger.nodes() if one.node_id == "c"]
        assert (found.kind, found.lease_ms, found.host, found.beat, found.stopped_at) == ("run", 2_000, "here", 0, None)
        assert found in stage.ledger.living_nodes()

    def test_each_heartbeat_counts_one(self, stage: Stage) -> None:
        stage.wait(5)
        assert [stage.ledger.beat("a", stage.now) for _ in range(3)] == [True] * 3
        (found,) = [one for one in stage.ledger.nodes() if one.node_id == "a"]
        assert (found.beat, found.beat_at) == (3, at(5))

    def test_what_a_node_holds_is_told_as_it_was_when_it_was_claimed(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"), spec("hand", ""), spec("theirs", ""))
        stage.wait(1)
        turned = stage.turn().claimed
        started = stage.start("hand", parameters={"days": 3})
        stage.start("theirs", node="b")

        assert stage.ledger.held("a") == (*turned, *started)
        stage.finish(*turned)
        assert stage.ledger.held("a") == started
        assert stage.ledger.held("nobody") == ()

    def test_a_node_that_left_is_no_longer_living_and_never_comes_back(self, stage: Stage) -> None:
        stage.ledger.leave("a", stage.now)
        stage.ledger.leave("a", stage.now)
        assert [one.node_id for one in stage.ledger.living_nodes()] == ["b"]
        assert stage.ledger.beat("a", stage.now) is False
        (found,) = [one for one in stage.ledger.nodes() if one.node_id == "a"]
        assert (found.stopped_at, found.fate) == (stage.now, "left")

    def test_a_node_that_left_with_open_runs_is_listed_until_they_are_settled(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        stage.turn()
        stage.ledger.leave("a", stage.now)
        assert {one.node_id for one in stage.ledger.living_nodes()} == {"a", "b"}
        assert stage.ledger.rescue("a", 0, stage.now, max_attempts=5) != []
        assert [one.node_id for one in stage.ledger.living_nodes()] == ["b"]

    def test_a_lost_run_fails_where_the_job_says_so_and_runs_again_where_it_says_that(self, stage: Stage) -> None:
        stage.declare(spec("fails", EVERY_SECOND), spec("reruns", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        held = {run.job_name: run.run_id for run in stage.turn().claimed}
        stage.wait(40)
        rescued = stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        assert rescued is not None
        assert sorted(rescued, key=lambda one: one.job_name) == [
            Rescued(run_id=held["fails"], job_name="fails", node_id="a", status="failed"),
            Rescued(run_id=held["reruns"], job_name="reruns", node_id="a", status="queued"),
        ]
        lost = stage.ledger.run(held["fails"])
        assert lost is not None
        assert (lost.status, lost.reason, lost.finished_at) == ("failed", "node_lost", at(41))
        assert "node a was lost" in (lost.error or "")
        again = stage.ledger.run(held["reruns"])
        assert again is not None
        assert (again.status, again.node_id, again.started_at, again.queued_at) == ("queued", None, None, at(41))
        assert {attempt.result for attempt in stage.ledger.attempts()} == {"lost"}
        jobs = {job.name: (job.running, job.last_status) for job in stage.ledger.jobs()}
        assert jobs == {"fails": (0, "failed"), "reruns": (0, None)}, "the second has no account yet"
        claimed = {run.job_name: run for run in stage.turn(node="b", plan=False).claimed}
        assert (claimed["reruns"].run_id, claimed["reruns"].attempt) == (held["reruns"], 2)

    def test_a_run_is_rescued_once_whoever_asks(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        stage.turn()
        handles = [stage.engine.open_again() for _ in range(4)]
        answers: list[list[Rescued] | None] = []
        asks = (lambda one=one: answers.append(one.rescue("a", 0, stage.now, max_attempts=5)) for one in handles)
        together(*asks)
        assert sorted(len(answer or ()) for answer in answers) == [0, 0, 0, 1]
        assert len(list(stage.ledger.attempts())) == 1

    def test_a_node_that_beat_since_it_was_seen_is_left_alone(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        stage.turn()
        stage.ledger.beat("a", stage.now)
        assert stage.ledger.rescue("a", 0, stage.now, max_attempts=5) is None
        assert stage.runs()[0].status == "running"
        assert stage.ledger.beat("a", stage.now) is True

    def test_a_node_nobody_knows_is_not_rescued(self, stage: Stage) -> None:
        assert stage.ledger.rescue("nobody", 0, stage.now, max_attempts=5) is None

    def test_a_node_that_was_declared_lost_hears_it_at_its_next_beat(self, stage: Stage) -> None:
        assert stage.ledger.rescue("a", 0, stage.now, max_attempts=5) == []
        assert stage.ledger.beat("a", stage.now) is False
        (found,) = [one for one in stage.ledger.nodes() if one.node_id == "a"]
        assert found.fate == "lost"

    def test_a_run_that_took_too_many_nodes_with_it_is_not_tried_again(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        stage.turn(room=0)
        for attempt, name in enumerate(("n1", "n2", "n3"), start=1):
            stage.join(name)
            (claimed,) = stage.turn(node=name, plan=False).claimed
            assert claimed.attempt == attempt
            stage.ledger.rescue(name, 0, stage.now, max_attempts=3)
        (run,) = stage.runs()
        assert (run.status, run.reason, run.attempt) == ("failed", "node_lost", 3)
        assert "attempt 3, the last" in (run.error or "")

    def test_a_rescue_whose_clock_is_behind_still_leaves_a_sound_account(self, stage: Stage) -> None:
        stage.declare(spec("fails", EVERY_SECOND), spec("reruns", EVERY_SECOND, on_lost="rerun"))
        stage.wait(10)
        stage.turn()
        stage.ledger.rescue("a", 0, at(2), max_attempts=5)
        by_name = {run.job_name: run for run in stage.runs() if run.fire_at == at(10)}
        assert by_name["fails"].finished_at == by_name["reruns"].queued_at == at(10)

    def test_a_node_that_is_asked_to_drain_begins_nothing_from_then_on_and_ends_what_it_runs(
        self, stage: Stage
    ) -> None:
        stage.declare(spec("first", EVERY_SECOND), spec("second", ""))
        stage.wait(1)
        held = stage.claim_one()
        stage.ask("second")
        asked = stage.ledger.drain("a", stage.now, Change(actor="ada", why="new kernel"))
        assert (asked.draining_at, asked.draining_by, asked.draining_why) == (stage.now, "ada", "new kernel")
        assert stage.turn().claimed == (), "neither what waits"
        stage.wait(1)
        turn = stage.turn(stage.end(held))
        assert (turn.closed, turn.claimed) == ((held.run_id,), ()), "nor what is due"
        with pytest.raises(NodeDrains):
            stage.start("second")
        assert stage.ledger.beat("a", stage.now) is True, "it lives"
        assert sorted(run.job_name for run in stage.turn(node="b").claimed) == ["first", "second"]

    def test_the_first_request_to_drain_stands_and_one_to_a_node_that_stopped_changes_nothing(
        self, stage: Stage
    ) -> None:
        first = stage.ledger.drain("a", stage.now, Change(actor="ada"))
        stage.wait(1)
        assert stage.ledger.drain("a", stage.now, Change(actor="bob", why="too")) == first
        assert first.draining_why is None
        assert stage.ledger.node("a") == first
        stage.ledger.leave("b", stage.now)
        assert stage.ledger.drain("b", stage.now, Change(actor="ada")).draining_at is None

    def test_a_drain_is_done_once_for_a_request_id_and_a_node_nobody_knows_is_not_found(self, stage: Stage) -> None:
        once = Change(actor="ada", request_id="r1")
        assert stage.ledger.drain("a", stage.now, once) == stage.ledger.drain("a", stage.now, once)
        with pytest.raises(RequestMismatch):
            stage.ledger.drain("b", stage.now, once)
        with pytest.raises(NodeNotFound) as caught:
            stage.ledger.drain("ab", stage.now, ME)
        assert caught.value.message == "no node has the id 'ab'"
        assert stage.ledger.node("ab") is None

    def test_a_node_says_up_to_which_epoch_it_has_told_what_it_did(self, stage: Stage) -> None:
        (a, b) = stage.ledger.living_nodes()
        assert (a.epoch, b.epoch) == (0, 0)
        stage.ledger.enter_node(a, 3)
        lost = node("c", stage.now)  # its own row was lost with the epoch before
        stage.ledger.enter_node(lost, 3)
        for found in (stage.ledger.nodes(), stage.ledger.living_nodes()):
            assert {each.node_id: each.epoch for each in found} == {"a": 3, "b": 0, "c": 3}
        assert stage.ledger.node("c") == replace(lost, epoch=3, beat_at=stage.now)

    def test_clock_events_are_kept_in_the_order_they_were_seen(self, stage: Stage) -> None:
        events = [
            ClockEvent(seen_at=at(5), kind="forward", delta_us=3_000_000, action="x", node_id="a"),
            ClockEvent(seen_at=at(2), kind="backward", delta_us=-3_000_000, action="y", node_id="b"),
        ]
        for event in events:
            stage.ledger.record_clock_event(event)
        assert stage.ledger.clock_events() == events
