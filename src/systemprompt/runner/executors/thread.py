"""Plain functions in threads. A thread cannot be stopped: it is asked, then given up on, and may report late."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from systemprompt.databases.database import Database
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.settings import JobSettings
from systemprompt.own_log import own_log
from systemprompt.runner.flight import Flight, context_of
from systemprompt.runner.forks import OneProcess
from systemprompt.runner.outcome import (
    is_awaitable,
    is_cancellation,
    outcome_of_exception,
    outcome_of_value,
    stopped,
    under_stop,
)
from systemprompt.runner.printing import printing_to

__all__ = ["DaemonPool", "DaemonPoolFutures", "ThreadExecutor"]


_log = own_log("systemprompt.runner")


class ThreadExecutor:
    """Runs each flight in a daemon thread of a pool.

    A thread that was given up on lasts as long as its code does. Where there are `max_abandoned` of them, no further flight starts.
    """

    def __init__(
        self,
        *,
        settings: JobSettings,
        database: Database | None,
        max_threads: int,
        max_abandoned: int,
        awaitables: _Awaits,
    ) -> None:
        self._max_abandoned = max_abandoned
        self._settings = settings
        self._database = database
        self._awaitables = awaitables
        self._pool = DaemonPool(max_threads, name="sp-job")

    def start(self, flights: Sequence[Flight]) -> None:
        """Begin them all in one step.

        Raises:
            RuntimeError: not a single thread can be had, or too many were given up on; none was begun.
        """
        if self._pool.given_up >= self._max_abandoned:
            raise RuntimeError(
                f"{self._pool.given_up} threads are still in the code of runs that were given up on, and"
                f" limits.max_abandoned_threads is {self._max_abandoned}: sp doctor names the runs; restart the node, and give"
                " their jobs `isolation: process`, which can be ended"
            )
        self._pool.run_all([(flight, partial(self._fly, flight)) for flight in flights])

    def stop(self, flight: Flight) -> None:
        # The signal is set; more cannot be done to a thread.
        self._pool.withdraw(flight)

    def force(self, flight: Flight) -> None:
        assert flight.stop is not None
        self._pool.abandon(flight)
        _log.warning(
            "job %r (run %d) did not stop: %d of at most %d threads are given up on",
            flight.definition.name,
            flight.run_id,
            self._pool.given_up,
            self._max_abandoned,
        )
        note = "it did not react, and its thread cannot be ended: use `isolation: process`"
        flight.land(stopped(flight.stop, took_ms=flight.took_ms(), note=note, went_on=True), abandoned=True)

    def kill(self, flight: Flight) -> None:
        self.force(flight)

    def close(self) -> None:
        self._pool.close()

    def _fly(self, flight: Flight) -> None:
        if not flight.begin():
            return
        job = flight.definition.job
        assert job is not None
        thread = threading.current_thread()
        usual_name, thread.name = thread.name, f"{flight.definition.name}#{flight.run_id}"
        value: Any = None
        try:
            context: JobContext = context_of(flight, settings=self._settings, database=self._database)
            with OneProcess(), printing_to(flight.printed):
                value = job.execute(context)
        except BaseException as error:  # noqa: BLE001  # SystemExit and KeyboardInterrupt too: a job never ends its node
            outcome, cancellation = outcome_of_exception(error, took_ms=flight.took_ms()), is_cancellation(error)
        else:
            if is_awaitable(value):
                self._awaitables.adopt(flight, value)
                return
            outcome, cancellation = outcome_of_value(value, took_ms=flight.took_ms()), False
        finally:
            thread.name = usual_name
        if flight.stop is not None and not flight.abandoned:
            outcome = under_stop(outcome, flight.stop, cancellation=cancellation, took_ms=flight.took_ms())
        flight.land(outcome)


class DaemonPool:
    """Daemon threads that are reused, up to a limit. Unlike `ThreadPoolExecutor` it never waits for a stuck one at exit.

    One thread at a time is woken, or made, and calls the next one when it takes its work: while jobs are quick one thread does
    them all, and where one waits for something the next is there already. Waking a thread for each costs more than a quick job.
    """

    def __init__(self, limit: int, *, name: str) -> None:
        self._limit = limit
        self._name = name
        self._waiting: deque[tuple[object, Callable[[], None]]] = deque()
        self._busy: dict[object, threading.Thread] = {}
        self._given_up: set[threading.Thread] = set()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._idle = 0
        self._coming = False
        self._living = 0
        self._made = 0
        self._closed = False
        self._changed = threading.Condition()

    def run(self, work: Callable[[], None], *, key: object) -> None:
        """Do `work` in a free thread, or as soon as one is. It must not raise. Raises RuntimeError as `run_all` does."""
        self.run_all([(key, work)])

    def run_all(self, works: Sequence[tuple[object, Callable[[], None]]]) -> None:
        """Do each of these (key, work), as `run` does.

        Raises:
            RuntimeError: not a single thread can be had; none of it will be done.
        """
        with self._changed:
            self._waiting.extend(works)
            self._call_next()
            if not self._living:
                for _ in works:
                    self._waiting.pop()
                raise RuntimeError("the system starts no further thread")

    def withdraw(self, key: object) -> bool:
        """Take back work that has not begun."""
        with self._changed:
            for entry in self._waiting:
                if entry[0] is key:
                    self._waiting.remove(entry)
                    return True
        return False

    def abandon(self, key: object) -> None:
        """Count its thread no more: another may take its place. It ends by itself when its work comes back."""
        with self._changed:
            thread = self._busy.pop(key, None)
            if thread is None:
                return
            self._given_up.add(thread)
            self._living -= 1
            self._call_next()

    @property
    def given_up(self) -> int:
        """How many threads are still in work that was abandoned."""
        return len(self._given_up)

    def close(self) -> None:
        """See idle threads end; busy ones end after their work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            busy = {*self._busy.values(), *self._given_up, threading.current_thread()}
            idle = [thread for thread in self._threads if thread not in busy]
        for thread in idle:
            thread.join(_JOIN_S)

    def _call_next(self) -> None:
        if not self._waiting or self._coming:
            return
        if self._idle:
            self._coming = True
            self._changed.notify()
        elif self._living < self._limit:
            self._coming = self._spawn()

    def _spawn(self) -> bool:
        self._made += 1
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{self._made}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # While others live, work only waits longer for one of them.
            _log.warning("%d threads, and no further one: %s", self._living, error)
            return False
        self._living += 1
        self._threads.add(thread)
        return True

    def _serve(self) -> None:
        thread = threading.current_thread()
        key: object = None
        with self._changed:
            self._coming = False
        while True:
            with self._changed:
                self._busy.pop(key, None)
                # Nothing of a finished job stays alive in a thread that waits for the next.
                key = None
                if thread in self._given_up:
                    self._given_up.discard(thread)
                    return
                while not self._waiting:
                    if self._closed:
                        self._living -= 1
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                    self._coming = False
                key, work = self._waiting.popleft()
                self._busy[key] = thread
                self._call_next()
            work()
            del work


_JOIN_S = 1.0
"""An idle thread ends at once; one that does not was just given work."""


class DaemonPoolFutures(ThreadPoolExecutor):
    """What `asyncio.to_thread` uses in our loop: the interface asyncio insists on, over daemon threads."""

    def __init__(self, limit: int = 32) -> None:
        super().__init__(max_workers=1)  # never used: no thread of it ever starts
        self._daemons = DaemonPool(limit, name="sp-to-thread")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever awaits the future
                future.set_exception(error)
            else:
                future.set_result(result)

        self._daemons.run(work, key=future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # never waits: that is its point
        self._daemons.close()


class _Awaits(Protocol):
    """Who finishes a flight whose plain `execute` returned an awaitable."""

    def adopt(self, flight: Flight, awaitable: Awaitable[Any]) -> None: ...
