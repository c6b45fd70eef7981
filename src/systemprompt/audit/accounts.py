"""Hold recomputed fire times against rows and ranges, in one pass in due order: each must have exactly one account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge

from systemprompt.audit.case import JobCase
from systemprompt.audit.oracle import Oracle
from systemprompt.audit.reasons import check_range_reason
from systemprompt.clock import Instant, iso
from systemprompt.ledger.views import RangeView, RunView
from systemprompt.wording import counted

__all__ = ["check_accounts"]


def check_accounts(
    case: JobCase, rows: Iterable[RunView], ranges: Iterable[RangeView], start: Instant, end: Instant
) -> None:
    """Check the fire times in (start, end], within what the ledger claims: after `pruned_through`, up to the cursor.

    `rows` (those of a fire time) and `ranges` come in due order. Memory does not grow with their number.
    """
    sweep = _Sweep(case, max(start, case.job.pruned_through), min(end, case.job.planned_through))
    accounts: Iterator[RunView | RangeView] = merge(rows, ranges, key=_first)
    for account in accounts:
        if isinstance(account, RunView):
            sweep.row(account)
        else:
            sweep.range(account)
    sweep.finish()


def _first(account: RunView | RangeView) -> Instant:
    if isinstance(account, RunView):
        assert account.fire_at is not None
        return account.fire_at
    return account.first_at


def _name(account: RunView | RangeView) -> str:
    return f"run {account.run_id}" if isinstance(account, RunView) else f"range {account.range_id}"


class _Sweep:
    """The pass over one job. Everything due up to `_settled` has been compared; `_last` is the account that reaches furthest."""

    def __init__(self, case: JobCase, low: Instant, high: Instant) -> None:
        self._case = case
        self._low, self._high = low, max(low, high)
        self._expected = _Expected(case, low, self._high)
        self._settled = low
        self._last: RunView | RangeView | None = None
        self._covered = low

    def row(self, run: RunView) -> None:
        at, case = run.fire_at, self._case
        assert at is not None
        if not self._is_in_bounds(run, at, at) or not self._is_checkable(at):
            return
        if self._last is not None and at <= self._covered and self._doubled(run, at, at):
            return
        self._settle_before(at)
        if self._expected.head != at:
            case.found(
                "extra",
                f"run {run.run_id} accounts for {iso(at)}, which {_spelled(case, at)}",
                at=at,
                run_id=run.run_id,
                version=run.version,
            )
        else:
            self._expected.pop()
            self._count(1, rows=1)
            self._check_version(run, run.version, at, at)
        self._reach(run, at)

    def range(self, account: RangeView) -> None:
        first, last = account.first_at, account.last_at
        if not self._is_in_bounds(account, first, last) or not self._is_checkable(first):
            return
        self._check_range(account)
        if (
            self._last is not None
            and first <= self._covered
            and self._doubled(account, first, min(last, self._covered))
        ):
            if last <= self._covered:
                return
            first = self._covered + 1
        self._settle_before(first)
        low, high = max(first - 1, self._low), min(last, self._high)
        inside = self._expected.count(low, high)
        self._count(inside, ranges=1, in_ranges=inside)
        if high > low:
            self._expected.skip_to(high)
        self._reach(account, last)

    def finish(self) -> None:
        self._settle_before(self._high + 1)

    def _is_in_bounds(self, account: RunView | RangeView, first: Instant, last: Instant) -> bool:
        job = self._case.job
        run_id = account.run_id if isinstance(account, RunView) else None
        if last > job.planned_through:
            where = f"past the cursor at {iso(job.planned_through)}: the future is never written"
        elif first <= job.pruned_through:
            if isinstance(account, RunView) and account.origin == "backfill":
                self._check_backfill(account, first)
                return False
            where = f"at or before {iso(job.pruned_through)}, up to which the past was pruned or never owed"
        else:
            return True
        self._case.found(
            "extra", f"{_name(account)} stands {where}", at=first, until=last, run_id=run_id, version=account.version
        )
        return False

    def _check_backfill(self, run: RunView, at: Instant) -> None:
        version = self._case.by_number.get(run.version)
        oracle = None if version is None else self._case.oracle(version)
        if oracle is not None and not oracle.names(at):
            sentence = f"run {run.run_id} fills {iso(at)}, which version {run.version} does not name"
            self._case.found("extra", sentence, at=at, run_id=run.run_id, version=run.version)

    def _is_checkable(self, at: Instant) -> bool:
        """Say whether the oracle can say anything here; where it cannot read the version that is a finding of its own."""
        version = self._case.version_at(at)
        return version is None or self._case.oracle(version) is not None

    def _doubled(self, account: RunView | RangeView, first: Instant, last: Instant) -> bool:
        """Report an account that shares fire times with the one before it; say whether it does."""
        assert self._last is not None
        shared = self._expected.count(max(first - 1, self._low), min(last, self._high))
        if not shared:
            return False
        instants = iso(first) if first == last else f"{counted(shared, 'fire time')} from {iso(first)} to {iso(last)}"
        both = [_name(self._last), _name(account)]
        self._case.found(
            "double",
            f"{instants} {'is' if shared == 1 else 'are'} accounted for twice, by {both[0]} and {both[1]}",
            at=first,
            until=last,
            run_id=account.run_id if isinstance(account, RunView) else None,
            count=shared,
            accounts=both,
        )
        return True

    def _settle_before(self, at: Instant) -> None:
        """Everything before this instant that has no account by now is missing."""
        head = self._expected.head
        until = min(at - 1, self._high)
        if head is None or head > until:
            return
        count, last = self._expected.count(self._settled, until), self._expected.last_in(self._settled, until)
        instants = (
            f"fire time {iso(head)} has" if count == 1 else f"{count:,} fire times from {iso(head)} to {iso(last)} have"
        )
        self._case.found("missing", f"{instants} no account", at=head, until=last, count=count)
        self._count(count)
        self._expected.skip_to(until)

    def _reach(self, account: RunView | RangeView, last: Instant) -> None:
        if self._last is None or last >= self._covered:
            self._last, self._covered = account, last
        self._settled = max(self._settled, min(last, self._high))

    def _check_version(self, account: RunView | RangeView, number: int, first: Instant, last: Instant) -> None:
        valid = [version.version if version else None for version in map(self._case.version_at, {first, last})]
        if valid != [number] * len(valid):
            self._case.found(
                "wrong_version",
                f"{_name(account)} for {iso(first)} names version {number}, but version {valid[0]} was valid then",
                at=first,
                until=last,
                run_id=account.run_id if isinstance(account, RunView) else None,
                version=number,
            )

    def _check_range(self, account: RangeView) -> None:
        case, first, last = self._case, account.first_at, account.last_at
        self._check_version(account, account.version, first, last)
        version = case.by_number.get(account.version)
        check_range_reason(case, account, version)
        oracle = None if version is None else case.oracle(version)
        if oracle is None:
            return
        count = oracle.count(first - 1, last)
        wrong = [
            *(f"begins at {iso(first)}, which is no fire time" for _ in range(not oracle.names(first))),
            *(f"ends at {iso(last)}, which is no fire time" for _ in range(not oracle.names(last))),
            *(f"counts {account.count:,} fire times where there are {count:,}" for _ in range(count != account.count)),
        ]
        for what in wrong:
            name = f"range {account.range_id}"
            case.found(
                "range_count", f"{name} {what}", at=first, until=last, count=account.count, range_id=account.range_id
            )

    def _count(self, fire_times: int, **more: int) -> None:
        counts = self._case.findings.counts
        counts["fire_times"] += fire_times
        for name, number in more.items():
            counts[name] += number


def _spelled(case: JobCase, at: Instant) -> str:
    version = case.version_at(at)
    if version is None:
        return "no version of the job was valid for"
    return f"version {version.version} ({version.schedule!r}, {version.time_zone}) does not name"


class _Expected:
    """The fire times of all versions in (low, high], with the next one at hand."""

    def __init__(self, case: JobCase, low: Instant, high: Instant) -> None:
        self._parts: list[tuple[Instant, Instant, Oracle]] = []
        starts = [version.valid_from for version in case.versions[1:]]
        for version, following in zip(case.versions, [*starts, high], strict=False):
            # Versions that overlap are a finding of their own; here the later one counts, as in `version_at`.
            first = max(version.valid_from, low, self._parts[-1][1] if self._parts else low)
            last = min(following, high if version.valid_until is None else version.valid_until, high)
            oracle = case.oracle(version) if first < last else None
            if oracle is not None:
                self._parts.append((first, last, oracle))
        self._high = high
        self._coming = self._between(low, high)
        self.head: Instant | None = next(self._coming, None)

    def pop(self) -> None:
        self.head = next(self._coming, None)

    def skip_to(self, at: Instant) -> None:
        """Go on with the first fire time after this instant."""
        self._coming = self._between(at, self._high)
        self.head = next(self._coming, None)

    def count(self, start: Instant, end: Instant) -> int:
        return sum(oracle.count(max(start, low), min(end, high)) for low, high, oracle in self._overlapping(start, end))

    def last_in(self, start: Instant, end: Instant) -> Instant:
        """Return the last fire time in (start, end]; there must be one."""
        found = [oracle.last_in(max(start, low), min(end, high)) for low, high, oracle in self._overlapping(start, end)]
        return max(at for at in found if at is not None)

    def _between(self, start: Instant, end: Instant) -> Iterator[Instant]:
        for low, high, oracle in self._overlapping(start, end):
            yield from oracle.between(max(start, low), min(end, high))

    def _overlapping(self, start: Instant, end: Instant) -> list[tuple[Instant, Instant, Oracle]]:
        return [part for part in self._parts if part[0] < end and part[1] > start]
