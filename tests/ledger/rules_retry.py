"""Rules: a failed run is tried again under `retry`, and an interrupted one under `on_lost: rerun`; each stays one account."""

from __future__ import annotations

import pytest

from support.ledger_stage import HOUR, HOURLY, MINUTE, Stage, at, spec
from systemprompt.clock import SECOND, Instant
from systemprompt.jobs.retry import Retry
from systemprompt.ledger.records import Claimed, Closing

THRICE = {"times": 3, "after": 10, "cap": 25}


def fails(stage: Stage, run: Claimed, message: str = "it broke", **more: object) -> Closing:
    return stage.end(run, "failed", "exception", message=message, error=f"Traceback: {message}", again=True, **more)


def waits_for(run: Claimed, tried: int) -> Instant:
    return round(Retry(times=3, after_s=10.0, cap_s=25.0).wait_s(run.run_id, tried) * SECOND)


class RetryRules:
    """What becomes of a run that failed."""

    @pytest.fixture
    def failing(self, stage: Stage) -> Claimed:
        """The first try of a job that fires every hour and may be tried three times more."""
        stage.declare(spec("job", HOURLY, retry=THRICE))
        stage.wait(HOUR)
        return stage.claim_one()

    def test_it_waits_for_its_time_is_tried_again_and_stays_one_account(self, stage: Stage, failing: Claimed) -> None:
        stage.wait(3)
        turn = stage.turn(fails(stage, failing))

        from_then = at(HOUR + 3) + waits_for(failing, 1)
        assert (turn.closed, turn.again, turn.claimed) == ((failing.run_id,), ((failing.run_id, from_then),), ())
        assert turn.next_due == from_then
        assert stage.run(failing.run_id).status == "queued"
        stage.now = from_then - 1
        assert stage.turn(node="b").claimed == ()
        stage.now = from_then

        again = stage.claim_one(node="b")

        assert (again.run_id, again.attempt, again.fire_at) == (failing.run_id, 2, failing.fire_at)
        assert again.fence > failing.fence
        stage.finish(again, node="b")
        (account,) = stage.runs("job")
        assert (account.status, account.attempt, account.due_at) == ("success", 2, at(HOUR))
        first, second = stage.ledger.attempts(failing.run_id)
        assert (first.result, first.reason, first.message, first.attempt) == ("failed", "exception", "it broke", 1)
        assert (second.result, second.attempt) == ("success", 2)
        assert stage.total(statuses=("failed",)) == 0

    def test_a_node_that_has_nothing_else_to_do_looks_when_the_wait_is_over(
        self, stage: Stage, failing: Claimed
    ) -> None:
        stage.turn(fails(stage, failing))
        assert stage.turn(node="b").next_due == at(HOUR) + waits_for(failing, 1)

    def test_the_waits_double_up_to_the_limit_and_the_last_failure_is_the_accounts(
        self, stage: Stage, failing: Claimed
    ) -> None:
        run, waits = failing, []
        for tried in (1, 2, 3):
            stage.wait(1)
            ((run_id, from_then),) = stage.turn(fails(stage, run, f"try {tried}")).again
            assert run_id == run.run_id
            waits.append(from_then - stage.now)
            stage.now = from_then
            run = stage.claim_one()
        turn = stage.turn(fails(stage, run, "try 4"))

        assert waits == [waits_for(run, tried) for tried in (1, 2, 3)]
        assert [wait // (10 * SECOND) for wait in waits] == [1, 2, 2]
        assert turn.again == ()
        (account,) = stage.runs("job")
        assert (account.status, account.reason, account.message, account.attempt) == ("failed", "exception", "try 4", 4)
        assert [one.message for one in stage.ledger.attempts(run.run_id)] == [f"try {n}" for n in (1, 2, 3, 4)]
        assert stage.job("job").last_error == "try 4"

    def test_what_its_node_calls_final_and_what_the_version_does_not_cover_is_closed(self, stage: Stage) -> None:
        stage.declare(spec("final", HOURLY, retry=THRICE), spec("plain", HOURLY))
        stage.wait(HOUR)
        by_name = {run.job_name: run for run in stage.turn().claimed}
        final = stage.end(by_name["final"], "failed", "reported", message="no")

        turn = stage.turn(final, fails(stage, by_name["plain"]))

        assert turn.again == ()
        assert {run.status for run in stage.runs()} == {"failed"}

    def test_the_version_of_the_run_says_how_often_whatever_the_job_says_now(
        self, stage: Stage, failing: Claimed
    ) -> None:
        stage.declare(spec("job", HOURLY))
        assert stage.turn(fails(stage, failing)).again != ()

    def test_a_try_that_would_come_after_the_next_fire_time_is_not_made(self, stage: Stage) -> None:
        stage.declare(spec("job", "0 * * * * *", retry={"times": 3, "after": 50}))
        stage.wait(MINUTE)
        run = stage.claim_one()
        stage.wait(11)

        assert stage.turn(fails(stage, run)).again == ()
        assert stage.run(run.run_id).status == "failed"

    def test_one_that_may_go_over_the_next_fire_time_is_in_its_way(self, stage: Stage) -> None:
        stage.declare(spec("job", "0 * * * * *", retry={"times": 3, "after": 50, "over_next": True}))
        stage.wait(MINUTE)
        run = stage.claim_one()
        stage.wait(11)
        ((_, from_then),) = stage.turn(fails(stage, run)).again
        stage.wait(MINUTE - 11)
        assert stage.turn().claimed == ()
        stage.now = from_then

        again = stage.claim_one()

        assert again.run_id == run.run_id
        stage.finish(again)
        assert [(one.status, one.blocked_by) for one in stage.runs("job")] == [
            ("success", None),
            ("skipped", run.run_id),
        ]

    def test_one_that_found_no_room_in_time_gives_its_place_to_the_next_fire_time(self, stage: Stage) -> None:
        stage.declare(spec("job", "0 * * * * *", retry={"times": 3, "after": 10}))
        stage.wait(MINUTE)
        run = stage.claim_one()
        stage.wait(1)
        stage.turn(fails(stage, run), room=0)
        stage.wait(MINUTE - 1)

        (following,) = stage.turn().claimed

        assert following.fire_at == at(2 * MINUTE)
        account = stage.run(run.run_id)
        assert (account.status, account.reason, account.message, account.attempt) == (
            "failed",
            "exception",
            "it broke",
            1,
        )
        assert account.error == "Traceback: it broke"
        stage.finish(following)
        assert [one.result for one in stage.ledger.attempts(run.run_id)] == ["failed"]

    def test_whoever_asks_for_its_stop_ends_it_for_good(self, stage: Stage, failing: Claimed) -> None:
        stage.stop(failing.run_id)
        assert stage.turn(fails(stage, failing)).again == ()
        assert stage.run(failing.run_id).status == "failed"

    def test_asked_to_stop_while_it_waits_it_is_cancelled(self, stage: Stage, failing: Claimed) -> None:
        stage.turn(fails(stage, failing))
        stage.stop(failing.run_id)
        account = stage.run(failing.run_id)
        assert (account.status, account.reason) == ("cancelled", "requested")

    def test_told_twice_it_counts_once(self, stage: Stage, failing: Claimed) -> None:
        closing = fails(stage, failing)
        stage.turn(closing)
        turn = stage.turn(closing)
        assert (turn.closed, turn.late, turn.again) == ((failing.run_id,), (), ())
        assert len(list(stage.ledger.attempts(failing.run_id))) == 1

    def test_a_run_asked_for_by_hand_is_tried_again_too(self, stage: Stage) -> None:
        stage.declare(spec("hand", "", retry=THRICE))
        stage.ask("hand")
        run = stage.claim_one()
        ((run_id, from_then),) = stage.turn(fails(stage, run)).again
        stage.now = from_then
        assert stage.claim_one().run_id == run_id


class InterruptionRules:
    """What becomes of a run that its node had to stop."""

    def interrupted(self, stage: Stage, run: Claimed) -> Closing:
        return stage.end(run, "cancelled", "shutdown", message="stopped because its node is shutting down", again=True)

    def test_under_rerun_it_starts_again_at_once_and_uses_up_no_try(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, on_lost="rerun", retry={"times": 1, "after": 10}))
        stage.wait(HOUR)
        run = stage.claim_one()

        stage.turn(self.interrupted(stage, run), room=0)
        second = stage.claim_one(node="b")
        ((_, from_then),) = stage.turn(fails(stage, second), node="b").again
        stage.now = from_then
        third = stage.claim_one()
        stage.finish(third)

        assert [run.attempt, second.attempt, third.attempt] == [1, 2, 3]
        assert [one.result for one in stage.ledger.attempts(run.run_id)] == ["interrupted", "failed", "success"]
        assert stage.run(run.run_id).status == "success"

    def test_under_fail_its_account_closes(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY))
        stage.wait(HOUR)
        run = stage.claim_one()
        assert stage.turn(self.interrupted(stage, run)).again == ()
        assert (stage.run(run.run_id).status, stage.run(run.run_id).reason) == ("cancelled", "shutdown")

    def test_the_fifth_interruption_closes_it_whether_nodes_were_lost_or_stopped(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, on_lost="rerun"))
        stage.wait(HOUR)
        for number in range(4):
            run = stage.claim_one(node=f"n{number}") if number else stage.claim_one()
            if number % 2:
                stage.lose(f"n{number}")
            else:
                assert stage.turn(self.interrupted(stage, run), room=0, node="b").again != ()
            stage.join(f"n{number + 1}")
        run = stage.claim_one(node="n4")

        assert stage.turn(self.interrupted(stage, run), node="n4").again == ()

        assert (stage.run(run.run_id).status, stage.run(run.run_id).attempt) == ("cancelled", 5)
