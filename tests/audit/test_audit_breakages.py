"""The ledger is broken on purpose, behind its triggers and checks, one defect at a time: the audit must notice each by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from audited import HOUR, World, broken, lived

from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import KEPT, KINDS
from systemprompt.clock import SECOND

TICK = "job_id = 'job_tick'"
A_SUCCESS = "(SELECT max(run_id) FROM job_runs WHERE job_id = 'job_tick' AND status = 'success')"
A_FAILURE = "(SELECT min(run_id) FROM job_runs WHERE reason = 'node_lost')"
AN_OVERLAP = "(SELECT min(run_id) FROM job_runs WHERE reason = 'overlap' AND job_id = 'job_tick')"
A_RUNNING = "(SELECT min(run_id) FROM job_runs WHERE status = 'running' AND job_id = 'job_tick')"
TWICE_TRIED = "(SELECT run_id FROM job_attempts WHERE attempt = 2 LIMIT 1)"
MISSED = "(SELECT range_id FROM job_run_ranges WHERE job_id = 'job_tick' AND reason = 'superseded' ORDER BY count DESC LIMIT 1)"
DISABLED = "(SELECT range_id FROM job_run_ranges WHERE reason = 'disabled')"
COLUMNS = "job_id, version, origin, fire_at, due_at, status, reason, queued_at, finished_at"
ANOTHER = f"INSERT INTO job_runs ({COLUMNS}) SELECT job_id, version, 'schedule', {{at}}, {{at}}, 'missed', 'down', {{at}}, {{at}}"

BREAKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    # planning
    "a row was never written": ("missing", (f"DELETE FROM job_runs WHERE run_id = {A_SUCCESS}",)),
    "a range was never written": ("missing", (f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}",)),
    "the last row before the cursor was never written": (
        "missing",
        ("DELETE FROM job_runs WHERE job_id = 'job_nightly' AND status = 'success'",),
    ),
    "a row stands between two fire times": (
        "extra",
        (f"{ANOTHER.format(at='fire_at + 1000000')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row is off by a microsecond": (
        "extra",
        (f"UPDATE job_runs SET fire_at = fire_at + 1, due_at = due_at + 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "a row of the future": (
        "extra",
        (f"{ANOTHER.format(at=f'fire_at + {HOUR * SECOND}')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row from before the job was known": (
        "extra",
        (f"{ANOTHER.format(at=f'fire_at - {1000 * HOUR * SECOND}')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row for a time when the job was away": (
        "extra",
        (
            (
                f"{ANOTHER.format(at='v.valid_until + 60000000')} FROM job_runs r JOIN job_versions v USING (job_id, version) "
                "WHERE v.job_id = 'job_gone' AND v.version = 1 LIMIT 1"
            ),
        ),
    ),
    "a fire time was planned twice": (
        "double",
        (f"{ANOTHER.format(at='fire_at')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row stands inside a range": (
        "double",
        ((f"{ANOTHER.format(at='first_at + 10000000')} FROM job_run_ranges WHERE range_id = {MISSED}"),),
    ),
    "two ranges share a fire time": (
        "double",
        (
            (
                f"INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at) "
                "SELECT job_id, version, last_at, last_at, 1, status, reason, written_at "
                f"FROM job_run_ranges WHERE range_id = {MISSED}"
            ),
        ),
    ),
    "a range counts one too many": (
        "range_count",
        (f"UPDATE job_run_ranges SET count = count + 1 WHERE range_id = {MISSED}",),
    ),
    "a range begins between two fire times": (
        "range_count",
        (f"UPDATE job_run_ranges SET first_at = first_at - 1000000 WHERE range_id = {MISSED}",),
    ),
    "a range ends between two fire times": (
        "range_count",
        (f"UPDATE job_run_ranges SET last_at = last_at + 1000000 WHERE range_id = {MISSED}",),
    ),
    "a range ends too early": (
        "missing",
        (f"UPDATE job_run_ranges SET last_at = last_at - 10000000, count = count - 1 WHERE range_id = {MISSED}",),
    ),
    # the cursor
    "the cursor moved before the rows were written": (
        "missing",
        (f"UPDATE scheduled_jobs SET planned_through = planned_through + {40 * SECOND} WHERE job_name = 'again'",),
    ),
    "the cursor is ahead of time": (
        "cursor",
        (f"UPDATE scheduled_jobs SET planned_through = planned_through + {HOUR * SECOND} WHERE job_name = 'nightly'",),
    ),
    "the cursor moved back": (
        "extra",
        (f"UPDATE scheduled_jobs SET planned_through = planned_through - {60 * SECOND} WHERE job_name = 'tick'",),
    ),
    "a job is never looked at again": (
        "cursor",
        ("UPDATE scheduled_jobs SET next_due = NULL WHERE job_name = 'tick'",),
    ),
    "a job is looked at too late": (
        "cursor",
        ("UPDATE scheduled_jobs SET next_due = next_due + 10000000 WHERE job_name = 'tick'",),
    ),
    "the count of running runs leaked": ("cursor", ("UPDATE scheduled_jobs SET running = 1 WHERE job_name = 'gone'",)),
    "retention said more was pruned than was": (
        "extra",
        (f"UPDATE scheduled_jobs SET pruned_through = pruned_through + {60 * SECOND} WHERE job_name = 'tick'",),
    ),
    # versions
    "a version began late": (
        "versions",
        (f"UPDATE job_versions SET valid_from = valid_from + 1000000 WHERE {TICK} AND version = 3",),
    ),
    "two versions overlap": (
        "versions",
        (f"UPDATE job_versions SET valid_from = valid_from - 1000000 WHERE {TICK} AND version = 3",),
    ),
    "a version was deleted": ("versions", (f"DELETE FROM job_versions WHERE {TICK} AND version = 2",)),
    "a version was edited in place": (
        "missing",
        (f"UPDATE job_versions SET schedule = '*/5 * * * * *' WHERE {TICK} AND version = 1",),
    ),
    "a version's policy was edited in place": (
        "extra",
        ("UPDATE job_versions SET schedule = '0 30 3 * * *' WHERE job_id = 'job_nightly'",),
    ),
    "a job shows another schedule than it is planned by": (
        "versions",
        ("UPDATE scheduled_jobs SET schedule = '0 0 4 * * *' WHERE job_name = 'nightly'",),
    ),
    "two versions are open": (
        "versions",
        (f"UPDATE job_versions SET valid_until = NULL WHERE {TICK} AND version = 2",),
    ),
    "an account names an older version": (
        "wrong_version",
        (f"UPDATE job_runs SET version = 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "a range names a version that never was": (
        "wrong_version",
        (f"UPDATE job_run_ranges SET version = 9 WHERE range_id = {MISSED}",),
    ),
    "a version's schedule is no schedule": (
        "unreadable",
        (f"UPDATE job_versions SET schedule = 'now and then' WHERE {TICK} AND version = 1",),
    ),
    "a version's zone is no zone": (
        "unreadable",
        ("UPDATE job_versions SET time_zone = 'Mars/Olympus' WHERE job_id = 'job_nightly'",),
    ),
    # reasons
    "a failure has no reason": ("unexplained", (f"UPDATE job_runs SET reason = NULL WHERE run_id = {A_FAILURE}",)),
    "a reason belongs to another status": (
        "unexplained",
        (f"UPDATE job_runs SET reason = 'down' WHERE run_id = {A_FAILURE}",),
    ),
    "a success has a reason": ("unexplained", (f"UPDATE job_runs SET reason = 'timeout' WHERE run_id = {A_SUCCESS}",)),
    "a status nobody knows": ("unexplained", (f"UPDATE job_runs SET status = 'odd' WHERE run_id = {A_SUCCESS}",)),
    "skipped as disabled while enabled": (
        "unexplained",
        (f"UPDATE job_runs SET reason = 'disabled', blocked_by = NULL WHERE run_id = {AN_OVERLAP}",),
    ),
    "a range is disabled while enabled": (
        "unexplained",
        (f"UPDATE job_run_ranges SET status = 'skipped', reason = 'disabled' WHERE range_id = {MISSED}",),
    ),
    "missed as down while disabled": (
        "unexplained",
        (f"UPDATE job_run_ranges SET status = 'missed', reason = 'down' WHERE range_id = {DISABLED}",),
    ),
    "a run started while disabled": (
        "unexplained",
        (f"UPDATE job_versions SET enabled = 0 WHERE {TICK} AND version = 1",),
    ),
    "an overlap does not say with what": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = NULL WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with a run that does not exist": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = 0 WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with a later run": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = {A_SUCCESS} WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with another job's run": (
        "unexplained",
        (
            (
                f"UPDATE job_runs SET blocked_by = (SELECT min(run_id) FROM job_runs WHERE job_id = 'job_again') "
                f"WHERE run_id = {AN_OVERLAP}"
            ),
        ),
    ),
    "an overlap with a run long over": (
        "unexplained",
        (
            (
                f"UPDATE job_runs SET started_at = started_at - {9 * HOUR * SECOND}, "
                f"finished_at = finished_at - {9 * HOUR * SECOND} "
                f"WHERE run_id = (SELECT blocked_by FROM job_runs WHERE run_id = {AN_OVERLAP})"
            ),
        ),
    ),
    "what was missed has started": (
        "unexplained",
        (f"UPDATE job_runs SET started_at = queued_at WHERE run_id = {AN_OVERLAP}",),
    ),
    # closing
    "a closed run was opened again": (
        "reopened",
        (f"UPDATE job_runs SET status = 'queued', finished_at = NULL WHERE run_id = {A_SUCCESS}",),
    ),
    "an open run has an end": (
        "reopened",
        (f"UPDATE job_runs SET finished_at = started_at WHERE run_id = {A_RUNNING}",),
    ),
    "a closed run has no end": ("reopened", (f"UPDATE job_runs SET finished_at = NULL WHERE run_id = {A_SUCCESS}",)),
    "a closed run is still being tried": (
        "reopened",
        (f"UPDATE job_attempts SET ended_at = NULL, result = NULL WHERE run_id = {A_SUCCESS}",),
    ),
    "a run went on after its end": (
        "reopened",
        (f"UPDATE job_attempts SET result = 'success' WHERE run_id = {TWICE_TRIED} AND attempt = 1",),
    ),
    "a zombie's result became the outcome": (
        "attempts",
        (f"UPDATE job_runs SET status = 'success', reason = NULL WHERE run_id = {A_FAILURE}",),
    ),
    # attempts and fences
    "an attempt was not written down": ("attempts", (f"DELETE FROM job_attempts WHERE run_id = {A_SUCCESS}",)),
    "an attempt was skipped": ("attempts", (f"UPDATE job_attempts SET attempt = 2 WHERE run_id = {A_SUCCESS}",)),
    "a success nobody tried": (
        "attempts",
        (
            f"DELETE FROM job_attempts WHERE run_id = {A_SUCCESS}",
            f"UPDATE job_runs SET attempt = 0, fence = 0 WHERE run_id = {A_SUCCESS}",
        ),
    ),
    "two attempts are open": (
        "attempts",
        (f"UPDATE job_attempts SET ended_at = NULL, result = NULL WHERE run_id = {TWICE_TRIED}",),
    ),
    "a fence fell": (
        "fence_order",
        (f"UPDATE job_attempts SET fence = -fence WHERE run_id = {TWICE_TRIED} AND attempt = 2",),
    ),
    "a run carries an old fence": (
        "fence_order",
        (f"UPDATE job_runs SET fence = fence - 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "the ledger forgot the last fence": ("fence_order", ("UPDATE ledger_state SET fence = 1",)),
    "a fence was handed out twice": (
        "fence_order",
        (
            "CREATE TABLE copies AS SELECT * FROM job_attempts",
            "DROP TABLE job_attempts",
            "ALTER TABLE copies RENAME TO job_attempts",
            f"UPDATE job_attempts SET fence = fence - 1 WHERE run_id = {A_SUCCESS}",
            f"UPDATE job_runs SET fence = fence - 1 WHERE run_id = {A_SUCCESS}",
        ),
    ),
    # nodes
    "a run is on a node that left": (
        "open_without_node",
        ("UPDATE nodes SET stopped_at = beat_at, fate = 'left' WHERE node_id = 'node-a'",),
    ),
    "a run is on a node nobody knows": ("open_without_node", ("DELETE FROM nodes WHERE node_id = 'node-a'",)),
    "a run was not rescued": (
        "open_without_node",
        (f"UPDATE job_runs SET node_id = 'node-b' WHERE run_id = {A_RUNNING}",),
    ),
    "a job runs twice at once": (
        "concurrent",
        (f"UPDATE job_runs SET status = 'running', finished_at = NULL WHERE run_id = {A_SUCCESS}",),
    ),
    # instants
    "a run started before its fire time": (
        "misdated",
        (f"UPDATE job_runs SET started_at = fire_at - {HOUR * SECOND} WHERE run_id = {A_SUCCESS}",),
    ),
    "the future was written": (
        "misdated",
        (f"UPDATE job_runs SET queued_at = fire_at - {HOUR * SECOND} WHERE run_id = {A_SUCCESS}",),
    ),
    "a run ended before it started": (
        "misdated",
        (f"UPDATE job_runs SET finished_at = started_at - 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "an attempt ended before it started": (
        "misdated",
        (f"UPDATE job_attempts SET ended_at = started_at - {HOUR * SECOND} WHERE run_id = {A_SUCCESS}",),
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with closing(lived(tmp_path_factory.mktemp("ledger") / "ledger.db")) as world:
        yield world


def test_a_ledger_that_lived_through_much_is_clean(world: World) -> None:
    report = world.audit()

    assert report.findings == ()
    assert report.ok
    assert report.verdict.startswith("clean: 6 jobs in 9 versions; ")
    assert report.counts.fire_times == report.counts.rows + report.counts.in_ranges > 30_000


def test_the_history_has_what_the_breakages_break(world: World) -> None:
    rows = list(world.ledger.runs_between(0, world.now))

    assert {run.status for run in rows} == {"queued", "running", "success", "failed", "skipped"}
    assert {run.reason for run in rows} >= {"overlap", "node_lost", "reported"}
    assert any(attempt.attempt == 2 for attempt in world.ledger.attempts())


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_audit_notices_when(name: str, world: World, tmp_path: Path) -> None:
    kind, statements = BREAKAGES[name]

    report = broken(world, tmp_path / "broken.db", *statements).audit()

    assert not report.ok
    assert kind in report.by_kind, report.findings
    assert any(finding.kind == kind and finding.sentence for finding in report.findings)


def test_every_kind_a_breakage_brings_out_is_one_of_the_closed_list() -> None:
    assert {kind for kind, _ in BREAKAGES.values()} <= set(KINDS), "tests/breakages brings out every one"


def test_a_process_that_is_gone_is_no_living_node(world: World) -> None:
    report = audit(world.ledger, now=world.now, alive=lambda node: node.pid != 7)

    assert set(report.by_kind) == {"open_without_node"}


def test_a_hole_is_one_finding_that_says_how_much_is_missing(world: World, tmp_path: Path) -> None:
    report = broken(world, tmp_path / "b.db", f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}").audit()

    (hole,) = report.findings
    assert (hole.kind, hole.job_name, hole.count) == ("missing", "tick", 21_599)
    assert hole.sentence == (
        "job 'tick': 21,599 fire times from 2026-10-23T13:07:20Z to 2026-10-26T01:07:00Z have no account"
    )
    assert report.verdict.startswith("1 finding in 1 job (1 missing); ")


def test_a_breakage_outside_the_window_or_the_job_is_not_looked_at(world: World, tmp_path: Path) -> None:
    other = broken(world, tmp_path / "b.db", f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}")
    (hole,) = other.audit().findings
    assert hole.at is not None
    assert hole.until is not None

    assert other.audit(job_name="again").ok
    assert other.audit(end=hole.at - 1).ok
    assert other.audit(start=hole.until).ok
    (part,) = other.audit(start=hole.at, end=hole.at + 50 * SECOND).findings
    assert part.count == 5


def test_findings_are_kept_up_to_a_bound_and_counted_beyond(world: World, tmp_path: Path) -> None:
    other = broken(world, tmp_path / "b.db", f"UPDATE job_runs SET reason = 'odd' WHERE status = 'success' AND {TICK}")

    report = other.audit()

    assert len(report.findings) == KEPT
    assert report.by_kind["unexplained"] > KEPT
