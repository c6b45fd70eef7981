"""Reading the ledger, whatever its engine. Light: listing jobs loads this and little else."""

from __future__ import annotations

from heapq import merge
from operator import attrgetter

from systemprompt.ledger.job_view import JobView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any

    from systemprompt.clock import Clock, Instant
    from systemprompt.ledger.attempt_views import AttemptView, LateView, TextView
    from systemprompt.ledger.node_identity import NodeIdentity, ZoneDataChange
    from systemprompt.ledger.records import ClockEvent, QuarantineNotice
    from systemprompt.ledger.seals import DayContent, Seal, SealDraft, SealState
    from systemprompt.ledger.stored.store import Row, Store
    from systemprompt.ledger.views import HistoryPage, HistoryQuery, RangeView, RunView, VersionView

__all__ = ["StoredReader"]


class StoredReader:
    """The reading half of `systemprompt.ledger.protocol.Ledger`, but for what engines do differently; see there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def snapshot(self) -> AbstractContextManager[None]:
        return self._store.snapshot()

    def jobs(self, *, retired: bool = False) -> list[JobView]:
        return [_job(row) for row in self._store.fetch("jobs", {"retired": retired})]

    def job(self, name: str) -> JobView | None:
        rows = self._store.fetch("job", {"name": name})
        return _job(rows[0]) if rows else None

    def quarantined_sources(self) -> list[QuarantineNotice]:
        rows = self._store.fetch("quarantined_sources")
        if not rows:
            return []
        from systemprompt.ledger.records import QuarantineNotice

        return [QuarantineNotice(name=None, source=row["source"], error=row["error"]) for row in rows]

    def versions(self, job_id: int | None = None) -> list[VersionView]:
        import json

        from systemprompt.ledger.job_view import VersionView

        return [
            VersionView(**{**dict(row), "enabled": bool(row["enabled"]), "policies": json.loads(row["policies"])})
            for row in self._store.fetch("versions" if job_id is None else "versions_of_job", {"job_id": job_id})
        ]

    def run(self, run_id: int) -> RunView | None:
        rows = self._store.fetch("run", {"run_id": run_id})
        return _run(rows[0]) if rows else None

    def open_runs(self) -> list[RunView]:
        return [_run(row) for row in self._store.fetch("open_runs")]

    def stops_asked(self, node_id: str) -> list[tuple[int, int]]:
        return [(row["run_id"], row["fence"]) for row in self._store.fetch("stops_asked", {"node_id": node_id})]

    def abandoned_runs(self) -> dict[int, int]:
        return {row["run_id"]: row["job_id"] for row in self._store.fetch("abandoned_runs")}

    def attempts(self, run_id: int | None = None) -> Iterator[AttemptView]:
        from systemprompt.ledger.attempt_views import AttemptView

        name = "attempts" if run_id is None else "attempts_of_run"
        for row in self._store.stream(name, {"run_id": run_id}):
            yield AttemptView(**dict(row) | {"recovered": bool(row["recovered"])})

    def fences_given_twice(self) -> list[tuple[int, int, int]]:
        rows = [*self._store.fetch("fences_of_closed_runs"), *self._store.fetch("fences_of_others")]
        return [(row["fence"], row["run_id"], row["other"]) for row in rows]

    def stray_runs(self) -> list[tuple[int, str]]:
        both = [(row["run_id"], "is open and closed") for row in self._store.fetch("runs_in_both_tables")]
        neither = [
            (row["run_id"], f"is neither open nor closed, and is named by {row['named_by']}")
            for row in self._store.fetch("runs_in_neither_table")
        ]
        orphans = [
            (row["run_id"], f"is of job {row['job_id']}, which nobody knows")
            for name in ("open_runs_of_no_job", "closed_runs_of_no_job")
            for row in self._store.fetch(name)
        ]
        return both + neither + orphans

    def late_results(self) -> list[LateView]:
        from systemprompt.ledger.attempt_views import LateView

        return [LateView(**dict(row)) for row in self._store.fetch("late_results")]

    def texts_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[TextView]:
        from systemprompt.ledger.attempt_views import TextView

        for row in self._store.stream("texts_between", {"start": start, "end": end, "job_id": job_id}):
            yield TextView(**dict(row))

    def history(self, query: HistoryQuery) -> HistoryPage:
        from systemprompt.ledger.stored.history import read_history

        with self._store.snapshot():
            return read_history(self._store, query, _run, _range)

    def runs_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[RunView]:
        with self._store.view() as read:
            closed, waiting = _between(read, start, end, job_id)
            yield from merge(map(_run, closed), map(_run, waiting), key=_BY_JOB)

    def tried_runs_between(
        self, start: Instant, end: Instant, *, job_id: int | None = None
    ) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
        from systemprompt.ledger.stored.tried_runs import with_attempts

        with self._store.view() as read:
            closed, waiting = _between(read, start, end, job_id)
            yield from with_attempts(closed, waiting, read("kept_attempts", {}))

    def ranges_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[RangeView]:
        name = "ranges_between" if job_id is None else "ranges_of_job_between"
        for row in self._store.stream(name, {"start": start, "end": end, "job_id": job_id}):
            yield _range(row)

    def counts_between(
        self, first_hour: int, stop_hour: int, *, job_id: int | None = None
    ) -> Iterator[tuple[int, int, str, str, int]]:
        from systemprompt.ledger.stored.tallies import counted

        return counted(self._store, first_hour, stop_hour, job_id)

    def nodes(self) -> list[NodeIdentity]:
        return [_node(row) for row in self._store.fetch("nodes")]

    def node(self, node_id: str) -> NodeIdentity | None:
        rows = self._store.fetch("node", {"node_id": node_id})
        return _node(rows[0]) if rows else None

    def living_nodes(self) -> list[NodeIdentity]:
        return [_node(row) for row in self._store.fetch("living_nodes")]

    def clock_events(self) -> list[ClockEvent]:
        from systemprompt.ledger.records import ClockEvent

        return [ClockEvent(**dict(row)) for row in self._store.fetch("clock_events")]

    def zone_data_changes(self) -> list[ZoneDataChange]:
        from systemprompt.ledger.node_identity import ZoneDataChange

        return [ZoneDataChange(**dict(row)) for row in self._store.fetch("zone_data_changes")]

    def ledger_id(self) -> str:
        return str(self._store.fetch("state")[0]["ledger_id"])

    def failed_in_a_row(self, job_id: int) -> int:
        statuses = [row["status"] for row in self._store.fetch("last_ends", {"job_id": job_id})]
        return next((number for number, status in enumerate(statuses) if status != "failed"), len(statuses))

    def described(self, job_id: int) -> Mapping[str, Any]:
        import json

        found: dict[str, Any] = json.loads(self._store.fetch("described", {"job_id": job_id})[0]["described"])
        return found

    def usual_ms(self, job_id: int) -> int | None:
        took = sorted(row["duration_ms"] for row in self._store.fetch("last_successes", {"job_id": job_id}))
        return took[len(took) // 2] if took else None

    def seal_state(self) -> SealState:
        from systemprompt.ledger.seals import SealState

        return SealState(**dict(self._store.fetch("seal_state")[0]))

    def seals(self) -> list[Seal]:
        from systemprompt.ledger.seals import Seal

        return [Seal(**dict(row)) for row in self._store.fetch("seals")]

    def next_account_at(self, at: Instant) -> Instant | None:
        found: Instant | None = self._store.fetch("next_account", {"at": at})[0]["at"]
        return found

    def content_between(self, from_at: Instant, until_at: Instant) -> DayContent:
        from systemprompt.ledger.seals import read_content

        span = {"from": from_at, "until": until_at}
        with self._store.snapshot():
            return read_content(
                self._store.stream("runs_to_seal", span),
                self._store.stream("attempts_to_seal", span),
                self._store.stream("ranges_to_seal", span),
            )

    def draft_seal(self, from_at: Instant, until_at: Instant) -> SealDraft:
        from systemprompt.ledger.seals import SealDraft

        with self._store.snapshot():
            state = self.seal_state()
            return SealDraft(
                from_at=from_at,
                until_at=until_at,
                content=self.content_between(from_at, until_at),
                last_run=state.last_run,
                last_range=state.last_range,
                last_attempt=state.last_attempt,
                versions=self._store.fetch("versions_begun", {"until": until_at})[0]["versions"],
            )

    def clock(self, host: Clock) -> Clock:
        return host

    def close(self) -> None:
        self._store.close()


def _job(row: Row) -> JobView:
    running = row["running"] > 0
    return JobView(
        job_id=row["job_id"],
        name=row["job_name"],
        description=row["description"],
        schedule=row["schedule"],
        time_zone=row["time_zone"],
        enabled=bool(row["enabled"]),
        declared_enabled=bool(row["declared_enabled"]),
        tags=_names(row["tags"]),
        owner=row["owner"],
        source=row["source"],
        profile_sets=_names(row["profile_sets"]),
        quarantine=row["quarantine"],
        quarantine_error=row["quarantine_error"],
        retired_at=row["retired_at"],
        version=row["version"],
        planned_through=row["planned_through"],
        pruned_through=row["pruned_through"],
        next_due=row["next_due"],
        next_run=row["next_run"],
        running=row["running"],
        last_run=row["running_since"] if running else row["last_run"],
        last_run_id=row["running_run"] if running else row["last_run_id"],
        last_status="running" if running else row["last_status"],
        last_error=None if running else row["last_error"],
        run_count=row["run_count"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        runs_on=_names(row["runs_on"]),
        policies_text=row["policies"],
    )


def _between(
    read: Callable[[str, Mapping[str, Any]], Iterable[Row]], start: Instant, end: Instant, job_id: int | None
) -> tuple[Iterable[Row], Iterable[Row]]:
    """Return the closed and the open runs of a span."""
    values = {"start": start, "end": end, "job_id": job_id}
    if job_id is None:
        return read("closed_between", values), read("open_between", values)
    return read("closed_of_job_between", values), read("open_of_job_between", values)


def _names(text: str) -> tuple[str, ...]:
    if text == "[]":
        return ()
    import json

    return tuple(json.loads(text))


def _run(row: Row) -> RunView:
    from systemprompt.ledger.stored.run_views import run_view

    return run_view(row)


_BY_JOB = attrgetter("job_id", "due_at", "run_id")


def _range(row: Row) -> RangeView:
    from systemprompt.ledger.views import RangeView

    return RangeView(**dict(row))


def _node(row: Row) -> NodeIdentity:
    from systemprompt.ledger.node_identity import NodeIdentity

    values: dict[str, Any] = dict(row)
    return NodeIdentity(**values | {name: _names(values[name]) for name in ("labels", "degraded")})
