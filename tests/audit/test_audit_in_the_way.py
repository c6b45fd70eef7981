"""What was in the way of a fire time: it may be gone by now, have ended at an instant before, or be far behind in the ledger.

Each is a life that the stateful campaign came upon, and that the audit was once wrong about.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from systemprompt.audit.auditor import audit
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.records import Claimed, ClockEvent, Closing, JobSpec, ManualStart, NodeIdentity
from systemprompt.ledger.seals import DAY
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.scheduler.planner import Planner

START = 1_767_225_600 * SECOND + DAY // 2
NODE = NodeIdentity(
    node_id="node1",
    kind="serve",
    host="here",
    machine="m",
    pid=1,
    pid_started_at=1,
    program="test",
    lease_ms=30_000,
    capacity=9,
    started_at=START,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


def test_a_run_started_by_hand_under_a_clock_set_back_may_be_pruned_before_what_it_was_in_the_way_of(
    ledger: SqliteLedger,
) -> None:
    declare(ledger, START, "0 * * * * *")
    ledger.join(NODE)
    set_back(ledger, START - 3 * DAY, by=3 * DAY)
    (run,) = ledger.start_manual("node1", START - 3 * DAY, [ManualStart(job_name="one", actor="me")])
    ledger.turn("node1", START + 60 * SECOND, DECIDE)
    end(ledger, run, START + 62 * SECOND)

    assert seal_closed_days(ledger, now=START + 63 * SECOND, alive=lambda _: None).report.ok
    assert ledger.prune(START - DAY, limit=10) == 1

    assert ledger.run(run.run_id) is None
    assert faults(ledger, START + 63 * SECOND) == []


def test_a_run_that_was_open_ended_at_an_earlier_instant_where_the_clock_was_set_back_in_between(
    ledger: SqliteLedger,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(ledger)
    set_back(ledger, START - 2 * DAY, by=3 * DAY)
    end(ledger, run, START - 2 * DAY + SECOND)

    assert faults(ledger, START - 2 * DAY + SECOND) == []


def test_a_run_that_had_ended_the_day_before_was_in_nobodys_way_though_the_clock_was_set_back_at_another_time(
    ledger: SqliteLedger,
) -> None:
    run = begin_a_run_and_find_it_in_the_way_a_day_later(ledger)
    set_back(ledger, START + 10 * DAY, by=3 * DAY)
    end(ledger, run, START + 2 * SECOND)

    assert [fault for fault in faults(ledger, START + 10 * DAY) if "had ended" in fault] == [
        f"job 'one': run {run.run_id + 1} says run {run.run_id} was in the way, which had ended at 2026-01-01T12:00:02Z"
    ]


def test_a_run_that_was_open_explains_a_range_however_many_runs_lie_between_them(ledger: SqliteLedger) -> None:
    """The clock was once an hour behind, so the runs of an hour may have been written before the range that comes ahead of them."""
    declare(ledger, START, "*/10 * * * * *")
    ledger.join(NODE)
    (run,) = ledger.turn("node1", START + 10 * SECOND, DECIDE, room=1).claimed
    set_back(ledger, START - 3_590 * SECOND, by=3_600 * SECOND)
    declare(ledger, START + 28_810 * SECOND, "*/10 * * * * *", catch_up="all")
    end(ledger, run, START + 2 * DAY)

    assert [account.reason for account in ledger.ranges_between(START, START + DAY)] == ["down"]
    assert sum(one.status == "queued" for one in ledger.open_runs()) > 16
    assert faults(ledger, START + 2 * DAY) == []


# -- words for it -----------------------------------------------------------------------------------------------------------

DECIDE = Planner().decide


def begin_a_run_and_find_it_in_the_way_a_day_later(ledger: SqliteLedger) -> Claimed:
    declare(ledger, START, "@every 1s")
    ledger.join(NODE)
    (run,) = ledger.turn("node1", START + SECOND, DECIDE, room=1).claimed
    declare(ledger, START + SECOND, "0 0 12 * * *")
    ledger.turn("node1", START + DAY, DECIDE)
    return run


def declare(ledger: SqliteLedger, now: Instant, schedule: str, **policies: str) -> None:
    spec = JobSpec(name="one", description="", schedule=schedule, time_zone="UTC", enabled=True, policies={**policies})
    ledger.sync_catalogue([spec], [], now, DECIDE, actor="test")


def set_back(ledger: SqliteLedger, seen_at: Instant, *, by: int) -> None:
    ledger.record_clock_event(
        ClockEvent(seen_at=seen_at, kind="backward", delta_us=-by, action="", node_id=NODE.node_id)
    )


def end(ledger: SqliteLedger, run: Claimed, now: Instant) -> None:
    closing = Closing(run_id=run.run_id, attempt=1, fence=run.fence, status="success", finished_at=now)
    ledger.turn(NODE.node_id, now, DECIDE, closings=[closing])


def faults(ledger: SqliteLedger, now: Instant) -> list[str]:
    return [finding.sentence for finding in audit(ledger, now=now, alive=lambda _: None).findings]
