"""Open work and closed accounts: a run is one or the other at each step, and what was closed stays as it was closed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from rules_retention import sealing

from support.ledger_stage import DAY, EVERY_SECOND, HOUR, HOURLY, START, Stage, at, spec
from systemprompt.ledger.records import QuarantineNotice
from systemprompt.ledger.seals import day_of
from systemprompt.ledger.tallies import ALL_JOBS
from systemprompt.ledger.views import HistoryQuery

OPEN = ("queued", "running")
HOUR_US = 3_600_000_000


def whole(stage: Stage) -> None:
    """Each run is open or closed, each fire time has one account, and the totals are those of a plain count."""
    runs, ranges = stage.runs(), stage.ranges()
    assert stage.ledger.stray_runs() == []
    assert stage.ledger.fences_given_twice() == []
    assert len({run.run_id for run in runs}) == len(runs)
    open_ids = {run.run_id for run in stage.ledger.open_runs()}
    assert open_ids == {run.run_id for run in runs if run.status in OPEN}
    assert all((run.finished_at is None) == (run.status in OPEN) for run in runs)
    assert all((run.fence is None) == (run.node_id is None) == (run.started_at is None) for run in runs)
    fire_times = Counter((run.job_id, run.fire_at) for run in runs if run.fire_at is not None)
    assert set(fire_times.values()) <= {1}
    for account in ranges:
        inside = [at for job_id, at in fire_times if job_id == account.job_id and at is not None]
        assert not [at for at in inside if account.first_at <= at <= account.last_at]
    assert counted(stage) == plainly(stage)


def counted(stage: Stage) -> dict[tuple[int, int, str, str], int]:
    rows = list(stage.ledger.counts_between(-(2**40), 2**40))
    assert len({row[:4] for row in rows}) == len(rows), "one number each"
    assert all(row[4] for row in rows), "none of them is 0"
    return {row[:4]: row[4] for row in rows}


def plainly(stage: Stage) -> dict[tuple[int, int, str, str], int]:
    """Count the closed accounts one by one."""
    closed = [run for run in stage.runs() if run.status not in OPEN]
    kept = [(run.job_id, run.due_at // HOUR_US, run.status, run.origin) for run in closed]
    kept += [(one.job_id, one.last_at // HOUR_US, one.status, "range") for one in stage.ranges()]
    return Counter([*kept, *((ALL_JOBS, hour, status, origin) for _, hour, status, origin in kept)])


class OpenAndClosedRules:
    """What DESIGN section 5 says of the two tables, seen from outside."""

    def test_a_run_is_open_or_closed_at_each_step_of_its_life(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"), spec("other", EVERY_SECOND, catch_up="all"))
        steps: list[str] = []

        def step(name: str) -> None:
            whole(stage)
            (run,) = [run for run in stage.runs("job") if run.fire_at == at(1)]
            steps.append(f"{name}: {run.status}")

        stage.wait(1)
        stage.turn(room=0)
        step("planned")
        (zombie,) = [run for run in stage.turn().claimed if run.job_name == "job"]
        step("begun")
        stage.lose("a")
        step("lost")
        (held,) = [run for run in stage.turn(node="b", plan=False).claimed if run.job_name == "job"]
        step("begun again")
        stage.turn(stage.end(zombie), plan=False, room=0)
        step("told by a zombie")
        stage.finish(held, node="b")
        step("closed")
        stage.turn(stage.end(held), stage.end(zombie, "failed", "killed"), plan=False, room=0)
        step("told again")
        assert steps == [
            "planned: queued",
            "begun: running",
            "lost: queued",
            "begun again: running",
            "told by a zombie: running",
            "closed: success",
            "told again: success",
        ]

    def test_every_way_to_an_account_leaves_each_run_in_one_place(self, stage: Stage) -> None:
        stage.declare(spec("fails", EVERY_SECOND), spec("backlog", EVERY_SECOND, catch_up="all"), spec("by_hand", ""))
        stage.wait(3)
        stage.turn()
        whole(stage)
        (held,) = stage.start("by_hand")
        stage.start("by_hand", skip_running=True)
        whole(stage)
        (asked,) = stage.ask("by_hand")
        stage.stop(asked)
        stage.stop(held.run_id)
        whole(stage)
        stage.turn(stage.end(held, "cancelled", "requested"), plan=False)
        whole(stage)
        stage.lose("a")
        whole(stage)
        stage.wait(2)
        stage.turn(node="b", room=0)
        whole(stage)
        stage.declare()
        whole(stage)
        assert {run.status for run in stage.runs()} == {"failed", "skipped", "cancelled"}

    # -- what begins ------------------------------------------------------------------------------------------------------

    def test_a_due_job_with_room_is_written_as_already_running(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        other = stage.engine.open_again()
        stage.wait(1)
        marker = other.change_marker()
        claimed = stage.claim_one()
        assert other.change_marker() != marker
        (run,) = other.open_runs()
        assert (run.status, run.attempt, run.fence, run.node_id) == ("running", 1, claimed.fence, "a")
        assert run.queued_at == run.started_at == at(1)

    def test_what_waits_begins_before_what_is_due_now(self, stage: Stage) -> None:
        stage.declare(spec("waits", "1 * * * * *"), spec("asked", ""), spec("due", "9 * * * * *"))
        stage.wait(1)
        stage.turn(room=0)
        stage.wait(4)
        stage.ask("asked")
        stage.wait(4)
        assert [run.job_name for run in stage.turn(room=1).claimed] == ["waits"]
        assert [run.job_name for run in stage.turn(room=2).claimed] == ["asked", "due"]

    def test_what_waits_takes_the_room_and_what_is_due_waits_behind_it(self, stage: Stage) -> None:
        stage.declare(*(spec(f"waits{n}", "1 * * * * *") for n in range(3)), spec("due", "2 * * * * *"))
        stage.wait(1)
        stage.turn(room=0)
        stage.wait(1)
        assert {run.job_name for run in stage.turn(room=3).claimed} == {"waits0", "waits1", "waits2"}
        (due,) = stage.runs("due")
        assert (due.status, due.queued_at) == ("queued", at(2))
        assert [run.job_name for run in stage.turn(room=1, plan=False).claimed] == ["due"]

    def test_a_job_that_waits_is_not_begun_a_second_time_when_it_is_due(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        stage.turn(room=0)
        stage.wait(1)
        (claimed,) = stage.turn().claimed
        assert claimed.fire_at == at(1)
        assert stage.runs("job")[1].blocked_by == claimed.run_id

    def test_of_a_backlog_one_run_begins_at_a_time_also_in_the_turn_that_plans_it(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, catch_up="all"))
        stage.wait(30)
        (claimed,) = stage.turn().claimed
        assert claimed.fire_at == at(1)
        assert [run.status for run in stage.runs()] == ["running", *["queued"] * 29]

    def test_a_waiting_run_of_a_held_job_takes_no_room_from_others(self, stage: Stage) -> None:
        stage.declare(spec("held", "1 * * * * *"), spec("free", "2 * * * * *"))
        stage.wait(2)
        stage.turn(room=0)
        notice = QuarantineNotice(name="held", source="file:jobs.py", error="SyntaxError")
        stage.declare(spec("free", "2 * * * * *"), quarantined=[notice])
        assert [run.job_name for run in stage.turn(room=1).claimed] == ["free"]

    def test_a_run_that_waits_begins_though_the_wall_clock_went_back(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(10)
        stage.turn(room=0)
        stage.clock.step(-5)
        claimed = stage.claim_one()
        assert (claimed.fire_at, claimed.started_at) == (at(10), at(10))
        stage.clock.step(5)

    # -- what comes back --------------------------------------------------------------------------------------------------

    def test_a_lost_run_that_waits_has_neither_node_nor_fence(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.wait(60)
        stage.lose("a")
        run = stage.run(claimed.run_id)
        assert (run.status, run.node_id, run.fence, run.started_at) == ("queued", None, None, None)
        assert (run.attempt, run.queued_at) == (1, at(61))
        (attempt,) = stage.ledger.attempts(claimed.run_id)
        assert (attempt.fence, attempt.node_id, attempt.result) == (claimed.fence, "a", "lost")
        assert (attempt.reason, attempt.started_at, attempt.ended_at) == ("node_lost", at(1), at(61))

    def test_the_closing_of_a_zombie_finds_nothing_while_its_run_waits(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        zombie = stage.claim_one()
        stage.lose("a")
        turn = stage.turn(stage.end(zombie), plan=False, room=0)
        assert (turn.closed, turn.late) == ((), (zombie.run_id,))
        assert stage.run(zombie.run_id).status == "queued"
        (attempt,) = stage.ledger.attempts(zombie.run_id)
        assert (attempt.result, attempt.late_result) == ("lost", "success")
        (again,) = stage.turn(node="b", plan=False).claimed
        assert (again.run_id, again.attempt) == (zombie.run_id, 2)

    def test_a_late_result_belongs_to_the_day_it_arrives_in_and_to_that_days_seal(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY))
        stage.wait(HOUR)
        zombie = stage.claim_one()
        stage.lose("a")
        stage.wait(2 * DAY)
        stage.finish(*stage.turn(node="b").claimed, node="b")
        stage.turn(stage.end(zombie), node="b", plan=False, room=0)
        (attempt,) = stage.ledger.attempts(zombie.run_id)
        assert attempt.late_at == stage.now
        stage.wait(2 * DAY)
        stage.finish(*stage.turn(node="b").claimed, node="b")
        sealing(stage)
        attempts = {seal.day: seal.attempts for seal in stage.ledger.seals()}
        assert attempts["2026-01-01"] == 0, "the attempt that was lost closed its run"
        assert attempts[day_of(attempt.late_at)] == 1

    def test_a_lost_attempt_belongs_to_the_day_of_its_run(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, on_lost="rerun"))
        stage.wait(HOUR)
        stage.claim_one()
        stage.wait(DAY)
        stage.lose("a")
        stage.finish(*stage.turn(node="b").claimed, node="b")
        stage.wait(2 * DAY)
        stage.finish(*stage.turn(node="b").claimed, node="b")
        sealing(stage)
        assert {seal.day: seal.attempts for seal in stage.ledger.seals()}["2026-01-01"] == 1

    def test_a_late_result_outlives_its_run_and_is_no_stray(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY))
        stage.wait(HOUR)
        zombie = stage.claim_one()
        stage.lose("a")
        for _ in range(4):
            stage.wait(DAY)
            stage.finish(*stage.turn(node="b").claimed, node="b")
        stage.turn(stage.end(zombie), node="b", plan=False, room=0)
        sealing(stage)
        assert stage.ledger.prune(at(DAY), limit=1_000) > 0
        assert stage.ledger.run(zombie.run_id) is None
        whole(stage)
        stage.sound()

    def test_the_last_run_of_a_job_may_be_pruned_though_it_began_later_than_it_was_due(self, stage: Stage) -> None:
        stage.declare(spec("job", "0 0 23 1 * *"))
        stage.wait(3 * DAY)
        stage.finish(*stage.turn().claimed)
        stage.wait(2 * DAY)
        stage.turn()
        sealing(stage)
        assert stage.ledger.prune(at(DAY), limit=1_000) == 1
        assert stage.job("job").last_status == "success"
        whole(stage)
        stage.sound()

    # -- totals -------------------------------------------------------------------------------------------------------------

    def test_totals_stay_the_same_through_folding_and_fall_with_pruning(self, stage: Stage) -> None:
        stage.declare(spec("well", HOURLY), spec("ill", "0 30 * * * *"), spec("off", HOURLY, enabled=False))
        for _ in range(16):
            stage.wait(6 * HOUR)
            for run in stage.turn().claimed:
                bad = run.job_name == "ill" and run.run_id % 2
                stage.turn(stage.end(run, *(("failed", "exception") if bad else ("success",))), plan=False, room=0)
        before, total = counted(stage), stage.total()
        assert before == plainly(stage)
        while stage.ledger.fold(limit=3):
            assert (counted(stage), stage.total()) == (before, total)
        assert stage.ledger.fold() is False, "all is folded"
        assert (counted(stage), stage.total()) == (before, total)
        sealing(stage)
        gone = stage.ledger.prune(at(DAY), limit=7)
        assert gone == 7
        assert stage.total() == total - 7
        whole(stage)
        stage.ledger.fold()
        while stage.ledger.prune(at(2 * DAY), limit=1_000):
            whole(stage)
        while stage.ledger.fold(limit=5):
            whole(stage)
        whole(stage)

    def test_totals_of_one_job_and_of_some_hours_are_part_of_the_whole(self, stage: Stage) -> None:
        stage.declare(spec("one", HOURLY), spec("two", HOURLY))
        for folded in (False, True):
            for _ in range(3):
                stage.wait(HOUR)
                stage.finish(*stage.turn().claimed)
            if not folded:
                stage.ledger.fold()
        everything = counted(stage)
        first = START // HOUR_US + 2
        for name in ("one", "two"):
            job_id = stage.job_id(name)
            found = {row[:4]: row[4] for row in stage.ledger.counts_between(first, first + 3, job_id=job_id)}
            wanted = {key for key in everything if key[0] == job_id and first <= key[1] < first + 3}
            assert found == {key: everything[key] for key in wanted}
            assert len(found) == 3
        jobs = [row[0] for row in stage.ledger.counts_between(first, first + 3)]
        assert jobs == sorted(jobs)

    def test_a_query_asks_the_same_of_totals_folded_or_not(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY))
        for _ in range(5):
            stage.wait(HOUR)
            stage.finish(*stage.turn().claimed)
        asked = HistoryQuery(job_names=("job",), statuses=("success",), since=at(90 * 60), until=at(4 * HOUR + 1))
        assert stage.ledger.history(asked).total == 3
        stage.ledger.fold()
        assert stage.ledger.history(asked).total == 3

    # -- what is shown of a job ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("turned", [False, True])
    def test_the_last_run_is_the_closed_one_with_the_highest_fence_whatever_order_they_close_in(
        self, stage: Stage, turned: bool
    ) -> None:
        stage.declare(spec("job", "", on_lost="rerun"))
        (first,) = stage.start("job")
        stage.lose("a")
        (second,) = stage.start("job", node="b")
        assert second.fence > first.fence
        if turned:
            stage.finish(second, node="b")
        stage.stop(first.run_id)
        if not turned:
            stage.finish(second, node="b")
        job = stage.job("job")
        assert (job.last_run_id, job.last_status, job.run_count) == (second.run_id, "success", 2)

    def test_what_runs_is_shown_before_what_is_closed(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        first = stage.claim_one()
        stage.turn(stage.end(first, "failed", "exception", message="m"), plan=False, room=0)
        stage.wait(1)
        second = stage.claim_one()
        job = stage.job("job")
        assert (job.last_run_id, job.last_status, job.last_error) == (second.run_id, "running", None)
        assert (job.last_run, job.run_count, job.running) == (at(2), 1, 1)
        stage.finish(second)
        assert (stage.job("job").last_status, stage.job("job").run_count) == ("success", 2)

    def test_a_run_that_waits_to_be_tried_again_moves_nothing_that_is_shown(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        stage.finish(stage.claim_one())
        shown = stage.job("job")
        stage.wait(1)
        stage.claim_one()
        stage.lose("a")
        job = stage.job("job")
        assert (job.last_run_id, job.last_status, job.run_count, job.running) == (
            shown.last_run_id,
            "success",
            1,
            0,
        )

    def test_what_never_began_is_not_shown_as_the_last_run(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)
        first = stage.claim_one()
        stage.wait(1)
        stage.turn()
        stage.finish(first)
        assert [run.status for run in stage.runs("job")] == ["success", "skipped"]
        assert (stage.job("job").last_run_id, stage.job("job").run_count) == (first.run_id, 1)

    def test_fences_rise_with_the_order_in_which_runs_begin(self, stage: Stage) -> None:
        stage.declare(spec("one", EVERY_SECOND), spec("two", EVERY_SECOND))
        fences: list[int] = []
        for node in "abab":
            stage.wait(1)
            claimed = stage.turn(node=node).claimed
            fences += sorted(run.fence for run in claimed)
            stage.finish(*claimed, node=node)
        assert all(later > earlier for earlier, later in pairwise(fences))
        assert len(fences) == 8
        assert stage.ledger.last_fence() >= fences[-1]
