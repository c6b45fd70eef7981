"""What the audit knows of the whole ledger, and of one job while it looks at it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from systemprompt.audit.findings import Finding
from systemprompt.audit.oracle import oracle_for
from systemprompt.errors import CronError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from systemprompt.audit.findings import Findings
    from systemprompt.audit.oracle import Oracle
    from systemprompt.clock import Instant
    from systemprompt.ledger.attempt_views import AttemptView
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.records import ClockEvent, NodeIdentity
    from systemprompt.ledger.views import JobView, RangeView, RunView, VersionView

__all__ = ["JobCase", "Setting", "fallen_behind", "oracle_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is true of the whole ledger during one audit.

    latest   the latest instant that anything can have been planned through: now, or the high-water mark if the clock went back
    slack    microseconds by which two instants of one run may contradict each other: a little, and as much as the wall clock
             ever stood behind where it had been, as nodes recorded
    stall    how much older than the truth an instant may be, besides: a node reads the clock, then waits for the ledger; one
             that is held up for longer than its lease is declared lost, and takes nothing
    nodes    by id
    pruned_until   everything due before may be gone
    run_on   closed runs whose code is said to run on, because it cannot be stopped, and the id of the job of each
    """

    ledger: LedgerReader
    now: Instant
    latest: Instant
    slack: int
    last_fence: int
    stall: int
    nodes: Mapping[str, NodeIdentity]
    clock_events: Sequence[ClockEvent]
    pruned_until: Instant
    run_on: dict[int, int]

    def stepped_back(self, start: Instant, end: Instant) -> int:
        """Return by how many microseconds the wall clock fell behind itself between these instants of it.

        The later one may be the smaller: then it fell by more than passed in between. Jumps add up, so one may be seen at an
        instant as far before both as the clock ever stood behind.
        """
        low, high = min(start, end) - self.slack, max(start, end) + self.stall
        return fallen_behind(event for event in self.clock_events if low <= event.seen_at <= high)


def fallen_behind(clock_events: Iterable[ClockEvent]) -> int:
    """Return by how many microseconds, at most, the wall clock stood behind where it had been, by these jumps in their order."""
    behind, furthest = 0, -(2**62)
    for event in clock_events:
        furthest = max(furthest, event.seen_at - event.delta_us)
        behind = max(behind, furthest - event.seen_at)
    return behind


class JobCase:
    """One job under audit: its versions, their oracles, and where to report."""

    def __init__(
        self,
        setting: Setting,
        job: JobView,
        versions: Sequence[VersionView],
        findings: Findings,
        open_runs: Sequence[RunView],
    ) -> None:
        self.setting = setting
        self.job = job
        self.versions = versions
        self.findings = findings
        self.open_runs = open_runs
        self.by_number = {version.version: version for version in versions}
        self._starts = [version.valid_from for version in versions]
        self._oracles: dict[int, Oracle | None] = {}
        self._last_blocker: tuple[int, RunView | None] | None = None
        self._judged = True
        for version in versions:
            self._leave_to_newer(version)

    def found(
        self,
        kind: str,
        sentence: str,
        *,
        at: Instant | None = None,
        until: Instant | None = None,
        run_id: int | None = None,
        count: int = 1,
        **details: object,
    ) -> None:
        """Report a finding about this job; none of one that this release cannot judge, for it may be as it should be."""
        if not self._judged:
            return
        sentence = f"job {self.job.name!r}: {sentence}"
        name = self.job.name
        self.findings.add(
            Finding(
                kind=kind,
                job_name=name,
                sentence=sentence,
                at=at,
                until=until,
                run_id=run_id,
                count=count,
                details=details,
            )
        )

    def _leave_to_newer(self, version: VersionView) -> None:
        if unknown := version.unknown_policies:
            said = f"version {version.version} has what this release does not know: {', '.join(unknown)}"
            self.found("unknown_policy", f"{said}; audit it with the newer one", at=version.valid_from)
            self._judged = False

    def found_run(self, kind: str, run: RunView, what: str) -> None:
        """Report a finding about one run of this job: `run 7` and what is wrong with it."""
        sentence = f"run {run.run_id} {what}"
        self.found(kind, sentence, at=run.due_at, run_id=run.run_id, status=run.status, reason=run.reason)

    def found_range(self, kind: str, account: RangeView, what: str) -> None:
        """Report a finding about one range of this job: `range 7` and what is wrong with it."""
        self.found(
            kind,
            f"range {account.range_id} {what}",
            at=account.first_at,
            until=account.last_at,
            count=account.count,
            status=account.status,
            reason=account.reason,
        )

    @property
    def pruned(self) -> bool:
        """Whether retention may have taken what this job's accounts refer to.

        The cursor of a job without a schedule does not tell; the ledger's mark does. Under a wall clock that was set back a job was
        started by hand at an instant before its first version.
        """
        began = self.versions[0].valid_from if self.versions else 0
        return self.job.pruned_through > began or self.setting.pruned_until > began - self.setting.slack

    def version_at(self, at: Instant) -> VersionView | None:
        """Return the version that names the fire times at this instant: valid_from is excluded, valid_until included."""
        index = bisect_left(self._starts, at) - 1
        if index < 0:
            return None
        version = self.versions[index]
        return version if version.valid_until is None or at <= version.valid_until else None

    def oracle(self, version: VersionView) -> Oracle | None:
        """Return the version's oracle, or None (with one finding) where the oracle, or this release, cannot read it."""
        if not self._judged:
            return None
        if version.version not in self._oracles:
            try:
                self._oracles[version.version] = oracle_of(version)
            except CronError as error:
                self._oracles[version.version] = None
                self.found("unreadable", f"version {version.version}: {error.message}", version=version.version)
        return self._oracles[version.version]

    def tried_runs(self) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
        """Return every run of the job with its attempts, also those that this audit does not look at."""
        return self.setting.ledger.tried_runs_between(-(2**62), 2**62, job_id=self.job.job_id)

    def blocker(self, run_id: int) -> RunView | None:
        """Return the run that blocked another. The last one is remembered: a long run blocks many."""
        if self._last_blocker is None or self._last_blocker[0] != run_id:
            self._last_blocker = (run_id, self.setting.ledger.run(run_id))
        return self._last_blocker[1]


def oracle_of(version: VersionView) -> Oracle:
    """Return the oracle of one version.

    Raises:
        CronError: the oracle cannot read its schedule or its time zone.
    """
    gap, fold = (str(version.policies.get(key, usual)) for key, usual in _DST)
    return oracle_for(version.schedule, version.time_zone, gap, fold)


_DST = (("dst_gap", "run"), ("dst_fold", "first"))
