"""Run a job in the calling thread, on a clock that moves by hand."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from systemprompt.clock import SECOND, Instant, ManualClock, SystemClock
from systemprompt.errors import UsageError
from systemprompt.jobs.context import CancelSignal
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import Claimed, Closing
from systemprompt.nodes.passing_on import assignment_of, closing_of
from systemprompt.runner.flight import Assignment, Finished, Flight, context_of
from systemprompt.runner.outcome import (
    Stop,
    is_cancellation,
    outcome_of_exception,
    outcome_of_value,
    under_stop,
)
from systemprompt.runner.run_logs import RunLog, RunLogs
from systemprompt.runner.runner import Runner
from systemprompt.system import System

__all__ = ["RunHere"]


class RunHere:
    """Runs what was claimed, to its end, before it returns. Commands and `isolation: process` run in real processes.

    A plain job that waits with `ctx.cancel.wait(seconds)` lets the test's time pass, and is told to stop when its timeout is
    over. Async jobs run in an event loop of their own, where sleeping takes real time.
    """

    def __init__(
        self,
        system: System,
        clock: ManualClock,
        *,
        on_ended: Callable[[Closing], None],
        pass_time: Callable[[float], None],
    ) -> None:
        self._system = system
        self._clock = clock
        self._on_ended = on_ended
        self._pass_time = pass_time
        self._logs = RunLogs(None, ledger_id=system.ledger.ledger_id(), clock=clock)
        self._runner: Runner | None = None
        self._policies: Policies | None = None

    def run(self, claimed: Claimed) -> Exception | None:
        """Run it and report its end. Return what it raised, where that was not its way to stop as asked.

        What failed is tried again as on a node, but for what was started by hand: whoever did is there to do it again.
        """
        definition = self._system.catalogue.jobs[claimed.job_name]
        self._policies = None if claimed.origin == "manual" else definition.policies
        assignment = assignment_of(claimed, definition)
        if definition.command is not None or definition.policies.isolation == "process":
            runner = self._processes()
            runner.start([assignment])
            runner.wait_idle()
            return None
        return self._in_this_thread(assignment)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def _in_this_thread(self, assignment: Assignment) -> Exception | None:
        definition = assignment.definition
        log = _OrdinaryLog(self._logs, job_name=definition.name, run_id=assignment.run_id, attempt=assignment.attempt)
        flight = Flight(
            assignment,
            clock=self._clock,
            log=log,
            on_land=lambda _flight, finished: self._finished(finished),
            on_progress=lambda _done, _total, _note: None,
        )
        flight.cancel = _SignalInTime(flight, self._clock, self._pass_time)
        assert definition.job is not None
        raised: BaseException | None = None
        try:
            value = definition.job.execute(
                context_of(flight, settings=self._system.settings, database=self._system.database)
            )
            if isinstance(value, Awaitable):
                value = _awaited(value)
        except BaseException as error:  # noqa: BLE001  # SystemExit too is a failed run; what is not an Exception goes on below
            raised, outcome = error, outcome_of_exception(error, took_ms=flight.took_ms())
        else:
            outcome = outcome_of_value(value, took_ms=flight.took_ms())
        stopping = raised is not None and is_cancellation(raised)
        flight.land(under_stop(outcome, flight.stop, cancellation=stopping, took_ms=flight.took_ms()))
        if isinstance(raised, KeyboardInterrupt):
            raise raised
        if raised is None or (stopping and flight.stop is not None):
            return None
        return raised if isinstance(raised, Exception) else RuntimeError(f"{definition.name}: {raised!r}")

    def _processes(self) -> Runner:
        if self._runner is None:
            system = self._system
            self._runner = Runner(
                clock=_RealPatience(self._clock),
                settings=system.settings,
                database=system.database,
                logs=self._logs,
                on_finished=self._finished,
                kill_grace=system.profile.limits.kill_grace,
                child_database=system.child_database,
            )
        return self._runner

    def _finished(self, finished: Finished) -> None:
        self._on_ended(closing_of(finished, self._policies))


class _SignalInTime(CancelSignal):
    """A job's signal to stop. Waiting for it lets the test's time pass, up to the job's timeout."""

    def __init__(self, flight: Flight, clock: ManualClock, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        limit = flight.definition.policies.timeout_s
        self._flight = flight
        self._clock = clock
        self._pass_time = pass_time
        self._limit = limit
        self._until = None if limit is None else clock.now() + round(limit * SECOND)

    def wait(self, timeout: float | None = None) -> bool:
        if self.is_set():
            return True
        left = None if self._until is None else (self._until - self._clock.now()) / SECOND
        waits = [seconds for seconds in (timeout, left) if seconds is not None]
        if not waits:
            raise UsageError(
                f"job {self._flight.definition.name!r} waits for its end, and nothing in this test would end it",
                hint="give the job a timeout, or wait with one: ctx.cancel.wait(seconds)",
            )
        self._pass_time(max(0.0, min(waits)))
        if self._until is not None and self._clock.now() >= self._until:
            self._flight.ask_to_stop(Stop(reason="timeout", timeout_s=self._limit))
        return self.is_set()


class _OrdinaryLog(RunLog):
    """Lets what a job logs take the ordinary way, so that pytest shows it."""

    def logger(self) -> logging.Logger:
        return logging.getLogger(f"systemprompt.job.{self._job_name}")


class _RealPatience:
    """The test's date for accounts, real seconds for timeouts: what processes are measured by."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.monotonic = SystemClock().monotonic

    def now(self) -> Instant:
        return self._clock.now()


def _awaited(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    # The test itself is async: its loop cannot run another.
    result: list[Any] = []
    errors: list[BaseException] = []

    def carry_out() -> None:
        try:
            result.append(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=carry_out, name="async job")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]
