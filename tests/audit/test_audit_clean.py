"""What is legitimate draws no finding: other writers, clocks that step back, retention, quarantine, months of downtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from support.audited_ledger import AuditedLedger, broken_copy
from support.ledger_stage import AUTUMN, HOUR
from support.ledger_stage import berlin_spec as spec
from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND
from systemprompt.errors import JobNotFound
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.records import ClockEvent, QuarantineNotice
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.views import RunView

MONTH = 30 * 24 * HOUR


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[AuditedLedger]:
    with closing(AuditedLedger(tmp_path / "ledger.db")) as audited:
        yield audited


def test_an_empty_ledger_is_clean(audited: AuditedLedger) -> None:
    report = audited.audit()

    assert report.ok
    assert report.verdict == "clean: 0 jobs in 0 versions; no fire time was due; 0 starts by hand, 0 open"


def test_the_verdict_counts_what_was_checked(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.work(6)

    report = audited.audit()

    assert report.verdict == (
        "clean: 1 job in 1 version; 6 fire times each have their one account (6 rows); 0 starts by hand, 0 open"
    )
    assert audited.audit(start=AUTUMN, end=AUTUMN + 30 * SECOND).verdict == (
        "clean: 1 job in 1 version; 3 fire times after 2026-10-23T12:00:00Z up to 2026-10-23T12:00:30Z "
        "each have their one account (3 rows); 0 starts by hand, 0 open"
    )


def test_a_month_down_is_one_range_of_millions(audited: AuditedLedger) -> None:
    audited.declare(spec("second", "* * * * * *"))
    audited.wait(MONTH)
    audited.claim()

    report = audited.audit()

    assert report.ok
    assert (report.counts.rows, report.counts.ranges, report.counts.in_ranges) == (1, 1, MONTH - 1)


def test_one_more_or_less_among_millions_is_noticed(audited: AuditedLedger, tmp_path: Path) -> None:
    audited.declare(spec("second", "* * * * * *"))
    audited.wait(MONTH)
    audited.claim()

    fewer = broken_copy(
        audited, tmp_path / "b.db", "UPDATE job_run_ranges SET last_at = last_at - 1000000, count = count - 1"
    )

    findings = {finding.kind: finding.count for finding in fewer.audit().findings}
    assert findings["missing"] == 1
    assert "unexplained" in findings, "what follows the range is not what ran in its place"


class Interrupted(SqliteLedger):
    """A ledger to which another process writes between the audit's first reads and the rest."""

    other: AuditedLedger

    def tried_runs_between(
        self, start: int, end: int, *, job_id: int | None = None
    ) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
        self.other.work(5)
        return super().tried_runs_between(start, end, job_id=job_id)


