"""Claiming, closing, and starts by hand: one holder a run, proved by its fence; a closed run never changes again."""

from __future__ import annotations

import pytest

from support.ledger_stage import EVERY_SECOND, START, Stage, at, ending, spec, together
from systemprompt.clock import SECOND
from systemprompt.errors import ConflictError, JobAlreadyRunning, JobNotFound, NodeLost
from systemprompt.ledger.records import QuarantineNotice


class RunRules:
    """What becomes of a run."""

    # -- claiming -------------------------------------------------------------------------------------------------------

    def test_claims_come_in_due_order_and_stop_where_the_room_ends(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}", f"{n} * * * * *") for n in (5, 1, 4, 2, 3)))
        stage.wait(6)
        assert [run.job_name for run in stage.turn(room=2).claimed] == ["job1", "job2"]
        assert [run.job_name for run in stage.turn(room=2, node="b").claimed] == ["job3", "job4"]
        assert [run.job_name for run in stage.turn(room=0).claimed] == []
        assert [run.job_name for run in stage.turn(room=9).claimed] == ["job5"]

    def test_one_run_of_a_job_is_claimed_at_a_time(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, catch_up="all"))
        stage.wait(3)
        first = stage.claim_one()
        assert stage.turn(node="b").claimed == ()
        (second,) = stage.turn(stage.end(first)).claimed
        assert (first.fire_at, second.fire_at) == (at(1), at(2))

    def test_fences_rise_over_all_jobs_and_attempts_over_one_run(self, stage: Stage) -> None:
        stage.declare(spec("one", EVERY_SECOND, on_lost="rerun"), spec("two", EVERY_SECOND))
        stage.wait(1)
        first = {run.job_name: run for run in stage.turn().claimed}
        assert {run.attempt for run in first.values()} == {1}
        stage.finish(first["two"])
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        (again,) = stage.turn(node="b", plan=False).claimed
        assert (again.run_id, again.attempt) == (first["one"].run_id, 2)
        fences = [run.fence for run in first.values()]
        assert len(set(fences)) == 2
        assert again.fence > max(fences) >= min(fences) > 0
        assert stage.ledger.last_fence() >= again.fence
        assert stage.ledger.fences_given_twice() == []

    def test_a_claim_carries_what_the_run_was_asked_with(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        (claimed,) = stage.start("job", parameters={"days": 3, "who": "Zoë"}, enforce=True)
        assert (claimed.parameters, claimed.enforce, claimed.actor) == ({"days": 3, "who": "Zoë"}, True, "me")
        assert (claimed.fire_at, claimed.origin, claimed.version) == (None, "manual", 1)

    def test_a_run_of_a_quarantined_job_waits_until_it_is_mended(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        stage.turn(room=0)
        stage.declare(quarantined=[QuarantineNotice(name="job", source="file:jobs.py", error="SyntaxError")])
        assert stage.turn().claimed == ()
        stage.declare(spec("job", EVERY_SECOND))
        assert stage.claim_one().fire_at == at(1)

    def test_turns_at_once_never_claim_a_run_twice(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}", EVERY_SECOND) for n in range(40)))
        handles = [(stage.engine.open_again(), name) for name in ("a", "b", "a", "b")]
        claimed: list[tuple[int, int]] = []

        def live(ledger: object, name: str) -> None:
            for second in range(1, 16):
                turn = ledger.turn(name, at(second), stage.decide, room=7)  # type: ignore[attr-defined]  # any engine's
                claimed.extend((run.run_id, run.fence) for run in turn.claimed)
                ends = [ending(run, at(second)) for run in turn.claimed]
                ledger.turn(name, at(second), stage.decide, closings=ends, plan=False)  # type: ignore[attr-defined]

        together(*(lambda one=one: live(*one) for one in handles))
        stage.wait(16)
        fences = [fence for _, fence in claimed]
        assert len(claimed) == len({run for run, _ in claimed}) == len(set(fences))
        assert max(fences) <= stage.ledger.last_fence()

    def test_threads_that_share_a_handle_never_claim_a_run_twice(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}", EVERY_SECOND) for n in range(30)))
        stage.wait(1)
        claimed: list[int] = []
        together(*(lambda: claimed.extend(run.run_id for run in stage.turn(room=5).claimed) for _ in range(6)))
        assert len(claimed) == len(set(claimed)) == 30

    # -- closing --------------------------------------------------------------------------------------------------------

    def test_an_end_is_kept_whole(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.wait(2)
        more = {"message": "3 of 4", "error": "Traceback ...", "exit_code": 7, "output": "tail", "duration_ms": 1_900}
        turn = stage.turn(
            stage.end(claimed, "failed", "exit_nonzero", items_processed=3, items_failed=1, **more), plan=False
        )
        assert (turn.closed, turn.late) == ((claimed.run_id,), ())
        run = stage.ledger.run(claimed.run_id)
        assert run is not None
        assert (run.status, run.reason, run.started_at, run.finished_at) == ("failed", "exit_nonzero", at(1), at(3))
        assert (run.message, run.error, run.exit_code, run.output) == ("3 of 4", "Traceback ...", 7, "tail")
        assert (run.items_processed, run.items_failed, run.duration_ms) == (3, 1, 1_900)
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.last_status, job.last_error, job.last_run, job.run_count) == ("failed", "3 of 4", at(1), 1)
        assert job.running == 0

    def test_text_that_no_engine_can_store_is_escaped_not_refused(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.turn(stage.end(claimed, "failed", "exception", message="file \udcff", error="a\0b \ud800"), plan=False)
        run = stage.ledger.run(claimed.run_id)
        assert run is not None
        assert (run.message, run.error) == ("file \\udcff", "a\\0b \\ud800")

    def test_an_end_before_the_start_is_moved_to_the_start(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(10)
        claimed = stage.claim_one()
        stage.turn(stage.end(claimed, started_at=at(4), finished_at=at(5)), plan=False)
        run = stage.ledger.run(claimed.run_id)
        assert run is not None
        assert run.started_at == run.finished_at == at(10), "the wall clock went back in mid-run"

    def test_only_the_holder_of_the_current_fence_closes_a_run(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        zombie = stage.claim_one()
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        (holder,) = stage.turn(node="b", plan=False).claimed
        turn = stage.turn(stage.end(zombie), plan=False, room=0)
        assert (turn.closed, turn.late) == ((), (zombie.run_id,))
        assert stage.runs()[0].status == "running"
        assert stage.finish(holder, node="b").closed == (holder.run_id,)
        first, second = stage.ledger.attempts(holder.run_id)
        assert (first.result, first.late_result, first.late_at) == ("lost", "success", at(1))
        assert (second.result, second.late_result) == ("success", None)

    def test_a_zombie_of_a_failed_run_leaves_only_a_late_result(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        zombie = stage.claim_one()
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        assert stage.finish(zombie).late == (zombie.run_id,)
        (run,) = stage.runs()
        assert (run.status, run.reason) == ("failed", "node_lost")

    def test_a_closed_run_is_final(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.finish(claimed)
        before = stage.runs()
        stage.audited = False  # two ends of one attempt are what the audit is to notice
        turn = stage.turn(stage.end(claimed, "failed", "exception"), room=0, plan=False)
        assert (turn.closed, turn.late) == ((), (claimed.run_id,))
        assert stage.runs() == before

    def test_an_end_that_is_told_twice_was_accepted_the_first_time(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        said = stage.end(claimed, "failed", "exception", message="file \udcff", error="a\0", started_at=at(-5))
        assert stage.turn(said, room=0, plan=False).closed == (claimed.run_id,)
        before = stage.runs()
        stage.wait(60)
        turn = stage.turn(said, room=0, plan=False)
        assert (turn.closed, turn.late, turn.odd) == ((claimed.run_id,), (), ())
        assert stage.runs() == before
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert attempt.late_result is None

    def test_an_end_that_is_told_twice_in_one_turn_is_one(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        turn = stage.turn(stage.end(claimed), stage.end(claimed), room=0, plan=False)
        assert (turn.closed, turn.late) == ((claimed.run_id,), ())
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert attempt.late_result is None

    @pytest.mark.parametrize("turns", [1, 2])
    def test_another_end_under_the_same_fence_is_late_once(self, stage: Stage, turns: int) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        ends = [stage.end(claimed, "failed", "timeout"), stage.end(claimed), stage.end(claimed, "failed", "killed")]
        stage.audited = False  # as above
        if turns == 1:
            turn = stage.turn(*ends, room=0, plan=False)
            assert (turn.closed, set(turn.late)) == ((claimed.run_id,), {claimed.run_id})
        else:
            assert [stage.turn(end, room=0, plan=False).closed for end in ends] == [(claimed.run_id,), (), ()]
        (run,) = stage.runs()
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert (run.status, run.reason) == ("failed", "timeout")
        assert (attempt.result, attempt.late_result, attempt.late_at) == ("failed", "success", at(1))

    def test_the_first_late_result_stands(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        stage.turn(stage.end(claimed, "failed", "exception"), plan=False, room=0)
        stage.turn(stage.end(claimed), plan=False, room=0)
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert attempt.late_result == "failed"

    # -- by hand --------------------------------------------------------------------------------------------------------

    def test_starts_by_hand_are_all_or_none(self, stage: Stage) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        with pytest.raises(JobNotFound, match="no job is named 'tow'") as refused:
            stage.start("one", "tow")
        assert refused.value.suggestion == "two"
        assert stage.runs() == []
        assert [run.job_name for run in stage.start("two", "one")] == ["two", "one"]

    def test_a_job_that_runs_is_not_started_by_hand(self, stage: Stage) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        (running,) = stage.start("two")
        with pytest.raises(JobAlreadyRunning, match=f"'two' is already running .run {running.run_id}"):
            stage.start("one", "two", node="b")
        assert len(stage.runs()) == 1

    def test_with_skip_running_it_gets_an_account_and_is_left_out(self, stage: Stage) -> None:
        stage.declare(spec("one", ""), spec("two", ""))
        (running,) = stage.start("two")
        assert [run.job_name for run in stage.start("one", "two", skip_running=True)] == ["one"]
        (skipped,) = [run for run in stage.runs("two") if run.run_id != running.run_id]
        assert (skipped.status, skipped.reason, skipped.blocked_by) == ("skipped", "overlap", running.run_id)
        assert (skipped.origin, skipped.fire_at, skipped.due_at) == ("manual", None, START)

    def test_a_start_by_hand_stands_in_the_way_of_a_fire_time(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        (claimed,) = stage.start("job")
        stage.wait(1)
        assert stage.turn().claimed == ()
        assert stage.runs("job")[1].blocked_by == claimed.run_id

    def test_a_quarantined_or_retired_job_is_not_started_by_hand(self, stage: Stage) -> None:
        stage.declare(spec("held", ""), spec("gone", ""))
        stage.declare(quarantined=[QuarantineNotice(name="held", source="file:jobs.py", error="SyntaxError: line 3")])
        with pytest.raises(ConflictError, match="quarantined: SyntaxError: line 3"):
            stage.start("held")
        with pytest.raises(JobNotFound):
            stage.start("gone")

    def test_a_disabled_job_may_be_started_by_hand(self, stage: Stage) -> None:
        stage.declare(spec("job", enabled=False))
        assert len(stage.start("job")) == 1

    def test_a_node_that_was_declared_lost_takes_nothing_more(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        assert stage.turn().claimed == ()
        with pytest.raises(NodeLost, match="'a' was declared lost"):
            stage.start("job")
        assert [run.fire_at for run in stage.turn(node="b").claimed] == [at(1)]
        assert len(stage.runs()) == 1

    def test_starts_by_hand_at_once_run_one(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        handles = [stage.engine.open_again() for _ in range(4)]
        refused: list[JobAlreadyRunning] = []
        started: list[int] = []

        def begin(which: int) -> None:
            stage_start = handles[which].start_manual
            from systemprompt.ledger.records import Change, ManualStart

            try:
                (run,) = stage_start("ab"[which % 2], START + SECOND, [ManualStart(job_name="job")], Change(actor="me"))
                started.append(run.run_id)
            except JobAlreadyRunning as error:
                refused.append(error)

        together(*(lambda which=which: begin(which) for which in range(4)))
        stage.wait(1)
        assert (len(started), len(refused)) == (1, 3)
