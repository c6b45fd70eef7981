"""Ends out of the ordinary: code that cannot be stopped, and closings that the ledger refuses."""

from __future__ import annotations

import pytest
from rules_open_and_closed import whole

from support.ledger_stage import DAY, EVERY_SECOND, HOURLY, Stage, at, spec
from systemprompt.errors import JobAlreadyRunning
from systemprompt.ledger.records import Claimed, Closing, QuarantineNotice, SyncReport


def given_up(stage: Stage) -> Closing:
    """Run `job` once, close the account though its code runs on, and return what the code will report in the end."""
    stage.declare(spec("job", EVERY_SECOND))
    stage.wait(1)
    claimed = stage.claim_one()
    stage.turn(stage.end(claimed, "failed", "timeout", abandoned=True), plan=False, room=0)
    assert list(stage.ledger.abandoned_runs()) == [claimed.run_id]
    assert stage.run(claimed.run_id).abandoned is True
    return stage.end(claimed, finished_at=at(30))


def set_apart(stage: Stage) -> Claimed:
    """Let a run of `odd` be refused to be closed, and return it; `well` runs beside it."""
    stage.declare(spec("odd", EVERY_SECOND), spec("well", EVERY_SECOND))
    stage.wait(1)
    held = {run.job_name: run for run in stage.turn().claimed}
    turn = stage.turn(stage.end(held["odd"], "done"), stage.end(held["well"]), plan=False, room=0)
    assert turn.odd == (held["odd"].run_id,)
    return held["odd"]


