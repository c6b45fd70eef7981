"""What was in the way of a fire time: it may be gone by now, have ended at an instant before, or be far behind in the ledger.

Each is a life that the stateful campaign came upon, and that the audit was once wrong about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from audited import World, spec

from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.records import Change, Claimed, ClockEvent, Closing, ManualStart
from systemprompt.ledger.seals import DAY

START = 1_767_225_600 * SECOND + DAY // 2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path / "ledger.db")) as world:
        world.now = START
        yield world


def test_a_run_started_by_hand_under_a_clock_set_back_may_be_pruned_before_what_it_was_in_the_way_of(
    world: World,
) -> None:
    declare(world, START, "0 * * * * *")
    world.join("node-a")
    set_back(world, START - 3 * DAY, by=3 * DAY)
    (run,) = world.ledger.start_manual("node-a", START - 3 * DAY, [ManualStart(job_name="one")], Change(actor="me"))
    world.ledger.turn("node-a", START + 60 * SECOND, world.decide)
    end(world, run, START + 62 * SECOND)

    assert seal_closed_days(world.ledger, now=START + 63 * SECOND, alive=lambda _: None).report.ok
    assert world.ledger.prune(START - DAY, limit=10) == 1

    assert world.ledger.run(run.run_id) is None
    assert faults(world, START + 63 * SECOND) == []


def test_a_run_that_was_open_ended_at_an_earlier_instant_where_the_clock_was_set_back_in_between(
    world: World,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(world)
    set_back(world, START - 2 * DAY, by=3 * DAY)
    end(world, run, START - 2 * DAY + SECOND)

    assert faults(world, START - 2 * DAY + SECOND) == []


def test_a_run_that_had_ended_the_day_before_was_in_nobodys_way_though_the_clock_was_set_back_at_another_time(
    world: World,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(world)
    set_back(world, START + 10 * DAY, by=3 * DAY)
    end(world, run, START + 2 * SECOND)

    assert [fault for fault in faults(world, START + 10 * DAY) if "had ended" in fault] == [
        f"job 'one': run {run.run_id + 1} says run {run.run_id} was in the way, which had ended at 2026-01-01T12:00:02Z"
    ]


def test_a_run_that_was_open_explains_a_range_however_many_runs_lie_between_them(world: World) -> None:
    """The clock was once an hour behind, so the runs of an hour may have been written before the range that comes ahead of them."""
    declare(world, START, "*/10 * * * * *")
    world.join("node-a")
    (run,) = world.ledger.turn("node-a", START + 10 * SECOND, world.decide, room=1).claimed
    set_back(world, START - 3_590 * SECOND, by=3_600 * SECOND)
    declare(world, START + 28_810 * SECOND, "*/10 * * * * *", catch_up="all")
    end(world, run, START + 2 * DAY)

    assert [account.reason for account in world.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert sum(one.status == "queued" for one in world.ledger.open_runs()) > 16
    assert faults(world, START + 2 * DAY) == []


@pytest.mark.parametrize(("minutes", "told"), [(5, False), (90, True)])
def test_a_run_was_in_the_way_until_its_closing_was_written_which_a_database_that_is_away_holds_up(
    world: World, minutes: int, told: bool
) -> None:
    declare(world, START, "*/10 * * * * *")
    world.join("node-a")
    world.now = START + 10 * SECOND
    (run,) = world.turn(room=1)
    ended = world.ended(run)
    world.now += minutes * 60 * SECOND
    world.turn(room=0)  # another node is the first to be back
    world.turn(ended, room=0)

    assert [account.reason for account in world.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert any("no run of it was open" in fault for fault in faults(world, world.now)) is told


def test_code_that_cannot_be_stopped_explains_a_range_though_its_run_is_closed(world: World) -> None:
    declare(world, START, "*/10 * * * * *")
    world.join("node-a")
    world.now = START + 10 * SECOND
    (run,) = world.turn(room=1)
    world.turn(replace(world.ended(run, "failed", "timeout"), abandoned=True), room=0)
    world.now += 3_600 * SECOND
    world.turn()
    world.now += SECOND
    world.turn(world.ended(run), room=0)

    assert [account.reason for account in world.ledger.ranges_between(START, START + DAY)] == ["down"]
    assert faults(world, world.now) == []


@pytest.mark.parametrize("pruned", [False, True])
def test_what_waits_behind_code_that_cannot_be_stopped_is_not_passed_over(world: World, pruned: bool) -> None:
    """Nor is it afterwards: it has waited only since that code came back."""
    world.now = START
    world.declare(spec("one", "@every 100h", catch_up="all"), spec("two", "0 * * * * *"))
    world.join("node-a")
    world.now = START + 400 * 3_600 * SECOND
    begun = {run.job_name: run for run in world.turn(room=9)}
    stuck = begun["one"]
    world.turn(replace(world.ended(stuck, "failed", "timeout"), abandoned=True), world.ended(begun["two"]), room=0)
    for _ in range(5):
        world.now += DAY
        world.finish(*world.turn(room=9))
    if pruned:
        seal_closed_days(world.ledger, now=world.now, alive=lambda _: None)
        world.ledger.prune(world.now, limit=10_000)
        assert world.ledger.run(stuck.run_id) is None
    assert list(world.ledger.abandoned_runs()) == [stuck.run_id]
    assert any(run.status == "queued" and run.job_name == "one" for run in world.ledger.open_runs())
    assert faults(world, world.now) == []
    world.turn(world.ended(stuck), room=0)
    assert list(world.ledger.abandoned_runs()) == []
    assert faults(world, world.now + SECOND) == []


def test_the_tries_of_a_pruned_run_go_one_by_one_and_a_late_result_of_the_first_after_them(world: World) -> None:
    world.declare(spec("one", "0 0 14 * * *", catch_up="latest", on_lost="rerun"))
    for name in ("node-a", "node-b", "node-c"):
        world.join(name)
    world.now = START + 3_600 * SECOND
    (first,) = world.turn(room=1)
    for lost, heir in (("node-a", "node-b"), ("node-b", "node-c")):
        world.ledger.rescue(lost, 0, world.now, max_attempts=5)
        (run,) = world.ledger.turn(heir, world.now, world.decide, room=1, plan=False).claimed
    world.ledger.turn("node-c", world.now, world.decide, closings=[world.ended(run)], plan=False)
    world.now += DAY
    assert world.ledger.turn("node-c", world.now, world.decide, closings=[world.ended(first)]).late == (first.run_id,)
    assert seal_closed_days(world.ledger, now=world.now + DAY, alive=lambda _: None).report.ok

    kept = []
    for _ in range(5):
        world.ledger.prune(START + DAY // 2, limit=1)
        kept.append(len(list(world.ledger.attempts(first.run_id))))
        assert faults(world, world.now) == []
    assert kept[:2] == [1, 0]


def test_a_node_may_be_lost_after_the_clock_was_set_back_twice(world: World) -> None:
    declare(world, START, "*/10 * * * * *")
    world.join("node-a")
    world.join("node-b")
    world.now = START + 10 * SECOND
    (run,) = world.ledger.turn("node-b", world.now, world.decide, room=1).claimed
    for hours in (1, 2):
        set_back(world, START - hours * 3_600 * SECOND, by=3_600 * SECOND)
    world.now = START - 7_195 * SECOND
    world.ledger.rescue("node-b", 0, world.now, max_attempts=3)
    world.turn(world.ended(run), room=0)

    assert faults(world, world.now) == []


# -- words for it -----------------------------------------------------------------------------------------------------------


def begin_a_run_and_find_it_in_the_way_a_day_later(world: World) -> Claimed:
    declare(world, START, "@every 1s")
    world.join("node-a")
    world.now = START + SECOND
    (run,) = world.turn(room=1)
    declare(world, START + SECOND, "0 0 13 * * *")  # in Berlin: noon, UTC
    world.now = START + DAY
    world.turn(room=0)
    return run


def declare(world: World, now: Instant, schedule: str, catch_up: str = "latest") -> None:
    world.now = now
    world.declare(spec("one", schedule, catch_up=catch_up))


def set_back(world: World, seen_at: Instant, *, by: int) -> None:
    world.ledger.record_clock_event(
        ClockEvent(seen_at=seen_at, kind="backward", delta_us=-by, action="", node_id="node-a")
    )


def end(world: World, run: Claimed, now: Instant) -> None:
    ending = Closing(run_id=run.run_id, attempt=1, fence=run.fence, status="success", finished_at=now)
    world.now = now
    world.turn(ending, room=0)


def faults(world: World, now: Instant) -> list[str]:
    world.now = now
    return [finding.sentence for finding in world.audit().findings]
