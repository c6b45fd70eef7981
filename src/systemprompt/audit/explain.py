"""Read out one fire time: which version named it, what accounts for it, and why that is so, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from systemprompt.audit.case import oracle_of
from systemprompt.clock import iso
from systemprompt.errors import JobNotFound
from systemprompt.ledger.reasons import REASONS
from systemprompt.ledger.views import RunView
from systemprompt.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from systemprompt.clock import Instant
    from systemprompt.ledger.attempt_views import AttemptView
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.views import JobView, RangeView, VersionView

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that the ledger knows of one instant of one job.

    version    the one that was valid then, None where none was; `named` says whether its schedule fires at this instant
    account    the row or range that accounts for it, None where there is none
    before, after   the fire times around the instant under that version
    time_zone  the job's, in which the sentences tell times
    sentences  the same in words, most important first
    """

    job_name: str
    at: Instant
    time_zone: str
    version: VersionView | None
    named: bool
    account: RunView | RangeView | None
    attempts: tuple[AttemptView, ...]
    before: Instant | None
    after: Instant | None
    sentences: tuple[str, ...]


def explain(ledger: LedgerReader, job_name: str, at: Instant, *, now: Instant | None = None) -> Explanation:
    """Explain one instant of a job, from one snapshot.

    now   tells what has passed without being planned from what is still to come; without it nothing is said to have passed

    Raises:
        JobNotFound: there is no job of this name, not even a retired one.
        CronError: the schedule of that version can no longer be read.
    """
    with ledger.snapshot():
        job = ledger.job(job_name)
        if job is None:
            broken = [notice.error for notice in ledger.quarantined_sources()]
            raise JobNotFound(job_name, [other.name for other in ledger.jobs(retired=True)], broken)
        version = _version_at(ledger.versions(job.job_id), at)
        account = _account(ledger, job, at)
        attempts = tuple(ledger.attempts(account.run_id)) if isinstance(account, RunView) else ()
        named, before, after = _around(version, at)
        tell = _teller(job.time_zone)
        said = [_naming(job, version, at, tell, named=named), *_unknown(version)]
        if account is None and named and at > job.planned_through:
            said.append(_ahead(ledger, job, version, at, now, tell))
        else:
            said += _accounting(job, account, tell, at, named=named)
            said += _waiting(ledger, job, account, now)
        said += _tries(attempts, tell)
        if account is None and named and at <= job.pruned_through:
            said += _remaining(ledger, at)
        if not named:
            said += [f"its fire time {word} is {tell(near)}" for word, near in _near(before, after)]
        return Explanation(
            job_name=job.name,
            at=at,
            time_zone=job.time_zone,
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


def _teller(time_zone: str) -> Callable[[Instant], str]:
    """Return what tells an instant on the job's own wall: `2026-01-15 03:00:00 CET`."""
    try:
        zone = ZoneInfo(time_zone)
    except (OSError, ValueError, LookupError):  # it left the machine's zone data
        return iso

    def tell(at: Instant) -> str:
        try:
            return f"{datetime.fromtimestamp(at // 1_000_000, zone):%Y-%m-%d %H:%M:%S %Z}"
        except (ValueError, OverflowError):  # the wall shows no date of the calendar
            return iso(at)

    return tell


def _naming(
    job: JobView, version: VersionView | None, at: Instant, tell: Callable[[Instant], str], *, named: bool
) -> str:
    if version is None:
        return f"no version of {job.name!r} was valid at {tell(at)}"
    state = "" if version.enabled else ", disabled"
    text = f"version {version.version} ({version.schedule or 'no schedule'}, {version.time_zone}{state})"
    since = f"valid from {tell(version.valid_from)}, {_opened(version)}"
    return f"{text} {'fires' if named else 'does not fire'} at {tell(at)}; it is {since}"


def _unknown(version: VersionView | None) -> list[str]:
    unknown = version.unknown_policies if version is not None else ()
    if not unknown:
        return []
    said = f"this release does not know what {', '.join(unknown)} means, so it may read that version wrongly"
    return [f"{said}; nodes of the newer release that wrote it plan and run the job"]


def _ahead(
    ledger: LedgerReader,
    job: JobView,
    version: VersionView | None,
    at: Instant,
    now: Instant | None,
    tell: Callable[[Instant], str],
) -> str:
    """Say of a fire time past what is planned whether it is still to come, has passed unplanned, or will never start a run."""
    planned = f"planned so far is everything up to {tell(job.planned_through)}"
    if job.retired_at is not None:
        return f"it starts nothing: the job was retired at {tell(job.retired_at)}"
    if version is not None and not version.enabled:
        return "it will start nothing: the job is disabled, and its fire times are accounted for as skipped"
    if job.quarantine_error is not None:
        return f"it will start nothing while the job cannot be loaded; {planned}"
    if now is None or at > now:
        return f"it is still to come: {planned}"
    serving = [node for node in ledger.nodes() if node.kind == "serve"]
    if any(node.stopped_at is None and now - node.beat_at <= node.lease_ms * 1_000 for node in serving):
        return f"it has passed and is about to be planned: {planned}"
    last = max((node.stopped_at or node.beat_at for node in serving), default=None)
    since = "no node has served yet" if last is None else f"no node has served since {tell(last)}"
    return f"it has passed and is not planned, as {since}; {planned}; the next node accounts for it"


def _opened(version: VersionView) -> str:
    """Say what opened a version: `changed (schedule) by profile, noticed by node 3fa2c1`."""
    why = f" ({version.why})" if version.why else ""
    noticed = f", noticed by {version.noticed_by}" if version.noticed_by else ""
    return f"{version.cause}{why} by {version.actor}{noticed}"


def _accounting(
    job: JobView, account: RunView | RangeView | None, tell: Callable[[Instant], str], at: Instant, *, named: bool
) -> list[str]:
    if account is None:
        if not named:
            return []
        if at <= job.pruned_through:
            return [f"its account was pruned, as was all up to {tell(job.pruned_through)}"]
        return ["it has no account: that is a defect, and `sp jobs audit` reports it"]
    meaning = REASONS.get(account.status, {}).get(account.reason or "", "")
    why = f": {account.reason}, {meaning}" if account.reason else ""
    if not isinstance(account, RunView):
        many = f"{account.count:,} fire times from {tell(account.first_at)} to {tell(account.last_at)}"
        return [f"range {account.range_id} accounts for it among {many}: all {account.status}{why}"]
    why = ", and it had nothing to do" if account.did_nothing else why
    said = [f"run {account.run_id} ({account.origin}) accounts for it: {account.status}{why}"]
    if account.blocked_by is not None:
        said.append(f"run {account.blocked_by} was in the way")
    if account.started_at is not None and account.fire_at is not None:
        said.append(f"it started {(account.started_at - account.fire_at) / 1_000_000:.3f} s after its fire time")
    if account.message or account.error:
        said.append(str(account.message or account.error).strip().splitlines()[-1])
    return said


def _waiting(ledger: LedgerReader, job: JobView, account: RunView | RangeView | None, now: Instant | None) -> list[str]:
    """Say of a run that waits that no node may take it."""
    if not isinstance(account, RunView) or account.status != "queued" or now is None:
        return []
    from systemprompt.ledger.placement import no_node_for, takers  # most accounts are closed

    reason = no_node_for(job.runs_on, takers(ledger.living_nodes(), now))
    return [] if reason is None else [f"it waits: {reason}"]


def _remaining(ledger: LedgerReader, at: Instant) -> list[str]:
    """Say what the seal of a pruned day still tells. Accounts in ranges are counted with the day in which the range ends."""
    return [
        f"of {seal.day} remains seal {seal.seal}: {counted(seal.fire_times, 'fire time')} in {counted(seal.runs, 'run')} and "
        f"{counted(seal.ranges, 'range')}, {seal.counts}, digest {seal.digest}"
        for seal in ledger.seals()
        if seal.from_at <= at < seal.until_at
    ]


def _tries(attempts: tuple[AttemptView, ...], tell: Callable[[Instant], str]) -> list[str]:
    return [
        f"attempt {a.attempt} on node {a.node_id} began {tell(a.started_at)} and "
        + ("is open" if a.ended_at is None else f"ended {tell(a.ended_at)}: {_how_it_ended(a)}")
        + (f"; a late result came: {a.late_result}" if a.late_result else "")
        + ("; the server had lost it, and its node's journal brought it back" if a.recovered else "")
        for a in attempts
    ]


def _how_it_ended(attempt: AttemptView) -> str:
    said = f"{attempt.result} ({attempt.reason})" if attempt.reason else str(attempt.result)
    return f"{said}: {attempt.message.splitlines()[0]}" if attempt.message and attempt.result == "failed" else said


def _near(before: Instant | None, after: Instant | None) -> list[tuple[str, Instant]]:
    return [(word, near) for word, near in (("before", before), ("after", after)) if near is not None]
