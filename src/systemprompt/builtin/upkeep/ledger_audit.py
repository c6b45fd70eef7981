"""Audits the ledger every night, and seals the days that pass."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import DRY_RUN
from systemprompt.builtin.upkeep.own_ledger import alive_at, kinds, open_ledger
from systemprompt.clock import SystemClock
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from systemprompt.audit.findings import AuditReport
    from systemprompt.audit.sealing import Sealing
    from systemprompt.clock import Clock, Instant
    from systemprompt.jobs.context import JobContext
    from systemprompt.ledger.protocol import Ledger
    from systemprompt.ledger.seals import Seal

__all__ = ["LedgerAudit"]


@submit_job
class LedgerAudit(Job):
    """Audits what is not sealed yet and the chain of seals, seals the closed days that pass, and fails with what it finds.

    The message names the newest seal with its digest: a log kept elsewhere then holds the ledger to it. Of the sealed days that
    are still there the newest week and every 28th day are read again, so each about once a month. Nothing is sealed while a
    table, index, view or trigger of the ledger is not as its migrations make it.

    everything   read every sealed day again
    dry_run      seal nothing, only say how many days could be
    """

    name = "ledger_audit"
    description = "Audits the ledger, seals the days that pass, and fails with what it finds"
    schedule = "0 30 1 * * *"
    tags = ("maintenance", "ledger")
    # Arithmetic in Python for as long as there are accounts: it must not take the interpreter from the node's clockwork.
    isolation = "process"
    parameters = {"everything": False, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    # Doing it twice is doing it once.
    on_lost = "rerun"
    clock: Clock = SystemClock()
    breather: float = 0.01
    settles: float = 90.0

    def execute(self, ctx: JobContext) -> JobResult:
        from systemprompt.audit.sealing import seal_closed_days
        from systemprompt.audit.seals import audit_seals

        now = self.clock.now()
        only_audit = ctx.get_parameter(DRY_RUN, bool, default=False)
        everything = ctx.get_parameter("everything", bool, default=False)

        def breathe() -> None:
            ctx.raise_if_cancelled()
            ctx.cancel.wait(self.breather)

        with open_ledger(ctx) as ledger:
            schema = [str(one) for one in ledger.upkeep.schema_state().harmful]
            chain = audit_seals(ledger, now=now, recheck=_chosen(ledger, now, everything=everything))

            def audited() -> Sealing:
                dry_run = only_audit or not chain.ok or bool(schema)
                return seal_closed_days(ledger, now=now, alive=alive_at(now), dry_run=dry_run, breathe=breathe)

            made = audited()
            if set(made.report.by_kind) == {"open_without_node"}:
                # A node left just now and nobody has settled its runs yet: that takes others a few seconds.
                ctx.cancel.wait(self.settles)
                now = self.clock.now()
                made = audited()
            newest = _newest(ledger)
        return _result(ctx, schema, chain, made, newest).with_dry_run(only_audit)


def _chosen(ledger: Ledger, now: Instant, *, everything: bool) -> Callable[[Seal], bool]:
    from systemprompt.ledger.seals import DAY

    newest, turn = ledger.seal_state().seals, now // DAY % _ROUND

    def recheck(seal: Seal) -> bool:
        return everything or seal.seal > newest - _NEWEST or seal.seal % _ROUND == turn

    return recheck


def _newest(ledger: Ledger) -> str:
    seals = ledger.seals()
    if not seals:
        return "no day is sealed yet"
    return f"newest seal {seals[-1].seal} of {seals[-1].day}: {seals[-1].digest}"


def _result(ctx: JobContext, schema: list[str], chain: AuditReport, made: Sealing, newest: str) -> JobResult:
    findings = [*chain.findings, *made.report.findings]
    parts = []
    if schema:
        parts.append(f"the ledger's schema was changed: {'; '.join(schema)}")
        ctx.logger.error(parts[0])
    if findings:
        for finding in findings:
            ctx.logger.error(finding.sentence, extra={"kind": finding.kind})
        by_kind = {**made.report.by_kind, **chain.by_kind}
        parts.append(f"{kinds(by_kind)}: {'; '.join(finding.sentence for finding in findings[:_SAID])}")
    else:
        by_kind = {}
        parts.append(made.report.verdict)
    if made.sealed:
        parts.append(f"sealed {counted(len(made.sealed), 'day')} up to {made.sealed[-1].day}")
    elif made.drafts:
        parts.append(f"{counted(len(made.drafts), 'day')} could be sealed")
    if made.held:
        parts.append(f"{made.held} is not sealed for what was found in it")
    if made.waits_for:
        parts.append(f"not closed yet: {made.waits_for}")
    message = "; ".join([*parts, newest])
    result = JobResult.failure(message) if findings or schema else JobResult.success().with_message(message)
    return result.with_stats(made.report.counts.fire_times, sum(by_kind.values()) + len(schema))


_NEWEST = 7
_ROUND = 28
_SAID = 3
