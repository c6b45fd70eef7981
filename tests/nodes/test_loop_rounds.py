"""A node's rounds: on time, in one commit, within its room, and at no cost while nothing is due."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, at, spec
from support.loop_stage import HEARTBEAT, LoopStage
from systemprompt.ledger.records import Change, ManualStart, QuarantineNotice
from systemprompt.planning.planner import Planner


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LoopStage]:
    stage = LoopStage(tmp_path / "ledger.db")
    yield stage
    stage.sound()
    stage.close()


def test_a_job_fires_when_it_is_due_and_the_loop_sleeps_until_then(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    assert stage.step(59.9) == pytest.approx(0.1)
    assert stage.take() == []
    assert stage.step(0.1) == pytest.approx(0.2), "then it looks for other processes' changes"
    assert [(run.job_name, run.fire_at, run.started_at) for run in stage.take()] == [("job", at(60), at(60))]


def test_nothing_is_written_while_nothing_is_due(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 0 * * * *"))
    for _ in range(25):
        stage.step(0.2)
    assert stage.events == []
    stage.step(1.0)
    assert "beat" in stage.events, "but for one heartbeat in a while"
    assert stage.events.count("committed") == 1


def test_what_falls_due_in_a_moment_goes_before_what_can_wait(stage: LoopStage) -> None:
    """Folding what was counted, and the heartbeat, write to the same disk."""
    stage.begin(spec("job", "*/8 * * * * *"))
    stage.step(8)
    stage.end(*stage.take())
    stage.step()
    stage.events.clear()
    stage.step(7.97)
    assert stage.events == []
    stage.step(0.03)
    assert len(stage.take()) == 1
    stage.step(0.2)
    last_of_the_turn = stage.events.index("move_cursors")
    assert last_of_the_turn < stage.events.index("fold_into_sums")
    assert last_of_the_turn < stage.events.index("beat")


def test_a_heartbeat_waits_no_longer_than_half_a_one(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    beats = []
    for _ in range(400):
        stage.step(0.96)  # each time, the next fire time is a moment away
        stage.step(0.04)
        beats.append(stage.events.count("beat"))
    assert max(beats.count(number) for number in beats) <= 1.5 * stage.pace.heartbeat + 1


def test_ends_and_the_next_claims_share_one_commit(stage: LoopStage) -> None:
    stage.begin(*(spec(f"job{n}", EVERY_SECOND) for n in range(3)))
    stage.step(1)
    stage.end(*stage.take())
    stage.events.clear()
    stage.step(1)
    assert len(stage.take()) == len(stage.closed) == 3
    assert stage.events.count("committed") == 1


def test_an_end_is_told_only_when_it_is_durable(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.step(1)
    (run,) = stage.take()
    stage.end(run)
    assert stage.closed == []
    stage.ledger.busy()
    stage.step()
    assert stage.closed == []
    stage.ledger.busy(False)
    stage.step()
    assert stage.closed == [run.run_id]


def test_no_more_runs_are_taken_than_there_is_room_for(stage: LoopStage) -> None:
    stage.begin(*(spec(f"job{n}", "*/10 * * * * *") for n in range(6)))
    stage.step(10)
    held = stage.take()
    assert len(held) == 4
    stage.step(1)
    assert stage.take() == []
    stage.end(*held[:1])
    stage.step()
    assert len(stage.take()) == 1, "one came free"
    stage.end(*held[1:])
    stage.step()
    assert len(stage.take()) == 1, "all there was"


def test_what_another_process_changed_is_acted_on_in_the_next_round(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 0 * * * *"))
    stage.step(0.2)
    other = stage.other()
    other.sync_catalogue(
        [spec("job", EVERY_SECOND), spec("new", EVERY_SECOND)],
        [],
        stage.clock.now(),
        Planner().decide,
        Change(actor="else"),
    )
    stage.step(0.2)
    stage.step(0.7)
    assert sorted(run.job_name for run in stage.take()) == ["job", "new"]


def test_a_queued_run_that_another_left_is_taken(stage: LoopStage) -> None:
    stage.declare(spec("job", EVERY_SECOND))
    stage.clock.advance(1)
    stage.real.turn("gone", stage.clock.now(), Planner().decide, room=0)
    stage.loop.join()
    stage.step()
    assert [run.fire_at for run in stage.take()] == [at(1)]


def test_a_bootstrap_job_starts_at_once(stage: LoopStage) -> None:
    stage.begin(spec("job", ""))
    stage.loop.ask(ManualStart(job_name="job", origin="bootstrap"))
    stage.step()
    (run,) = stage.take()
    assert (run.origin, run.fire_at, run.actor) == ("bootstrap", None, "bootstrap")
    stage.loop.ask(ManualStart(job_name="job", origin="bootstrap"))
    stage.step()
    assert stage.take() == []
    assert stage.statuses() == ["running", "skipped"]


def test_a_bootstrap_job_that_cannot_start_keeps_nobody_from_working(
    stage: LoopStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin(spec("held", EVERY_SECOND), spec("well", ""))
    notice = QuarantineNotice(name="held", source="", error="SyntaxError: line 3")
    stage.real.sync_catalogue([spec("well", "")], [notice], START, Planner().decide, Change(actor="x"))
    for name in ("held", "nobody", "well"):
        stage.loop.ask(ManualStart(job_name=name, origin="bootstrap"))
    stage.step()
    assert [run.job_name for run in stage.take()] == ["well"]
    assert "SyntaxError: line 3" in caplog.text
    assert "no job is named 'nobody'" in caplog.text
    stage.events.clear()
    stage.step()
    assert stage.events == [], "they are not asked for again"


def test_a_draining_loop_takes_nothing_and_still_closes(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND), spec("other", EVERY_SECOND))
    stage.step(1)
    first = stage.take()
    stage.loop.drain()
    stage.end(*first)
    stage.step(5)
    assert (stage.take(), len(stage.closed)) == ([], 2)
    assert stage.real.open_runs() == []


def test_a_loop_hears_at_its_next_look_that_somebody_asked_it_to_drain(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND), spec("other", EVERY_SECOND))
    stage.step(1)
    first = stage.take()
    stage.other().drain("one-1", stage.clock.now(), Change(actor="ada", why="new kernel"))
    pause = stage.step(0.2)
    assert stage.drained == [("ada", "new kernel")]
    assert pause == pytest.approx(0.2), "it looks on, and never in a hurry"
    stage.end(*first)
    for _ in range(5):
        stage.step(1)
    assert (stage.take(), len(stage.closed)) == ([], 2)
    assert stage.drained == [("ada", "new kernel")], "it is told once"
    assert [job.planned_through for job in stage.real.jobs()] == [at(1)] * 2, "planning is left to others too"


def test_a_node_that_drains_and_is_declared_lost_is_seen_to_drain_under_its_fresh_id(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    other = stage.other()
    other.drain("one-1", stage.clock.now(), Change(actor="ada", why="new kernel"))
    stage.step(0.2)
    assert other.rescue("one-1", 0, stage.clock.now(), max_attempts=5) == []
    stage.step(HEARTBEAT)
    (living,) = stage.real.living_nodes()
    assert (living.node_id, living.draining_by, living.draining_why) == ("one-2", "ada", "new kernel")
    assert stage.take() == []


def test_a_drain_waits_for_the_round_that_is_on_its_way(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.clock.advance(1)
    in_turn, go_on = threading.Event(), threading.Event()

    def hold(event: str) -> None:
        if event == "move_cursors":
            in_turn.set()
            assert go_on.wait(10)

    stage.real._store._on_statement = hold
    rounds = threading.Thread(target=stage.loop.step)
    rounds.start()
    assert in_turn.wait(10)
    drained = threading.Event()

    def drain_and_tell() -> None:
        stage.loop.drain()
        drained.set()

    drain = threading.Thread(target=drain_and_tell)
    drain.start()
    assert not drained.wait(0.05)
    go_on.set()
    assert drained.wait(10)
    assert len(stage.take()) == 1, "what was claimed has been handed over by then"
    rounds.join(10)
    drain.join(10)


def test_the_loop_ends_when_the_ends_that_are_in_are_durable(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.step(1)
    thread = threading.Thread(target=stage.loop.run)
    stage.end(*stage.take())
    stage.loop.stop()
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert (stage.statuses(), stage.failed) == (["success"], [])
    (node,) = stage.real.nodes()
    assert node.fate == "left"


def test_an_error_that_is_not_the_databases_passing_trouble_ends_the_node(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.clock.advance(1)
    stage.ledger.error = RuntimeError("a defect")
    stage.loop.run()
    assert [str(error) for error in stage.failed] == ["a defect"]
