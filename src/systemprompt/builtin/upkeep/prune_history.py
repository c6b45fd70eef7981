"""Takes old accounts out of the ledger, once their days are sealed, and gives the space back."""

from __future__ import annotations

from systemprompt.builtin.tables.changing import DRY_RUN
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.upkeep.own_ledger import alive_at, kinds, open_ledger
from systemprompt.clock import SystemClock, iso
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from systemprompt.audit.sealing import Sealing
    from systemprompt.clock import Clock, Instant
    from systemprompt.jobs.context import JobContext
    from systemprompt.ledger.protocol import Ledger
    from systemprompt.ledger.seals import Seal

__all__ = ["PruneHistory"]


@submit_job
class PruneHistory(Job):
    """Seals what is older than `days` and not sealed yet, then deletes the accounts of those days.

    A day in which the audit finds something stays, and so do all after it: the run fails and says why. Before a sealed day goes,
    its rows are held against the seal once more. What remains are its counts and the digest. Batches are short transactions
    with a pause in between, so that nodes plan and claim as always. A day is sealed when it has been over for a day, so whatever
    `days` says, the last two stay.

    days      by default `retention.runs_days`
    dry_run   seal and delete nothing, only say how many accounts of how many days
    """

    name = "prune_history"
    description = "Deletes sealed days older than the retention from the ledger and gives their space back"
    schedule = "0 30 4 * * *"
    tags = ("maintenance", "ledger")
    parameters = {"days": None, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    isolation = "process"
    on_lost = "rerun"
    clock: Clock = SystemClock()
    breather: float = 0.02

    def execute(self, ctx: JobContext) -> JobResult:
        from systemprompt.audit.seals import audit_seals
        from systemprompt.ledger.seals import DAY

        now = self.clock.now()
        days = span(ctx, "days", ctx.settings.retention.runs_days)
        before = cutoff_before(now, days=days) // DAY * DAY
        dry_run = ctx.get_parameter(DRY_RUN, bool, default=False)

        def breathe() -> None:
            ctx.raise_if_cancelled()
            ctx.cancel.wait(self.breather)

        with open_ledger(ctx) as ledger:
            chain = audit_seals(ledger, now=now, recheck=lambda _seal: False)
            if not chain.ok:
                sentences = "; ".join(finding.sentence for finding in chain.findings[:_SAID])
                message = f"Pruned nothing: {kinds(chain.by_kind)}: {sentences}"
                failed = JobResult.failure(message).with_stats(0, sum(chain.by_kind.values()))
                return failed.with_dry_run(dry_run)
            sealing = _seal(ledger, now, before, dry_run=dry_run, breathe=breathe)
            if dry_run:
                return _dry(ledger, sealing, before, counted(days, "day"))
            done = _Pruning(ctx, ledger, breathe)
            done.prune(before)
            return done.result(sealing, counted(days, "day"))


def _seal(
    ledger: Ledger, now: Instant, before: Instant, *, dry_run: bool, breathe: Callable[[], object]
) -> Sealing | None:
    """Seal old days that no nightly audit has sealed. None where there are none."""
    from systemprompt.audit.sealing import seal_closed_days

    state = ledger.seal_state()
    first = ledger.next_account_at(state.sealed_until if state.seals else -(2**62))
    if first is None or first >= before:
        return None
    return seal_closed_days(ledger, now=now, alive=alive_at(now), before=before, dry_run=dry_run, breathe=breathe)


def _going(ledger: Ledger, before: Instant) -> list[Seal]:
    pruned_until = ledger.seal_state().pruned_until
    return [seal for seal in ledger.seals() if seal.until_at > pruned_until and seal.until_at <= before]


def _dry(ledger: Ledger, sealing: Sealing | None, before: Instant, older: str) -> JobResult:
    parts: list[Seal] = _going(ledger, before)
    accounts = sum(seal.runs + seal.ranges for seal in parts)
    drafts = () if sealing is None else sealing.drafts
    accounts += sum(draft.content.runs + draft.content.ranges for draft in drafts)
    days = counted(len(parts) + len(drafts), "day")
    message = f"Would delete {counted(accounts, 'account')} of {days} older than {older}{_held(sealing)}"
    return JobResult.success().with_message(message).with_dry_run()


def _held(sealing: Sealing | None) -> str:
    """Say what keeps old days from being pruned."""
    if sealing is None:
        return ""
    text = ""
    if sealing.held:
        sentences = "; ".join(finding.sentence for finding in sealing.report.findings[:_SAID])
        text += f"; {sealing.held} stays: {kinds(sealing.report.by_kind)}: {sentences}"
    if sealing.waits_for:
        text += f"; not closed yet: {sealing.waits_for}"
    return text


class _Pruning:
    """One night's work and what came of it."""

    def __init__(self, ctx: JobContext, ledger: Ledger, breathe: Callable[[], object]) -> None:
        self.ctx = ctx
        self.ledger = ledger
        self.breathe = breathe
        self.accounts = 0
        self.days = 0
        self.fault: str | None = None
        self.space = ""

    def prune(self, before: Instant) -> None:
        self.ledger.checkpoint()  # or the file would seem smaller than it is
        size = self.ledger.upkeep.size().file_bytes
        self._empty(self.ledger.seal_state().pruned_until)  # what a run that was cut short left
        for seal in _going(self.ledger, before):
            if not self._is_whole(seal):
                break
            self._empty(seal.until_at)
            self.days += 1
        else:
            self._empty(before)  # and the nodes that stopped before then
        self._give_back(size)

    def result(self, sealing: Sealing | None, older: str) -> JobResult:
        done = f"Deleted {counted(self.accounts, 'account')} of {counted(self.days, 'day')} older than {older}"
        message = f"{done}{self.space}{_held(sealing)}{f'; {self.fault}' if self.fault else ''}"
        faults = (sum(sealing.report.by_kind.values()) if sealing and sealing.held else 0) + (self.fault is not None)
        result = JobResult.failure(message) if faults else JobResult.success().with_message(message)
        return result.with_stats(self.accounts, faults)

    def _is_whole(self, seal: Seal) -> bool:
        from systemprompt.audit.seals import check_sealed_day

        with self.ledger.snapshot():
            finding = check_sealed_day(self.ledger, seal)
        if finding is not None:
            self.fault = f"{seal.day} stays: 1 finding (1 {finding.kind}): {finding.sentence}"
        return finding is None

    def _empty(self, until: Instant) -> None:
        limit = max(1, self.ctx.settings.batch_size)
        while True:
            gone = self.ledger.prune(until, limit=limit)
            self.accounts += gone
            self.ctx.progress(self.accounts, None, f"pruned up to {iso(until)[:10]}")
            if gone < limit:
                return
            self.breathe()

    def _give_back(self, size: int) -> None:
        if not self.accounts:
            return
        left = self.ledger.give_back()
        if left is None:
            self.space = "; its file cannot shrink: docs/operating.md says how to change that"
            return
        while left:
            self.breathe()
            now_left = self.ledger.give_back()
            if now_left is None or now_left >= left:
                break  # others free pages as fast as they are given back; the next night goes on
            left = now_left
        self.ledger.checkpoint()
        self.space = f"; ledger {size_text(size)} -> {size_text(self.ledger.upkeep.size().file_bytes)}"


_SAID = 3