class OddEndRules:
    """What becomes of a run whose end is out of the ordinary, and of its job."""

    # -- code that cannot be stopped ----------------------------------------------------------------------------------------

    def test_no_run_of_a_job_begins_while_code_of_it_that_was_given_up_on_still_runs(self, stage: Stage) -> None:
        end = given_up(stage)
        stage.wait(1)
        assert stage.turn().claimed == ()
        skipped = stage.runs("job")[1]
        assert (skipped.status, skipped.reason, skipped.blocked_by) == ("skipped", "overlap", end.run_id)
        (asked,) = stage.ask("job")
        assert stage.turn(node="b").claimed == (), "nor what waits, on any node"
        whole(stage)
        stage.wait(1)
        turn = stage.turn(end)
        assert (turn.closed, turn.late) == ((), (end.run_id,))
        assert [run.run_id for run in turn.claimed] == [asked], "its code has come back"
        assert list(stage.ledger.abandoned_runs()) == []
        (attempt,) = stage.ledger.attempts(end.run_id)
        assert (attempt.result, attempt.late_result) == ("failed", "success")

    def test_a_job_whose_code_runs_on_is_not_started_by_hand(self, stage: Stage) -> None:
        end = given_up(stage)
        with pytest.raises(JobAlreadyRunning, match=str(end.run_id)):
            stage.start("job")

    def test_an_account_that_is_closed_as_given_up_on_and_told_again_leaves_its_code_in_the_way(
        self, stage: Stage
    ) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        said = stage.end(claimed, "failed", "timeout", abandoned=True)
        for _ in range(2):
            turn = stage.turn(said, said, plan=False, room=0)
            assert (turn.closed, turn.late) == ((claimed.run_id,), ())
            assert list(stage.ledger.abandoned_runs()) == [claimed.run_id]

    def test_code_that_comes_back_in_the_turn_that_gives_it_up_is_in_nobodys_way(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.wait(1)
        given_up = stage.end(claimed, "failed", "timeout", abandoned=True)
        turn = stage.turn(given_up, stage.end(claimed, "failed", "timeout"))
        assert (turn.closed, turn.late) == ((claimed.run_id,), (claimed.run_id,))
        assert list(stage.ledger.abandoned_runs()) == []
        assert [run.fire_at for run in turn.claimed] == [at(2)]

    @pytest.mark.parametrize("fate", ["left", "lost"])
    def test_a_node_that_is_gone_takes_the_code_with_it(self, stage: Stage, fate: str) -> None:
        given_up(stage)
        if fate == "left":
            stage.ledger.leave("a", stage.now)
        else:
            stage.lose("a")
        assert list(stage.ledger.abandoned_runs()) == []
        stage.wait(1)
        assert [run.fire_at for run in stage.turn(node="b").claimed] == [at(2)]

    def test_code_of_a_node_that_has_stopped_is_never_in_the_way(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.ledger.leave("a", stage.now)
        turn = stage.turn(stage.end(claimed, "cancelled", "shutdown", abandoned=True), plan=False, room=0)
        assert turn.closed == (claimed.run_id,)
        assert list(stage.ledger.abandoned_runs()) == []
        stage.wait(1)
        assert [run.fire_at for run in stage.turn(node="b").claimed] == [at(2)]

    # -- a closing that the ledger refuses --------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("failed", None), ("failed", "overlap"), ("success", "reported"), ("done", None), ("cancelled", None)],
    )
    def test_an_odd_closing_leaves_its_run_open_and_the_rest_of_the_batch_is_closed(
        self, stage: Stage, status: str, reason: str | None
    ) -> None:
        stage.declare(*(spec(name, EVERY_SECOND) for name in ("one", "odd", "two")))
        stage.wait(1)
        held = {run.job_name: run for run in stage.turn().claimed}
        ends = [stage.end(held["one"]), stage.end(held["odd"], status, reason), stage.end(held["two"])]
        turn = stage.turn(*ends, plan=False, room=0)
        assert (set(turn.closed), turn.odd) == ({held["one"].run_id, held["two"].run_id}, (held["odd"].run_id,))
        whole(stage)
        assert stage.run(held["odd"].run_id).status == "running"
        job = stage.job("odd")
        assert job.quarantine == "ledger_conflict"
        assert f"refuses to close run {held['odd'].run_id}" in (job.quarantine_error or "")
        assert {stage.job(name).quarantine for name in ("one", "two")} == {None}

    def test_a_batch_in_which_each_closing_is_odd_closes_nothing(self, stage: Stage) -> None:
        stage.declare(spec("one", EVERY_SECOND), spec("two", EVERY_SECOND))
        stage.wait(1)
        held = stage.turn().claimed
        turn = stage.turn(*(stage.end(run, "done") for run in held), plan=False, room=0)
        assert (turn.closed, turn.late, set(turn.odd)) == ((), (), {run.run_id for run in held})
        assert {run.status for run in stage.runs()} == {"running"}

    def test_the_same_turn_plans_and_begins_what_is_due(self, stage: Stage) -> None:
        stage.declare(spec("odd", ""), spec("due", EVERY_SECOND))
        (held,) = stage.start("odd")
        stage.wait(1)
        turn = stage.turn(stage.end(held, "done"), room=5)
        assert (turn.odd, [run.job_name for run in turn.claimed]) == ((held.run_id,), ["due"])

    def test_a_zombie_is_late_also_in_a_batch_with_an_odd_closing(self, stage: Stage) -> None:
        stage.declare(spec("odd", ""), spec("lost", ""))
        stage.join("c")
        (zombie,) = stage.start("lost", node="c")
        stage.lose("c")
        (held,) = stage.start("odd")
        turn = stage.turn(stage.end(held, "done"), stage.end(zombie), plan=False, room=0)
        assert (turn.closed, turn.late, turn.odd) == ((), (zombie.run_id,), (held.run_id,))

    def test_fire_times_of_a_job_that_was_set_apart_are_skipped_as_quarantined_from_then_on(self, stage: Stage) -> None:
        held = set_apart(stage)
        stage.wait(DAY)
        stage.turn(room=0)
        assert {(one.status, one.reason, one.count) for one in stage.ranges("odd")} == {("skipped", "quarantined", DAY)}
        assert stage.run(held.run_id).status == "running"
        whole(stage)

    def test_other_jobs_go_on_after_an_odd_closing(self, stage: Stage) -> None:
        set_apart(stage)
        stage.wait(1)
        assert [run.job_name for run in stage.turn().claimed] == ["well"]

    def test_enabling_a_job_that_was_set_apart_releases_it(self, stage: Stage) -> None:
        held = set_apart(stage)
        stage.wait(60)
        stage.enable("odd", True)
        assert (stage.job("odd").quarantine, stage.job("odd").quarantine_error) == (None, None)
        assert stage.turn(stage.end(held, "failed", "reported"), plan=False, room=0).closed == (held.run_id,)
        whole(stage)
        stage.wait(1)
        assert "odd" in {run.job_name for run in stage.turn().claimed}

    def test_a_disabled_job_that_was_set_apart_is_released_when_it_is_enabled(self, stage: Stage) -> None:
        set_apart(stage)
        stage.wait(60)
        stage.enable("odd", False)
        assert stage.job("odd").quarantine == "ledger_conflict"
        stage.wait(60)
        stage.enable("odd", True)
        assert (stage.job("odd").quarantine, stage.job("odd").enabled) == (None, True)
        assert stage.job("odd").next_run is not None

    def test_code_and_profile_do_not_release_a_job_that_was_set_apart(self, stage: Stage) -> None:
        held = set_apart(stage)
        others = [spec("well", EVERY_SECOND)]
        notice = QuarantineNotice(name="odd", source="file:jobs.py", error="SyntaxError")
        assert stage.declare(*others, quarantined=[notice]) == SyncReport()
        assert stage.job("odd").quarantine == "ledger_conflict"
        stage.declare(*others, spec("odd", HOURLY))
        assert stage.job("odd").quarantine == "ledger_conflict"
        assert stage.run(held.run_id).status == "running"

    def test_a_job_that_has_left_owes_nothing_when_its_last_run_is_set_apart(self, stage: Stage) -> None:
        stage.declare(spec("odd", EVERY_SECOND))
        stage.wait(1)
        held = stage.claim_one()
        stage.declare()
        stage.wait(60)
        assert stage.turn(stage.end(held, "done"), plan=False).odd == (held.run_id,)
        assert stage.accounted("odd") == 1
        assert stage.turn(stage.end(held), plan=False).closed == (held.run_id,)
