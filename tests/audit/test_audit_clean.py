"""What is legitimate draws no finding: other writers, clocks that step back, retention, quarantine, months of downtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from audited import HOUR, START, World, broken, spec

from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND
from systemprompt.errors import JobNotFound
from systemprompt.ledger.records import Change, ClockEvent, ManualStart, QuarantineNotice
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.views import AttemptView, RunView
from systemprompt.planning.planner import Planner

MONTH = 30 * 24 * HOUR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path / "ledger.db")) as world:
        world.join("node-a")
        yield world


def test_an_empty_ledger_is_clean(world: World) -> None:
    report = world.audit()

    assert report.ok
    assert report.verdict == "clean: 0 jobs in 0 versions; no fire time was due; 0 starts by hand, 0 open"


def test_the_verdict_counts_what_was_checked(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.work(6)

    report = world.audit()

    assert report.verdict == (
        "clean: 1 job in 1 version; 6 fire times each have their one account (6 rows); 0 starts by hand, 0 open"
    )
    assert world.audit(start=START, end=START + 30 * SECOND).verdict == (
        "clean: 1 job in 1 version; 3 fire times after 2026-10-23T12:00:00Z up to 2026-10-23T12:00:30Z "
        "each have their one account (3 rows); 0 starts by hand, 0 open"
    )


def test_a_month_down_is_one_range_of_millions(world: World) -> None:
    world.declare(spec("second", "* * * * * *"))
    world.wait(MONTH)
    world.turn()

    report = world.audit()

    assert report.ok
    assert (report.counts.rows, report.counts.ranges, report.counts.in_ranges) == (1, 1, MONTH - 1)


def test_one_more_or_less_among_millions_is_noticed(world: World, tmp_path: Path) -> None:
    world.declare(spec("second", "* * * * * *"))
    world.wait(MONTH)
    world.turn()

    fewer = broken(world, tmp_path / "b.db", "UPDATE job_run_ranges SET last_at = last_at - 1000000, count = count - 1")

    findings = {finding.kind: finding.count for finding in fewer.audit().findings}
    assert findings["missing"] == 1
    assert "unexplained" in findings, "what follows the range is not what ran in its place"


class Interrupted(SqliteLedger):
    """A ledger to which another process writes between the audit's first reads and the rest."""

    other: World

    def tried_runs_between(
        self, start: int, end: int, *, job_id: int | None = None
    ) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
        self.other.work(5)
        return super().tried_runs_between(start, end, job_id=job_id)


