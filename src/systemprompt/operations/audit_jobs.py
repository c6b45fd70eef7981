"""Hold the ledger against fire times that an independent oracle recomputes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND, iso
from systemprompt.ledger.records import NodeIdentity
from systemprompt.nodes.identity import is_gone, this_machine
from systemprompt.operations.answers import entry_of
from systemprompt.operations.context import OperationContext
from systemprompt.operations.instants import iso_or_none, read_span
from systemprompt.operations.parameters import FIELDS, param
from systemprompt.operations.serving import is_overdue

__all__ = ["AuditFinding", "AuditParams", "AuditReport", "audit_jobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParams:
    """What to audit."""

    job: str | None = param("only this job", None)
    start: str | None = param("only after then: 2h, 3d, a date, or an ISO instant", None)
    end: str | None = param("only up to then, written as for `start`", None)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One thing that is wrong. `sentence` says it whole; `at` to `until`, both included, is where."""

    kind: str
    job_name: str | None
    sentence: str
    at: str | None
    until: str | None
    run_id: int | None
    count: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The audit's answer.

    clean      nothing is wrong, and the ledger's schema is as its migrations make it
    verdict    one sentence with the counts
    findings   up to 20 of a kind and job; `by_kind` counts all of them
    accounted_through   up to when every fire time of the jobs that were looked at has its account
    schema     tables, indexes, views and triggers of the ledger that are not: what holds its rules may be gone
    counts     what was looked at: jobs, versions, fire_times, rows, ranges, in_ranges, manual, open, attempts, by_status
    start, end   what was asked for, or null
    """

    clean: bool
    verdict: str
    findings: tuple[AuditFinding, ...]
    by_kind: Mapping[str, int]
    accounted_through: str
    schema: tuple[str, ...]
    counts: Mapping[str, Any]
    start: str | None
    end: str | None
    made_at: str


def audit_jobs(context: OperationContext, params: AuditParams) -> AuditReport:
    """Audit every account of one job or of all. Reads one state of the ledger and writes nothing.

    Raises:
        JobNotFound: `job` names no job, not even a retired one.
        UsageError: `start` or `end` is no instant, or `start` is after `end`.
    """
    machine = this_machine()

    def alive(node: NodeIdentity) -> bool | None:
        gone = is_gone(node, machine)
        return None if gone is None else not gone

    start, end = read_span(context, start=params.start, end=params.end)
    with context.open_system() as system:
        now = context.now()
        report = audit(system.ledger, now=now, alive=alive, job_name=params.job, start=start, end=end)
        jobs = [job for job in system.ledger.jobs() if params.job in (None, job.name)]
        # A job without a fire time to be planned is accounted for, whenever it was last looked at.
        through = min((job.planned_through for job in jobs if is_overdue(job, now)), default=now)
        late = now - through > system.profile.limits.misfire_grace * SECOND
        schema = tuple(str(one) for one in system.ledger.upkeep.schema_state().harmful)
    findings = tuple(entry_of(AuditFinding, found) for found in report.findings)
    verdict = report.verdict
    if late:
        verdict += f"; the accounts reach up to {iso(through)} and no further: does a node serve?"
    if schema:
        verdict = f"the ledger's schema was changed: {'; '.join(schema)}; apart from that {verdict}"
    return AuditReport(
        clean=report.ok and not schema,
        verdict=verdict,
        findings=findings,
        by_kind=report.by_kind,
        accounted_through=iso(through),
        schema=schema,
        counts=asdict(report.counts),
        start=iso_or_none(report.start),
        end=iso_or_none(report.end),
        made_at=iso(report.made_at),
    )
