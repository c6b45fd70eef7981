"""What was in the way may be gone: retention takes the older one first, even one from before the job's first version."""

from __future__ import annotations

from pathlib import Path

from systemprompt.audit.auditor import audit
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND
from systemprompt.ledger.records import ClockEvent, Closing, JobSpec, ManualStart, NodeIdentity
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


def test_a_run_started_by_hand_under_a_clock_set_back_may_be_pruned_before_what_it_was_in_the_way_of(
    tmp_path: Path,
) -> None:
    ledger, decide = SqliteLedger(str(tmp_path / "ledger.db")), Planner().decide
    ledger.migrate()
    spec = JobSpec(name="one", description="", schedule="0 * * * * *", time_zone="UTC", enabled=True, policies={})
    ledger.sync_catalogue([spec], [], START, decide, actor="test")
    ledger.join(NODE)
    back = ClockEvent(seen_at=START - 3 * DAY, kind="backward", delta_us=-3 * DAY, action="", node_id="node1")
    ledger.record_clock_event(back)
    (run,) = ledger.start_manual("node1", START - 3 * DAY, [ManualStart(job_name="one", actor="me")])
    ledger.turn("node1", START + 60 * SECOND, decide)
    end = Closing(run_id=run.run_id, attempt=1, fence=run.fence, status="success", finished_at=START + 61 * SECOND)
    ledger.turn("node1", START + 62 * SECOND, decide, closings=[end])

    assert seal_closed_days(ledger, now=START + 63 * SECOND, alive=lambda _: None).report.ok
    assert ledger.prune(START - DAY, limit=10) == 1
    report = audit(ledger, now=START + 63 * SECOND, alive=lambda _: None)

    assert ledger.run(run.run_id) is None
    assert [finding.sentence for finding in report.findings] == []
    ledger.close()