def test_what_others_write_meanwhile_changes_nothing(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.work(3)
    with closing(Interrupted(str(audited.path))) as reading:
        reading.other = audited
        report = audit(reading, now=audited.now, alive=lambda node: None)

    assert report.ok
    assert report.counts.rows == 3
    assert audited.audit().counts.rows == 8


def test_a_clock_that_went_back_is_no_finding(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.work(6)
    audited.now -= HOUR * SECOND

    assert audited.audit().ok

    audited.work(3)
    assert audited.audit().ok


def test_a_job_added_just_before_the_clock_went_back_is_clean(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.now -= HOUR * SECOND

    assert audited.audit().ok


def test_dates_may_contradict_by_as_much_as_the_clock_was_seen_to_step_back(
    audited: AuditedLedger, tmp_path: Path
) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.work(3)
    back = HOUR * SECOND
    shifted = ", ".join(f"{name} = {name} - {back}" for name in ("available_at", "queued_at", "started_at"))
    earlier = f"UPDATE job_runs SET {shifted} WHERE run_id = 2"
    other = broken_copy(audited, tmp_path / "b.db", earlier)

    assert "misdated" in other.audit().by_kind

    event = ClockEvent(seen_at=audited.now, kind="backward", delta_us=-back, action="none", node_id="a")
    other.ledger.record_clock_event(event)
    assert other.audit().ok


def test_pruned_history_is_no_finding(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"), spec("hand", ""))
    for _ in range(3):
        audited.work(6)
        audited.finish(*audited.start("hand"))
        audited.wait(24 * HOUR)
    audited.work(6)
    seals = audited.seal()

    assert len(seals) == 2
    for seal in seals:
        while audited.ledger.prune(seal.until_at, limit=4):
            assert audited.audit().ok
    assert audited.audit().counts.rows < 24


def test_a_job_that_cannot_be_loaded_is_accounted_for(audited: AuditedLedger) -> None:
    tick = spec("tick", "*/10 * * * * *")
    audited.declare(tick)
    audited.work(3)
    notice = QuarantineNotice(name="tick", source="jobs.py", error="SyntaxError")
    audited.declare(quarantined=[notice])
    audited.wait(HOUR)
    audited.declare(tick)
    audited.work(3)

    report = audited.audit()

    assert report.ok
    assert report.counts.ranges >= 1


def test_a_backlog_that_waits_for_room_is_no_finding(audited: AuditedLedger) -> None:
    audited.declare(spec("every", "@every 1s", catch_up="all"))
    audited.wait(HOUR)
    for _ in range(5):
        audited.claim(room=0)
        assert audited.audit().ok
    audited.now -= 2 * HOUR * SECOND
    assert audited.audit().ok


def test_a_job_edited_many_times_at_one_instant_is_clean(audited: AuditedLedger) -> None:
    for minute in range(5):
        audited.declare(spec("tick", f"{minute} * * * * *"))
    audited.work(6)
    audited.enable("tick", False)
    audited.enable("tick", True)
    audited.work(6)

    report = audited.audit()

    assert report.ok
    assert report.counts.versions == 7


def test_an_unknown_job_is_said_to_be_unknown(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))

    with pytest.raises(JobNotFound) as error:
        audited.audit(job_name="tikc")

    assert error.value.suggestion == "tick"


def test_the_audit_reads_only(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.work(3)
    with closing(SqliteLedger(str(audited.path))) as watcher:
        before = watcher.change_marker()

        audited.audit()

        assert watcher.change_marker() == before


def test_what_is_kept_of_a_pruned_run_is_no_stray(audited: AuditedLedger) -> None:
    """It was due in a day that is pruned; it began, and its late result came, in days that are not."""
    audited.declare(spec("rare", "0 0 16 23 10 *", on_lost="rerun"))
    audited.wait(20 * HOUR)
    (lost,) = audited.turn(node="b", room=1).claimed
    audited.wait(60)
    audited.lose("b", max_attempts=3)
    audited.finish(*audited.claim())
    audited.wait(24 * HOUR)
    audited.finish(lost)
    audited.wait(48 * HOUR)
    (first, *_) = audited.seal()
    assert audited.ledger.prune(first.until_at, limit=9) == 1

    assert audited.ledger.run(lost.run_id) is None
    assert audited.audit().findings == ()


def test_the_end_of_a_run_that_was_given_up_on_may_be_told_twice(audited: AuditedLedger) -> None:
    audited.declare(spec("tick", "*/10 * * * * *"))
    audited.wait(10)
    (run,) = audited.claim()
    given_up = replace(audited.end(run, "failed", "timeout"), abandoned=True)
    for _ in range(2):
        assert audited.turn(given_up, room=0).closed == (run.run_id,)

    assert list(audited.ledger.abandoned_runs()) == [run.run_id]
    assert audited.audit().findings == ()

    audited.wait(10)
    assert audited.claim() == (), "its code is still in the way"
    audited.finish(run)
    assert list(audited.ledger.abandoned_runs()) == []
    assert audited.audit().findings == ()


def test_a_run_that_cannot_be_closed_is_set_apart_also_where_its_job_has_left(audited: AuditedLedger) -> None:
    tick = spec("tick", "*/10 * * * * *")
    audited.declare(tick)
    audited.wait(10)
    (run,) = audited.claim()
    audited.declare()
    audited.wait(60)

    told = replace(audited.end(run), status="failed", reason="no reason that there is")
    assert audited.turn(told, room=0).odd == (run.run_id,)

    assert [(open_run.run_id, open_run.status) for open_run in audited.ledger.open_runs()] == [(run.run_id, "running")]
    assert audited.audit().findings == ()
    audited.declare(tick)
    job = audited.ledger.job("tick")
    assert job is not None
    assert job.quarantine == "ledger_conflict"
    assert audited.audit().findings == ()


def test_the_last_run_of_a_job_may_be_due_before_what_is_looked_at(audited: AuditedLedger) -> None:
    audited.declare(spec("all", "*/10 * * * * *", catch_up="all", on_lost="rerun"), spec("hand", ""))
    asked, again = (
        *audited.ask("hand"),
        *audited.ask("hand"),
    )
    audited.wait(5)
    (by_hand,) = audited.start("hand")
    middle = audited.now
    audited.finish(by_hand)
    audited.finish(*audited.claim())
    audited.finish(*audited.claim())

    job = audited.ledger.job("hand")
    assert job is not None
    assert job.last_run_id in (asked, again)
    assert audited.audit().findings == ()
    assert audited.audit(start=middle - 1).findings == ()
    assert audited.audit(start=AUTUMN + 1, job_name="hand").findings == ()


def test_code_that_is_given_up_on_is_in_the_way_of_what_begins_in_the_same_turn(audited: AuditedLedger) -> None:
    """Of what waits, and of what is due just then."""
    audited.declare(spec("tick", "*/10 * * * * *"), spec("all", "*/10 * * * * *", catch_up="all"))
    audited.wait(30)
    held = audited.claim()
    assert {run.job_name for run in held} == {"tick", "all"}
    audited.wait(10)
    given_up = [replace(audited.end(run, "failed", "timeout"), abandoned=True) for run in held]
    assert audited.claim(*given_up) == ()
    assert audited.audit().findings == ()

    audited.wait(10)
    assert {run.job_name for run in audited.claim(*map(audited.end, held))} == {"tick", "all"}
    assert audited.audit().findings == ()
