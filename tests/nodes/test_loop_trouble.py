"""Clocks that jump, a database that is busy, leases that run out: a node's clockwork keeps its accounts straight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, at, ending, spec
from support.loop_stage import HEARTBEAT, LEASE, LoopStage
from systemprompt.clock import SECOND
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.planning.planner import Planner


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LoopStage]:
    stage = LoopStage(tmp_path / "ledger.db")
    yield stage
    stage.sound()
    stage.close()


def declare_lost(stage: LoopStage, node_id: str = "one-1") -> None:
    beat = next(node.beat for node in stage.real.nodes() if node.node_id == node_id)
    silent = "UPDATE nodes SET beat_at = beat_at - 1000 * lease_ms WHERE node_id = ?"  # so it was silent for a lease
    stage.real._store.connection.execute(silent, [node_id])
    assert stage.other().rescue(node_id, beat, stage.clock.now(), max_attempts=5) is not None


# -- clocks -------------------------------------------------------------------------------------------------------------


def test_a_jump_forward_is_recorded_and_what_it_leapt_over_says_so(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    stage.clock.step(3_600)
    stage.step()
    (event,) = stage.real.clock_events()
    assert (event.kind, event.delta_us, event.node_id) == ("forward", 3_600 * SECOND, "one-1")
    (gap,) = stage.real.ranges_between(0, 2**62)
    assert (gap.status, gap.reason, gap.count) == ("missed", "clock_jump", 59)
    assert [run.fire_at for run in stage.take()] == [at(3_600)]
    stage.step(600)
    spans = list(stage.real.ranges_between(0, 2**62))
    assert spans[-1].reason != "clock_jump", "that was one jump, not every gap from then on"


def test_time_asleep_is_no_jump_of_the_clock(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    stage.step(3_600)
    assert stage.real.clock_events() == []
    (gap,) = stage.real.ranges_between(0, 2**62)
    assert gap.reason == "superseded"


def test_a_jump_backward_is_recorded_and_fires_nothing_twice(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    for _ in range(5):
        stage.step(60)
        stage.end(*stage.take())
    stage.clock.step(-180)
    stage.step()
    assert [event.kind for event in stage.real.clock_events()] == ["backward"]
    for _ in range(3):
        stage.step(60)
    assert stage.take() == []
    stage.step(60)
    assert [run.fire_at for run in stage.take()] == [at(360)]


def test_the_small_steps_of_ntp_are_not_worth_a_record(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    for by in (1.5, -1.9, 0.3):
        stage.clock.step(by)
        stage.step()
    assert stage.real.clock_events() == []


def test_a_jump_seen_while_the_database_is_busy_is_recorded_when_it_is_not(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    for error in (None, DatabaseUnreachable("disk full")):
        stage.ledger.error = error
        if error is None:
            stage.ledger.busy()
        stage.clock.step(100)
        assert stage.step() == pytest.approx(0.1)
    assert stage.real.clock_events() == []
    stage.ledger.busy(False)
    stage.step()
    assert [event.delta_us for event in stage.real.clock_events()] == [100 * SECOND] * 2
    assert {gap.reason for gap in stage.real.ranges_between(0, 2**62)} == {"clock_jump"}


def test_a_start_with_the_clock_behind_the_ledger_is_recorded(tmp_path: Path) -> None:
    with closing(LoopStage(tmp_path / "ledger.db")) as before:
        before.begin(spec("job", EVERY_SECOND))
        before.step(3_600)
        before.end(*before.take())
        before.step()
        before.real.leave("one-1", before.clock.now())
    with closing(LoopStage(tmp_path / "ledger.db", name="two", now=at(1_000))) as after:
        after.loop.join()
        after.step()
        (event,) = after.real.clock_events()
        assert (event.kind, event.node_id) == ("backward", "two-1")
        assert after.take() == []


# -- a database that is busy --------------------------------------------------------------------------------------------


def test_between_two_tries_of_what_failed_the_loop_pauses_whatever_waits(
    stage: LoopStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.begin(spec("job", "0 * * * * *"))
    stage.step(60)
    stage.end(*stage.take())
    pauses: list[float] = []

    def paused(seconds: float | None = None) -> bool:
        assert seconds is not None
        pauses.append(seconds)
        stage.ledger.error = None if len(pauses) == 3 else stage.ledger.error
        if len(pauses) > 3:
            stage.loop.stop()
        return False

    monkeypatch.setattr(stage.loop._wake, "wait", paused)
    stage.ledger.error = DatabaseUnreachable("disk full")

    stage.loop.run()

    assert pauses[:3] == [pytest.approx(0.1)] * 3, "a full disk would otherwise cost a whole core"
    assert len(pauses) == 4


def test_a_busy_database_costs_no_end_and_no_fire_time(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    stage.step(10)
    (run,) = stage.take()
    stage.ledger.busy()
    stage.end(run)
    for _ in range(20):
        assert stage.step(0.5) == pytest.approx(0.1)
    stage.ledger.busy(False)
    stage.step()
    assert stage.closed == [run.run_id]
    assert [run.fire_at for run in stage.take()] == [at(20)]


def test_a_busy_database_is_complained_of_every_few_seconds_only(
    stage: LoopStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.ledger.busy()
    for _ in range(100):
        stage.step(0.1)
    assert 2 <= caplog.text.count("the ledger cannot be written just now") <= 3
    stage.ledger.busy(False)


def test_a_run_whose_claim_was_committed_though_the_answer_was_lost_is_begun_once(stage: LoopStage) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.ledger.loses_answer_of = "turn"
    stage.step(1)
    assert stage.take() == []

    stage.step(0.1)
    (run,) = stage.take()
    assert run.fire_at == at(1)
    stage.end(run)
    stage.step(0.1)
    assert stage.take() == []
    assert [one.status for one in stage.real.runs_between(0, 2**62)] == ["success"]


def test_a_claim_that_was_given_up_and_is_committed_later_all_the_same_is_begun_once(stage: LoopStage) -> None:
    stage.begin(spec("job", ""))
    stage.ledger.busy()
    stage.step(HEARTBEAT)
    stage.ledger.busy(False)
    stage.step(0.1)
    assert stage.take() == []

    (late,) = stage.real.start_manual("one-1", at(HEARTBEAT), [ManualStart(job_name="job")], Change(actor="me"))
    stage.step(HEARTBEAT)
    assert stage.take() == [late]
    stage.step(HEARTBEAT)
    assert stage.take() == []
    stage.end(late)
    stage.step(0.1)
    assert stage.statuses() == ["success"]


def test_an_end_whose_commit_succeeded_though_the_answer_was_lost_is_told_again_and_counts_once(
    stage: LoopStage,
) -> None:
    stage.begin(spec("job", EVERY_SECOND))
    stage.step(1)
    stage.end(*stage.take())
    stage.ledger.loses_answer_of = "turn"
    stage.step(0.1)
    stage.step(0.1)

    assert stage.take() == []
    assert [one.status for one in stage.real.runs_between(0, 2**62)] == ["success"]
    assert stage.real.late_results() == []


def test_a_node_that_cannot_beat_for_most_of_its_lease_stops_its_runs_and_says_so_once(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    stage.step(10)
    (run,) = stage.take()
    stage.ledger.busy()
    elapsed = 0.0
    while not stage.lost:
        stage.step(0.5)
        elapsed += 0.5
    assert stage.lost == ["database"]
    assert 0.6 * LEASE - HEARTBEAT <= elapsed <= 0.6 * LEASE + 1, "well before others may take them"
    for _ in range(10):
        stage.step(0.5)
    assert stage.lost == ["database"]
    stage.end(run, status="cancelled", reason="lease_lost")
    stage.ledger.busy(False)
    stage.step()
    assert (stage.closed, stage.loop.node_id) == ([run.run_id], "one-1"), (
        "nobody took it: it still had its own to close"
    )


def test_a_node_that_cannot_beat_stops_what_others_may_start_again_and_lets_the_rest_go_on(stage: LoopStage) -> None:
    again, queued, hand = ("again", "*/10 * * * * *"), ("queued", ""), ("hand", "")
    stage.begin(*(spec(*one, on_lost="rerun") for one in (again, queued, hand)), spec("once", "*/10 * * * * *"))
    stage.real.ask_for_runs(at(0), [ManualStart(job_name="queued")], Change(actor="me"))
    stage.step(10)
    by_hand = stage.real.start_manual("one-1", at(10), [ManualStart(job_name="hand")], Change(actor="me"))
    stage.loop.hold(by_hand)
    claimed = {run.job_name: run for run in (*stage.take(), *by_hand)}
    stage.ledger.busy()
    for _ in range(40):
        stage.step(0.5)
    assert stage.lost == ["database"]
    assert sorted(stage.stopped) == sorted(claimed[name].run_id for name in ("queued", "again", "hand"))
    stage.end(claimed["once"])
    stage.ledger.busy(False)
    stage.step()
    assert stage.closed == [claimed["once"].run_id], "a trouble shorter than the lease costs it nothing"


def test_each_statement_of_a_round_has_half_a_lease_so_that_there_is_time_left_to_stop_runs(
    stage: LoopStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def answered_within(seconds: float) -> AbstractContextManager[None]:
        given.append(seconds)
        return nullcontext()

    monkeypatch.setattr(stage.real, "answered_within", answered_within)
    stage.begin(spec("job", EVERY_SECOND))
    stage.step(1)
    assert given == [LEASE / 2, LEASE / 2]


def test_a_node_that_holds_nothing_has_no_lease_to_lose(stage: LoopStage) -> None:
    stage.begin(spec("job", "0 0 * * * *"))
    stage.ledger.busy()
    for _ in range(100):
        stage.step(1)
    assert stage.lost == []
    stage.ledger.busy(False)


# -- leases -------------------------------------------------------------------------------------------------------------


def test_a_node_that_was_declared_lost_goes_on_under_a_fresh_id(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    stage.step(10)
    (run,) = stage.take()
    declare_lost(stage)
    stage.step(HEARTBEAT)
    assert (stage.lost, stage.loop.node_id) == (["fenced"], "one-2")
    assert {node.node_id: node.fate for node in stage.real.nodes()} == {"one-1": "lost", "one-2": None}
    stage.end(run, status="cancelled", reason="lease_lost")
    stage.step()
    assert (stage.closed, stage.late) == ([], [run.run_id])
    assert stage.statuses() == ["failed"]


def test_a_run_that_was_closed_as_lost_goes_on_and_brings_a_late_result(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    stage.step(10)
    (run,) = stage.take()
    declare_lost(stage)
    stage.step(HEARTBEAT)
    assert (stage.lost, stage.stopped) == (["fenced"], [])
    stage.step(4)
    (following,) = stage.take()
    assert following.fire_at == at(20), "what goes on here is in nobody's way"
    stage.end(run)
    stage.step()
    assert stage.late == [run.run_id]
    (attempt,) = stage.real.attempts(run.run_id)
    assert (attempt.result, attempt.late_result) == ("lost", "success")
    stage.end(following)
    stage.step()


def test_a_run_that_was_queued_again_stops_also_where_another_has_ended_it_meanwhile(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *", on_lost="rerun"), spec("later", "*/10 * * * * *", on_lost="rerun"))
    stage.step(10)
    runs = stage.take()
    declare_lost(stage)
    other = stage.other()
    other.join(stage.identity("other"))
    again = next(run for run in other.turn("other", at(11), Planner().decide, room=9).claimed if run.job_name == "job")
    end = ending(again, at(11))
    assert other.turn("other", at(11), Planner().decide, closings=[end], plan=False).closed == (again.run_id,)
    stage.step(HEARTBEAT)
    assert sorted(stage.stopped) == sorted(run.run_id for run in runs)


def test_a_run_that_somebody_asked_to_stop_is_stopped_by_a_node_that_lost_it(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    stage.step(10)
    (run,) = stage.take()
    stage.other().ask_to_stop(run.run_id, stage.clock.now(), Change(actor="me"))
    declare_lost(stage)
    stage.step(HEARTBEAT)
    assert stage.stopped == [run.run_id]
    assert stage.statuses() == ["cancelled"]


def test_a_run_given_back_to_the_same_process_waits_for_its_former_attempt_to_end(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *", on_lost="rerun"))
    stage.step(10)
    (first,) = stage.take()
    declare_lost(stage)
    stage.step(HEARTBEAT)
    stage.step(0.5)
    assert stage.take() == [], "the former attempt is still in the air here"
    stage.end(first, status="cancelled", reason="lease_lost")
    stage.step()
    (second,) = stage.take()
    assert (second.run_id, second.attempt) == (first.run_id, 2)
    assert stage.late == [first.run_id]


def test_between_being_declared_lost_and_hearing_of_it_nothing_is_claimed(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/5 * * * * *"))
    declare_lost(stage)
    stage.step(5)
    assert (stage.take(), stage.loop.node_id) == ([], "one-1")
    stage.step(1)
    assert [run.fire_at for run in stage.take()] == [at(5)]


def test_a_fresh_id_that_could_not_be_entered_is_tried_again(stage: LoopStage) -> None:
    stage.begin(spec("job", "*/10 * * * * *"))
    declare_lost(stage)
    join = stage.real.join
    calls: list[str] = []

    def refuse_once(node: object) -> None:
        calls.append("join")
        if len(calls) == 1:
            stage.ledger.busy()
            raise stage.ledger.error or AssertionError
        join(node)  # type: ignore[arg-type]  # an identity

    stage.real.join = refuse_once  # type: ignore[method-assign]  # for this test
    stage.step(HEARTBEAT)
    stage.ledger.busy(False)
    stage.step(4)
    assert len(calls) == 2
    assert stage.loop.node_id in {node.node_id for node in stage.real.nodes() if node.stopped_at is None}
    assert [run.fire_at for run in stage.take()] == [at(10)]


def test_a_silent_node_is_lost_after_a_whole_lease_on_our_own_monotonic_clock(stage: LoopStage) -> None:
    stage.real.join(stage.identity("other"))
    stage.declare(spec("job", "*/10 * * * * *", on_lost="rerun"))
    stage.real.turn("other", at(10), Planner().decide, room=1)
    stage.clock.advance(10)
    stage.loop.join()
    watched = 0.0
    while not stage.rescued:
        stage.step(1)
        watched += 1
        assert watched < 2 * LEASE
    assert LEASE < watched <= LEASE + HEARTBEAT + 1
    assert [(one.node_id, one.status) for one in stage.rescued] == [("other", "queued")]
    assert [(run.fire_at, run.attempt) for run in stage.take()] == [(at(10), 2)]


def test_time_in_which_the_database_was_away_counts_against_nobody(stage: LoopStage) -> None:
    stage.real.join(stage.identity("other"))
    stage.begin(spec("job", ""))
    stage.step(HEARTBEAT)
    stage.ledger.error = DatabaseUnreachable("the server is away")
    for _ in range(round(2 * LEASE)):
        stage.step(1)
    stage.ledger.error = None
    stage.step(1)
    assert stage.rescued == []
    assert stage.other().beat("other", stage.clock.now()) is True, "the other could not beat meanwhile, and is not lost"
    for _ in range(20):
        stage.step(HEARTBEAT)
    assert stage.real.node("other").fate == "lost", "a node that is silent while we can look is lost"  # type: ignore[union-attr]


def test_a_pause_of_the_whole_machine_counts_against_nobody(stage: LoopStage) -> None:
    stage.real.join(stage.identity("other"))
    stage.begin(spec("job", ""))
    stage.step(HEARTBEAT)
    stage.step(10 * LEASE)
    assert stage.real.node("other").fate is None  # type: ignore[union-attr]


def test_no_wall_clock_however_wrong_expires_anybody(stage: LoopStage) -> None:
    stage.real.join(stage.identity("other"))
    stage.begin(spec("job", ""))
    other = stage.other()
    for by in (86_400 * 365, -86_400 * 365 * 2, 40, -40):
        stage.clock.step(by)
        stage.step(HEARTBEAT)
        assert other.beat("other", START - 10**15) is True, "its own clock is wrong as well"
    for _ in range(4):
        stage.clock.step(10_000)
        stage.step(HEARTBEAT)
    assert {node.node_id: node.fate for node in stage.real.nodes()} == {"one-1": None, "other": None}


def test_a_node_that_keeps_beating_is_never_lost(stage: LoopStage) -> None:
    stage.real.join(stage.identity("other"))
    stage.begin(spec("job", ""))
    other = stage.other()
    for _ in range(20):
        stage.step(LEASE * 0.9)
        assert other.beat("other", stage.clock.now()) is True
