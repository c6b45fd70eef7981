"""Read out one fire time: which version named it, what accounts for it, and why that is so, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from systemprompt.audit.case import oracle_of
from systemprompt.audit.findings import plural
from systemprompt.clock import iso
from systemprompt.errors import JobNotFound
from systemprompt.ledger.records import REASONS
from systemprompt.ledger.views import RunView

if TYPE_CHECKING:
    from systemprompt.clock import Instant
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.views import AttemptView, JobView, RangeView, VersionView

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that the ledger knows of one instant of one job.

    version    the one that was valid then, None where none was; `named` says whether its schedule fires at this instant
    account    the row or range that accounts for it, None where there is none
    before, after   the fire times around the instant under that version
    sentences  the same in words, most important first
    """

    job_name: str
    at: Instant
    version: VersionView | None
    named: bool
    account: RunView | RangeView | None
    attempts: tuple[AttemptView, ...]
    before: Instant | None
    after: Instant | None
    sentences: tuple[str, ...]


def explain(ledger: LedgerReader, job_name: str, at: Instant) -> Explanation:
    """Explain one instant of a job, from one snapshot.

    Raises:
        JobNotFound: there is no job of this name, not even a retired one.
        CronError: the schedule of that version can no longer be read.
    """
    with ledger.snapshot():
        job = ledger.job(job_name)
        if job is None:
            raise JobNotFound(job_name, [other.name for other in ledger.jobs(retired=True)])
        version = _version_at(ledger.versions(job.job_id), at)
        account = _account(ledger, job, at)
        attempts = tuple(ledger.attempts(account.run_id)) if isinstance(account, RunView) else ()
        named, before, after = _around(version, at)
        said = [_naming(job, version, at, named=named), *_accounting(job, account, at, named=named), *_tries(attempts)]
        if account is None and named and at <= job.pruned_through:
            said += _remaining(ledger, at)
        if not named:
            said += [f"its fire time {word} is {iso(near)}" for word, near in _near(before, after)]
        return Explanation(
            job_name=job.name,
            at=at,
            version=version,
            named=named,
            account=account,
            attempts=attempts,
            before=before,
            after=after,
            sentences=tuple(said),
        )


def _version_at(versions: list[VersionView], at: Instant) -> VersionView | None:
    valid = [v for v in versions if v.valid_from < at and (v.valid_until is None or at <= v.valid_until)]
    return valid[-1] if valid else None


def _around(version: VersionView | None, at: Instant) -> tuple[bool, Instant | None, Instant | None]:
    if version is None:
        return False, None, None
    oracle = oracle_of(version)
    return oracle.names(at), oracle.last_in(version.valid_from, at - 1), oracle.first_after(at)


def _account(ledger: LedgerReader, job: JobView, at: Instant) -> RunView | RangeView | None:
    for run in ledger.runs_between(at - 1, at, job_id=job.job_id):
        if run.fire_at == at:
            return run
    return next(iter(ledger.ranges_between(at - 1, at, job_id=job.job_id)), None)


def _naming(job: JobView, version: VersionView | None, at: Instant, *, named: bool) -> str:
    if version is None:
        return f"no version of {job.name!r} was valid at {iso(at)}"
    state = "" if version.enabled else ", disabled"
    text = f"version {version.version} ({version.schedule or 'no schedule'}, {version.time_zone}{state})"
    since = f"valid from {iso(version.valid_from)}, {_opened(version)}"
    return f"{text} {'fires' if named else 'does not fire'} at {iso(at)}; it is {since}"


def _opened(version: VersionView) -> str:
    """Say what opened a version: `changed (schedule) by profile, noticed by node 3fa2c1`."""
    why = f" ({version.why})" if version.why else ""
    noticed = f", noticed by {version.noticed_by}" if version.noticed_by else ""
    return f"{version.cause}{why} by {version.actor}{noticed}"


def _accounting(job: JobView, account: RunView | RangeView | None, at: Instant, *, named: bool) -> list[str]:
    if account is None:
        if not named:
            return []
        if at > job.planned_through:
            return [f"it is still to come: planned so far is everything up to {iso(job.planned_through)}"]
        if at <= job.pruned_through:
            return [f"its account was pruned, as was all up to {iso(job.pruned_through)}"]
        return ["it has no account: that is a defect, and `sp jobs audit` reports it"]
    meaning = REASONS.get(account.status, {}).get(account.reason or "", "")
    why = f": {account.reason}, {meaning}" if account.reason else ""
    if not isinstance(account, RunView):
        many = f"{account.count:,} fire times from {iso(account.first_at)} to {iso(account.last_at)}"
        return [f"range {account.range_id} accounts for it among {many}: all {account.status}{why}"]
    said = [f"run {account.run_id} ({account.origin}) accounts for it: {account.status}{why}"]
    if account.blocked_by is not None:
        said.append(f"run {account.blocked_by} was in the way")
    if account.started_at is not None and account.fire_at is not None:
        said.append(f"it started {(account.started_at - account.fire_at) / 1_000_000:.3f} s after its fire time")
    if account.message or account.error:
        said.append(str(account.message or account.error).strip().splitlines()[-1])
    return said


def _remaining(ledger: LedgerReader, at: Instant) -> list[str]:
    """Say what the seal of a pruned day still tells. Accounts in ranges are counted with the day in which the range ends."""
    return [
        f"of {seal.day} remains seal {seal.seal}: {plural(seal.fire_times, 'fire time')} in {plural(seal.runs, 'run')} and "
        f"{plural(seal.ranges, 'range')}, {seal.counts}, digest {seal.digest}"
        for seal in ledger.seals()
        if seal.from_at <= at < seal.until_at
    ]


def _tries(attempts: tuple[AttemptView, ...]) -> list[str]:
    return [
        f"attempt {a.attempt} on node {a.node_id} began {iso(a.started_at)} and "
        + ("is open" if a.ended_at is None else f"ended {iso(a.ended_at)}: {a.result}")
        + (f"; a late result came: {a.late_result}" if a.late_result else "")
        for a in attempts
    ]


def _near(before: Instant | None, after: Instant | None) -> list[tuple[str, Instant]]:
    return [(word, near) for word, near in (("before", before), ("after", after)) if near is not None]
