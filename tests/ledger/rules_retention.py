"""Retention: what may be sealed, what a seal forbids, and what may be forgotten."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from support.ledger_stage import DAY, EVERY_MINUTE, HOUR, HOURLY, START, Stage, at, spec, together
from systemprompt.audit.sealing import Sealing, seal_closed_days
from systemprompt.clock import SECOND, iso
from systemprompt.errors import ConflictError, DaySealed
from systemprompt.ledger.records import ClockEvent, PlannedRun
from systemprompt.ledger.seals import day_of


def sealing(stage: Stage, **more: object) -> Sealing:
    return seal_closed_days(stage.ledger, now=stage.now, alive=lambda _: None, **more)  # type: ignore[arg-type]  # options


def days(stage: Stage) -> list[str]:
    return [seal.day for seal in stage.ledger.seals()]


def worked(stage: Stage, count: int, *jobs: str) -> None:
    """Let days pass, with some turns in each; every other run of `ill` fails."""
    for _ in range(count * 4):
        stage.wait(6 * HOUR)
        for run in stage.turn().claimed:
            bad = run.job_name == "ill" and run.run_id % 2
            stage.turn(stage.end(run, *(("failed", "exception") if bad else ("success",))), plan=False, room=0)
        if jobs:
            stage.finish(*stage.start(*jobs))


def lived(stage: Stage) -> None:
    """Five days of three jobs, from 2026-01-01 to 2026-01-06."""
    stage.declare(spec("well", HOURLY), spec("ill", "0 30 * * * *"), spec("by_hand", ""))
    worked(stage, 5, "by_hand")


def step(stage: Stage, seconds: float) -> None:
    """Let somebody set the wall clock, which a node notices."""
    stage.clock.step(seconds)
    kind = "forward" if seconds > 0 else "backward"
    delta = round(seconds * SECOND)
    stage.ledger.record_clock_event(ClockEvent(seen_at=stage.now, kind=kind, delta_us=delta, action="", node_id="a"))


class RetentionRules:
    """What is kept, and what may go."""

    # -- sealing --------------------------------------------------------------------------------------------------------

    def test_a_day_is_sealed_when_it_has_been_over_for_a_day(self, stage: Stage) -> None:
        lived(stage)
        assert iso(stage.now) == "2026-01-06T00:00:00Z"
        made = sealing(stage)
        assert (made.report.ok, made.held, made.waits_for) == (True, None, None)
        assert days(stage) == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
        assert made.sealed == tuple(stage.ledger.seals())
        state = stage.ledger.seal_state()
        assert (state.seals, state.sealed_until, state.pruned_until) == (4, at(4 * DAY), 0)

    def test_a_seal_counts_what_its_day_holds(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        for seal in stage.ledger.seals():
            runs = [run for run in stage.runs() if day_of(run.due_at) == seal.day]
            ranges = [span for span in stage.ranges() if day_of(span.last_at) == seal.day]
            fates = json.loads(seal.counts)
            assert (seal.runs, seal.ranges) == (len(runs), len(ranges))
            assert seal.fire_times == sum(run.fire_at is not None for run in runs) + sum(span.count for span in ranges)
            assert sum(fates["runs"].values()) == seal.runs
            assert sum(fates["ranges"].values()) == sum(span.count for span in ranges)
            assert seal.attempts == 0, "each run was closed by its first attempt, which stands in its account"

    def test_seals_leave_no_gap_and_each_carries_the_one_before(self, stage: Stage) -> None:
        stage.declare(spec("weekly", "0 0 0 * * MON"))
        worked(stage, 30)
        sealing(stage)
        seals = stage.ledger.seals()
        assert [seal.day for seal in seals] == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]
        assert [seal.seal for seal in seals] == [1, 2, 3, 4]
        for earlier, later in pairwise(seals):
            assert later.from_at == earlier.until_at
            assert later.previous == earlier.digest

    def test_sealing_again_seals_nothing_again(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        assert sealing(stage).sealed == ()
        worked(stage, 1)
        assert [seal.day for seal in sealing(stage).sealed] == ["2026-01-05"]

    def test_a_dry_run_says_how_many_days_and_seals_none(self, stage: Stage) -> None:
        lived(stage)
        made = sealing(stage, dry_run=True)
        assert (len(made.drafts), made.sealed, days(stage)) == (4, (), [])

    def test_only_what_is_before_the_given_instant_is_sealed(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage, before=at(2 * DAY + HOUR))
        assert days(stage) == ["2026-01-01", "2026-01-02"]

    def test_a_clock_that_jumped_forward_by_days_is_not_believed_for_a_day(self, stage: Stage) -> None:
        lived(stage)
        step(stage, 10 * DAY)
        stage.finish(*stage.turn().claimed)
        sealing(stage)
        assert days(stage)[-1] == "2026-01-04"
        worked(stage, 2)
        sealing(stage)
        assert days(stage)[-1] == "2026-01-16", "now it is"

    def test_an_open_run_keeps_its_day_and_all_later_ones_from_being_sealed(self, stage: Stage) -> None:
        stage.declare(spec("long", "0 0 12 2 * *"), spec("well", HOURLY))
        worked(stage, 1)
        stage.wait(12 * HOUR)
        claimed = {run.job_name: run for run in stage.turn().claimed}
        stage.finish(claimed["well"])
        worked(stage, 5)
        made = sealing(stage)
        assert days(stage) == ["2026-01-01"]
        number = claimed["long"].run_id
        assert made.waits_for == f"run {number} of 'long', due 2026-01-02T12:00:00Z, is still running"
        stage.finish(claimed["long"])
        assert sealing(stage).waits_for is None
        assert days(stage)[-1] == "2026-01-05"

    def test_a_day_in_which_a_job_owes_an_account_is_not_closed(self, stage: Stage) -> None:
        stage.declare(spec("well", HOURLY), spec("off", HOURLY, enabled=False))
        worked(stage, 2)
        stage.wait(5 * DAY)
        made = sealing(stage)
        assert days(stage) == ["2026-01-01", "2026-01-02"][: len(days(stage))]
        assert made.waits_for is not None
        assert "owes an account of 2026-01-0" in made.waits_for
        stage.finish(*stage.turn().claimed)
        worked(stage, 3)
        assert sealing(stage).waits_for is None
        assert days(stage)[-1] == "2026-01-09"

    def test_what_came_into_a_day_since_its_draft_keeps_it_from_being_sealed(self, stage: Stage) -> None:
        lived(stage)
        draft = stage.ledger.draft_seal(START, at(DAY))
        step(stage, -5 * DAY + HOUR)
        stage.finish(*stage.start("by_hand"))
        assert stage.ledger.seal(draft, stage.now) is None
        step(stage, 5 * DAY - HOUR)
        assert stage.ledger.seal(stage.ledger.draft_seal(START, at(DAY)), stage.now) is not None

    def test_two_that_seal_at_once_make_one_seal(self, stage: Stage) -> None:
        lived(stage)
        draft = stage.ledger.draft_seal(START, at(DAY))
        assert stage.ledger.seal(draft, stage.now) is not None
        assert stage.engine.open_again().seal(draft, stage.now) is None
        assert days(stage) == ["2026-01-01"]

    # -- what a seal forbids --------------------------------------------------------------------------------------------

    def test_a_start_by_hand_in_a_sealed_day_is_refused_and_says_why(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        step(stage, -3 * DAY)
        with pytest.raises(
            DaySealed, match="clock says 2026-01-03T00:00:00Z, and the ledger is sealed up to 2026-01-05"
        ):
            stage.start("by_hand")
        assert issubclass(DaySealed, ConflictError), "which a node survives"
        step(stage, 3 * DAY)
        stage.finish(*stage.start("by_hand"))

    def test_with_the_clock_back_in_a_sealed_day_jobs_come_and_change_and_nothing_fires_there(
        self, stage: Stage
    ) -> None:
        lived(stage)
        sealing(stage)
        step(stage, -3 * DAY)
        stage.declare(
            spec("well", EVERY_MINUTE), spec("ill", "0 30 * * * *"), spec("by_hand", HOURLY), spec("new", HOURLY)
        )
        stage.enable("ill", False)
        assert stage.turn().claimed == ()
        job = stage.ledger.job("new")
        assert job is not None
        assert job.planned_through >= at(4 * DAY)
        stage.sound()
        step(stage, 3 * DAY)
        worked(stage, 2)
        assert {run.job_name for run in stage.runs() if run.due_at > at(6 * DAY)} >= {"well", "new", "by_hand"}

    def test_a_late_result_is_kept_though_the_day_is_sealed(self, stage: Stage) -> None:
        stage.declare(spec("well", HOURLY))
        stage.wait(HOUR)
        zombie = stage.claim_one()
        stage.ledger.rescue("a", 0, stage.now, max_attempts=1)
        stage.join("c")
        stage.wait(3 * DAY)
        stage.turn(node="c", room=0)
        stage.finish(*stage.turn(node="c", plan=False).claimed, node="c")
        sealing(stage)
        assert days(stage)[0] == "2026-01-01"
        assert stage.turn(stage.end(zombie), node="c", plan=False, room=0).late == (zombie.run_id,)
        (attempt,) = stage.ledger.attempts(zombie.run_id)
        assert (attempt.result, attempt.late_result) == ("lost", "success")
        stage.sound()

    # -- pruning --------------------------------------------------------------------------------------------------------

    def test_only_sealed_days_are_pruned(self, stage: Stage) -> None:
        lived(stage)
        before = len(stage.runs())
        assert stage.ledger.prune(at(3 * DAY), limit=1_000) == 0
        assert len(stage.runs()) == before
        sealing(stage)
        assert stage.ledger.prune(at(2 * DAY + HOUR), limit=1_000) > 0
        assert min(day_of(run.due_at) for run in stage.runs()) == "2026-01-03"
        assert stage.ledger.prune(at(2 * DAY + HOUR), limit=1_000) == 0

    def test_prune_leaves_a_suffix_of_which_the_audit_knows(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        stage.ledger.prune(at(2 * DAY), limit=1_000)
        job = stage.ledger.job("well")
        assert job is not None
        assert at(DAY) < job.pruned_through < at(2 * DAY)
        assert stage.ledger.seal_state().pruned_until == at(2 * DAY)
        stage.sound()

    def test_prune_goes_in_bounded_batches_and_the_audit_is_clean_after_each(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        gone = []
        while batch := stage.ledger.prune(at(3 * DAY), limit=7):
            gone.append(batch)
            stage.sound()
        assert max(gone) == 7
        assert sum(gone) == sum(seal.runs + seal.ranges for seal in stage.ledger.seals()[:3])

    def test_those_that_prune_at_once_take_each_account_once(self, stage: Stage) -> None:
        lived(stage)
        assert sealing(stage).sealed
        stage.ledger.prune(at(2 * DAY), limit=1)
        before = stage.total()
        handles = [stage.engine.open_again() for _ in range(4)]
        gone: list[int] = []
        together(*(lambda one=one: gone.append(one.prune(at(2 * DAY), limit=20)) for one in handles))

        assert before - stage.total() == sum(gone) > 20

    def test_prune_never_takes_a_range_that_reaches_into_what_is_kept(self, stage: Stage) -> None:
        stage.declare(spec("off", HOURLY, enabled=False), spec("well", HOURLY))
        worked(stage, 5)
        sealing(stage)
        (cut,) = [seal.until_at for seal in stage.ledger.seals() if seal.day == "2026-01-03"]
        straddling = [span for span in stage.ranges() if span.first_at < cut <= span.last_at]
        stage.ledger.prune(cut, limit=1_000)
        assert [span for span in stage.ranges() if span.first_at < cut] == straddling
        stage.sound()

    def test_prune_leaves_nothing_to_fire_again(self, stage: Stage) -> None:
        lived(stage)
        sealing(stage)
        cursor = stage.cursor("well")
        stage.ledger.prune(at(10 * DAY), limit=1_000)
        assert stage.turn().claimed == ()
        assert stage.cursor("well") == cursor

    def test_an_overlap_whose_blocker_was_pruned_is_explained(self, stage: Stage) -> None:
        stage.declare(spec("by_hand", ""), spec("well", HOURLY))
        stage.wait(DAY - 60)
        held = stage.start("by_hand")
        stage.wait(HOUR)
        stage.start("by_hand", skip_running=True)
        stage.finish(*held)
        worked(stage, 4)
        sealing(stage)
        stage.ledger.prune(at(DAY), limit=1_000)
        (skipped,) = [run for run in stage.runs("by_hand") if run.status == "skipped"]
        assert stage.ledger.run(skipped.blocked_by or 0) is None
        stage.sound()

    def test_prune_forgets_nodes_that_stopped_long_ago(self, stage: Stage) -> None:
        stage.ledger.leave("b", stage.now)
        stage.wait(DAY)
        stage.ledger.prune(stage.now, limit=10)
        assert [one.node_id for one in stage.ledger.nodes()] == ["a"]

    def test_a_planner_gone_wrong_cannot_write_into_a_sealed_day(self, stage: Stage) -> None:
        from dataclasses import replace

        from systemprompt.errors import LedgerBroken

        lived(stage)
        sealing(stage)
        stage.wait(HOUR)

        def wrong(job: object, now: int) -> object:
            decision = stage.decide(job, now)  # type: ignore[arg-type]  # passed on as it came
            return replace(decision, runs=(PlannedRun(fire_at=at(90), status="missed", reason="down"),), ranges=())

        with pytest.raises(LedgerBroken, match="this day is sealed"):
            stage.ledger.turn("a", stage.now, wrong, room=0)  # type: ignore[arg-type]  # as above
        assert at(90) not in {run.fire_at for run in stage.runs()}
