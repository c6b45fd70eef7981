"""The rules that stand in the schema itself: whatever a defect above them asks, the file refuses."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledger_stage import EVERY_SECOND, START, at, ending, node, spec

from systemprompt.ledger.records import REASONS, STATUSES, Change
from systemprompt.ledger.sqlite.ledger import MIGRATIONS, SqliteLedger
from systemprompt.scheduler.planner import Planner

DECIDE = Planner().decide


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger with one job, a closed run (1), a running one (2), a queued one (3), a range and two versions; raw."""
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.migrate()
    ledger.join(node("a", START))
    ledger.join(node("gone", START))
    ledger.leave("gone", START)
    ledger.sync_catalogue([spec("job", EVERY_SECOND, catch_up="all")], [], START, DECIDE, Change(actor="test"))
    ledger.set_enabled("job", False, START, DECIDE, Change(actor="test"))
    ledger.set_enabled("job", True, at(10), DECIDE, Change(actor="test"))
    (first,) = ledger.turn("a", at(13), DECIDE, room=1).claimed
    ledger.turn("a", at(13), DECIDE, closings=[ending(first, at(13))], room=1)
    assert [run.status for run in ledger.runs_between(0, 2**62)] == ["success", "running", "queued"]
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


RUN = (
    "INSERT INTO job_runs (job_id, version, origin, fire_at, due_at, status, reason, queued_at, started_at, finished_at"
)
REFUSED = {
    "a cursor never moves back": "UPDATE scheduled_jobs SET planned_through = planned_through - 1",
    "a job is never deleted": "DELETE FROM scheduled_jobs",
    "fewer than no runs of a job are running": "UPDATE scheduled_jobs SET running = -1",
    "a switch is on or off": "UPDATE scheduled_jobs SET enabled = 2",
    "a last status is one of a closed list": "UPDATE scheduled_jobs SET last_status = 'done'",
    "an instant is a number": "UPDATE scheduled_jobs SET next_due = 'soon'",
    "a version never changes": "UPDATE job_versions SET schedule = '@hourly' WHERE valid_until IS NULL",
    "a closed version stays closed": "UPDATE job_versions SET valid_until = NULL",
    "a version ends once": "UPDATE job_versions SET valid_until = valid_until + 1 WHERE valid_until IS NOT NULL",
    "a version does not end before it begins": "UPDATE job_versions SET valid_until = 1 WHERE valid_until IS NULL",
    "versions never overlap": "INSERT INTO job_versions SELECT job_id, 9, schedule, time_zone, policies, enabled, valid_from - 1,"
    " valid_from, actor, why FROM job_versions WHERE version = 3",
    "a closed run never changes": "UPDATE job_runs SET message = 'x' WHERE run_id = 1",
    "a closed run is not opened again": "UPDATE job_runs SET status = 'queued', finished_at = NULL WHERE run_id = 1",
    "a fence never falls": "UPDATE job_runs SET fence = fence - 1 WHERE run_id = 2",
    "an attempt never falls": "UPDATE job_runs SET attempt = 0 WHERE run_id = 2",
    "a claim needs a higher fence": "UPDATE job_runs SET status = 'running', attempt = 1, node_id = 'a', started_at = 1"
    " WHERE run_id = 3",
    "a claim is the next attempt": "UPDATE job_runs SET status = 'running', attempt = 2, fence = 99, node_id = 'a',"
    " started_at = 1 WHERE run_id = 3",
    "a fence is handed out once": "UPDATE job_runs SET status = 'running', attempt = 1, fence = 2, node_id = 'a',"
    " started_at = 1 WHERE run_id = 3",
    "a running run has a node": "UPDATE job_runs SET node_id = NULL WHERE run_id = 2",
    "a running run has a start": "UPDATE job_runs SET started_at = NULL WHERE run_id = 2",
    "what a run accounts for never changes": "UPDATE job_runs SET fire_at = 1, due_at = 1 WHERE run_id = 2",
    "a run keeps its version": "UPDATE job_runs SET version = 1 WHERE run_id = 2",
    "an open run is never deleted": "DELETE FROM job_runs WHERE run_id = 3",
    "an open run has no end": "UPDATE job_runs SET finished_at = 1 WHERE run_id = 2",
    "a closed run has an end": "UPDATE job_runs SET status = 'success' WHERE run_id = 2",
    "a success has no reason": "UPDATE job_runs SET status = 'success', reason = 'reported', finished_at = 1 WHERE run_id = 2",
    "a failure has a reason": "UPDATE job_runs SET status = 'failed', finished_at = 1 WHERE run_id = 2",
    "a reason fits its status": "UPDATE job_runs SET status = 'failed', reason = 'down', finished_at = 1 WHERE run_id = 2",
    "a fire time has one account": f"{RUN}) SELECT job_id, 3, 'schedule', fire_at, fire_at, 'queued', NULL, 1, NULL, NULL"
    " FROM job_runs WHERE run_id = 1",
    "a range's fire time gets no row": f"{RUN}) SELECT job_id, 3, 'schedule', last_at, last_at, 'queued', NULL, 1, NULL, NULL"
    " FROM job_run_ranges",
    "a start by hand has no fire time": f"{RUN}) VALUES ('job_job', 3, 'manual', 5, 5, 'queued', NULL, 1, NULL, NULL)",
    "a scheduled run has one": f"{RUN}) VALUES ('job_job', 3, 'schedule', NULL, 5, 'queued', NULL, 1, NULL, NULL)",
    "a run is due when it fires": f"{RUN}) VALUES ('job_job', 3, 'schedule', 5, 6, 'queued', NULL, 1, NULL, NULL)",
    "an origin is one of a closed list": f"{RUN}) VALUES ('job_job', 3, 'whim', NULL, 5, 'queued', NULL, 1, NULL, NULL)",
    "a run is of a job": f"{RUN}) VALUES ('nobody', 3, 'manual', NULL, 5, 'queued', NULL, 1, NULL, NULL)",
    "a range never changes": "UPDATE job_run_ranges SET count = count + 1",
    "ranges never overlap": "INSERT INTO job_run_ranges SELECT 99, job_id, version, last_at, last_at + 1, 2, status, reason, 1"
    " FROM job_run_ranges",
    "a range covers no row": "INSERT INTO job_run_ranges SELECT 99, job_id, 3, fire_at, fire_at, 1, 'missed', 'down', 1"
    " FROM job_runs WHERE run_id = 1",
    "a range is in order": "INSERT INTO job_run_ranges VALUES (99, 'job_job', 3, 5, 4, 1, 'missed', 'down', 1)",
    "a range counts something": "INSERT INTO job_run_ranges VALUES (99, 'job_job', 3, 4, 5, 0, 'missed', 'down', 1)",
    "a range tells of what never ran": "INSERT INTO job_run_ranges VALUES (99, 'job_job', 3, 4, 5, 2, 'failed', 'killed', 1)",
    "a range's reason fits": "INSERT INTO job_run_ranges VALUES (99, 'job_job', 3, 4, 5, 2, 'missed', 'disabled', 1)",
    "a run has one open attempt": "INSERT INTO job_attempts (run_id, attempt, fence, node_id, started_at)"
    " VALUES (2, 2, 99, 'a', 1)",
    "an attempt's fence is its own": "INSERT INTO job_attempts (run_id, attempt, fence, node_id, started_at)"
    " VALUES (3, 1, 1, 'a', 1)",
    "an attempt that ended has a result": "UPDATE job_attempts SET ended_at = 5 WHERE run_id = 2",
    "a result is one of a closed list": "UPDATE job_attempts SET ended_at = 5, result = 'fine' WHERE run_id = 2",
    "a node that stopped never comes back": "UPDATE nodes SET stopped_at = NULL, fate = NULL WHERE node_id = 'gone'",
    "a node that stopped has a fate": "UPDATE nodes SET stopped_at = 5 WHERE node_id = 'a'",
    "a node is of a known kind": "UPDATE nodes SET kind = 'leader' WHERE node_id = 'a'",
    "a jump is forward or backward": "INSERT INTO clock_events (seen_at, kind, delta_us, action, node_id)"
    " VALUES (1, 'sideways', 1, '', '')",
    "there is one state": "INSERT INTO ledger_state (one, ledger_id) VALUES (2, 'x')",
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_the_schema_holds_that(raw: sqlite3.Connection, change: str) -> None:
    before = "\n".join(raw.iterdump())
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(change)
    assert "\n".join(raw.iterdump()) == before


def test_the_closed_lists_of_the_schema_are_those_of_the_records() -> None:
    schema = "".join(path.read_text() for path in sorted(Path(MIGRATIONS).glob("*.sql")))
    runs = schema[schema.index("CREATE TABLE job_runs (") : schema.index("CREATE UNIQUE INDEX job_runs_one_account")]
    listed = re.search(r"status +TEXT +NOT NULL CHECK \(status IN\s*\(([^)]*)\)", runs)
    assert listed is not None
    assert tuple(re.findall(r"'(\w+)'", listed[1])) == STATUSES
    by_status = dict(re.findall(r"WHEN '(\w+)' +THEN reason IN \(([^)]*)\)", runs))
    assert {status: re.findall(r"'(\w+)'", text) for status, text in by_status.items()} == {
        status: list(reasons) for status, reasons in REASONS.items()
    }
    spans = schema[schema.index("CREATE TABLE job_run_ranges (") : schema.index("CREATE INDEX job_run_ranges_by_job")]
    for status, text in re.findall(r"status = '(\w+)' AND reason IN \(([^)]*)\)", spans):
        assert re.findall(r"'(\w+)'", text) == list(REASONS[status])
