"""Hold the seals against one another, against the days they cover, and against what was pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from systemprompt.audit.findings import AuditReport, Finding, Findings
from systemprompt.clock import Instant, iso
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.seals import DayContent, Seal, SealState, day_of, digest_of, first_previous
from systemprompt.ledger.views import JobView
from systemprompt.wording import counted

__all__ = ["audit_seals", "check_pruned", "check_sealed_day", "check_seals"]

_EVER = 2**62


def audit_seals(ledger: LedgerReader, *, now: Instant, recheck: Callable[[Seal], bool]) -> AuditReport:
    """Check the chain of seals, what was pruned, and what is left of those sealed days that `recheck` chooses."""
    with ledger.snapshot():
        findings = Findings()
        check_seals(ledger, findings, recheck=recheck)
        check_pruned(ledger, ledger.jobs(retired=True), findings)
        return findings.report(now=now, start=None, end=None)


def check_seals(ledger: LedgerReader, findings: Findings, *, recheck: Callable[[Seal], bool]) -> None:
    """Recompute the digest of each seal, follow the chain, and count and digest the chosen days again."""
    state, seals = ledger.seal_state(), ledger.seals()
    for sentence, at in _chain_faults(state, seals):
        findings.add(Finding(kind="seal_chain", job_name=None, sentence=sentence, at=at))
    for seal in seals:
        if seal.from_at >= state.pruned_until and recheck(seal):
            finding = check_sealed_day(ledger, seal)
            if finding is not None:
                findings.add(finding)


def check_sealed_day(ledger: LedgerReader, seal: Seal) -> Finding | None:
    """Count and digest one sealed day again. It must not have been pruned."""
    # Before the first seal there is nothing: what is found there was put there since.
    low = seal.from_at if seal.seal > 1 else -_EVER
    held = ledger.content_between(low, seal.until_at)
    faults = _content_faults(seal, held)
    if not faults:
        return None
    return Finding(
        kind="sealed_day",
        job_name=None,
        sentence=f"the sealed day {seal.day} does not hold what was sealed: {'; '.join(faults)}",
        at=seal.from_at,
        until=seal.until_at - 1,
        details={"seal": seal.seal, "sealed": seal.content, "found": held.content},
    )


def check_pruned(ledger: LedgerReader, jobs: Iterable[JobView], findings: Findings) -> None:
    """Check that what is gone was sealed: of the whole ledger, and of each job."""
    state = ledger.seal_state()
    if state.pruned_until and state.pruned_until not in {seal.until_at for seal in ledger.seals()}:
        sentence = f"the ledger was pruned up to {iso(state.pruned_until)}, where no seal ends"
        findings.add(Finding(kind="pruned", job_name=None, sentence=sentence, at=state.pruned_until))
    covered = state.pruned_until - 1
    # A job's history begins when it was added; only where something says otherwise are its versions asked.
    for job in jobs:
        if job.pruned_through > max(covered, job.created_at):
            sentence = f"job {job.name!r}: it was pruned through {iso(job.pruned_through)}, which no seal covers"
            findings.add(Finding(kind="pruned", job_name=job.name, sentence=sentence, at=job.pruned_through))


def _chain_faults(state: SealState, seals: Sequence[Seal]) -> Iterable[tuple[str, Instant | None]]:
    number, until, digest = 0, None, first_previous(state.ledger_id)
    for seal in seals:
        name = f"seal {seal.seal} of {seal.day}"
        if seal.seal != number + 1:
            gone = counted(seal.seal - number - 1, "seal")
            yield f"{gone} before {name} {'is' if seal.seal == number + 2 else 'are'} gone", seal.from_at
        elif seal.previous != digest:
            yield f"{name} does not follow {f'seal {number}' if number else 'from this ledger'}", seal.from_at
        elif until is not None and seal.from_at != until:
            yield f"{name} begins at {iso(seal.from_at)}, but seal {number} ended at {iso(until)}", seal.from_at
        if digest_of(seal) != seal.digest:
            yield f"{name} was altered: its digest is not that of what it says", seal.from_at
        elif seal.day != day_of(seal.until_at - 1):
            yield f"{name} covers {day_of(seal.until_at - 1)}", seal.from_at
        number, until, digest = seal.seal, seal.until_at, seal.digest
    if state.seals != number:
        yield f"{counted(state.seals, 'seal')} were made, the last one left is {number or 'none'}", until
    elif state.sealed_until != (until or 0):
        yield (
            f"the ledger says it is sealed up to {iso(state.sealed_until)}, its last seal ends {iso(until or 0)}",
            until,
        )


def _content_faults(seal: Seal, held: DayContent) -> list[str]:
    numbers = ("runs", "attempts", "ranges", "fire_times")
    faults = [
        f"{getattr(held, name):,} {name.replace('_', ' ')} of {getattr(seal, name):,}"
        for name in numbers
        if getattr(held, name) != getattr(seal, name)
    ]
    if not faults and held.counts != seal.counts:
        faults.append(f"it counts {held.counts}, sealed were {seal.counts}")
    if not faults and held.content != seal.content:
        faults.append("as many rows, and one of them was altered")
    return faults
