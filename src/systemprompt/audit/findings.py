"""What an audit says: findings of a closed list of kinds, counts, and one plain sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from systemprompt.clock import iso
from systemprompt.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systemprompt.clock import Instant

__all__ = ["KEPT", "KINDS", "AuditCounts", "AuditReport", "Finding", "Findings"]

KINDS: dict[str, str] = {
    "missing": "a fire time has no account",
    "extra": "an account stands where its job's schedule names no fire time, or past the cursor, or before what was pruned",
    "double": "a fire time has two accounts",
    "stray": "a run is open and closed at once, or neither although it was written or something names it, or is of no job",
    "range_count": "a range does not begin or end on a fire time, or counts others than lie in it",
    "wrong_version": "an account names a version that was not valid at its fire time",
    "unexplained": "an account's reason is absent, does not fit its status, or contradicts the job's policies or what is known",
    "reopened": "a run went on after its end",
    "attempts": "a run's attempts are not 1 to n, do not fit its outcome, or a late result is kept twice or of no attempt",
    "fence_order": "fences do not rise with the attempts and the fire times, or a run does not carry its last attempt's fence",
    "open_without_node": "a run is running on a node that is gone, or was begun on one",
    "retry": "a failed run was tried again more often, sooner or later than its job's `retry` says",
    "deadline": "a run began after its job's `start_deadline`",
    "stop": "a run was closed as somebody asked though nobody did, or went on as if nobody had asked",
    "abandoned": "code that could not be stopped is said to run on though it has ended, or is forgotten while it runs",
    "lost_alive": "a run was taken from a node that was alive and had beaten within its lease",
    "concurrent": "a job has, or had, more runs open at once than its policies allow",
    "passed_over": "a due job or a queued run was left waiting while nodes planned and began later ones",
    "misdated": "an account's instants contradict each other: begun before it was due, ended before it began, written too early",
    "cursor": "a job's cursor, next look, next run, last run or counts contradict its schedule or its runs",
    "versions": "a job's versions leave a gap, overlap, or are not what the job shows",
    "seal_chain": "the seals are not as they were made: one is altered, gone or out of order",
    "sealed_day": "a sealed day does not hold what was sealed: a row is gone, added or altered",
    "pruned": "accounts are said to be pruned that no seal covers",
    "texts": "a text that a run left is not the one whose hash its account holds",
    "counts": "the number of accounts that the ledger keeps for an hour is not that of the accounts there",
    "unreadable": "the oracle cannot read a version's schedule or zone, so its fire times could not be recomputed",
    "unknown_policy": "a version has a policy that only a newer release knows: this one judges nothing of the job",
}
"""The closed list: kind -> meaning."""

KEPT = 20
"""Findings kept for each kind and job; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `sentence` says it whole; `at` to `until` (both included) is where, `count` how many fire times."""

    kind: str
    job_name: str | None
    sentence: str
    at: Instant | None = None
    until: Instant | None = None
    run_id: int | None = None
    count: int = 1
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCounts:
    """What was looked at.

    fire_times   recomputed by the oracle; rows and in_ranges say what accounts for them (missing ones are in neither)
    by_status    runs by status, manual ones included; a range's fire times are not in it
    """

    jobs: int = 0
    versions: int = 0
    fire_times: int = 0
    rows: int = 0
    ranges: int = 0
    in_ranges: int = 0
    manual: int = 0
    open: int = 0
    attempts: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The audit's answer. `findings` holds up to `KEPT` a kind and job, `by_kind` counts all of them.

    start, end   what was asked for; None: from the first fire time on, up to the cursor
    """

    ok: bool
    verdict: str
    findings: tuple[Finding, ...]
    by_kind: Mapping[str, int]
    counts: AuditCounts
    start: Instant | None
    end: Instant | None
    made_at: Instant


class Findings:
    """Collects findings and counts. What it keeps is bounded by jobs and kinds, not by how much is wrong."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._of_job: Counter[tuple[str, str | None]] = Counter()
        self.counts: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()

    def add(self, finding: Finding) -> None:
        assert finding.kind in KINDS, finding.kind
        key = (finding.kind, finding.job_name)
        self._of_job[key] += 1
        if self._of_job[key] <= KEPT:
            self._kept.append(finding)

    def report(self, *, now: Instant, start: Instant | None, end: Instant | None) -> AuditReport:
        by_kind: Counter[str] = Counter()
        for (kind, _), count in self._of_job.items():
            by_kind[kind] += count
        counts = AuditCounts(**self.counts, by_status=dict(sorted(self.by_status.items())))
        jobs_off = len({job for _, job in self._of_job})
        return AuditReport(
            ok=not by_kind,
            verdict=_faulty(by_kind, jobs_off, counts) if by_kind else _clean(counts, start, end),
            findings=tuple(self._kept),
            by_kind={kind: by_kind[kind] for kind in KINDS if by_kind[kind]},
            counts=counts,
            start=start,
            end=end,
            made_at=now,
        )


def _clean(counts: AuditCounts, start: Instant | None, end: Instant | None) -> str:
    window = "".join(f" {word} {iso(at)}" for word, at in (("after", start), ("up to", end)) if at is not None)
    parts = [f"clean: {counted(counts.jobs, 'job')} in {counted(counts.versions, 'version')}"]
    if not counts.fire_times:
        parts.append(f"no fire time was due{window}")
    else:
        each = "has its one account" if counts.fire_times == 1 else "each have their one account"
        where = counted(counts.rows, "row")
        if counts.ranges:
            where += f", {counts.in_ranges:,} in {counted(counts.ranges, 'range')}"
        parts.append(f"{counted(counts.fire_times, 'fire time')}{window} {each} ({where})")
    parts.append(f"{counted(counts.manual, 'start')} by hand, {counts.open:,} open")
    return "; ".join(parts)


def _faulty(by_kind: Mapping[str, int], jobs: int, counts: AuditCounts) -> str:
    listed = ", ".join(f"{by_kind[kind]:,} {kind}" for kind in KINDS if by_kind.get(kind))
    total = counted(sum(by_kind.values()), "finding")
    return f"{total} in {counted(jobs, 'job')} ({listed}); {counted(counts.fire_times, 'fire time')} checked"
