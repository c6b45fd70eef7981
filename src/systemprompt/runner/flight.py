"""One attempt in the air: what it is, whether it was asked to stop, and that it lands exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from systemprompt.clock import Clock, Instant, to_datetime
from systemprompt.databases.database import Database
from systemprompt.discovery.definition import JobDefinition
from systemprompt.errors import ParameterError
from systemprompt.jobs.context import CancelSignal, JobContext
from systemprompt.jobs.parameters import laid_over
from systemprompt.jobs.settings import JobSettings
from systemprompt.record import record
from systemprompt.runner.deadlines import Deadline
from systemprompt.runner.executors.output import StreamLog
from systemprompt.runner.outcome import Outcome, Stop
from systemprompt.runner.run_logs import RunLog

__all__ = ["Assignment", "Executor", "Finished", "Flight", "context_of", "local_fire_time", "parameters_of"]


@record
class Assignment:
    """One claimed run, handed to the runner.

    fire_at      None for a manual run
    fence        the token that proves this attempt holds the run; it comes back in `Finished`
    parameters   laid over the definition's own
    """

    run_id: int
    definition: JobDefinition
    fire_at: Instant | None = None
    attempt: int = 1
    fence: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "schedule"
    enforce: bool = False


@record
class Finished:
    """What became of an assignment.

    late       False exactly once an assignment. True where code that could not be stopped came back after its run was closed:
               it belongs with the attempt's late result, never in the run's outcome
    abandoned  the run is closed and its code still runs: a thread or task that did not stop in its grace. A report with `late`
               follows when it has come back; where it never does, it runs until its node ends
    lines_dropped   lines of its log that were dropped until now
    """

    run_id: int
    attempt: int
    fence: int
    outcome: Outcome
    started_at: Instant
    finished_at: Instant
    late: bool = False
    abandoned: bool = False
    lines_dropped: int = 0


class Executor(Protocol):
    """A way to run a job. Nothing here blocks. It asks a flight's `begin` before its code starts, and calls `land` at its end."""

    def start(self, flights: Sequence[Flight]) -> None:
        """Begin them all. What it raises is their outcome, all of them."""
        ...

    def stop(self, flight: Flight) -> None:
        """Ask it to stop; `flight.stop` and `flight.cancel` are set already. One that has landed, unbegun, is forgotten."""
        ...

    def force(self, flight: Flight) -> None:
        """The grace is over: land it now, whatever it does."""
        ...

    def kill(self, flight: Flight) -> None:
        """End it at once, without grace."""
        ...

    def close(self) -> None:
        """Let the threads go. Nothing is in the air any more, but for what could not be stopped."""
        ...


class Flight:
    """The state that the runner and an executor share about one attempt. Safe from any thread."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        clock: Clock,
        log: RunLog,
        on_land: Callable[[Flight, Finished], None],
        on_progress: Callable[[int, int | None, str], None],
        max_output_bytes: int = 1024 * 1024,
    ) -> None:
        self.assignment = assignment
        self.definition = assignment.definition
        self.run_id = assignment.run_id
        self.log = log
        self.cancel = CancelSignal()
        self.on_progress = on_progress
        self.started_at = clock.now()
        self.executor: Executor | None = None
        self.deadline: Deadline | None = None
        self._clock = clock
        self._started = clock.monotonic()
        self._on_land = on_land
        self._lock = threading.Lock()
        self._stop: Stop | None = None
        self._begun = False
        self._landed = False
        self._abandoned = False
        self._closed: threading.Event | None = None
        self._max_output_bytes = max_output_bytes
        self._printed: StreamLog | None = None
        self._printing = threading.Lock()

    @property
    def stop(self) -> Stop | None:
        """Why it was asked to stop, or None."""
        return self._stop

    @property
    def landed(self) -> bool:
        return self._landed

    @property
    def abandoned(self) -> bool:
        """Whether it was landed while its code was still running."""
        return self._abandoned

    def took_ms(self) -> int:
        return max(0, round((self._clock.monotonic() - self._started) * 1000))

    def ask_to_stop(self, stop: Stop) -> bool:
        """Note why it should stop and set the job's signal; False where it has landed or was asked before."""
        with self._lock:
            if self._landed or self._stop is not None:
                return False
            self._stop = stop
        self.cancel.set(stop.reason)
        return True

    def begin(self) -> bool:
        """Say that its code starts now; False where it has landed, and must not start any more."""
        with self._lock:
            self._begun = not self._landed
            return self._begun

    def printed(self, source: str, data: bytes) -> None:
        """Keep what its code printed in this process, to `stdout` or `stderr`."""
        with self._printing:
            if self._printed is None:
                self._printed = StreamLog(self.log, max_bytes=self._max_output_bytes)
            self._printed.add(source, data)

    def land(self, outcome: Outcome, *, abandoned: bool = False, unbegun: bool = False) -> bool:
        """Report the outcome, once; False where it has landed before, or with `unbegun` where its code has begun.

        `abandoned` says that the code still runs. When it does end, landing again reports a late result, once, and after this.
        """
        with self._lock:
            late = self._landed
            if (late and (abandoned or not self._abandoned)) or (unbegun and self._begun):
                return False
            self._landed = True
            self._abandoned = abandoned
            if abandoned:
                self._closed = threading.Event()
        with self._printing:
            if self._printed is not None:
                self._printed.end()
                outcome = replace(outcome, output=self._printed.both.text() or None)
        finished = Finished(
            run_id=self.run_id,
            attempt=self.assignment.attempt,
            fence=self.assignment.fence,
            outcome=outcome,
            started_at=self.started_at,
            finished_at=self._clock.now(),
            late=late,
            abandoned=abandoned,
            lines_dropped=self.log.dropped,
        )
        if late and self._closed is not None:
            self._closed.wait()
        try:
            self._on_land(self, finished)
        finally:
            if abandoned and self._closed is not None:
                self._closed.set()
        return not late


@lru_cache(maxsize=256)  # runs that are due at once share it
def local_fire_time(fire_at: Instant | None, time_zone: str) -> datetime | None:
    """Return a fire time as jobs see it: aware, in the job's zone."""
    if fire_at is None:
        return None
    return to_datetime(fire_at).astimezone(ZoneInfo(time_zone))


def parameters_of(flight: Flight) -> dict[str, Any]:
    """Return what the attempt is asked with, laid over what its job has; text that cannot be read as declared stays text."""
    job, asked = flight.definition, flight.assignment.parameters
    try:
        return laid_over(job.name, job.parameters, asked)
    except ParameterError:  # asked for before the job was changed: it fails where it reads it
        return {**job.parameters, **asked}


def context_of(flight: Flight, *, settings: JobSettings, database: Database | None) -> JobContext:
    """Return what a job in this process is given."""
    assignment = flight.assignment
    return JobContext(
        job_name=flight.definition.name,
        run_id=assignment.run_id,
        fire_at=local_fire_time(assignment.fire_at, flight.definition.time_zone),
        attempt=assignment.attempt,
        fence=assignment.fence,
        parameters=parameters_of(flight),
        actor=assignment.actor,
        enforce=assignment.enforce,
        settings=settings,
        database=database,
        logger=flight.log.logger,
        cancel=flight.cancel,
        on_progress=flight.on_progress,
    )
