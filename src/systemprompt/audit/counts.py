"""Count closed accounts again, hour by hour, and hold the numbers that the ledger keeps against that."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from systemprompt.audit.findings import Finding, Findings
from systemprompt.clock import SECOND, Instant, iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.views import JobView, RangeView, RunView

_Tried = tuple[RunView, tuple[AttemptView, ...]]
_Key = tuple[int, str, str]  # hour since the epoch, status, origin

__all__ = ["Tally"]

_ALL_JOBS = 0
_HOUR = 3_600 * SECOND


class Tally:
    """The counts of one audit. What it holds is bounded by hours, not by runs. Hours that the audit sees in part are left out.

    Jobs must be finished in the order of their ids, as an audit of all goes through them.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        findings: Findings,
        *,
        only: int | None,
        low: Instant,
        high: Instant,
        pruned_until: Instant,
    ) -> None:
        self._ledger = ledger
        self._findings = findings
        self._only = only
        self._first, self._stop = low // _HOUR + 1, (high + 1) // _HOUR
        self._kept = ledger.counts_between(self._first, self._stop, job_id=only)
        self._head = next(self._kept, None)
        # A stream is one account ahead of the job that is looked at, so two jobs are counted at once.
        self._of_jobs: defaultdict[int, Counter[_Key]] = defaultdict(Counter)
        self._of_all: Counter[_Key] = Counter()
        self._pruned_until = pruned_until
        self.unpruned = 0
        """How many runs went by that are not of a pruned day, open ones included."""

    def runs(self, stream: Iterator[_Tried]) -> Iterator[_Tried]:
        """Count runs on their way."""
        for tried in stream:
            run = tried[0]
            self.unpruned += run.due_at >= self._pruned_until
            if run.finished_at is not None:
                self._of_jobs[run.job_id][run.due_at // _HOUR, run.status, run.origin] += 1
            yield tried

    def ranges(self, stream: Iterator[RangeView]) -> Iterator[RangeView]:
        """Count ranges on their way."""
        for account in stream:
            self._of_jobs[account.job_id][account.last_at // _HOUR, account.status, "range"] += 1
            yield account

    def finish_job(self, job: JobView) -> None:
        """Compare what one job has, once its accounts have all gone by."""
        counted = self._of_jobs.pop(job.job_id, Counter())
        self._compare(job.name, counted, self._kept_of(job.job_id))
        if self._only is None:
            self._of_all.update(counted)

    def finish(self) -> None:
        """Compare what all jobs have together."""
        if self._only is None:
            kept = self._ledger.counts_between(self._first, self._stop, job_id=_ALL_JOBS)
            self._compare(None, self._of_all, (((hour, status, origin), n) for _, hour, status, origin, n in kept))

    def _kept_of(self, job_id: int) -> Iterator[tuple[_Key, int]]:
        while self._head is not None and self._head[0] < job_id:
            self._head = next(self._kept, None)
        while self._head is not None and self._head[0] == job_id:
            _, hour, status, origin, number = self._head
            yield (hour, status, origin), number
            self._head = next(self._kept, None)

    def _compare(self, job_name: str | None, counted: Counter[_Key], kept: Iterable[tuple[_Key, int]]) -> None:
        # What is left of this difference is wrong.
        off = {key: number for key, number in counted.items() if self._first <= key[0] < self._stop}
        for key, number in kept:
            off[key] = off.get(key, 0) - number
        for (hour, status, origin), number in sorted(off.items()):
            if number:
                what = f"{status} ranges" if origin == "range" else f"{status} runs of origin {origin}"
                more = "more" if number < 0 else "fewer"
                sentence = f"the ledger counts {abs(number):,} {more} {what} in the hour from {iso(hour * _HOUR)} than there are"
                whose = "of all jobs" if job_name is None else f"job {job_name!r}"
                finding = Finding(
                    kind="counts",
                    job_name=job_name,
                    sentence=f"{whose}: {sentence}",
                    at=hour * _HOUR,
                    until=(hour + 1) * _HOUR - 1,
                    count=abs(number),
                )
                self._findings.add(finding)
