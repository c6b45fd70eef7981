"""A node's clockwork beside one with newer time zone data: it plans nothing, runs what waits, and plans again once it is alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ledger_stage import ME, MINUTE, node, spec
from support.loop_stage import HEARTBEAT, LoopStage
from systemprompt.ledger.records import ManualStart

EVERY_HOUR = "0 0 * * * *"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LoopStage]:
    stage = LoopStage(tmp_path / "ledger.db")
    stage.begin(spec("hourly", EVERY_HOUR), spec("hand", ""))
    yield stage
    stage.sound()
    stage.close()


def newer_joins(stage: LoopStage) -> None:
    stage.real.join(node("newer", stage.clock.now(), zone_data="2999z", lease_ms=3_600_000))
    assert stage.real.plan_by_zone_data("newer", stage.clock.now()).may_plan
    stage.step(HEARTBEAT)


def test_it_plans_nothing_sleeps_and_plans_again_once_it_is_alone(stage: LoopStage) -> None:
    newer_joins(stage)
    pause = stage.step(60 * MINUTE)
    assert stage.take() == []
    assert pause > 0, "it does not go round and round for what another plans"

    stage.real.leave("newer", stage.clock.now())
    stage.step(HEARTBEAT)

    stage.end(*stage.take())
    stage.step(1)
    assert [run.job_name for run in stage.real.runs_between(0, 2**62)] == ["hourly"]


def test_it_plans_on_where_the_newer_one_came_and_went_unnoticed_between_two_of_its_heartbeats(
    stage: LoopStage,
) -> None:
    stage.step(HEARTBEAT)
    stage.clock.advance(60 * MINUTE - HEARTBEAT - 1)
    stage.step(0)  # its heartbeat
    stage.real.join(node("newer", stage.clock.now(), zone_data="2999z"))
    assert stage.real.plan_by_zone_data("newer", stage.clock.now()).may_plan
    stage.step(1)  # what is due is for the newer node to plan
    assert stage.take() == []
    stage.real.leave("newer", stage.clock.now())

    stage.step(HEARTBEAT)

    stage.end(*stage.take())
    stage.step(1)
    assert [run.job_name for run in stage.real.runs_between(0, 2**62)] == ["hourly"]


def test_it_runs_what_waits(stage: LoopStage) -> None:
    newer_joins(stage)
    stage.real.ask_for_runs(stage.clock.now(), [ManualStart(job_name="hand")], ME)

    stage.loop.look()
    stage.step(1)

    (run,) = stage.take()
    stage.end(run)
    stage.step(1)
    stage.real.leave("newer", stage.clock.now())
