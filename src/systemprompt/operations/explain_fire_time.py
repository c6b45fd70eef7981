"""Read out one fire time: which version named it, what accounts for it, and why that is so."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.operations.instants import iso_or_none, known_job
from systemprompt.operations.parameters import param
from systemprompt.operations.schedules import local_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.audit.explain import Explanation
    from systemprompt.clock import Instant
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.operations.context import OperationContext
    from systemprompt.operations.fire_time_words import Meant

__all__ = ["ExplainParams", "FireTimeExplained", "explain_fire_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainParams:
    """Which fire time to explain."""

    name: str = param("the job's name")
    at: str | None = param(
        "which one, on the job's own clock: 02:30, yesterday, 2026-01-14T03:00, or 2h for the last one 2 hours ago; "
        "without it the last fire time",
        None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FireTimeExplained:
    """All that the ledger knows of one instant of one job. Instants are ISO 8601 in UTC.

    named          whether the version that was valid then fires at this instant
    version        the number of that version, with its schedule; null where none was valid
    status, reason of the account; null where there is none
    run_id, range_id   which row or range it is
    before, after  the fire times around the instant under that version
    time_zone      the job's own: `at` was read in it, and `local_time` and the sentences are told in it
    sentences      the same in words, most important first
    """

    job_name: str
    at: str
    named: bool
    version: int | None
    schedule: str | None
    time_zone: str
    local_time: str
    status: str | None
    reason: str | None
    run_id: int | None
    range_id: int | None
    attempts: int
    before: str | None
    after: str | None
    sentences: tuple[str, ...]


def explain_fire_time(context: OperationContext, params: ExplainParams) -> FireTimeExplained:
    """Explain the instant asked for, or the last fire time that is not in the future; from one state of the ledger.

    Raises:
        JobNotFound: there is no job of this name, not even a retired one.
        UsageError: `at` is no instant.
        CronError: the schedule of that version can no longer be read.
    """
    from systemprompt.audit.explain import explain
    from systemprompt.operations.fire_time_words import Meant, read_fire_time

    with context.open_ledger() as ledger, ledger.snapshot():
        now = context.now()
        job = known_job(ledger, params.name)
        meant = Meant(at=(now,), exact=False) if params.at is None else read_fire_time(params.at, now, job.time_zone)
        found = [explain(ledger, params.name, at, now=now) for at in meant.at]
        one = next((each for each in found if each.named), found[0])
        if not meant.exact and not one.named:
            one = _last_before(ledger, one, now)
    return _explained(one, (*_about_clocks(meant, one), *one.sentences))


def _last_before(ledger: LedgerReader, asked: Explanation, now: Instant) -> Explanation:
    """Return the last fire time before the instant asked for, under whichever version; the answer as it is where there is none."""
    from systemprompt.audit.explain import explain

    one = asked
    while one.before is None and one.version is not None:
        one = explain(ledger, asked.job_name, one.version.valid_from, now=now)
        if one.named:
            return one
    return asked if one.before is None else explain(ledger, asked.job_name, one.before, now=now)


def _about_clocks(meant: Meant, found: Explanation) -> tuple[str, ...]:
    """Say which of two passes is told of, or what becomes of a time that the clocks leave out."""
    local = local_iso(found.at, found.time_zone)
    day, shown = local[:10], local[11:16]
    if meant.gap:
        version = found.version
        fate = f"the schedule has nothing at {shown}, when the gap ends"
        if version is not None and version.policies.get("dst_gap") == "skip":
            fate = "a fixed time in the gap is skipped (dst_gap: skip)"
        elif found.named:
            fate = f"the run is at {shown}, when the gap ends"
        return (f"{meant.gap} does not exist on {day} in {found.time_zone}: the clocks go forward over it; {fate}",)
    if len(meant.at) > 1:
        which = "first" if found.at == meant.at[0] else "second"
        return (f"{shown} comes twice on {day} in {found.time_zone}: this is the {which} pass ({local[19:]})",)
    return ()


def _explained(found: Explanation, sentences: tuple[str, ...]) -> FireTimeExplained:
    account, version = found.account, found.version
    return FireTimeExplained(
        job_name=found.job_name,
        at=iso(found.at),
        named=found.named,
        version=version.version if version else None,
        schedule=version.schedule if version else None,
        time_zone=found.time_zone,
        local_time=local_iso(found.at, found.time_zone),
        status=account.status if account else None,
        reason=account.reason if account else None,
        run_id=getattr(account, "run_id", None),
        range_id=getattr(account, "range_id", None),
        attempts=len(found.attempts),
        before=iso_or_none(found.before),
        after=iso_or_none(found.after),
        sentences=sentences,
    )
