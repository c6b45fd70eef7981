"""A node at work inside a program: what its `with` hands over, and the same for asyncio."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

from systemprompt.embedding.threads import Alarm, in_a_thread
from systemprompt.errors import ConflictError, RunNotFound, UsageError
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.views import HistoryQuery, RunView
from systemprompt.node_errors import NodeDrains
from systemprompt.nodes.events import Listeners, NodeEvent, NodeFailed, NodeLeft, RunFinished, RunLate
from systemprompt.nodes.serving import Serving
from systemprompt.operations.catalogue import call, operation
from systemprompt.operations.context import OperationContext
from systemprompt.operations.instants import known_job
from systemprompt.operations.operation import load
from systemprompt.operations.parameters import read
from systemprompt.operations.run import Run, run_of
from systemprompt.system import System

__all__ = ["AsyncServingNode", "ServingNode"]


class ServingNode:
    """A node at work in this process. Its methods may be called from any thread, jobs included.

    Raises, from every method that starts or looks: ConflictError where the node was left, and in a child that came by fork(),
    where nothing is claimed or waited for; DatabaseError.
    """

    def __init__(self, system: System, *listeners: Callable[[NodeEvent], object]) -> None:
        self._system = system
        self._listeners = Listeners(self._hear, *listeners)
        self._lock = threading.Lock()
        self._sleepers: list[tuple[int | None, Callable[[], object]]] = []
        self._left = False
        self._pid = os.getpid()
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
            ParameterError: the job does not declare a parameter, or it does not read as what is declared.
            TimeoutError: it goes on, and so many seconds are over.
        """
        return self.result(self.start(name, parameters, enforce=enforce), timeout)

    def start(self, name: str, parameters: Mapping[str, Any] | None = None, *, enforce: bool | None = None) -> int:
        """Start a job now and return the number of its run at once. Raises as `run` does."""
        self._check_open()
        if self.draining:
            raise NodeDrains(self.node_id)
        definition = self._system.catalogue.jobs.get(name)
        if definition is not None:
            definition.asked_with(parameters or {})
        start = ManualStart(job_name=name, parameters=dict(parameters or {}), enforce=enforce)
        (claimed,) = self._serving.node.start_manual([start], Change(actor=self._system.opened_by))
        return claimed.run_id

    def result(self, run_id: int, timeout: float | None = None) -> Run:
        """Wait for the end of a run, of whichever node, and return its account. Raises RunNotFound, and TimeoutError as `run`."""
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
        self._check_open()
        ledger = self._system.ledger
        names = () if name is None else (known_job(ledger, name).name,)
        page = ledger.history(HistoryQuery(job_names=names, limit=limit))
        return [run_of(entry, self._system.profile.time_zone) for entry in page.entries if isinstance(entry, RunView)]

    def call(self, name: str, /, **values: Any) -> Any:
        """Carry out an operation of the catalogue on this installation, by its name and its params; return its result.

        What stands in `systemprompt.operations.catalogue` is what `sp` has: `node.call("disable_job", name="hello", why="...")`.

        Raises:
            UsageError: there is no such operation, it is one for a terminal alone, or a value does not fit its params.
            Whatever else the operation raises.
        """
        self._check_open()
        one = operation(name)
        if one.where == "local":
            raise UsageError(f"operation {name!r} is for a terminal alone: it names files, or starts a process")
        answer = call(OperationContext.of(self._system), one, read(load(one.params), values))
        if one.does == "writes":
            # It was written on the node's own connection, where the clockwork sees no change: a stop or a drain would wait.
            self._serving.node.loop.look()
        return answer

    def wait(self, timeout: float | None = None) -> None:
        """Wait while the node serves, for ever or so many seconds. Raises what ends the node by itself.

        It also returns once the node has left because somebody asked for that (`sp nodes drain`).
        """
        self._check_open()
        until = None if timeout is None else monotonic() + timeout
        woken = threading.Event()
        with self.waking(None, woken.set):
            # Never for ever at once: Python runs signal handlers in the main thread, when it wakes.
            while not self.over and not woken.is_set() and (until is None or monotonic() < until):
                woken.wait(0.5 if until is None else min(0.5, max(0.0, until - monotonic())))
        if self.error is not None:
            raise self.error

    # -- for the two ways in and out -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start serving; return once the first round is over."""
        self._serving.start()

    def leave(self, grace: float | None) -> None:
        """Drain, let every thread go and close the databases. A forked child only walks out: the node is its parent's."""
        if self.elsewhere:
            return
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
        self._check_open()
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
        elif isinstance(event, NodeFailed | NodeLeft):
            self._wake(None)

    def _wake(self, run_id: int | None) -> None:
        with self._lock:
            chosen = [wake for waits_for, wake in self._sleepers if run_id is None or waits_for == run_id]
        for wake in chosen:
            wake()

    @property
    def over(self) -> bool:
        """Whether it ended by itself, or left because somebody asked for that."""
        return self.error is not None or self._serving.left.is_set()

    @property
    def elsewhere(self) -> bool:
        """Whether this is a child that came by fork() of the process that entered it: there is no node in it."""
        return self._pid != os.getpid()

    def _check_open(self) -> None:
        if self.elsewhere:
            raise ConflictError(
                f"this node works in process {self._pid}, and this is a child of it that came by fork(): there is no node here",
                hint="enter systemprompt.node(...) in the child, after the fork",
                details={"node_pid": self._pid, "pid": os.getpid()},
            )
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

    async def call(self, name: str, /, **values: Any) -> Any:
        """Carry out an operation of the catalogue on this installation; see `ServingNode.call`."""
        return await in_a_thread(lambda: self._node.call(name, **values))

    async def wait(self) -> None:
        """Wait while the node serves. Raises what ends the node by itself; see `ServingNode.wait`."""
        alarm = Alarm()
        with self._node.waking(None, alarm.ring):
            if not self._node.over:
                await alarm.wait()
        if self.error is not None:
            raise self.error


_LOOK_AGAIN_S = 1.0
"""How often to look at a run whose end another node may write."""
