"""A node: one process's clockwork and runner, joined. They never call each other; what one writes, the other reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from systemprompt.clock import Clock, Instant, iso
from systemprompt.databases.database import Database
from systemprompt.discovery.definition import Catalogue, JobDefinition
from systemprompt.jobs.labels import lacking
from systemprompt.jobs.settings import JobSettings
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, Claimed, ManualStart, NodeIdentity, Rescued
from systemprompt.nodes.events import (
    DrainAsked,
    LeaseLost,
    Listeners,
    NodeFailed,
    RunFinished,
    RunLate,
    RunProgressed,
    RunRescued,
    RunStarted,
)
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.identity import this_process
from systemprompt.nodes.journal import Journal
from systemprompt.nodes.loop import Loop
from systemprompt.nodes.passing_on import assignment_of, closing_of
from systemprompt.nodes.reboot import ask_for_reboot_jobs
from systemprompt.nodes.rescue import Rescue
from systemprompt.own_log import own_log
from systemprompt.planning.planner import Planner
from systemprompt.runner.flight import Finished
from systemprompt.runner.outcome import Outcome, Status
from systemprompt.runner.run_logs import RunLogs
from systemprompt.runner.runner import ChildDatabase, Runner
from systemprompt.wording import labels_text

__all__ = ["Node", "NodeSettings"]

log = own_log("systemprompt.node")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What kind of node this is and what it may take.

    kind         `serve` plans and claims what is due; `run` only carries out manual starts
    grace        microseconds; a fire time seen later than this is a misfire
    kill_grace   seconds between asking work to stop and ending it by force
    labels       what it has: it runs no job that asks for another
    """

    kind: str = "serve"
    program: str = "systemprompt"
    capacity: int = 16
    grace: int = 10_000_000
    kill_grace: float = 5.0
    max_output_bytes: int = 1_048_576
    max_abandoned_threads: int = 32
    labels: tuple[str, ...] = ()
    pace: Pace = field(default_factory=Pace)


