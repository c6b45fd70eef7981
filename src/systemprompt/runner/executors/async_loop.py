"""Async jobs as tasks of one event loop, in a thread of its own: a job that blocks cannot stop the node's clockwork."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from typing import Any

from systemprompt.databases.database import Database
from systemprompt.jobs.settings import JobSettings
from systemprompt.runner.executors.thread import DaemonPoolFutures
from systemprompt.runner.flight import Flight, context_of
from systemprompt.runner.forks import leave_child
from systemprompt.runner.outcome import (
    is_awaitable,
    is_cancellation,
    outcome_of_exception,
    outcome_of_value,
    stopped,
    under_stop,
)

__all__ = ["AsyncExecutor"]

_log = logging.getLogger("systemprompt.runner")
_flying: contextvars.ContextVar[Flight | None] = contextvars.ContextVar("systemprompt_flight", default=None)


class AsyncExecutor:
    """Runs each flight as a task. Tasks that a job leaves behind are cancelled when it ends, as `asyncio.run` does.

    A job that swallows its cancellation is given up on after the grace. It may be blocking the loop, so the next job gets a
    new one; the old loop goes on for the tasks it has.
    """

    def __init__(self, *, settings: JobSettings, database: Database | None) -> None:
        self._settings = settings
        self._database = database
        self._loop: _Loop | None = None
        self._homes: weakref.WeakKeyDictionary[Flight, _Loop] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def start(self, flights: Sequence[Flight]) -> None:
        """Begin them all in one step: each waking of the loop is a system call, and hands it the interpreter's lock."""
        self._home(*flights).start([(flight, self._execute(flight)) for flight in flights])

    def adopt(self, flight: Flight, awaitable: Awaitable[Any]) -> None:
        """Go on with a flight whose plain `execute` returned something to await."""
        flight.executor = self
        home = self._home(flight)
        home.start([(flight, self._watch(flight, awaitable))])
        if flight.stop is not None:
            home.cancel(flight)

    def stop(self, flight: Flight) -> None:
        with self._lock:
            home = self._homes.get(flight)
        if home is not None:
            home.cancel(flight)

    def force(self, flight: Flight) -> None:
        assert flight.stop is not None
        with self._lock:
            if self._loop is not None and self._loop is self._homes.get(flight):
                self._loop.retire()
                self._loop = None
        note = "it did not let itself be cancelled"
        flight.land(stopped(flight.stop, took_ms=flight.took_ms(), note=note, went_on=True), abandoned=True)

    def kill(self, flight: Flight) -> None:
        self.stop(flight)
        self.force(flight)

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.retire()
            loop.join()

    def _home(self, *flights: Flight) -> _Loop:
        with self._lock:
            if self._loop is None:
                self._loop = _Loop()
            for flight in flights:
                self._homes[flight] = self._loop
            return self._loop

    async def _execute(self, flight: Flight) -> None:
        if not flight.begin():
            return
        job = flight.definition.job
        assert job is not None

        async def call() -> Any:
            answer = job.execute(context_of(flight, settings=self._settings, database=self._database))
            return await answer if is_awaitable(answer) else answer

        await self._watch(flight, call())

    async def _watch(self, flight: Flight, awaitable: Awaitable[Any]) -> None:
        node = os.getpid()
        try:
            value = await awaitable
        except BaseException as error:  # noqa: BLE001  # SystemExit would end the loop and with it every other job
            if os.getpid() != node:
                leave_child(error)
            outcome, cancellation = outcome_of_exception(error, took_ms=flight.took_ms()), is_cancellation(error)
        else:
            if os.getpid() != node:
                leave_child(None)
            outcome, cancellation = outcome_of_value(value, took_ms=flight.took_ms()), False
        stop = None if flight.abandoned else flight.stop
        flight.land(under_stop(outcome, stop, cancellation=cancellation, took_ms=flight.took_ms()))


_JOIN_S = 1.0
"""A loop without tasks ends at once; one that does not is stuck in a job's code."""


class _Loop:
    """One event loop in one daemon thread, and which tasks belong to which flight."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(DaemonPoolFutures())
        self._loop.set_task_factory(self._make_task)
        self._mains: dict[Flight, asyncio.Task[None]] = {}
        self._owned: dict[Flight, weakref.WeakSet[asyncio.Task[Any]]] = {}
        self._retired = False
        self._thread = threading.Thread(target=self._serve, name="sp-async-jobs", daemon=True)
        self._thread.start()

    def start(self, works: Sequence[tuple[Flight, Coroutine[Any, Any, None]]]) -> None:
        self._loop.call_soon_threadsafe(self._begin_all, works)

    def cancel(self, flight: Flight) -> None:
        # A loop that is stuck takes this when it comes back, and one that has ended has nothing to cancel.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel, flight)

    def retire(self) -> None:
        """End when the last task has."""
        self._loop.call_soon_threadsafe(self._retire)

    def join(self) -> None:
        """See it end, where no task keeps it."""
        if not self._mains and threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _begin_all(self, works: Sequence[tuple[Flight, Coroutine[Any, Any, None]]]) -> None:
        for flight, work in works:
            self._begin(flight, work)

    def _begin(self, flight: Flight, work: Coroutine[Any, Any, None]) -> None:
        context = contextvars.copy_context()
        context.run(_flying.set, flight)
        self._owned[flight] = weakref.WeakSet()
        task = self._loop.create_task(work, name=f"{flight.definition.name}#{flight.run_id}", context=context)
        self._mains[flight] = task
        task.add_done_callback(lambda _done: self._ended(flight))

    def _ended(self, flight: Flight) -> None:
        self._mains.pop(flight, None)
        if flight.abandoned or not flight.landed:
            # What a plain function had returned to be awaited was cancelled before its first step, by us or by code of the job's.
            took_ms, stop = flight.took_ms(), flight.stop
            unasked = asyncio.CancelledError("the job's task was cancelled before its first step, and nobody had asked")
            flight.land(
                outcome_of_exception(unasked, took_ms=took_ms) if stop is None else stopped(stop, took_ms=took_ms)
            )
        for task in self._owned.pop(flight, ()):
            task.cancel()
        self._end_if_over()

    def _cancel(self, flight: Flight) -> None:
        task = self._mains.get(flight)
        if task is not None:
            task.cancel()

    def _retire(self) -> None:
        self._retired = True
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._retired and not self._mains:
            # Tasks just cancelled get their turn first.
            self._loop.call_soon(self._loop.call_soon, self._loop.stop)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context, **options)
        flight = (context.get(_flying) if context is not None else None) or _flying.get()
        if flight is not None and flight in self._mains:
            self._owned[flight].add(task)
        return task

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
                break
            except BaseException as error:  # noqa: BLE001  # a task that a job left behind raised SystemExit; the others go on
                # Not `exception`: the logging module looks at the error, which might raise SystemExit again.
                text = outcome_of_exception(error, took_ms=0).error
                _log.error("a background task of a job tried to end the event loop\n%s", text)
        asyncio.set_event_loop(None)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
