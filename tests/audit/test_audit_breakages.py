"""The ledger is broken on purpose, behind its triggers and checks, one defect at a time: the audit must notice each by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from broken_rows import BREAKAGES, MISSED, OF_NUMBERS, TICK

from support.audited_ledger import AuditedLedger, broken_copy, long_history
from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import KEPT, KINDS
from systemprompt.clock import SECOND


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedLedger]:
    with closing(long_history(tmp_path_factory.mktemp("ledger") / "ledger.db")) as audited:
        yield audited


def test_a_ledger_that_lived_through_much_is_clean(audited: AuditedLedger) -> None:
    report = audited.audit()

    assert report.findings == ()
    assert report.ok
    assert report.verdict.startswith("clean: 6 jobs in 9 versions; ")
    assert report.counts.fire_times == report.counts.rows + report.counts.in_ranges > 30_000


def test_the_history_has_what_the_breakages_break(audited: AuditedLedger) -> None:
    rows = list(audited.ledger.runs_between(0, audited.now))

    assert {run.status for run in rows} == {"queued", "running", "success", "failed", "skipped", "cancelled"}
    assert {run.reason for run in rows} >= {"overlap", "node_lost", "reported"}
    assert any(attempt.attempt == 2 for attempt in audited.ledger.attempts())


@pytest.mark.parametrize("name", [*BREAKAGES, *OF_NUMBERS])
def test_the_audit_notices_when(name: str, audited: AuditedLedger, tmp_path: Path) -> None:
    kind, statements = (BREAKAGES | OF_NUMBERS)[name]

    report = broken_copy(audited, tmp_path / "broken.db", *statements, recount=name in BREAKAGES).audit()

    assert not report.ok
    assert kind in report.by_kind, report.findings
    assert any(finding.kind == kind and finding.sentence for finding in report.findings)


def test_every_kind_a_breakage_brings_out_is_one_of_the_closed_list() -> None:
    assert {kind for kind, _ in BREAKAGES.values()} <= set(KINDS), "tests/breakages brings out every one"


def test_a_process_that_is_gone_is_no_living_node(audited: AuditedLedger) -> None:
    report = audit(audited.ledger, now=audited.now, alive=lambda node: node.pid != 1)

    assert set(report.by_kind) == {"open_without_node"}


def test_a_hole_is_one_finding_that_says_how_much_is_missing(audited: AuditedLedger, tmp_path: Path) -> None:
    report = broken_copy(audited, tmp_path / "b.db", f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}").audit()

    (hole,) = report.findings
    assert (hole.kind, hole.job_name, hole.count) == ("missing", "tick", 21_599)
    assert hole.sentence == (
        "job 'tick': 21,599 fire times from 2026-10-23T13:07:20Z to 2026-10-26T01:07:00Z have no account"
    )
    assert report.verdict.startswith("1 finding in 1 job (1 missing); ")


def test_a_breakage_outside_the_window_or_the_job_is_not_looked_at(audited: AuditedLedger, tmp_path: Path) -> None:
    other = broken_copy(audited, tmp_path / "b.db", f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}")
    (hole,) = other.audit().findings
    assert hole.at is not None
    assert hole.until is not None

    assert other.audit(job_name="again").ok
    assert other.audit(end=hole.at - 1).ok
    assert other.audit(start=hole.until).ok
    (part,) = other.audit(start=hole.at, end=hole.at + 50 * SECOND).findings
    assert part.count == 5


def test_findings_are_kept_up_to_a_bound_and_counted_beyond(audited: AuditedLedger, tmp_path: Path) -> None:
    other = broken_copy(
        audited, tmp_path / "b.db", f"UPDATE job_runs SET reason = 'odd' WHERE status = 'success' AND {TICK}"
    )

    report = other.audit()

    assert len(report.findings) == KEPT
    assert report.by_kind["unexplained"] > KEPT