class Node:
    """Start it, drain it, close it. Public methods may be called from any thread but not from the node's own callbacks.

    After `kill -9` at any moment the ledger is whole: what this node held is settled by the next node that looks.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        settings: NodeSettings,
        job_settings: JobSettings,
        database: Database | None,
        child_database: ChildDatabase | None,
        logs: RunLogs,
        catalogue: Catalogue,
        listeners: Listeners,
        journal: Journal | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock = ledger.clock(clock)
        self._settings = settings
        self.catalogue = catalogue
        self._parked: list[Claimed] = []
        self._parked_before: list[Claimed] = []
        self._parking = threading.Lock()
        self._logs = logs
        self._listeners = listeners
        self._names: dict[int, str] = {}
        self._closed = threading.Condition()
        self._outcomes: dict[int, Finished] = {}
        self._durable: set[int] = set()
        self.error: Exception | None = None
        self.runner = Runner(
            clock=clock,
            settings=job_settings,
            database=database,
            child_database=child_database,
            logs=logs,
            on_finished=self._finished,
            on_progress=self._progressed,
            kill_grace=settings.kill_grace,
            max_output_bytes=settings.max_output_bytes,
            max_abandoned_threads=settings.max_abandoned_threads,
            max_threads=max(settings.capacity, 1) if settings.kind == "serve" else 256,
        )
        self._rescue = Rescue(ledger=ledger, clock=clock)
        self.loop = Loop(
            ledger=ledger,
            clock=clock,
            planner=Planner(grace=settings.grace),
            identity=self._fresh_identity(),
            hooks=Hooks(
                claimed=self._claimed,
                closed=self._closed_durably,
                rescued=self._rescued,
                lease_lost=self._lease_lost,
                asked_to_stop=self._asked_to_stop,
                asked_to_drain=self._asked_to_drain,
                failed=self._failed,
                watch=self._rescue.step,
            ),
            pace=settings.pace,
            plans=settings.kind == "serve",
            journal=journal,
        )
        self._thread = threading.Thread(target=self.loop.run, name="sp-ledger", daemon=True)

    @property
    def node_id(self) -> str:
        return self.loop.node_id

    def start(self, bootstrap: Iterable[str] = (), reboot: Sequence[str] = ()) -> None:
        """Join the ledger, settle what dead nodes left, and begin.

        `bootstrap` jobs that this node may run start at once, once each. `reboot` jobs are asked for where no node has served
        since the machine started.

        Raises:
            DatabaseError: the ledger cannot be written; nothing was started.
        """
        ask_for_reboot_jobs(self._ledger, self._clock, reboot)
        self.loop.join()
        for name in bootstrap:
            job = self.catalogue.jobs.get(name)
            if job is not None and (lacks := lacking(job.policies.runs_on, self._settings.labels)):
                log.info("%s is not started: this node lacks the %s", name, labels_text(lacks))
                continue
            self.loop.ask(ManualStart(job_name=name, origin="bootstrap"))
        self._thread.start()

    def start_manual(
        self, starts: Sequence[ManualStart], change: Change, *, skip_running: bool = False
    ) -> tuple[Claimed, ...]:
        """Claim and start these now, all or none; see `Ledger.start_manual` for what is refused."""
        claimed = self._ledger.start_manual(self.node_id, self._clock.now(), starts, change, skip_running=skip_running)
        self.loop.hold(claimed)
        self._claimed(claimed)
        return claimed

    def wait_any(self, run_ids: Iterable[int], timeout: float | None = None) -> set[int]:
        """Wait until the end of at least one of these runs is durable; return those that are. Empty ids return at once."""
        wanted = set(run_ids)
        with self._closed:
            self._closed.wait_for(lambda: bool(wanted & self._durable) or not wanted or self.error is not None, timeout)
            return wanted & self._durable

    def outcome(self, run_id: int) -> Finished | None:
        """Return how a run of this node ended; None while it has not."""
        return self._outcomes.get(run_id)

    def adopt(self, catalogue: Catalogue) -> None:
        """Go on with a new catalogue. Runs in the air keep the code they started with; those that waited for theirs begin."""
        with self._parking:
            self.catalogue = catalogue
            known = [run for run in self._parked if run.job_name in catalogue.jobs]
            self._parked = [run for run in self._parked if run.job_name not in catalogue.jobs]
        self._begin(known, catalogue.jobs)
        self.loop.look()

    def nothing_new(self) -> None:
        """Hear that the files are as this node has them: no code is on its way for runs that waited when that was said last."""
        with self._parking:
            in_vain, self._parked_before = self._parked_before, list(self._parked)
        for run in in_vain:
            self._unpark(run)

    def drain(self, grace: float, reason: str = "shutdown", by: str | None = None) -> bool:
        """Take no more work, let what runs finish within `grace` seconds, then stop it; every end is accounted for.

        `by` is the signal that asked for it, where one did. False where work had to be stopped, or the ledger could not be
        written in time.
        """
        self.loop.drain()
        self._unpark()
        finished = self.runner.wait_idle(grace)
        if not finished:
            self.runner.cancel_all(reason, by)
            self.runner.wait_idle(self._settings.kill_grace + 10.0)
        return self.close() and finished

    def kill(self) -> None:
        """End everything now. What can be accounted for in a moment is; the rest is settled by the next node."""
        self.loop.drain(wait=False)
        self.runner.kill_all("shutdown")
        self.close(timeout=2.0)

    def close(self, timeout: float = 10.0) -> bool:
        """Make every end durable, leave the ledger, and let the threads go. Safe to call twice.

        False where the ledger could not be written in time: the next node settles what is open.
        """
        self._unpark()
        self.runner.close(timeout)
        self.loop.stop()
        if self._thread.is_alive():
            self._thread.join(timeout)
        written = not self._thread.is_alive()
        if not written:
            self.loop.abandon()
            log.warning("the ledger could not be written in time: the next node settles what this one held")
        self._logs.close()
        return written

    # -- called by the loop and the runner ------------------------------------------------------------------------------

    def _claimed(self, claimed: Sequence[Claimed]) -> None:
        for run in claimed:
            self._names[run.run_id] = run.job_name
            self._listeners.tell(
                RunStarted(
                    run_id=run.run_id,
                    job_name=run.job_name,
                    origin=run.origin,
                    fire_at=run.fire_at,
                    attempt=run.attempt,
                    started_at=run.started_at,
                )
            )
        with self._parking:
            jobs = self.catalogue.jobs
            unknown = [run for run in claimed if run.job_name not in jobs]
            if self._settings.kind == "serve":
                # Any command may bring a new job file into the ledger before this node has looked: its code is on the way.
                self._parked += unknown
        self._begin([run for run in claimed if run.job_name in jobs], jobs)
        for run in unknown:
            if self._settings.kind == "serve":
                self.runner.later(_PARKED_S, partial(self._unpark, run))
            else:
                self._without_code(run)

    def _asked_to_stop(self, run_ids: Sequence[int]) -> None:
        self._stop(run_ids, "requested", "stopped on request before its code was loaded")

    def _asked_to_drain(self, by: str, why: str) -> None:
        running = len(self.runner.running())
        self._listeners.tell(DrainAsked(node_id=self.node_id, by=by, why=why, running=running))

    def _stop(self, run_ids: Sequence[int], reason: str, before_it_began: str) -> None:
        with self._parking:
            parked = [run for run in self._parked if run.run_id in run_ids]
            self._parked = [run for run in self._parked if run.run_id not in run_ids]
        for run in parked:
            self._not_started(run, "cancelled", reason, before_it_began)
        for run_id in run_ids:
            self.runner.cancel(run_id, reason)

    def _unpark(self, only: Claimed | None = None) -> None:
        with self._parking:
            gone = [run for run in self._parked if only is None or run is only]
            self._parked = [run for run in self._parked if run not in gone]
        for run in gone:
            self._without_code(run)

    def _without_code(self, run: Claimed) -> None:
        reasons = [one.told() for one in self.catalogue.quarantined if one.name in (None, run.job_name)]
        why = "; ".join(dict.fromkeys(reasons)) or "sp doctor shows what could not be loaded"
        message = f"this node has no job named {run.job_name!r}; {why}"
        self._not_started(run, "failed", "not_loaded", message)

    def _begin(self, runs: Sequence[Claimed], jobs: Mapping[str, JobDefinition]) -> None:
        try:
            self.runner.start([assignment_of(run, jobs[run.job_name]) for run in runs])
        except RuntimeError:  # the runner was closed while the claims were on their way
            for run in runs:
                self._not_started(run, "cancelled", "shutdown", "the node was stopping before the run began")

    def _not_started(self, run: Claimed, status: Status, reason: str, message: str) -> None:
        now = self._clock.now()
        outcome = Outcome(status=status, reason=reason, message=message, error=message)
        self._finished(
            Finished(
                run_id=run.run_id,
                attempt=run.attempt,
                fence=run.fence,
                outcome=outcome,
                started_at=now,
                finished_at=now,
            )
        )

    def _finished(self, finished: Finished) -> None:
        if not finished.late:
            self._outcomes[finished.run_id] = finished
        job = self.catalogue.jobs.get(self._names.get(finished.run_id, ""))
        self.loop.ended(closing_of(finished, None if job is None else job.policies))

    def _closed_durably(self, closed: Sequence[int], late: Sequence[int], again: Mapping[int, Instant]) -> None:
        with self._closed:
            self._durable.update(closed, late)
            self._closed.notify_all()
        for run_id in closed:
            finished = self._outcomes.get(run_id)
            name = self._names.pop(run_id, "")
            if finished is not None:
                self._listeners.tell(
                    RunFinished(
                        run_id=run_id,
                        job_name=name,
                        status=finished.outcome.status,
                        reason=finished.outcome.reason,
                        message=finished.outcome.message,
                        duration_ms=finished.outcome.duration_ms,
                        did_nothing=finished.outcome.did_nothing,
                        tried_again_at=iso(again[run_id]) if run_id in again else None,
                    )
                )
                if self._settings.kind == "serve":
                    # A node that serves for years keeps nothing of runs that the ledger has.
                    self._outcomes.pop(run_id, None)
        if self._settings.kind == "serve":
            self._durable.difference_update(closed, late)
        for run_id in late:
            if self._settings.kind == "serve":
                self._outcomes.pop(run_id, None)
            self._names.pop(run_id, None)
            self._listeners.tell(RunLate(run_id=run_id))

    def _progressed(self, run_id: int, done: int, total: int | None, note: str) -> None:
        name = self._names.get(run_id, "")
        self._listeners.tell(RunProgressed(run_id=run_id, job_name=name, done=done, total=total, note=note))

    def _rescued(self, rescued: Sequence[Rescued]) -> None:
        for run in rescued:
            self._listeners.tell(
                RunRescued(run_id=run.run_id, job_name=run.job_name, node_id=run.node_id, status=run.status)
            )

    def _lease_lost(self, why: str, run_ids: Sequence[int]) -> NodeIdentity:
        self._listeners.tell(LeaseLost(why=why, node_id=self.loop.node_id, run_ids=tuple(run_ids)))
        self._stop(run_ids, "lease_lost", "its node could not renew its lease before its code was loaded")
        return self._fresh_identity()

    def _failed(self, error: Exception) -> None:
        with self._closed:
            self.error = error
            self._closed.notify_all()
        self._listeners.tell(NodeFailed(error=str(error)))

    def _fresh_identity(self) -> NodeIdentity:
        settings = self._settings
        return this_process(
            kind=settings.kind,
            program=settings.program,
            lease_s=settings.pace.lease,
            capacity=settings.capacity,
            now=self._clock.now(),
            labels=settings.labels,
        )


_PARKED_S = 10.0
"""How long a claimed run waits for its job's code to be loaded, where nobody says that there is nothing new."""
