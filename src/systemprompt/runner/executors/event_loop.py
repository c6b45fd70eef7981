"""An event loop in a thread of its own that knows which flight each of its tasks belongs to."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any

from systemprompt.own_log import own_log
from systemprompt.runner.executors.thread import DaemonPoolFutures
from systemprompt.runner.flight import Flight
from systemprompt.runner.outcome import outcome_of_exception, stopped
from systemprompt.runner.printing import set_printer

__all__ = ["EventLoop", "Work"]

_log = own_log("systemprompt.runner")
_flying: contextvars.ContextVar[Flight | None] = contextvars.ContextVar("systemprompt_flight", default=None)


class Work:
    """What a loop does for one flight. `begun`: its first step was taken, and it can move no more."""

    __slots__ = ("begun", "flight", "home", "make")

    def __init__(self, flight: Flight, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.flight = flight
        self.make = make
        self.home: EventLoop | None = None
        self.begun = False


class EventLoop:
    """One event loop in one daemon thread, and which tasks belong to which flight.

    `lock` guards `works`, and where each of them is at home: both belong to whoever has several loops.
    """

    def __init__(self, lock: threading.Lock, works: dict[Flight, Work]) -> None:
        self.answered = True
        self.given_up = False
        self._lock = lock
        self._works = works
        self._to_cancel: set[Flight] = set()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(DaemonPoolFutures())
        self._loop.set_task_factory(self._make_task)
        self._mains: dict[Flight, asyncio.Task[None]] = {}
        self._owned: dict[Flight, weakref.WeakSet[asyncio.Task[Any]]] = {}
        self._retired = False
        self._thread = threading.Thread(target=self._serve, name="sp-async-jobs", daemon=True)
        self._thread.start()

    def start(self, works: Sequence[Work]) -> None:
        self._loop.call_soon_threadsafe(self._begin_all, works)

    def ask(self) -> None:
        """Have it set `answered` when it is free to."""
        self.answered = self._loop.is_closed()
        if not self.answered:
            self._loop.call_soon_threadsafe(self._answer)

    def blocker(self) -> Flight | None:
        """Return the flight whose code is at work in the loop just now, or None."""
        task = asyncio.current_task(self._loop)
        for flight, main in list(self._mains.items()):
            if task is main or task in self._owned.get(flight, ()):
                return flight
        return None

    def owes_cancelling(self, flight: Flight) -> bool:
        """Whether it was asked to cancel a flight and has not come to it."""
        return flight in self._to_cancel

    def cancel(self, flight: Flight) -> None:
        # A loop that is stuck takes this when it comes back, and one that has ended has nothing to cancel.
        if not self._loop.is_closed():
            self._to_cancel.add(flight)
            self._loop.call_soon_threadsafe(self._cancel, flight)

    def retire(self) -> None:
        """End when the last task has."""
        self._loop.call_soon_threadsafe(self._retire)

    def join(self) -> None:
        """See it end, where no task keeps it."""
        if not self._mains and threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _answer(self) -> None:
        self.answered = True

    def _begin_all(self, works: Sequence[Work]) -> None:
        for work in works:
            if work.home is self:
                self._begin(work)
        self._end_if_over()

    def _begin(self, work: Work) -> None:
        flight = work.flight
        context = contextvars.copy_context()
        context.run(_flying.set, flight)
        context.run(set_printer, flight.printed)
        self._owned[flight] = weakref.WeakSet()
        name = f"{flight.definition.name}#{flight.run_id}"
        task = self._loop.create_task(self._carry_out(work), name=name, context=context)
        self._mains[flight] = task
        task.add_done_callback(lambda _done: self._ended(work))

    async def _carry_out(self, work: Work) -> None:
        with self._lock:
            work.begun = work.home is self
        if work.begun:
            await work.make()

    def _ended(self, work: Work) -> None:
        flight = work.flight
        self._mains.pop(flight, None)
        with self._lock:
            if work.home is self:
                self._works.pop(flight, None)
        if work.home is self and (flight.abandoned or not flight.landed):
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
        self._to_cancel.discard(flight)
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


_JOIN_S = 1.0
"""A loop without tasks ends at once; one that does not is stuck in a job's code."""
