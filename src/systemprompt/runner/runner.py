"""Run jobs: start them, stop them, say how each ended. Knows neither the ledger nor the scheduler."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import iscoroutinefunction

from systemprompt.clock import Clock
from systemprompt.databases.database import Database
from systemprompt.discovery.definition import JobDefinition
from systemprompt.jobs.job import FunctionJob, Job
from systemprompt.jobs.settings import JobSettings
from systemprompt.own_log import own_log
from systemprompt.runner.deadlines import Deadlines
from systemprompt.runner.executors.async_loop import AsyncExecutor
from systemprompt.runner.executors.process import ProcessExecutor
from systemprompt.runner.executors.thread import ThreadExecutor
from systemprompt.runner.flight import Assignment, Executor, Finished, Flight
from systemprompt.runner.outcome import CANCEL_REASONS, Outcome, Stop, outcome_of_exception, stopped
from systemprompt.runner.printing import end_capture, outside, start_capture
from systemprompt.runner.run_logs import RunLog, RunLogs

__all__ = ["Assignment", "ChildDatabase", "Finished", "Runner"]

_BACKSTOP_S = 5.0
"""How much longer than the grace a process's guard may take before we end it by force."""

_log = own_log("systemprompt.runner")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildDatabase:
    """How a job in a process of its own opens the profile's database: `opener` is called there with `location`.

    opener     `module:function`, returning a `systemprompt.databases.database.Database`
    location   a path or an address, as that function takes it: with its password, so it is not shown
    """

    opener: str
    location: str = field(repr=False)


