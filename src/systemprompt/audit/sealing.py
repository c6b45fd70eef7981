"""Seal the closed days whose audit finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from systemprompt.audit.auditor import audit
from systemprompt.audit.case import oracle_of
from systemprompt.audit.findings import AuditReport
from systemprompt.clock import Instant, iso
from systemprompt.errors import CronError
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import NodeIdentity
from systemprompt.ledger.seals import DAY, Seal, SealDraft, day_of
from systemprompt.ledger.views import JobView

__all__ = ["SETTLED", "Sealing", "seal_closed_days"]

SETTLED = DAY
"""How long a day has been over before it is sealed, in microseconds: a wall clock that is set back by less meets no sealed day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What was audited and sealed.

    report     the audit of everything that was not sealed yet
    drafts     the days that may be sealed, and `sealed` the seals that were made of them; none with `dry_run`
    held       the first closed day that was not sealed because of what the audit found in it, None where there is none
    waits_for  why a day that is over is not closed yet, None where nothing is in the way
    """

    report: AuditReport
    drafts: tuple[SealDraft, ...]
    sealed: tuple[Seal, ...]
    held: str | None
    waits_for: str | None


def seal_closed_days(
    ledger: Ledger,
    *,
    now: Instant,
    alive: Callable[[NodeIdentity], bool | None],
    before: Instant | None = None,
    dry_run: bool = False,
    breathe: Callable[[], object] = lambda: None,
) -> Sealing:
    """Audit what is not sealed yet, all of it or what is due before `before`, and seal day by day what is closed and clean.

    A day is closed when it has been over for `SETTLED`, nothing due in it is open, and no job owes an account in it. The first day
    with a finding ends it: seals leave no gap. Audit and drafts are read from one snapshot, which keeps nobody from writing;
    each seal is a short transaction that refuses where the day got another account since. `breathe` is called after each.
    """
    with ledger.snapshot():
        state = ledger.seal_state()
        low = state.sealed_until - 1 if state.seals else None
        report = audit(ledger, now=now, alive=alive, start=low, end=None if before is None else before - 1)
        settled = _believed(ledger, now) - SETTLED
        until, waits_for = _closed_until(ledger, settled if before is None else min(before, settled))
        drafts: list[SealDraft] = []
        held = None
        for from_at, until_at in _days(ledger, state.sealed_until if state.seals else None, until):
            start = from_at - 1 if drafts or state.seals else None
            if not report.ok and not audit(ledger, now=now, alive=alive, start=start, end=until_at - 1).ok:
                held = day_of(until_at - 1)
                break
            drafts.append(ledger.draft_seal(from_at, until_at))
    sealed: list[Seal] = []
    for draft in () if dry_run else drafts:
        made = ledger.seal(draft, now)
        if made is None:
            waits_for = f"{day_of(draft.until_at - 1)} got another account just now"
            break
        sealed.append(made)
        breathe()
    return Sealing(report=report, drafts=tuple(drafts), sealed=tuple(sealed), held=held, waits_for=waits_for)


def _days(ledger: Ledger, from_at: Instant | None, until: Instant) -> Iterator[tuple[Instant, Instant]]:
    """Yield [from, until) for each day that holds anything, each from where the one before ended."""
    at = ledger.next_account_at(-(2**62) if from_at is None else from_at)
    while at is not None and at < until:
        day = at // DAY * DAY
        yield day if from_at is None else from_at, day + DAY
        from_at = day + DAY
        at = ledger.next_account_at(from_at)


def _believed(ledger: Ledger, now: Instant) -> Instant:
    """Return the latest instant that is taken for true: a wall clock that jumped forward by days is not believed for a day.

    Days sealed on a wrong date would refuse starts by hand until that date has come.
    """
    jumps = [event for event in ledger.clock_events() if event.kind == "forward" and event.delta_us >= SETTLED]
    return min([now, *(jump.seen_at - jump.delta_us for jump in jumps if now - SETTLED < jump.seen_at <= now)])


def _closed_until(ledger: Ledger, before: Instant) -> tuple[Instant, str | None]:
    """Return the end of the last day that is closed, if it is not after `before`, and what keeps the next one from it."""
    until, waits_for = before // DAY * DAY, None
    for run in ledger.open_runs():
        if run.due_at < until:
            until = run.due_at // DAY * DAY
            waits_for = f"run {run.run_id} of {run.job_name!r}, due {iso(run.due_at)}, is still {run.status}"
    for job in ledger.jobs():
        owed = _owed(ledger, job, until)
        if owed is not None:
            until = owed // DAY * DAY
            waits_for = f"{job.name!r} is planned through {iso(job.planned_through)} and owes an account of {iso(owed)}"
    return until, waits_for


def _owed(ledger: Ledger, job: JobView, until: Instant) -> Instant | None:
    """Return the first fire time before `until` that this job's cursor has not reached."""
    if not job.schedule or job.planned_through >= until - 1:
        return None
    present = [version for version in ledger.versions(job.job_id) if version.version == job.version]
    try:
        oracles = [oracle_of(version) for version in present]
    except CronError:
        return job.planned_through + 1  # the audit says what is wrong with it
    return next((oracle.first_in(job.planned_through, until - 1) for oracle in oracles), None)
