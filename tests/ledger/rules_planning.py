"""Planning: every fire time gets exactly one account, in the commit that moves the cursor past it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.ledger_stage import DAY, EVERY_MINUTE, EVERY_SECOND, HOUR, HOURLY, MINUTE, START, Stage, at, spec, together
from systemprompt.clock import SECOND, Instant
from systemprompt.errors import DatabaseError
from systemprompt.ledger.records import Decision, JobToPlan, PlannedRange, PlannedRun, QuarantineNotice

if TYPE_CHECKING:
    from systemprompt.ledger.records import Decide


class PlanningRules:
    """What `turn` writes when jobs are due."""

    def test_nothing_is_owed_before_the_first_fire_time(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(59)
        turn = stage.turn()
        assert (turn.planned, turn.claimed, turn.next_due) == (0, (), at(60))
        assert stage.runs() == []

    def test_a_fire_time_on_time_becomes_a_run_that_is_claimed_in_the_same_commit(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)
        (claimed,) = stage.turn().claimed
        (run,) = stage.runs()
        assert (claimed.job_name, claimed.fire_at, claimed.attempt, claimed.origin) == ("job", at(60), 1, "schedule")
        assert (run.status, run.fire_at, run.fence, run.node_id) == ("running", at(60), claimed.fence, "a")
        assert (run.started_at, stage.cursor("job")) == (at(60), at(60))

    def test_jobs_are_planned_in_due_order(self, stage: Stage) -> None:
        stage.declare(spec("late", "9 * * * * *"), spec("early", "3 * * * * *"), spec("middle", "5 * * * * *"))
        stage.wait(9)
        assert [run.job_name for run in stage.turn().claimed] == ["early", "middle", "late"]

    def test_the_next_look_is_the_earliest_of_all_jobs(self, stage: Stage) -> None:
        stage.declare(spec("hourly", HOURLY), spec("often", "*/20 * * * * *"), spec("by_hand", ""))
        assert stage.turn().next_due == at(20)
        stage.wait(20)
        assert stage.turn().next_due == at(40)
        stage.declare(spec("hourly", HOURLY), spec("by_hand", ""))
        assert stage.turn().next_due == at(HOUR)
        stage.declare(spec("by_hand", ""))
        assert stage.turn().next_due is None
        stage.audited = False  # the run of the retired job is still open

    def test_a_turn_that_may_not_plan_leaves_the_cursor_alone(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(600)
        assert stage.turn(plan=False).planned == 0
        assert stage.cursor("job") == START

    def test_a_month_of_an_every_second_job_is_one_run_and_one_range_in_no_time(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(30 * DAY)
        began = time.process_time()
        stage.turn()
        assert time.process_time() - began < 0.5, "catching up walked through the fire times"
        (gap,) = stage.ranges("job")
        assert (gap.first_at, gap.last_at, gap.count) == (at(1), at(30 * DAY - 1), 30 * DAY - 1)
        assert (gap.status, gap.reason) == ("missed", "superseded")
        assert [run.fire_at for run in stage.runs("job")] == [at(30 * DAY)]

    def test_catch_up_latest_starts_the_newest_and_says_so(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY))
        stage.wait(5 * HOUR + 1_000)
        claimed = stage.claim_one()
        assert (claimed.fire_at, claimed.origin) == (at(5 * HOUR), "catch_up")
        (gap,) = stage.ranges("job")
        assert (gap.first_at, gap.last_at, gap.count, gap.reason) == (at(HOUR), at(4 * HOUR), 4, "superseded")

    def test_catch_up_skip_misses_what_is_late_and_starts_nothing(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, catch_up="skip"))
        stage.wait(5 * HOUR + 1_000)
        turn = stage.turn()
        assert (turn.claimed, turn.next_due) == ((), at(6 * HOUR))
        (gap,) = stage.ranges("job")
        assert (gap.count, gap.status, gap.reason) == (5, "missed", "down")

    def test_catch_up_all_queues_a_bounded_number_and_the_cursor_waits(self, stage: Stage) -> None:
        stage.declare(spec("job", catch_up="all"))
        stage.wait(250 * MINUTE)
        done: list[Instant | None] = []
        most = 0
        turn = stage.turn(room=1)
        while turn.claimed:
            most = max(most, len(stage.ledger.open_runs()))
            done += [run.fire_at for run in turn.claimed]
            stage.wait(0.1)
            turn = stage.turn(*map(stage.end, turn.claimed), room=1)
        assert done == [at(60 * n) for n in range(1, 251)], "each one, in order"
        assert most <= 100
        assert stage.cursor("job") > at(250 * MINUTE)

    def test_a_fire_time_while_a_run_is_open_is_skipped_and_names_the_run_in_the_way(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)
        claimed = stage.claim_one()
        stage.wait(60)
        assert stage.turn().claimed == ()
        skipped = stage.runs("job")[1]
        assert (skipped.status, skipped.reason, skipped.blocked_by) == ("skipped", "overlap", claimed.run_id)
        stage.wait(60)
        (following,) = stage.turn(stage.end(claimed)).claimed
        assert following.fire_at == at(180), "closed in this very turn, so it is in nobody's way"

    def test_a_disabled_job_is_accounted_for_in_ranges(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, enabled=False))
        stage.wait(3 * DAY)
        assert stage.turn().claimed == ()
        stage.enable("job", True)
        assert {(one.status, one.reason) for one in stage.ranges("job")} == {("skipped", "disabled")}
        assert stage.accounted("job") == 3 * DAY

    def test_a_quarantined_job_is_accounted_for_in_ranges(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.declare(quarantined=[QuarantineNotice(name="job", source="file:jobs.py", error="SyntaxError")])
        stage.wait(10 * MINUTE)
        assert stage.turn().claimed == ()
        stage.declare(spec("job"))
        (gap,) = stage.ranges("job")
        assert (gap.count, gap.status, gap.reason) == (10, "skipped", "quarantined")

    def test_a_clock_that_goes_back_fires_nothing_twice(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(5 * MINUTE)
        stage.finish(*stage.turn().claimed)
        stage.clock.step(-3 * MINUTE)
        for _ in range(3):
            assert stage.turn().claimed == ()
            stage.wait(MINUTE)
        stage.wait(MINUTE)
        (claimed,) = stage.turn().claimed
        assert claimed.fire_at == at(6 * MINUTE)
        assert stage.accounted("job") == 6

    def test_a_new_version_splits_the_accounts_exactly_at_the_cursor(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_MINUTE))
        stage.wait(150)
        stage.declare(spec("job", "30 * * * * *"))
        stage.wait(150)
        stage.turn()
        first, second = stage.ledger.versions(stage.job_id("job"))
        assert first.valid_until == second.valid_from == at(150)
        accounts = [(run.version, run.fire_at, run.fire_at) for run in stage.runs("job")]
        accounts += [(one.version, one.first_at, one.last_at) for one in stage.ranges("job")]
        for version, _, last in accounts:
            assert last is not None
            assert (version == 1) == (last <= at(150))
        assert stage.accounted("job") == 2 + 2

    def test_every_instant_has_exactly_one_account_through_a_busy_life(self, stage: Stage) -> None:
        jobs = [spec("plain"), spec("all", "*/30 * * * * *", catch_up="all"), spec("skip", catch_up="skip")]
        stage.declare(*jobs)
        for step, pause in enumerate((60, 7, 400, 1, 59, 3_000, 61, 20, 60, 86_400)):
            stage.wait(pause)
            claimed = stage.turn(room=2).claimed
            if step == 4:
                stage.enable("plain", False)
            if step == 6:
                stage.enable("plain", True)
            stage.finish(*claimed)
        for name, period in (("plain", 60), ("skip", 60), ("all", 30)):
            assert stage.accounted(name) == (stage.cursor(name) - START) // SECOND // period

    def test_a_cursor_that_another_moved_undoes_the_whole_turn(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)

        def back(job: JobToPlan, now: Instant) -> Decision:
            return Decision(planned_through=job.planned_through - 1, next_due=now, next_run=None)

        with pytest.raises(DatabaseError):
            stage.ledger.turn("a", stage.now, back, room=1)
        assert stage.cursor("job") == START
        stage.turn()

    def test_one_fire_time_cannot_have_two_accounts(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)
        twice = PlannedRun(fire_at=at(60), status="queued")
        span = PlannedRange(first_at=at(30), last_at=at(90), count=2, status="missed", reason="down")
        for runs, ranges in (((twice, twice), ()), ((twice,), (span,)), ((), (span, span))):
            decision = Decision(planned_through=at(60), next_due=None, next_run=None, runs=runs, ranges=ranges)
            with pytest.raises(DatabaseError):
                stage.ledger.turn("a", stage.now, _always(decision), room=1)
        assert (stage.runs(), stage.ranges(), stage.cursor("job")) == ([], [], START)
        stage.turn()

    def test_a_planner_that_raises_leaves_nothing_behind(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)

        def breaks(job: JobToPlan, now: Instant) -> Decision:
            raise RuntimeError("planner")

        with pytest.raises(RuntimeError):
            stage.ledger.turn("a", stage.now, breaks, room=1)
        assert stage.claim_one().fire_at == at(60)

    def test_two_nodes_that_plan_at_once_write_each_fire_time_once(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}", EVERY_SECOND) for n in range(20)))
        handles = [stage.engine.open_again(), stage.engine.open_again()]
        claimed: list[int] = []

        def live(which: int) -> None:
            for second in range(1, 30):
                turn = handles[which].turn("ab"[which], at(second), stage.decide, room=40)
                claimed.extend(run.run_id for run in turn.claimed)

        together(lambda: live(0), lambda: live(1))
        stage.wait(29)
        assert len(claimed) == len(set(claimed))
        assert all(stage.accounted(f"job{n}") == 29 for n in range(20))

    # -- patience -------------------------------------------------------------------------------------------------------

    def test_a_due_job_without_room_keeps_its_cursor_until_it_has_waited_long_enough(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}") for n in range(5)))
        stage.wait(60)
        turn = stage.turn(room=2, patience=1)
        assert (len(turn.claimed), turn.planned, turn.more, turn.next_due) == (2, 2, False, at(61))
        assert len(stage.runs()) == 2
        assert [stage.cursor(f"job{n}") for n in range(5)].count(at(0)) == 3

        stage.wait(1)
        turn = stage.turn(room=0, patience=1)
        assert (turn.planned, turn.claimed) == (3, ())
        assert [run.status for run in stage.runs()].count("queued") == 3

    def test_an_end_makes_room_for_the_next_due_job_in_due_order(self, stage: Stage) -> None:
        stage.declare(*(spec(f"job{n}", f"{n} * * * * *") for n in (1, 2, 3)))
        stage.wait(3)
        (first,) = stage.turn(room=1, patience=10).claimed
        (second,) = stage.turn(stage.end(first), room=1, patience=10).claimed
        (third,) = stage.turn(stage.end(second), room=1, patience=10).claimed
        assert [run.job_name for run in (first, second, third)] == ["job1", "job2", "job3"]
        assert stage.turn(stage.end(third), room=1, patience=10).next_due == at(61)
        assert {run.status for run in stage.runs()} == {"success"}

    def test_a_node_without_room_leaves_what_is_due_to_one_that_has_room(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(60)
        assert stage.turn(room=0, patience=1).next_due == at(61)
        assert [run.job_name for run in stage.turn(node="b", room=1, patience=1).claimed] == ["job"]

    def test_what_needs_no_room_does_not_keep_others_from_it(self, stage: Stage) -> None:
        stage.declare(*(spec(f"busy{n}", EVERY_SECOND) for n in range(3)), spec("free", EVERY_SECOND))
        stage.wait(1)
        busy = [run for run in stage.turn(room=4).claimed if run.job_name != "free"]
        (free,) = [run for run in stage.runs() if run.job_name == "free"]
        stage.wait(1)
        first = stage.turn(room=1, patience=1, plan=True)
        turns = [first]
        while turns[-1].more:
            turns.append(stage.turn(room=1 - sum(len(turn.claimed) for turn in turns), patience=1))
        assert len(busy) == 3
        assert free.status == "running"
        assert [run.reason for run in stage.runs() if run.status == "skipped"] == ["overlap"] * 4


def _always(decision: Decision) -> Decide:
    return lambda job, now: decision
