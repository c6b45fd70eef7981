"""The ledger's promises, for every engine. One conformance suite (`tests/ledger/conformance.py`) holds an engine to them.

Every method is synchronous, may be called from any thread, and is one transaction: after a crash it happened whole or not at
all. Methods that write may raise `DatabaseBusy` (nothing was written; try again) and `DatabaseUnreachable`. Instants are passed
in, and `decides_by` says whose clock decides. `host`: the instants are used as they are, and the ledger reads no clock (SQLite:
one machine, one clock). `database`: the engine decides by its own clock, so that nodes whose clocks differ still agree, and an
instant passed in only says what the caller saw (PostgreSQL). What is done to the ledger
as a whole is in `ledger/upkeep.py`. Lock order everywhere: job_cursors, open_runs, job_runs, and the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from systemprompt.clock import Instant
from systemprompt.ledger.records import (
    Change,
    Claimed,
    ClockEvent,
    Closing,
    Decide,
    JobSpec,
    ManualStart,
    NodeIdentity,
    QuarantineNotice,
    Rescued,
    StopAsked,
    SyncReport,
    Turn,
)
from systemprompt.ledger.seals import DayContent, Seal, SealDraft, SealState
from systemprompt.ledger.upkeep import DatabaseUpkeep
from systemprompt.ledger.views import (
    AttemptView,
    HistoryPage,
    HistoryQuery,
    JobView,
    LateView,
    RangeView,
    RunView,
    TextView,
    VersionView,
)

__all__ = ["Ledger", "LedgerReader"]


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
        """Return one page of runs and ranges, newest first, and how many match in all; both halves from one view.

        Pages follow each other by the place of the last entry (`after`), so nothing is shown twice, whatever is written meanwhile.
        """
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

    def last_fence(self) -> int:
        """Return the highest fence ever given out, 0 where nothing was claimed."""
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

    def living_nodes(self) -> list[NodeIdentity]:
        """Return the nodes that have not stopped, and those stopped ones that still hold open runs."""
        ...

    def change_marker(self) -> int:
        """Return a number that differs from the last one returned when another process may have written. Cheap: poll it.

        Raises:
            LedgerReplaced: what is open is not the installation's ledger any more: a node must end.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. Nothing is written."""
        ...

    @property
    def upkeep(self) -> DatabaseUpkeep:
        """The ledger as a whole: its schema, soundness, size and copies, on connections of their own."""
        ...


