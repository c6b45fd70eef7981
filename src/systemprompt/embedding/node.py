"""`systemprompt.node(...)`: a node inside a program, with `with` or, in asyncio, with `async with`."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from functools import partial

from systemprompt.embedding.program import program_name
from systemprompt.embedding.run import run_of
from systemprompt.embedding.threads import Alarm, call_in, in_a_thread, to_the_end
from systemprompt.errors import ConflictError, JobDefinitionError, RunNotFound, UsageError
from systemprompt.nodes.events import Listeners, NodeFailed, RunFinished, RunLate
from systemprompt.nodes.serving import Serving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any

    from systemprompt.embedding.run import Run
    from systemprompt.nodes.events import NodeEvent
    from systemprompt.system import System

__all__ = ["AsyncServingNode", "EmbeddedNode", "ServingNode", "node"]


def node(
    profile: str | os.PathLike[str] | None = None,
    *,
    jobs: Iterable[object] | None = None,
    grace: float | None = None,
    on_event: Callable[[NodeEvent], None] | None = None,
) -> EmbeddedNode:
    """Return a node that serves for as long as the block below it runs: `with node() as n`, or `async with node() as n`.

    It plans, runs and accounts as `sp serve` does, in threads of its own, and shares its ledger with every `sp` command and
    every other node of the profile. Signals, logging, the working folder and the environment are left to the program.

    profile    a profile.yaml or its folder; None looks where `sp` looks: SYSTEMPROMPT_PROFILE, then at and above the working folder
    jobs       more jobs, as objects: functions under `@job`, `Job` classes, or modules that have some. Only programs that are
               given them can run them. `sp` shows them and leaves them alone, as does a program that gives None; one that
               gives a list retires those it gives no more
    grace      seconds that running jobs get to finish when the block is left; None takes the profile's `shutdown_grace`
    on_event   told what happens, see `systemprompt.NodeEvent`: under `async with` in the event loop, else in the node's threads,
               where it must be quick
    """
    return EmbeddedNode(profile, None if jobs is None else tuple(jobs), grace, on_event)


class EmbeddedNode:
    """A node to be entered once. Entering returns once it serves: joined, synchronised, and its first round over.

    Leaving drains, however the block ended: nothing new starts, running jobs get the grace, then they are stopped, each with an
    account; threads are joined and databases closed. Ctrl-C, or a cancelled task, while it drains ends everything at once.

    Raises on entering, with nothing left running:
        ProfileNotFound, ProfileInvalid: there is no profile, or it has faults.
        JobDefinitionError: a thing among `jobs` is no job, or one that cannot run.
        DatabaseError: a database cannot be used.
        UsageError: it was entered before.
    Raises on leaving: what ended the node, where it ended by itself and nothing else is being raised.
    """

    def __init__(
        self,
        profile: str | os.PathLike[str] | None,
        jobs: tuple[object, ...] | None,
        grace: float | None,
        on_event: Callable[[NodeEvent], None] | None,
    ) -> None:
        self._profile = profile
        self._jobs = jobs
        self._grace = grace
        self._on_event = on_event
        self._entered = False
        self._node: ServingNode | None = None

    def __enter__(self) -> ServingNode:
        self._once()
        self._node = self._opened(self._on_event)
        return self._node

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._node is not None
        self._node.leave(self._grace)
        if error is None and self._node.error is not None:
            raise self._node.error

    async def __aenter__(self) -> AsyncServingNode:
        from asyncio import CancelledError, get_running_loop

        self._once()
        tell = None if self._on_event is None else partial(call_in, get_running_loop(), self._on_event)
        opening = in_a_thread(lambda: self._opened(tell))
        cancelled = await to_the_end(opening)
        if cancelled:
            if opening.exception() is None:
                await to_the_end(in_a_thread(lambda: opening.result().leave(0.0)))
            raise CancelledError
        self._node = opening.result()
        return AsyncServingNode(self._node)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from asyncio import CancelledError

        serving = self._node
        assert serving is not None
        leaving = in_a_thread(lambda: serving.leave(self._grace))
        cancelled = await to_the_end(leaving, when_cancelled=lambda: in_a_thread(serving.hurry))
        leaving.result()
        if cancelled:
            raise CancelledError
        if error is None and serving.error is not None:
            raise serving.error

    def _once(self) -> None:
        if self._entered:
            raise UsageError(
                "this node was entered before, and a node serves once",
                hint="make another: systemprompt.node(...)",
            )
        self._entered = True

    def _opened(self, on_event: Callable[[NodeEvent], None] | None) -> ServingNode:
        from systemprompt.profile.load import load_profile
        from systemprompt.system import System

        environ = dict(os.environ)
        profile = load_profile(_path_of(self._profile, environ), environ)
        system = System(profile, environ=environ, given=self._jobs, program=program_name())
        try:
            _refuse_broken(system)
            system.sync()
            opened = ServingNode(system, *(() if on_event is None else (on_event,)))
            opened.begin()
        except BaseException:
            system.close()
            raise
        return opened


class ServingNode:
    """A node at work in this process. Its methods may be called from any thread, jobs included.

    Raises, from every method that starts or looks: ConflictError where the node was left; DatabaseError.
    """

    def __init__(self, system: System, *listeners: Callable[[NodeEvent], object]) -> None:
        self._system = system
        self._listeners = Listeners(self._hear, *listeners)
        self._lock = threading.Lock()
        self._sleepers: list[tuple[int | None, Callable[[], object]]] = []
        self._left = False
        self._serving = Serving(system, self._listeners)

    @property
    def node_id(self) -> str:
        """The node's id in the ledger; another after it was declared lost and went on."""
        return self._serving.node.node_id

    @property
    def draining(self) -> bool:
        """Whether it starts nothing any more."""
        return self._serving.draining

    @property
    def error(self) -> Exception | None:
        """What ended the node by itself, such as a deleted ledger; None while it serves."""
        return self._serving.error

    def listen(self, listener: Callable[[NodeEvent], object]) -> None:
        """Tell this one too what happens, from any thread, in addition to `on_event` and whoever else listens."""
        self._listeners.add(listener)

    def run(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        enforce: bool | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Start a job now, wait for its end and return its account. A job that fails is an account too, not an exception.

        Raises:
            JobNotFound: no job has this name. JobAlreadyRunning: it is running. ConflictError: quarantined, or draining.
            TimeoutError: it goes on, and so many seconds are over.
        """
        return self.result(self.start(name, parameters, enforce=enforce), timeout)

    def start(self, name: str, parameters: Mapping[str, Any] | None = None, *, enforce: bool | None = None) -> int:
        """Start a job now and return the number of its run at once. Raises as `run` does."""
        from systemprompt.ledger.records import ManualStart

        self._check_open()
        if self.draining:
            raise ConflictError(f"node {self.node_id!r} is draining: it starts nothing")
        start = ManualStart(job_name=name, parameters=dict(parameters or {}), enforce=enforce)
        (claimed,) = self._serving.node.start_manual([start], self._system.change())
        return claimed.run_id

    def result(self, run_id: int, timeout: float | None = None) -> Run:
        """Wait for the end of a run, of whichever node, and return its account. Raises RunNotFound, and TimeoutError as `run`."""
        from time import monotonic

        until = None if timeout is None else monotonic() + timeout
        while True:
            woken = threading.Event()
            with self.waking(run_id, woken.set):
                run = self.ended(run_id)
                if run is not None:
                    return run
                left = _LOOK_AGAIN_S if until is None else min(_LOOK_AGAIN_S, until - monotonic())
                if left <= 0:
                    raise TimeoutError(f"run {run_id} has not ended within {timeout:g} s")
                woken.wait(left)

    def history(self, name: str | None = None, *, limit: int = 20) -> list[Run]:
        """Return the newest runs, of one job or of all, newest first, open ones included. Raises JobNotFound."""
        from systemprompt.ledger.views import HistoryQuery, RunView
        from systemprompt.operations.instants import known_job

        self._check_open()
        ledger = self._system.ledger
        if name is not None:
            known_job(ledger, name)
        page = ledger.history(HistoryQuery(job_name=name, limit=limit))
        return [run_of(entry, self._system.profile.time_zone) for entry in page.entries if isinstance(entry, RunView)]

    def wait(self, timeout: float | None = None) -> None:
        """Wait while the node serves, for ever or so many seconds. Raises what ends the node by itself."""
        from time import monotonic

        until = None if timeout is None else monotonic() + timeout
        woken = threading.Event()
        with self.waking(None, woken.set):
            # Never for ever at once: Python runs signal handlers in the main thread, when it wakes.
            while self.error is None and not woken.is_set() and (until is None or monotonic() < until):
                woken.wait(0.5 if until is None else min(0.5, max(0.0, until - monotonic())))
        if self.error is not None:
            raise self.error

    # -- for the two ways in and out -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start serving; return once the first round is over."""
        self._serving.start()

    def leave(self, grace: float | None) -> None:
        """Drain, let every thread go and close the databases."""
        try:
            if self.error is None:
                self._serving.drain(grace, by="exit")
            else:
                self._serving.kill()
        except BaseException:  # Ctrl-C while it drains
            self._serving.kill()
            raise
        finally:
            self._left = True
            self._wake(None)
            self._system.close()

    def hurry(self) -> None:
        """End at once what is being left."""
        self._serving.kill()

    def ended(self, run_id: int) -> Run | None:
        """Return a run that is over; None while it is open."""
        self._check_open()
        view = self._system.ledger.run(run_id)
        if view is None:
            raise RunNotFound(run_id)
        if view.status not in ("queued", "running"):
            return run_of(view, self._system.profile.time_zone)
        if self.error is not None:
            raise self.error
        return None

    @contextmanager
    def waking(self, run_id: int | None, wake: Callable[[], object]) -> Iterator[None]:
        """Have `wake` called, from any thread, when this run ends here, or when the node does."""
        entry = (run_id, wake)
        with self._lock:
            self._sleepers.append(entry)
        try:
            yield
        finally:
            with self._lock:
                self._sleepers.remove(entry)

    def _hear(self, event: NodeEvent) -> None:
        if isinstance(event, RunFinished | RunLate):
            self._wake(event.run_id)
        elif isinstance(event, NodeFailed):
            self._wake(None)

    def _wake(self, run_id: int | None) -> None:
        with self._lock:
            chosen = [wake for waits_for, wake in self._sleepers if run_id is None or waits_for == run_id]
        for wake in chosen:
            wake()

    def _check_open(self) -> None:
        if self._left:
            raise ConflictError("this node was left: its ledger is closed", hint="use it inside its `with` block")


class AsyncServingNode:
    """A node at work in this process, for asyncio: `ServingNode` whose methods wait without holding up the event loop.

    Jobs, async ones too, run in the node's own threads and event loop, never in the program's.
    """

    def __init__(self, serving: ServingNode) -> None:
        self._node = serving

    @property
    def node_id(self) -> str:
        """The node's id in the ledger; another after it was declared lost and went on."""
        return self._node.node_id

    @property
    def draining(self) -> bool:
        """Whether it starts nothing any more."""
        return self._node.draining

    @property
    def error(self) -> Exception | None:
        """What ended the node by itself; None while it serves."""
        return self._node.error

    async def run(self, name: str, parameters: Mapping[str, Any] | None = None, *, enforce: bool | None = None) -> Run:
        """Start a job now, wait for its end and return its account; see `ServingNode.run`. Cancelling leaves the job running."""
        return await self.result(await self.start(name, parameters, enforce=enforce))

    async def start(
        self, name: str, parameters: Mapping[str, Any] | None = None, *, enforce: bool | None = None
    ) -> int:
        """Start a job now and return the number of its run at once; see `ServingNode.run`."""
        return await in_a_thread(lambda: self._node.start(name, parameters, enforce=enforce))

    async def result(self, run_id: int) -> Run:
        """Wait for the end of a run, of whichever node, and return its account. Raises RunNotFound."""
        while True:
            alarm = Alarm()
            with self._node.waking(run_id, alarm.ring):
                run = await in_a_thread(lambda: self._node.ended(run_id))
                if run is not None:
                    return run
                await alarm.wait(_LOOK_AGAIN_S)

    async def history(self, name: str | None = None, *, limit: int = 20) -> list[Run]:
        """Return the newest runs, of one job or of all, newest first, open ones included. Raises JobNotFound."""
        return await in_a_thread(lambda: self._node.history(name, limit=limit))

    async def wait(self) -> None:
        """Wait while the node serves. Raises what ends the node by itself."""
        alarm = Alarm()
        with self._node.waking(None, alarm.ring):
            if self.error is None:
                await alarm.wait()
        if self.error is not None:
            raise self.error


def _path_of(profile: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> str:
    if profile is None:
        from systemprompt.profile.find import find_profile

        return find_profile(None, environ, os.getcwd())
    path = os.path.abspath(os.path.expanduser(profile))
    return os.path.join(path, "profile.yaml") if os.path.isdir(path) else path


def _refuse_broken(system: System) -> None:
    from systemprompt.discovery.given import GIVEN

    broken = [one for one in system.catalogue.quarantined if one.source.kind == GIVEN]
    if broken:
        raise JobDefinitionError(broken[0].error, hint=broken[0].hint)


_LOOK_AGAIN_S = 1.0
"""How often to look at a run whose end another node may write."""
