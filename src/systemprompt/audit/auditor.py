"""Audit a ledger: recompute every fire time with the independent oracle and hold rows, ranges and runs against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Generic, TypeVar

from systemprompt.audit.accounts import check_accounts
from systemprompt.audit.case import JobCase, Setting, fallen_behind
from systemprompt.audit.counts import Tally
from systemprompt.audit.course import Course, LastClaim
from systemprompt.audit.fates import check_range_fate, check_run_fate
from systemprompt.audit.findings import AuditReport, Findings
from systemprompt.audit.jobs import check_high_water, check_job, check_open_runs
from systemprompt.audit.kept import check_abandoned, check_fences, check_late_results, check_strays, check_texts
from systemprompt.audit.retries import check_retries
from systemprompt.audit.runs import check_run
from systemprompt.audit.seals import check_pruned, check_seals
from systemprompt.clock import SECOND, Instant
from systemprompt.errors import JobNotFound
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.records import NodeIdentity
from systemprompt.ledger.views import JobView, RangeView, RunView

__all__ = ["audit"]

_TOLERANCE = 2 * SECOND
_EVER = 2**62
_USUAL_LEASE = 30 * SECOND

Row = TypeVar("Row")


def audit(
    ledger: LedgerReader,
    *,
    now: Instant,
    alive: Callable[[NodeIdentity], bool | None],
    job_name: str | None = None,
    start: Instant | None = None,
    end: Instant | None = None,
) -> AuditReport:
    """Check every account in (start, end], of one job or of all, up to each job's cursor; the whole ledger with all its seals.

    Reads one snapshot, so what others write meanwhile changes nothing; writes nothing. Memory grows with the jobs and their
    versions, not with runs. `alive` says whether a node's process still lives: None where that cannot be known from here.

    Raises:
        JobNotFound: there is no job of this name, not even a retired one.
    """
    with ledger.snapshot():
        jobs = _jobs(ledger, job_name)
        findings = Findings()
        setting = _setting(ledger, now)
        low, high = -_EVER if start is None else start, _EVER if end is None else end
        seen = _check_jobs(setting, jobs, findings, alive, low, high)
        check_texts(setting, jobs, findings, low, high, only=None if job_name is None else jobs[0].job_id)
        if job_name is None and start is None and end is None:
            check_fences(setting, findings)
            check_strays(setting, findings, seen=seen)
            check_late_results(setting, findings)
            check_abandoned(setting, findings)
            check_pruned(ledger, jobs, findings)
            check_seals(ledger, findings, recheck=lambda _seal: True)
        return findings.report(now=now, start=start, end=end)


def _jobs(ledger: LedgerReader, job_name: str | None) -> list[JobView]:
    jobs = ledger.jobs(retired=True)
    if job_name is None:
        # In the order of the streams of runs and ranges.
        return sorted(jobs, key=lambda job: job.job_id)
    chosen = [job for job in jobs if job.name == job_name]
    if not chosen:
        raise JobNotFound(job_name, [job.name for job in jobs], [one.error for one in ledger.quarantined_sources()])
    return chosen


def _setting(ledger: LedgerReader, now: Instant) -> Setting:
    clock_events = ledger.clock_events()
    slack = _TOLERANCE + fallen_behind(clock_events)
    nodes = {node.node_id: node for node in ledger.nodes()}
    return Setting(
        ledger=ledger,
        now=now,
        latest=max(now, ledger.high_water()),
        slack=slack,
        stall=slack + max([_USUAL_LEASE, *(node.lease_ms * 1_000 for node in nodes.values())]),
        nodes=nodes,
        clock_events=clock_events,
        last_fence=ledger.last_fence(),
        pruned_until=ledger.seal_state().pruned_until,
        run_on=ledger.abandoned_runs(),
    )


def _check_jobs(
    setting: Setting,
    jobs: list[JobView],
    findings: Findings,
    alive: Callable[[NodeIdentity], bool | None],
    low: Instant,
    high: Instant,
) -> int:
    """Check job by job; return how many runs were seen that are not of a pruned day."""
    ledger = setting.ledger
    only = jobs[0].job_id if len(jobs) == 1 else None
    versions = {job_id: list(group) for job_id, group in groupby(ledger.versions(only), key=lambda v: v.job_id)}
    open_runs = defaultdict(list)
    for run in ledger.open_runs():
        open_runs[run.job_id].append(run)
    tally = Tally(ledger, findings, only=only, low=low, high=high, pruned_until=setting.pruned_until)
    runs = _ByJob(tally.runs(ledger.tried_runs_between(low, high, job_id=only)), lambda tried: tried[0].job_id)
    ranges = _ByJob(tally.ranges(ledger.ranges_between(low, high, job_id=only)), lambda account: account.job_id)
    last_claim, courses = LastClaim(), []
    for job in jobs:
        case = JobCase(setting, job, versions.get(job.job_id, []), findings, open_runs[job.job_id])
        findings.counts.update(jobs=1, versions=len(case.versions), open=len(case.open_runs))
        check_job(case)
        check_open_runs(case, setting.nodes, alive)
        begins = low == -_EVER and not case.pruned
        course = Course(case, last_claim, begins=begins, ends=high == _EVER)
        told = _told(case, course, ranges.of(job.job_id))
        check_accounts(case, _checked(case, course, runs.of(job.job_id)), told, low, high)
        tally.finish_job(job)
        course.finish()
        courses.append(course)
    tally.finish()
    if only is None and high == _EVER:
        check_high_water(setting, jobs, findings)
        for course in courses:
            course.check_passed_over()
    return tally.unpruned


def _told(case: JobCase, course: Course, ranges: Iterator[RangeView]) -> Iterator[RangeView]:
    """Check each range by itself and in its place, and pass it on."""
    for account in ranges:
        check_range_fate(case, account)
        course.range(account)
        yield account


def _checked(
    case: JobCase, course: Course, runs: Iterator[tuple[RunView, tuple[AttemptView, ...]]]
) -> Iterator[RunView]:
    """Check each run by itself, and pass on those that account for a fire time."""
    counts, by_status = case.findings.counts, case.findings.by_status
    for run, attempts in runs:
        by_status[run.status] += 1
        counts["attempts"] += len(attempts)
        counts["manual"] += run.origin == "manual"
        check_run(case, run, attempts)
        check_run_fate(case, run, attempts)
        check_retries(case, run, attempts)
        course.run(run, attempts)
        if run.fire_at is not None:
            yield run


class _ByJob(Generic[Row]):
    """A stream ordered by job, dealt out job by job. Jobs must be asked for in the stream's order."""

    def __init__(self, rows: Iterator[Row], job_of: Callable[[Row], int]) -> None:
        self._rows = rows
        self._job_of = job_of
        self._head = next(rows, None)

    def of(self, job_id: int) -> Iterator[Row]:
        while self._head is not None and self._job_of(self._head) < job_id:
            self._head = next(self._rows, None)
        while self._head is not None and self._job_of(self._head) == job_id:
            yield self._head
            self._head = next(self._rows, None)
