"""The half of the ledger's protocol that reads, and the upkeep of a ledger. `ledger/protocol.py` has the other half."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from systemprompt.clock import Clock, Instant
from systemprompt.ledger.attempt_views import AttemptView, LateView, TextView
from systemprompt.ledger.moving import Placement
from systemprompt.ledger.node_identity import NodeIdentity, ZoneDataChange
from systemprompt.ledger.records import ClockEvent, QuarantineNotice
from systemprompt.ledger.seals import DayContent, Seal, SealDraft, SealState
from systemprompt.ledger.upkeep import DatabaseBackup, DatabaseRestore, DatabaseUpkeep, Extent, Settled
from systemprompt.ledger.views import HistoryPage, HistoryQuery, JobView, RangeView, RunView, VersionView

__all__ = ["LedgerBackup", "LedgerPlacement", "LedgerReader", "LedgerRestore", "LedgerUpkeep"]


class LedgerReader(Protocol):
    """The half that reads: what a reading command opens."""

    dialect: str
    decides_by: Literal["host", "database"]

    def snapshot(self) -> AbstractContextManager[None]:
        """Let every read inside the `with` see one state of the ledger, whatever others write meanwhile."""
        ...

    def ledger_id(self) -> str:
        """Return the id that this ledger was made with. Run numbers mean something only together with it.

        A copy, and what is restored from it, has the same id.
        """
        ...

    def jobs(self, *, retired: bool = False) -> list[JobView]:
        """Return the jobs by name."""
        ...

    def job(self, name: str) -> JobView | None:
        """Return the job of this name, retired or not; None where there never was one."""
        ...

    def quarantined_sources(self) -> list[QuarantineNotice]:
        """Return the job modules that could not be loaded when the catalogue was last read, by source."""
        ...

    def versions(self, job_id: int | None = None) -> list[VersionView]:
        """Return versions by job and number."""
        ...

    def run(self, run_id: int) -> RunView | None:
        """Return one run; None where no run has this id, or it was pruned."""
        ...

    def attempts(self, run_id: int | None = None) -> Iterator[AttemptView]:
        """Yield attempts by fence: those that ended without closing their run, those that closed it, and the running ones."""
        ...

    def fences_given_twice(self) -> list[tuple[int, int, int]]:
        """Return what must never be: a fence that stands in two attempts, and two of the runs it went to."""
        ...

    def stray_runs(self) -> list[tuple[int, str]]:
        """Return what must never be: runs that are open and closed, or neither though something names them, or of no job."""
        ...

    def runs_written(self) -> int | None:
        """Return how many runs were ever written, pruned ones included; None where the engine's run ids do not tell."""
        ...

    def late_results(self) -> list[LateView]:
        """Return what came after its fence had passed on or its account was closed, by run and attempt."""
        ...

    def texts_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[TextView]:
        """Yield the texts that closed runs with `due_at` in (start, end] left, as far as they are still there."""
        ...

    def stops_asked(self, node_id: str) -> list[tuple[int, int]]:
        """Return the runs (with their fences) of this node that somebody asked to stop. Costs what is found."""
        ...

    def abandoned_runs(self) -> dict[int, int]:
        """Return the closed runs whose code still runs, because it cannot be stopped, each with its job's id."""
        ...

    def history(self, query: HistoryQuery) -> HistoryPage:
        """Return one page of runs and ranges, newest first, and how many match in all; both halves from one view."""
        ...

    def runs_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[RunView]:
        """Yield every run with `due_at` in (start, end], by job and due_at; memory use does not grow with their number."""
        ...

    def tried_runs_between(
        self, start: Instant, end: Instant, *, job_id: int | None = None
    ) -> Iterator[tuple[RunView, tuple[AttemptView, ...]]]:
        """Yield the same runs in the same order, each with its attempts by fence: one read for all of them."""
        ...

    def counts_between(
        self, first_hour: int, stop_hour: int, *, job_id: int | None = None
    ) -> Iterator[tuple[int, int, str, str, int]]:
        """Yield how many closed accounts the ledger says it has: job id, hour, status, origin, number; by job.

        Hours count from the epoch, and the second is excluded. A run belongs to that of `due_at`, a range (one each, with origin
        `range`) to that of `last_at`. Job id 0 stands for all jobs together. None is left out that is not 0.
        """
        ...

    def open_runs(self) -> list[RunView]:
        """Return every run that is queued or running, by due_at and run id."""
        ...

    def ranges_between(self, start: Instant, end: Instant, *, job_id: int | None = None) -> Iterator[RangeView]:
        """Yield every range that touches (start, end], by job and first_at."""
        ...

    def nodes(self) -> list[NodeIdentity]:
        """Return every node that has not been pruned, by when it started."""
        ...

    def clock_events(self) -> list[ClockEvent]:
        """Return the jumps of the wall clock that nodes have recorded, in the order they were written."""
        ...

    def zone_data_changes(self) -> list[ZoneDataChange]:
        """Return which releases of time zone data took over the planning, in order; the last is in force."""
        ...

    def last_fence(self) -> int:
        """Return the highest fence ever given out, 0 where nothing was claimed."""
        ...

    def failed_in_a_row(self, job_id: int) -> int:
        """Return how many of a job's last runs failed with no success since, at most 100. What did not run does not count."""
        ...

    def described(self, job_id: int) -> Mapping[str, Any]:
        """Return what a job is, as its code and the profile had it when they were last read: command, parameters and the like."""
        ...

    def usual_ms(self, job_id: int) -> int | None:
        """Return the median of what a job's last 20 successes took, in milliseconds; None where it never succeeded."""
        ...

    def decided_up_to(self) -> Instant:
        """Return the latest instant that a turn decided by or a job is planned through: no clock should stand before it."""
        ...

    def high_water(self) -> Instant:
        """Return the furthest instant that any job was ever planned through. A wall clock behind it was set back."""
        ...

    def seal_state(self) -> SealState:
        """Return how far the ledger is sealed and pruned."""
        ...

    def seals(self) -> list[Seal]:
        """Return every seal, in order. One a day that held anything, so a ledger of ten years has some thousands."""
        ...

    def next_account_at(self, at: Instant) -> Instant | None:
        """Return the first instant from `at` on to whose day an account belongs: a run's due_at or a range's last_at."""
        ...

    def content_between(self, from_at: Instant, until_at: Instant) -> DayContent:
        """Count and digest what belongs to [from_at, until_at); memory use does not grow with it."""
        ...

    def draft_seal(self, from_at: Instant, until_at: Instant) -> SealDraft:
        """Return what `seal` needs to seal [from_at, until_at), all read from one view."""
        ...

    def node(self, node_id: str) -> NodeIdentity | None:
        """Return one node; None where there never was one of this id, or it was pruned."""
        ...

    def living_nodes(self) -> list[NodeIdentity]:
        """Return the nodes that have not stopped, and those stopped ones that still hold open runs."""
        ...

    def change_marker(self) -> int:
        """Return a number that differs from the last one returned when another process may have written. Cheap: poll it.

        Raises:
            LedgerReplaced: what is open is not the installation's ledger any more: a node must end.
        """
        ...

    def clock(self, host: Clock) -> Clock:
        """Return the clock by which callers tell this ledger instants: the host's, or the database's where that decides."""
        ...

    def close(self) -> None:
        """Let go of the connection. Nothing is written."""
        ...

    @property
    def upkeep(self) -> LedgerUpkeep:
        """The ledger as a whole: its schema, soundness, size and copies, on connections of their own."""
        ...


