"""Async jobs as tasks of one event loop, in a thread of its own: a job that blocks cannot stop the node's clockwork."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from systemprompt.databases.database import Database
from systemprompt.jobs.settings import JobSettings
from systemprompt.own_log import own_log
from systemprompt.runner.executors.event_loop import EventLoop, Work
from systemprompt.runner.flight import Flight, context_of
from systemprompt.runner.forks import OneProcess
from systemprompt.runner.outcome import (
    Outcome,
    is_awaitable,
    is_cancellation,
    outcome_of_exception,
    outcome_of_value,
    stopped,
    under_stop,
)

__all__ = ["AsyncExecutor"]

_log = own_log("systemprompt.runner")


class AsyncExecutor:
    """Runs each flight as a task. Tasks that a job leaves behind are cancelled when it ends, as `asyncio.run` does.

    A job that swallows its cancellation is given up on after the grace. If the event loop does not answer for a second after
    that, some job's code blocks it, and the loop is given up too. Jobs that had not begun move to a new loop; jobs that had begun
    fail and say which job blocked them. The old loop cancels them when it comes back.
    """

    def __init__(
        self,
        *,
        settings: JobSettings,
        database: Database | None,
        later: Callable[[float, Callable[[], object]], object],
    ) -> None:
        self._settings = settings
        self._database = database
        self._later = later
        self._loop: EventLoop | None = None
        self._works: dict[Flight, Work] = {}
        self._lock = threading.Lock()

    def start(self, flights: Sequence[Flight]) -> None:
        """Begin them all in one step: each waking of the loop is a system call, and hands it the interpreter's lock."""
        self._board([Work(flight, partial(self._execute, flight)) for flight in flights])

    def adopt(self, flight: Flight, awaitable: Awaitable[Any]) -> None:
        """Go on with a flight whose plain `execute` returned something to await."""
        flight.executor = self
        self._board([Work(flight, partial(self._watch, flight, awaitable))])
        if flight.stop is not None:
            self.stop(flight)

    def stop(self, flight: Flight) -> None:
        home = self._home(flight)
        if home is not None:
            home.cancel(flight)

    def force(self, flight: Flight) -> None:
        home, note = self._home(flight), "it did not let itself be cancelled"
        if home is not None:
            blocker = home.blocker() if home.owes_cancelling(flight) else None
            if blocker is not None and blocker is not flight:
                note = f"{_named(blocker)} blocks the event loop that they share"
            home.ask()
            self._later(_PATIENCE_S, partial(self._look_after, home))
        self._give_up(flight, note)

    def kill(self, flight: Flight) -> None:
        self.stop(flight)
        self._give_up(flight, "it was not waited for")

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.retire()
            loop.join()

    def _give_up(self, flight: Flight, note: str) -> None:
        assert flight.stop is not None
        flight.land(stopped(flight.stop, took_ms=flight.took_ms(), note=note, went_on=True), abandoned=True)

    def _home(self, flight: Flight) -> EventLoop | None:
        with self._lock:
            work = self._works.get(flight)
            return None if work is None else work.home

    def _board(self, works: Sequence[Work]) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = EventLoop(self._lock, self._works)
            for work in works:
                work.home = self._loop
                self._works[work.flight] = work
            self._loop.start(works)

    def _look_after(self, home: EventLoop) -> None:
        """Give up a loop that has not answered."""
        if home.answered:
            return
        blocker = home.blocker()
        who = "code that a job left behind" if blocker is None else _named(blocker)
        with self._lock:
            if home.given_up:
                return
            home.given_up = True
            self._loop = None if self._loop is home else self._loop
            ours = [work for work in self._works.values() if work.home is home and not work.flight.landed]
            waiting = [work for work in ours if not work.begun]
            for work in waiting:
                work.home = None  # the old loop passes it over
            home.retire()
        _log.error("%s blocks the event loop of the async jobs; a new one takes its place", who)
        if waiting:
            self._move(waiting)
        for work in ours:
            if work.begun and work.flight is not blocker:
                _fail(work.flight, who)
                home.cancel(work.flight)

    def _move(self, works: Sequence[Work]) -> None:
        try:
            self._board(works)
        except RuntimeError as error:  # the system starts no further thread
            for work in works:
                failed = outcome_of_exception(error, took_ms=work.flight.took_ms(), reason="spawn_error")
                work.flight.land(failed)
        for work in works:
            if work.flight.stop is not None:
                self.stop(work.flight)

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
        try:
            with OneProcess():
                value = await awaitable
        except BaseException as error:  # noqa: BLE001  # SystemExit would end the loop and with it every other job
            outcome, cancellation = outcome_of_exception(error, took_ms=flight.took_ms()), is_cancellation(error)
        else:
            outcome, cancellation = outcome_of_value(value, took_ms=flight.took_ms()), False
        stop = None if flight.abandoned else flight.stop
        flight.land(under_stop(outcome, stop, cancellation=cancellation, took_ms=flight.took_ms()))


def _named(flight: Flight) -> str:
    return f"job {flight.definition.name!r} (run {flight.run_id})"


def _fail(flight: Flight, who: str) -> None:
    """Land what cannot go on since its loop is blocked. Its code takes no further step but to be cancelled."""
    text = f"{who} blocked the event loop that all async jobs share, so this one could not go on"
    if flight.stop is not None:
        flight.land(stopped(flight.stop, took_ms=flight.took_ms(), note=text))
        return
    said = f"{text} (hint: `await` what takes long, or `isolation: process` for the job that blocks)"
    flight.land(Outcome(status="failed", reason="loop_blocked", message=text, error=said, duration_ms=flight.took_ms()))


_PATIENCE_S = 1.0
"""How long a loop may take to answer before it is given up."""
