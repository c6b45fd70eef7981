"""Acts of people and programs: ask for a run, ask for a stop, switch a job; each once for one request id."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rules_retention import lived, sealing, step

from support.ledger_stage import DAY, EVERY_SECOND, START, Stage, at, spec, together
from systemprompt.errors import (
    ConflictError,
    DaySealed,
    JobNotFound,
    RequestMismatch,
    RunClosed,
    RunNotFound,
    VersionChanged,
)
from systemprompt.ledger.records import Change, ManualStart, QuarantineNotice, Rescued, StopAsked

ONCE = Change(actor="me", request_id="r1")
WEEK = 7 * DAY


class AskingRules:
    """What `ask_for_runs`, `ask_to_stop` and request ids promise."""

    # -- a run ----------------------------------------------------------------------------------------------------------

    def test_a_run_that_is_asked_for_waits_and_whoever_has_room_takes_it(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (run_id,) = stage.ask("job")
        run = stage.run(run_id)
        assert (run.status, run.node_id, run.attempt, run.fence, run.started_at) == ("queued", None, 0, None, None)
        assert (run.origin, run.fire_at, run.due_at, run.queued_at) == ("manual", None, START, START)
        assert stage.turn(room=0).claimed == ()
        assert stage.claim_one(node="b").run_id == run_id

    def test_it_carries_what_it_was_asked_with(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        change = Change(actor="cli:zoë", why="month end")
        stage.ask("job", parameters={"days": 3}, enforce=False, origin="backfill", change=change)
        claimed = stage.claim_one()
        assert (claimed.parameters, claimed.enforce, claimed.actor) == ({"days": 3}, False, "cli:zoë")
        assert (claimed.origin, stage.run(claimed.run_id).why) == ("backfill", "month end")

    def test_runs_are_asked_for_all_or_none(self, stage: Stage) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        with pytest.raises(JobNotFound) as refused:
            stage.ask("one", "tow")
        assert refused.value.suggestion == "two"
        assert stage.runs() == []
        asked = stage.ask("two", "one")
        assert [stage.run(run_id).job_name for run_id in asked] == ["two", "one"]

    def test_a_quarantined_or_retired_job_is_not_asked_for(self, stage: Stage) -> None:
        stage.declare(spec("held", ""), spec("gone", ""))
        stage.declare(quarantined=[QuarantineNotice(name="held", source="file:jobs.py", error="SyntaxError: line 3")])
        with pytest.raises(ConflictError, match="quarantined: SyntaxError: line 3"):
            stage.ask("held")
        with pytest.raises(JobNotFound):
            stage.ask("gone")
        assert stage.runs() == []

    def test_a_disabled_job_may_be_asked_for(self, stage: Stage) -> None:
        stage.declare(spec("job", enabled=False))
        (run_id,) = stage.ask("job")
        assert stage.claim_one().run_id == run_id

    def test_a_run_that_is_asked_for_while_the_job_runs_begins_when_that_has_ended(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (first,) = stage.start("job")
        (asked,) = stage.ask("job")
        assert stage.turn(node="b").claimed == ()
        (second,) = stage.turn(stage.end(first)).claimed
        assert second.run_id == asked

    def test_a_run_that_is_asked_for_stands_in_the_way_of_a_fire_time(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        (asked,) = stage.ask("job")
        stage.wait(1)
        stage.turn(room=0)
        (skipped,) = [run for run in stage.runs("job") if run.fire_at is not None]
        assert (skipped.status, skipped.reason, skipped.blocked_by) == ("skipped", "overlap", asked)

    def test_a_run_is_not_asked_for_in_a_sealed_day(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        step(stage, -3 * DAY)
        with pytest.raises(DaySealed):
            stage.ask("by_hand")
        step(stage, 3 * DAY)

    # -- a stop ---------------------------------------------------------------------------------------------------------

    def test_a_run_that_waits_is_closed_at_once_when_a_stop_is_asked_for(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (run_id,) = stage.ask("job")
        stage.wait(5)
        asked = stage.stop(run_id, Change(actor="cli:zoë", why="wrong day"))
        assert asked == StopAsked(run_id=run_id, job_name="job", status="cancelled")
        run = stage.run(run_id)
        assert (run.status, run.reason, run.finished_at, run.message) == (
            "cancelled",
            "requested",
            at(5),
            "wrong day",
        )
        assert (run.stop_asked_at, run.stop_by, run.stop_why) == (at(5), "cli:zoë", "wrong day")
        assert stage.turn().claimed == ()
        assert (stage.job("job").run_count, stage.job("job").last_status) == (0, None), "it never began"

    def test_the_node_of_a_run_is_told_of_a_stop_and_closes_the_run_when_the_work_has_ended(self, stage: Stage) -> None:
        stage.declare(spec("job", ""), spec("other", ""))
        claimed, other = stage.start("job", "other")
        stage.wait(5)
        asked = stage.stop(claimed.run_id, Change(actor="cli:zoë", why="wrong day"))
        assert asked == StopAsked(run_id=claimed.run_id, job_name="job", status="running")
        assert stage.ledger.stops_asked("a") == [(claimed.run_id, claimed.fence)]
        assert stage.ledger.stops_asked("b") == []
        run = stage.run(claimed.run_id)
        assert (run.status, run.stop_asked_at, run.stop_by, run.stop_why) == ("running", at(5), "cli:zoë", "wrong day")
        stage.turn(stage.end(claimed, "cancelled", "requested"), stage.end(other), plan=False)
        assert stage.ledger.stops_asked("a") == []
        run = stage.run(claimed.run_id)
        assert (run.status, run.reason, run.stop_by) == ("cancelled", "requested", "cli:zoë")

    def test_work_that_ended_well_before_it_was_stopped_is_a_success(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job")
        stage.stop(claimed.run_id)
        stage.finish(claimed)
        run = stage.run(claimed.run_id)
        assert (run.status, run.reason, run.stop_by) == ("success", None, "me")

    def test_the_first_request_to_stop_stands(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job")
        stage.stop(claimed.run_id, Change(actor="first", why="one"))
        stage.wait(5)
        assert stage.stop(claimed.run_id, Change(actor="second", why="two")).status == "running"
        run = stage.run(claimed.run_id)
        assert (run.stop_asked_at, run.stop_by, run.stop_why) == (START, "first", "one")
        stage.finish(claimed)

    @pytest.mark.parametrize("on_lost", ["fail", "rerun"])
    def test_a_run_that_is_to_stop_is_closed_as_asked_when_its_node_is_lost_and_never_started_again(
        self, stage: Stage, on_lost: str
    ) -> None:
        stage.declare(spec("job", "", on_lost=on_lost))
        (claimed,) = stage.start("job")
        stage.stop(claimed.run_id)
        stage.wait(5)
        rescued = stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        assert rescued == [Rescued(run_id=claimed.run_id, job_name="job", node_id="a", status="cancelled")]
        run = stage.run(claimed.run_id)
        assert (run.status, run.reason, run.finished_at) == ("cancelled", "requested", at(5))
        assert stage.turn(node="b").claimed == ()
        assert stage.job("job").last_status == "cancelled"
        assert stage.turn(stage.end(claimed), plan=False, room=0).late == (claimed.run_id,)
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert (attempt.result, attempt.late_result) == ("cancelled", "success")

    def test_a_run_that_waits_to_be_tried_again_is_shown_as_cancelled_when_it_is_stopped(self, stage: Stage) -> None:
        stage.declare(spec("job", "", on_lost="rerun"))
        (claimed,) = stage.start("job")
        stage.lose("a")
        assert stage.stop(claimed.run_id).status == "cancelled"
        run, job = stage.run(claimed.run_id), stage.job("job")
        assert (run.status, run.attempt, run.fence, run.started_at) == ("cancelled", 1, None, None)
        assert (job.last_run_id, job.last_status, job.last_run) == (claimed.run_id, "cancelled", claimed.started_at)
        assert job.run_count == 1

    def test_a_run_nobody_knows_is_not_stopped(self, stage: Stage) -> None:
        with pytest.raises(RunNotFound):
            stage.stop(99)

    def test_a_closed_run_is_not_stopped(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job")
        stage.finish(claimed)
        before = stage.runs()
        with pytest.raises(RunClosed, match="of 'job' is closed: success"):
            stage.stop(claimed.run_id)
        assert stage.runs() == before

    # -- once for one request id ------------------------------------------------------------------------------------------

    def test_a_run_is_asked_for_once_under_one_request_id_and_the_answer_is_the_same(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        first = stage.ask("job", parameters={"a": 1, "b": 2}, change=ONCE)
        stage.finish(*stage.turn().claimed)
        stage.wait(60)
        again = replace(ONCE, actor="somebody else", why="told twice")
        assert stage.ask("job", parameters={"b": 2, "a": 1}, change=again) == first
        assert [run.run_id for run in stage.runs()] == list(first)

    def test_without_a_request_id_each_asking_counts(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        assert stage.ask("job") != stage.ask("job")
        assert len(stage.runs()) == 2

    @pytest.mark.parametrize(
        ("names", "more"),
        [
            (("two",), {}),
            (("one", "one"), {}),
            (("one",), {"parameters": {"a": 1}}),
            (("one",), {"enforce": True}),
            (("one",), {"origin": "backfill"}),
        ],
    )
    def test_a_request_id_that_was_used_for_something_else_is_refused(
        self, stage: Stage, names: tuple[str, ...], more: dict[str, object]
    ) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        stage.ask("one", change=ONCE)
        with pytest.raises(RequestMismatch, match="request id 'r1' was used for something else"):
            stage.ask(*names, change=ONCE, **more)
        assert len(stage.runs()) == 1

    def test_a_request_id_is_for_one_kind_of_act(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (run_id,) = stage.ask("job", change=ONCE)
        with pytest.raises(RequestMismatch):
            stage.start("job", change=ONCE)
        with pytest.raises(RequestMismatch):
            stage.stop(run_id, ONCE)
        with pytest.raises(RequestMismatch):
            stage.enable("job", False, request_id="r1")
        assert stage.run(run_id).status == "queued"
        assert stage.job("job").enabled is True

    def test_a_request_id_holds_for_a_week(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        first = stage.ask("job", change=ONCE)
        stage.wait(WEEK - 0.000001)
        assert stage.ask("job", change=ONCE) == first
        stage.wait(0.000001)
        second = stage.ask("job", change=ONCE)
        assert second != first
        assert stage.ask("job", change=ONCE) == second

    def test_after_its_week_a_request_id_may_be_used_for_something_else(self, stage: Stage) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        stage.ask("one", change=ONCE)
        stage.wait(WEEK)
        stage.ask("two", change=ONCE)
        with pytest.raises(RequestMismatch):
            stage.ask("one", change=ONCE)

    def test_an_act_that_was_refused_leaves_its_request_id_free(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        with pytest.raises(JobNotFound):
            stage.ask("jbo", change=ONCE)
        assert len(stage.ask("job", change=ONCE)) == 1

    def test_a_start_by_hand_happens_once_under_one_request_id(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job", change=ONCE)
        assert stage.start("job", change=ONCE) == (), "not refused as running either: it was done"
        stage.finish(claimed)
        assert stage.start("job", change=ONCE) == ()
        assert len(stage.runs()) == 1

    def test_a_stop_told_twice_gets_the_first_answer(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (run_id,) = stage.ask("job")
        assert stage.stop(run_id, ONCE) == stage.stop(run_id, ONCE)
        (claimed,) = stage.start("job")
        second = replace(ONCE, request_id="r2")
        told = stage.stop(claimed.run_id, second)
        stage.finish(claimed)
        assert stage.stop(claimed.run_id, second) == told, "though it is closed by now"

    def test_a_switch_told_twice_does_not_undo_what_came_in_between(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.enable("job", False, request_id="r1")
        stage.enable("job", True)
        stage.enable("job", False, request_id="r1")
        assert stage.job("job").enabled is True
        with pytest.raises(RequestMismatch):
            stage.enable("job", True, request_id="r1")

    def test_processes_that_ask_at_once_under_one_request_id_make_one_run(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        answers: list[tuple[int, ...]] = []
        handles = [stage.engine.open_again() for _ in range(4)]
        starts = [ManualStart(job_name="job")]
        together(*(lambda one=one: answers.append(one.ask_for_runs(START, starts, ONCE)) for one in handles))
        assert len(answers) == 4
        assert set(answers) == {tuple(run.run_id for run in stage.runs())}

    # -- the version that was seen ----------------------------------------------------------------------------------------

    def test_a_switch_is_refused_where_the_job_has_changed_since_it_was_looked_at(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        seen = stage.job("job").version
        stage.enable("job", False)
        for enabled in (True, False):
            with pytest.raises(VersionChanged, match="job 'job' is at version 2, not at version 1"):
                stage.enable("job", enabled, expected_version=seen)
        assert stage.job("job").enabled is False
        stage.enable("job", True, expected_version=2)
        assert (stage.job("job").enabled, stage.job("job").version) == (True, 3)

    def test_a_switch_told_twice_is_done_though_the_version_is_another_since(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        for _ in range(2):
            stage.enable("job", False, expected_version=1, request_id="r1")
        assert stage.job("job").version == 2

    def test_who_acts_is_kept_with_the_run(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job", change=Change(actor="program:app", why="so"))
        run = stage.run(claimed.run_id)
        assert (run.actor, run.why) == ("program:app", "so")
        stage.finish(claimed)
