"""The ledger's promises, for every engine. One conformance suite (`tests/ledger/conformance.py`) holds an engine to them.

Every method is synchronous, may be called from any thread, and is one transaction: after a crash it happened whole or not at
all. Methods that write may raise `DatabaseBusy` (nothing was written; try again) and `DatabaseUnreachable`. Instants are passed
in, and `decides_by` says whose clock decides. `host`: the instants are used as they are, and the ledger reads no clock (SQLite:
one machine, one clock). `database`: the engine decides by its own clock, so that nodes whose clocks differ still agree, and an
instant passed in only says what the caller saw (PostgreSQL). What is done to the ledger
as a whole is in `ledger/upkeep.py`. Lock order everywhere: job_cursors, open_runs, job_runs, and the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from systemprompt.clock import Instant
from systemprompt.ledger.journaled import JournaledRun
from systemprompt.ledger.reader import LedgerReader
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
    ZoneDataStanding,
)
from systemprompt.ledger.seals import Seal, SealDraft
from systemprompt.ledger.views import JobView

__all__ = ["Ledger"]


class Ledger(LedgerReader, Protocol):
    """The durable record of every job, version, run, range, attempt and node."""

    def be_patient(self, seconds: float) -> None:
        """Wait for other writers no longer than this from now on."""
        ...

    def answered_within(self, seconds: float) -> AbstractContextManager[None]:
        """In the block, give up each statement of this thread whose answer takes longer: DatabaseUnreachable.

        It may have been done all the same, and a commit may still arrive for as long as the server waits for it. A ledger in a file
        needs no limit: its disk answers, or nobody can go on.
        """
        ...

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

        A node runs only jobs whose `runs_on` its labels cover, as the job's present version says it. Any node may plan any job, if
        its zone data are in force (`plan_by_zone_data`): one that this node may not run is planned, and waits, once it is due for
        longer than `patience`. What waits for other nodes takes none of the room here, and stands before nothing.

        A job whose version has a policy that this program does not know is neither planned nor begun, as if it were not there: its
        cursor stands, and nodes of a newer release move it. So it is with jobs that `sync_catalogue` was told cannot be loaded.

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

        A job that this node may not run is refused with `LabelsLacking`. A job that is running is refused with
        `JobAlreadyRunning`, or with `skip_running` gets an account `skipped`, `overlap` and is left out of the result. An
        unknown name is `JobNotFound`, a node that was declared lost `NodeLost`, one that drains `NodeDrains`, a wall
        clock that stands in a sealed day `DaySealed`.
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

    def plan_by_zone_data(self, node_id: str, now: Instant) -> ZoneDataStanding:
        """Say whether no serving node has newer time zone data than this one; only then may it plan. To be asked when it joins and
        with each heartbeat.

        A node whose release is the newest, and not in force yet, puts it in force: that is written down, and every job whose zone
        is not UTC is looked at again. From this commit on turns of nodes with another release plan nothing, though they hear of it
        only here, within a heartbeat. Between the last beat of a node with the newest and its being declared lost, nobody plans.
        """
        ...

    def leave(self, node_id: str, now: Instant) -> None:
        """Mark a node as stopped. Its open runs, if any, are then rescued by anybody."""
        ...

    def drain(self, node_id: str, now: Instant, change: Change) -> NodeIdentity:
        """Ask a node to take no more, let what it runs come to its end, and leave; return it as it is then.

        From this commit on it begins nothing. The first request stands; a node that has stopped stays as it is.

        Raises:
            NodeNotFound: no node has this id. RequestMismatch: the request id was used for something else.
        """
        ...

    def rescue(self, node_id: str, seen_beat: int, now: Instant, *, max_attempts: int) -> list[Rescued] | None:
        """Declare a node lost and settle its runs: `failed` with `node_lost`, or `queued` again under `on_lost: rerun`.

        None where the node beat since `seen_beat`: it lives, nothing is changed. A run is rescued once, whoever asks. One whose
        version has policies that this program does not know stays open for a node of a newer release.
        """
        ...

    def hear(self, heard: Callable[[], None]) -> None:
        """Call `heard`, from any thread and until `close`, when another process may have written. Only a hint: who looks now and
        then misses nothing. Where the engine has no such hints it is never called.
        """
        ...

    def held(self, node_id: str) -> tuple[Claimed, ...]:
        """Return the runs that a node holds: also those whose commit succeeded though nobody was told so."""
        ...

    @property
    def epoch(self) -> int | None:
        """The epoch of the server's history that this handle has entered: it rises where the server lost what was committed, or
        is another one. Each write looks; one that finds an epoch to be over writes nothing and raises `HistoryLost`, once. None
        where the engine loses nothing, where the server does not tell, and before the first write.
        """
        ...

    def tell_journaled(self, runs: Sequence[JournaledRun]) -> int:
        """Write down what the ledger has lost of these runs; return how many those are. What it has is left as it is.

        A run whose job is gone is left out. Told again, nothing is written twice.
        """
        ...

    def settle_lost(self, now: Instant, decide: Decide) -> bool:
        """Put back what was told of one job: see `ledger.stored.lost_tail`. False once nothing is left of any job.

        To be called when every node has told, and before anything is planned. Of two that call at once, one waits for the other.
        """
        ...

    def enter_node(self, node: NodeIdentity, epoch: int) -> None:
        """Write down that a node has brought back what it did before this epoch. Its own row is written again where it was lost."""
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
        Jobs that are not in `specs` and whose source begins with `keep` stay as they are. So do jobs with a policy that this
        program does not know, whatever is said of them, and with them a file that holds one and cannot be loaded here.
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
            ConflictError: the job has a policy that this program does not know.
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