def test_what_others_write_meanwhile_changes_nothing(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.work(3)
    with closing(Interrupted(str(world.path))) as reading:
        reading.other = world
        report = audit(reading, now=world.now, alive=lambda node: None)

    assert report.ok
    assert report.counts.rows == 3
    assert world.audit().counts.rows == 8


def test_a_clock_that_went_back_is_no_finding(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.work(6)
    world.now -= HOUR * SECOND

    assert world.audit().ok

    world.work(3)
    assert world.audit().ok


def test_a_job_added_just_before_the_clock_went_back_is_clean(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.now -= HOUR * SECOND

    assert world.audit().ok


def test_dates_may_contradict_by_as_much_as_the_clock_was_seen_to_step_back(world: World, tmp_path: Path) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.work(3)
    back = HOUR * SECOND
    shifted = ", ".join(f"{name} = {name} - {back}" for name in ("available_at", "queued_at", "started_at"))
    earlier = f"UPDATE job_runs SET {shifted} WHERE run_id = 2"
    other = broken(world, tmp_path / "b.db", earlier)

    assert "misdated" in other.audit().by_kind

    event = ClockEvent(seen_at=world.now, kind="backward", delta_us=-back, action="none", node_id="node-a")
    other.ledger.record_clock_event(event)
    assert other.audit().ok


def test_pruned_history_is_no_finding(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"), spec("hand", ""))
    for _ in range(3):
        world.work(6)
        world.finish(
            *world.ledger.start_manual("node-a", world.now, [ManualStart(job_name="hand")], Change(actor="me"))
        )
        world.wait(24 * HOUR)
    world.work(6)
    seals = world.seal()

    assert len(seals) == 2
    for seal in seals:
        while world.ledger.prune(seal.until_at, limit=4):
            assert world.audit().ok
    assert world.audit().counts.rows < 24


def test_a_job_that_cannot_be_loaded_is_accounted_for(world: World) -> None:
    tick = spec("tick", "*/10 * * * * *")
    world.declare(tick)
    world.work(3)
    notice = QuarantineNotice(name="tick", source="jobs.py", error="SyntaxError")
    world.declare(quarantined=[notice])
    world.wait(HOUR)
    world.declare(tick)
    world.work(3)

    report = world.audit()

    assert report.ok
    assert report.counts.ranges >= 1


def test_a_backlog_that_waits_for_room_is_no_finding(world: World) -> None:
    world.declare(spec("every", "@every 1s", catch_up="all"))
    world.wait(HOUR)
    for _ in range(5):
        world.turn(room=0)
        assert world.audit().ok
    world.now -= 2 * HOUR * SECOND
    assert world.audit().ok


def test_a_job_edited_many_times_at_one_instant_is_clean(world: World) -> None:
    for minute in range(5):
        world.declare(spec("tick", f"{minute} * * * * *"))
    world.work(6)
    world.ledger.set_enabled("tick", False, world.now, Planner().decide, Change(actor="me"))
    world.ledger.set_enabled("tick", True, world.now, Planner().decide, Change(actor="me"))
    world.work(6)

    report = world.audit()

    assert report.ok
    assert report.counts.versions == 7


def test_an_unknown_job_is_said_to_be_unknown(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))

    with pytest.raises(JobNotFound) as error:
        world.audit(job_name="tikc")

    assert error.value.suggestion == "tick"


def test_the_audit_reads_only(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.work(3)
    with closing(SqliteLedger(str(world.path))) as watcher:
        before = watcher.change_marker()

        world.audit()

        assert watcher.change_marker() == before


def test_what_is_kept_of_a_pruned_run_is_no_stray(world: World) -> None:
    """It was due in a day that is pruned; it began, and its late result came, in days that are not."""
    world.join("node-b")
    world.declare(spec("rare", "0 0 16 23 10 *", on_lost="rerun"))
    world.wait(20 * HOUR)
    (lost,) = world.ledger.turn("node-b", world.now, world.decide, room=1).claimed
    world.wait(60)
    world.ledger.rescue("node-b", 0, world.now, max_attempts=3)
    world.finish(*world.turn())
    world.wait(24 * HOUR)
    world.finish(lost)
    world.wait(48 * HOUR)
    (first, *_) = world.seal()
    assert world.ledger.prune(first.until_at, limit=9) == 1

    assert world.ledger.run(lost.run_id) is None
    assert world.audit().findings == ()


def test_the_end_of_a_run_that_was_given_up_on_may_be_told_twice(world: World) -> None:
    world.declare(spec("tick", "*/10 * * * * *"))
    world.wait(10)
    (run,) = world.turn()
    given_up = replace(world.ended(run, "failed", "timeout"), abandoned=True)
    for _ in range(2):
        assert world.ledger.turn("node-a", world.now, world.decide, closings=[given_up]).closed == (run.run_id,)

    assert list(world.ledger.abandoned_runs()) == [run.run_id]
    assert world.audit().findings == ()

    world.wait(10)
    assert world.turn() == (), "its code is still in the way"
    world.finish(run)
    assert list(world.ledger.abandoned_runs()) == []
    assert world.audit().findings == ()


def test_a_run_that_cannot_be_closed_is_set_apart_also_where_its_job_has_left(world: World) -> None:
    tick = spec("tick", "*/10 * * * * *")
    world.declare(tick)
    world.wait(10)
    (run,) = world.turn()
    world.declare()
    world.wait(60)

    told = replace(world.ended(run), status="failed", reason="no reason that there is")
    assert world.ledger.turn("node-a", world.now, world.decide, closings=[told]).odd == (run.run_id,)

    assert [(open_run.run_id, open_run.status) for open_run in world.ledger.open_runs()] == [(run.run_id, "running")]
    assert world.audit().findings == ()
    world.declare(tick)
    job = world.ledger.job("tick")
    assert job is not None
    assert job.quarantine == "ledger_conflict"
    assert world.audit().findings == ()


def test_the_last_run_of_a_job_may_be_due_before_what_is_looked_at(world: World) -> None:
    world.join("node-b")
    world.declare(spec("all", "*/10 * * * * *", catch_up="all", on_lost="rerun"), spec("hand", ""))
    asked, again = (
        *world.ledger.ask_for_runs(world.now, [ManualStart(job_name="hand")], Change(actor="me")),
        *world.ledger.ask_for_runs(world.now, [ManualStart(job_name="hand")], Change(actor="me")),
    )
    world.wait(5)
    (by_hand,) = world.ledger.start_manual("node-a", world.now, [ManualStart(job_name="hand")], Change(actor="me"))
    middle = world.now
    world.finish(by_hand)
    world.finish(*world.turn())
    world.finish(*world.turn())

    job = world.ledger.job("hand")
    assert job is not None
    assert job.last_run_id in (asked, again)
    assert world.audit().findings == ()
    assert world.audit(start=middle - 1).findings == ()
    assert world.audit(start=START + 1, job_name="hand").findings == ()


def test_code_that_is_given_up_on_is_in_the_way_of_what_begins_in_the_same_turn(world: World) -> None:
    """Of what waits, and of what is due just then."""
    world.declare(spec("tick", "*/10 * * * * *"), spec("all", "*/10 * * * * *", catch_up="all"))
    world.wait(30)
    held = world.turn()
    assert {run.job_name for run in held} == {"tick", "all"}
    world.wait(10)
    given_up = [replace(world.ended(run, "failed", "timeout"), abandoned=True) for run in held]
    assert world.turn(*given_up) == ()
    assert world.audit().findings == ()

    world.wait(10)
    assert {run.job_name for run in world.turn(*map(world.ended, held))} == {"tick", "all"}
    assert world.audit().findings == ()