class Runner:
    """Starts assignments and reports each one's end exactly once, whatever the job does.

    Plain functions run in threads, async ones as tasks of one event loop in a thread of its own; `isolation: process` and
    commands run in a process group of their own, which a guard ends for certain, also when this process is killed. Nothing a
    job raises, exits with or hangs in ends the node. `on_finished` and `on_progress` are called from any thread, and must be
    quick. A thread or task that does not stop in its grace is abandoned: `on_finished` says so, and comes once more with
    `late=True` when its code has come back.

    kill_grace        seconds between asking work to stop and ending it
    max_output_bytes  what one attempt may print into its run's log; of the rest only the end is kept, for the outcome
    max_threads       plain functions at once; more of them wait for a thread. Node limits belong to the node
    max_abandoned_threads   threads given up on that are still in their code; at this many no plain function starts: `spawn_error`
    """

    def __init__(
        self,
        *,
        clock: Clock,
        settings: JobSettings,
        database: Database | None,
        logs: RunLogs,
        on_finished: Callable[[Finished], None],
        on_progress: Callable[[int, int, int | None, str], None] | None = None,
        kill_grace: float = 10.0,
        max_output_bytes: int = 1024 * 1024,
        max_threads: int = 64,
        max_abandoned_threads: int = 32,
        child_database: ChildDatabase | None = None,
    ) -> None:
        self._clock = clock
        self._logs = logs
        self._on_finished = on_finished
        self._on_progress = on_progress
        self._kill_grace = kill_grace
        self._max_output_bytes = max_output_bytes
        self._deadlines = Deadlines(clock)
        self._flights: dict[int, Flight] = {}
        self._abandoned: set[Flight] = set()
        self._chosen: dict[str, tuple[JobDefinition, Executor]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._async = AsyncExecutor(settings=settings, database=database, later=self._deadlines.add)
        self._threads = ThreadExecutor(
            settings=settings,
            database=database,
            max_threads=max_threads,
            max_abandoned=max_abandoned_threads,
            awaitables=self._async,
        )
        self._processes = ProcessExecutor(
            settings=settings,
            child_database=None if child_database is None else (child_database.opener, child_database.location),
            kill_grace=kill_grace,
            max_output_bytes=max_output_bytes,
        )
        self._capture = start_capture()

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Start them and return at once. Where it raises, none was started; whatever goes wrong with a job is an outcome.

        Raises:
            ValueError: one of these runs is in the air already.
            RuntimeError: the runner is closed.
        """
        flights = [self._flight(assignment) for assignment in assignments]
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{_named(flights)} came after the runner was closed")
            known = [flight for flight in flights if flight.run_id in self._flights]
            if known:
                raise ValueError(f"{_named(known)} is running already")
            self._flights.update((flight.run_id, flight) for flight in flights)
        together: dict[Executor, list[Flight]] = {self._threads: [], self._async: []}
        for flight in flights:
            definition, executor = flight.definition, flight.executor
            assert executor is not None
            if definition.job is None and definition.command is None:
                text = f"job {definition.name!r} from {definition.source.name!r} is not loaded: there is nothing to run"
                flight.land(Outcome(status="failed", reason="not_loaded", message=text, error=text))
                continue
            timeout_s = definition.policies.timeout_s
            if timeout_s is not None:
                self._arm(flight, timeout_s, partial(self._time_out, flight, timeout_s))
            if executor in together:
                together[executor].append(flight)
            else:
                self._begin(
                    executor, [flight]
                )  # each alone: what keeps one process from starting is not the others' end
        for executor, waiting in together.items():
            if waiting:
                self._begin(executor, waiting)

    def running(self) -> frozenset[int]:
        """Return the runs in the air. Abandoned ones are not among them."""
        with self._changed:
            return frozenset(self._flights)

    def abandoned(self) -> frozenset[int]:
        """Return the runs whose code still runs though their end was reported. One that comes back leaves with its late report."""
        with self._changed:
            return frozenset(flight.run_id for flight in self._abandoned)

    def cancel(self, run_id: int, reason: str) -> bool:
        """Ask a run to stop; its outcome is `cancelled` with this reason, after `kill_grace` at the latest.

        Never waits for anything. A run whose code has not begun ends here and never begins. False where it is not in the air or
        was asked before.

        Raises:
            ValueError: the reason is not one of `outcome.CANCEL_REASONS`.
        """
        stop = Stop(reason=_checked(reason))
        with self._changed:
            flight = self._flights.get(run_id)
        return flight is not None and self._stop(flight, stop)

    def cancel_all(self, reason: str, by: str | None = None) -> int:
        """Ask every run to stop; return how many were asked now. `by` is the signal that ended the node, where one did."""
        stop = Stop(reason=_checked(reason), by=by)
        with self._changed:
            flights = list(self._flights.values())
        return sum(self._stop(flight, stop) for flight in flights)

    def kill_all(self, reason: str = "interrupted") -> None:
        """End everything at once: processes are killed, threads and tasks are given up on. For a second signal."""
        stop = Stop(reason=_checked(reason))
        with self._changed:
            flights = list(self._flights.values())
        for flight in flights:
            if flight.ask_to_stop(stop):
                self._land_unbegun(flight, stop)
            if flight.executor is not None and not flight.landed:
                flight.executor.kill(flight)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is in the air and every outcome was reported; False where that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._flights, timeout)

    def later(self, after_s: float, action: Callable[[], object]) -> None:
        """Do this once so many seconds have passed, in the thread that keeps the timeouts; never, once the runner is closed."""
        self._deadlines.add(after_s, action)

    def expire(self, now: float) -> float | None:
        """Do what is due at this monotonic moment: timeouts, and graces that are over. Return the next moment, or None.

        A thread of the runner calls it by itself; a test with a clock of its own calls it instead of waiting.
        """
        return self._deadlines.expire(now)

    def close(self, timeout: float = 10.0) -> bool:
        """Kill what still runs and let the threads go. Return whether all of it ended. The logs are the caller's to close."""
        with self._changed:
            self._closed = True
        self.kill_all("shutdown")
        idle = self.wait_idle(timeout)
        self._deadlines.close()
        self._processes.close()
        self._async.close()
        self._threads.close()
        end_capture(self._capture)
        return idle

    def _flight(self, assignment: Assignment) -> Flight:
        run_id, definition = assignment.run_id, assignment.definition
        log = self._logs.open(job_name=definition.name, run_id=run_id, attempt=assignment.attempt)
        flight = Flight(
            assignment,
            clock=self._clock,
            log=log,
            on_land=self._landed,
            on_progress=partial(self._progress, run_id, log),
            max_output_bytes=self._max_output_bytes,
        )
        flight.executor = self._executor_of(assignment)
        return flight

    def _begin(self, executor: Executor, flights: Sequence[Flight]) -> None:
        try:
            executor.start(flights)
        except Exception as error:  # noqa: BLE001  # no thread, no memory: they could not be started, and that is their outcome
            for flight in flights:
                flight.land(outcome_of_exception(error, took_ms=flight.took_ms(), reason="spawn_error"))
        for flight in flights:
            if flight.stop is not None and flight.executor is not None:
                # Somebody asked before it was started, when there was nothing to stop yet.
                flight.executor.stop(flight)

    def _executor_of(self, assignment: Assignment) -> Executor:
        definition = assignment.definition
        known = self._chosen.get(definition.name)
        if known is None or known[0] is not definition:
            # Kept: to look into a function takes longer than to start it.
            known = self._chosen[definition.name] = (definition, self._executor_for(definition))
        return known[1]

    def _executor_for(self, definition: JobDefinition) -> Executor:
        if definition.command is not None or definition.policies.isolation == "process":
            return self._processes
        return self._async if definition.job is not None and _is_async(definition.job) else self._threads

    def _arm(self, flight: Flight, after_s: float, action: Callable[[], object]) -> None:
        previous, flight.deadline = flight.deadline, self._deadlines.add(after_s, action)
        if previous is not None:
            previous.drop()
        if flight.landed:
            flight.deadline.drop()

    def _time_out(self, flight: Flight, timeout_s: float) -> None:
        self._stop(flight, Stop(reason="timeout", timeout_s=timeout_s))

    def _stop(self, flight: Flight, stop: Stop) -> bool:
        executor = flight.executor
        assert executor is not None
        if not flight.ask_to_stop(stop):
            return False
        flight.log.write(f"asked to stop: {stop.reason}", level="WARNING", source="runner")
        if not self._land_unbegun(flight, stop):
            grace = self._kill_grace + (_BACKSTOP_S if executor is self._processes else 0.0)
            self._arm(flight, grace, partial(self._force, flight))
        executor.stop(flight)
        return True

    def _land_unbegun(self, flight: Flight, stop: Stop) -> bool:
        return flight.land(stopped(stop, took_ms=flight.took_ms(), note="it had not begun"), unbegun=True)

    def _force(self, flight: Flight) -> None:
        # Not the executor of the first asking: a flight may have moved from a thread to the event loop since.
        if flight.executor is not None and not flight.landed:
            flight.executor.force(flight)

    def _progress(self, run_id: int, log: RunLog, done: int, total: int | None, note: str) -> None:
        log.progress(done, total, note)
        if self._on_progress is None or self._logs.forked:
            return
        try:
            outside(partial(self._on_progress, run_id, done, total, note))
        except Exception:  # noqa: BLE001  # whoever watches must not make the job fail
            _log.exception("showing the progress of run %d failed", run_id)

    def _landed(self, flight: Flight, finished: Finished) -> None:
        if flight.deadline is not None:
            flight.deadline.drop()
        if finished.abandoned or finished.late:
            with self._changed:
                # By what is true now, not by this report: its code may have come back meanwhile.
                (self._abandoned.add if flight.abandoned else self._abandoned.discard)(flight)
        try:
            outside(partial(self._on_finished, finished))
        except Exception:  # noqa: BLE001  # the thread goes on; the run stays open in the ledger until a rescue accounts for it
            _log.exception("reporting the end of run %d failed", finished.run_id)
        finally:
            if not finished.late:
                with self._changed:
                    if self._flights.get(flight.run_id) is flight:
                        del self._flights[flight.run_id]
                    if not self._flights:
                        self._changed.notify_all()


def _named(flights: Sequence[Flight]) -> str:
    return ", ".join(f"run {flight.run_id} of {flight.definition.name!r}" for flight in flights)


def _checked(reason: str) -> str:
    if reason not in CANCEL_REASONS:
        raise ValueError(f"cancel reason {reason!r} is not one of {', '.join(sorted(CANCEL_REASONS))}")
    return reason


def _is_async(job: Job) -> bool:
    if isinstance(job, FunctionJob):
        function = job.function
        return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  # not a test of callability
    return iscoroutinefunction(job.execute)
