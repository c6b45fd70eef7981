"""What the ledger shows to readers. Instants in microseconds UTC; lists in the order each method names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from systemprompt.ledger.job_view import JobView, VersionView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from systemprompt.clock import Instant

__all__ = [
    "HistoryPage",
    "HistoryQuery",
    "JobView",
    "Place",
    "RangeView",
    "RunView",
    "VersionView",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run, whole, open or closed.

    fence          None where nobody holds it, and where it was closed while it waited
    available_at   not before this instant; up to `queued_at`: at once
    period_from    where the period that it works for begins; stands_for, retry_of, replaces   what it stands for or follows
    stop_asked_at, stop_by, stop_why   that somebody asked for a stop
    abandoned      its code was still running when the account was closed; did_nothing   it had nothing to do
    dry_run        its job only said what it would do; lines_dropped   lines of its log that were dropped until it ended
    """

    run_id: int
    job_id: int
    job_name: str
    version: int
    origin: str
    fire_at: Instant | None
    due_at: Instant
    available_at: Instant
    period_from: Instant | None
    stands_for: Instant | None
    retry_of: int | None
    replaces: int | None
    status: str
    reason: str | None
    blocked_by: int | None
    attempt: int
    fence: int | None
    node_id: str | None
    queued_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    duration_ms: int | None
    items_processed: int
    items_failed: int
    message: str | None
    error: str | None
    exit_code: int | None
    output: str | None
    actor: str
    why: str | None
    parameters: Mapping[str, Any] | None
    enforce: bool | None
    stop_asked_at: Instant | None
    stop_by: str | None
    stop_why: str | None
    abandoned: bool
    did_nothing: bool
    dry_run: bool
    lines_dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeView:
    """Many fire times with one fate."""

    range_id: int
    job_id: int
    job_name: str
    version: int
    first_at: Instant
    last_at: Instant
    count: int
    status: str
    reason: str
    written_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which accounts to show. `since` is included, `until` is not; both are about `due_at` (a range's `last_at`).

    job_names, statuses, origins   any of these; empty: all
    after                          only what follows the entry of this place; the total counts all the same
    """

    job_names: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    since: Instant | None = None
    until: Instant | None = None
    limit: int = 20
    after: Place | None = None


class Place(NamedTuple):
    """Where an entry of the history stands: newest first, at one instant runs before ranges, and the higher number first."""

    at: Instant
    is_range: bool
    number: int

    @classmethod
    def of(cls, entry: RunView | RangeView) -> Place:
        if isinstance(entry, RangeView):
            return cls(entry.last_at, True, entry.range_id)
        return cls(entry.due_at, False, entry.run_id)

    @property
    def newest_first(self) -> tuple[int, bool, int]:
        """What sorts entries into the order of the history."""
        return -self.at, self.is_range, -self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """The newest accounts first, runs and ranges mixed, and how many match in all (a range counts as one)."""

    entries: tuple[RunView | RangeView, ...]
    total: int