class LedgerUpkeep(DatabaseUpkeep, Protocol):
    """The ledger as a whole."""

    def open(self) -> LedgerReader:
        """Open the ledger to read, as it is. The caller closes it.

        Raises:
            DatabaseError: it is absent, has still to be migrated, or cannot be read.
        """
        ...

    def is_in_use(self) -> bool:
        """Say whether any process has the ledger open: on this machine for a file, anywhere for a server.

        Raises:
            DatabaseError: that cannot be known.
        """
        ...

    def place(self) -> AbstractContextManager[LedgerPlacement]:
        """Return how the rows of another database come here. Two at once wait for one another.

        Raises:
            ConflictError: something is there already that is not empty, as the placement is filled.
            DatabaseBusy: another one went on for too long.
        """
        ...

    def backup(self, to: str, *, replace: bool = False) -> AbstractContextManager[LedgerBackup]: ...

    def restore(
        self, source: str, *, replace: bool = False, dry_run: bool = False
    ) -> AbstractContextManager[LedgerRestore]: ...


class LedgerPlacement(Placement, Protocol):
    """Rows of a ledger on their way into a place that was absent or empty."""

    def open(self) -> LedgerReader:
        """Open what was filled to read, before it is published. The caller closes it."""
        ...


class LedgerBackup(DatabaseBackup, Protocol):
    """The same of the ledger."""

    def extent(self) -> Extent:
        """Say how far the held state goes. Before `copy`."""
        ...

    def open(self) -> LedgerReader:
        """Open the finished copy to read, before it is published. The caller closes it."""
        ...


class LedgerRestore(DatabaseRestore, Protocol):
    """The same of the ledger."""

    def settle(self, now: Instant, *, logged: Callable[[str], int], max_attempts: int) -> Settled:
        """Bring the copy to the newest schema, rescue what its nodes held, and raise its numbers. Before `publish`.

        Fences go on above `now`, in microseconds, and above the replaced ledger's; run ids above the replaced ledger's and above
        `logged`, which is asked for the highest run id that is known elsewhere of the ledger with this id. What an absent or
        damaged ledger had given out cannot be known: `now` stands for it.
        """
        ...