class Ledger(LedgerReader, Protocol):
    """The durable record of every job, version, run, range, attempt and node."""

    # -- the clockwork of a node ----------------------------------------------------------------------------------------

    def turn(
        self,
        node_id: str,
        now: Instant,
        decide: Decide,
        *,
        closings: Sequence[Closing] = (),
        room: int = 0,
        plan: bool = True,
        patience: int = 0,
    ) -> Turn:
        """Close what ended, begin up to `room` runs, plan what is due: one commit for all of it.

        What waits begins first, by the instant from which it may; then a due job that has room is written as already running. At
        most one run of a job is begun while none of it runs, and none while code of it that could not be stopped still runs.
        A due job for which there is no room is planned, and waits in the ledger, once it is due for longer than `patience`
        (microseconds); until then its cursor stands, so that a burst costs no queue. `Turn.next_due` says when to look again.

        A closing is accepted only under the run's current fence; a zombie's is kept as the attempt's late result, once. A closing
        that the ledger has already (its commit was told twice) counts as accepted. The cursor of a job moves by compare-and-swap
        together with its rows. Two nodes in a turn at once never begin the same run, and never write the same fire time.

        Where the batch of closings is refused, they are written one by one; a run that is refused still stays open, its job is
        quarantined (`ledger_conflict`), and `Turn.odd` names it.
        """
        ...

    def fold(self, *, limit: int = 5_000) -> bool:
        """Add up to `limit` of the tallies that commits have left to the sums; say whether any are left. Totals stay the same."""
        ...

    # -- acts on runs ---------------------------------------------------------------------------------------------------

    def start_manual(
        self,
        node_id: str,
        now: Instant,
        starts: Sequence[ManualStart],
        change: Change,
        *,
        skip_running: bool = False,
    ) -> tuple[Claimed, ...]:
        """Write a run for each start, held by this node, all or none. Nothing where the request was done before.

        A job that is running is refused with `JobAlreadyRunning`, or with `skip_running` gets an account `skipped`, `overlap`
        and is left out of the result. An unknown name is `JobNotFound`, a node that was declared lost `NodeLost`, a wall clock
        that stands in a sealed day `DaySealed`.
        """
        ...

    def ask_for_runs(self, now: Instant, starts: Sequence[ManualStart], change: Change) -> tuple[int, ...]:
        """Queue a run for each start, all or none, and return their ids. Whichever node has room takes them.

        Raises:
            JobNotFound, DaySealed: as above. ConflictError: the job is quarantined.
            RequestMismatch: the request id was used for something else.
        """
        ...

    def ask_to_stop(self, run_id: int, now: Instant, change: Change) -> StopAsked:
        """Ask for the end of a run. One that waits is closed at once; of one that runs the node is told, which stops the work.

        The first request stands. If the run's node is lost, the run is closed as asked and never started again.

        Raises:
            RunNotFound: there is no such run. RunClosed: its account is closed. RequestMismatch: as above.
        """
        ...

    # -- nodes ----------------------------------------------------------------------------------------------------------

    def join(self, node: NodeIdentity) -> None:
        """Enter a node that is about to plan or run."""
        ...

    def beat(self, node_id: str, now: Instant) -> bool:
        """Count one heartbeat up. False: this node was declared lost; it must stop its runs and take a fresh id."""
        ...

    def leave(self, node_id: str, now: Instant) -> None:
        """Mark a node as stopped. Its open runs, if any, are then rescued by anybody."""
        ...

    def rescue(self, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
        """Declare a node lost and settle its runs: `failed` with `node_lost`, or `queued` again under `on_lost: rerun`.

        None where the node beat since `seen_beat`: it lives, nothing is changed. A run is rescued once, whoever asks.
        """
        ...

    def record_clock_event(self, event: ClockEvent) -> None:
        """Keep what a node saw of its clocks, and what it did about it."""
        ...

    # -- jobs and versions ----------------------------------------------------------------------------------------------

    def sync_catalogue(
        self,
        specs: Sequence[JobSpec],
        quarantined: Sequence[QuarantineNotice],
        now: Instant,
        decide: Decide,
        change: Change,
        *,
        keep: str | None = None,
    ) -> SyncReport:
        """Make the ledger's jobs those of the catalogue. A changed schedule, zone, policy or declared `enabled` closes the
        present version (planned through `now` first) and opens the next; a job that left is retired, its open version closed.
        Jobs that are not in `specs` and whose source begins with `keep` stay as they are.
        A version is opened by `profile` where it sets or has set what changed, else by `code`; by `change.actor` where the job
        is an object of an embedding program. `change.noticed_by` says who saw it.
        Writes nothing where nothing changed. Where the wall clock stands in a sealed day, a version begins at that day's end.
        """
        ...

    def set_enabled(self, job_name: str, enabled: bool, now: Instant, decide: Decide, change: Change) -> JobView:
        """Enable or disable a job from `now` on, as a new version. Doing it twice changes nothing.

        Enabling also releases a job that was quarantined for a conflict in the ledger.

        Raises:
            JobNotFound: no job of the installation has this name; a retired job is not found either.
            VersionChanged: the job has another version than `change.expected_version`.
            RequestMismatch: the request id was used for something else.
        """
        ...

    # -- retention ------------------------------------------------------------------------------------------------------

    def seal(self, draft: SealDraft, now: Instant) -> Seal | None:
        """Seal the day of a draft that the audit has passed, as the next in the chain.

        None, and nothing written, where an account came into it since the draft was made, one is open, or another process sealed
        it first. From then on the day takes no new account. Only what a zombie brings may still be added to its attempts.
        """
        ...

    def prune(self, before: Instant, *, limit: int) -> int:
        """Delete up to `limit` accounts of days that are sealed and end no later than `before`, oldest first; return how many
        went. As many nodes that stopped before then go too, unless they still hold a run.

        What is left of a job is a whole suffix, and its `pruned_through`, which is never past the cursor, says where it begins.
        """
        ...

    def give_back(self) -> int | None:
        """Return a bounded part of the free pages to the file system; say how many are left, None where the file cannot."""
        ...

    def checkpoint(self) -> None:
        """Let the file be as small as what it holds. Nothing is waited for: where others are reading, it comes later."""
        ...

    # -- schema ---------------------------------------------------------------------------------------------------------

    def migrate(self) -> list[str]:
        """As `upkeep.migrate`, on the connection that is open. Called before anything else."""
        ...
