"""Serve: plan and run in the foreground until told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from systemprompt.engine import NodeEvent
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable, ProfileInvalid, SystempromptError
from systemprompt.jobs.fingerprint import fingerprint_of
from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import Any

    from systemprompt.engine import Node
    from systemprompt.system import System

__all__ = ["ServeParams", "ServeResult", "Watcher", "patience_within", "pause_after", "serve"]

log = logging.getLogger("systemprompt.node")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeParams:
    """How long a stopping node waits."""

    grace: float | None = param(
        "Seconds that running jobs get to finish on SIGTERM (default: the profile's)",
        None,
        minimum=0,
        metavar="SECONDS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeResult:
    """How it ended. `stopped_by` is the signal's name; `clean` is False where work had to be stopped, or left unaccounted for."""

    node_id: str
    stopped_by: str
    clean: bool


def serve(
    system: System, params: ServeParams, *, on_event: Callable[[NodeEvent], None], signals: bool = True
) -> ServeResult:
    """Run a node until SIGTERM or SIGINT.

    The first signal drains: nothing new starts, running jobs get the grace, then they are stopped and accounted for. The
    second ends everything at once. Changes to the profile and to job files by anybody are taken over within a second.

    Raises:
        DatabaseError: the ledger cannot be written. Whatever else ends the clockwork is raised as it is.
    """
    messages: SimpleQueue[str] = SimpleQueue()

    def watch(event: NodeEvent) -> None:
        if event.kind == "failed":
            messages.put("failed")
        on_event(event)

    node = system.node("serve", watch)
    previous = _install(messages) if signals else {}
    try:
        node.start(bootstrap=system.catalogue.bootstrap)
        system.ledger.be_patient(patience_within(system.profile.limits.lease))
        on_event(NodeEvent(kind="serving", values=_greeting(system, node)))
        watcher = Watcher(system, node, on_event)
        watcher.start()
        stopped_by = _heard(messages)
        watcher.stop()
        if stopped_by == "failed":
            node.kill()
            assert node.error is not None
            raise node.error
        grace = system.profile.limits.shutdown_grace if params.grace is None else params.grace
        running = len(node.runner.running())
        on_event(NodeEvent(kind="draining", values={"signal": stopped_by, "running": running, "grace": grace}))
        clean = _drain(node, grace, messages)
        return ServeResult(node_id=node.node_id, stopped_by=stopped_by, clean=clean)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def patience_within(lease: float) -> float:
    """Return how long a node with this lease may wait for other writers, in seconds.

    Two waits in vain after a missed beat must still leave time to stop its runs before the lease is over.
    """
    return min(10.0, lease / 6)


class Watcher:
    """Notices changes of the profile and of job files, and has the node go on with what they say now.

    A change is taken over when the files stood still for one look, so that a file caught half-written is not quarantined.
    While the ledger cannot be written the change is not forgotten: it is taken over as soon as it can be.
    """

    def __init__(
        self, system: System, node: Node, on_event: Callable[[NodeEvent], None], *, every: float = 0.2
    ) -> None:
        self._system = system
        self._node = node
        self._on_event = on_event
        self._every = every
        self._stop = threading.Event()
        self._files = _to_look_at(node.catalogue.files)
        self._settling: dict[str, str] | None = None
        self._thread = threading.Thread(target=self._run, name="sp-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def look(self) -> bool:
        """Look once; return whether a change was taken over."""
        seen = {path: fingerprint_of(path) for path in self._files}
        if seen == self._files:
            self._settling = None
            return False
        if seen != self._settling:
            self._settling = seen
            return False
        self._settling = None
        before, self._files = self._files, seen
        try:
            self._take_over()
        except (DatabaseBusy, DatabaseUnreachable):
            self._files = before
            raise
        return True

    def _take_over(self) -> None:
        try:
            catalogue, report = self._system.reload()
        except ProfileInvalid as error:
            self._on_event(NodeEvent(kind="profile_invalid", values={"error": error.message}))
            return
        self._files = _to_look_at(catalogue.files)
        self._node.adopt(catalogue)
        changes = {
            name: list(getattr(report, name)) for name in ("added", "changed", "retired", "quarantined", "released")
        }
        self._on_event(NodeEvent(kind="reloaded", values=changes))

    def _run(self) -> None:
        pause = self._every
        while not self._stop.wait(pause):
            started = time.monotonic()
            try:
                self._look_and_tell()
            except Exception:  # a closed terminal, no memory: a watcher that ended would leave the node deaf for good
                log.exception("looking for changes failed; trying again")
            pause = pause_after(time.monotonic() - started, every=self._every)

    def _look_and_tell(self) -> None:
        try:
            self.look()
        except SystempromptError as error:
            # The node goes on with what it has.
            self._on_event(NodeEvent(kind="reload_failed", values={"error": error.message}))


def pause_after(took: float, *, every: float) -> float:
    """Return how long to wait after a look of so many seconds: thousands of files are looked at less often, yet within a second."""
    return min(max(every, _LOOK_SHARE * took), max(every, _LONGEST_PAUSE_S))


_LOOK_SHARE = 100
"""A look may take a hundredth of the time."""

_LONGEST_PAUSE_S = 0.4
"""A change is taken over at the second look."""


def _to_look_at(files: Mapping[str, str]) -> dict[str, str]:
    # The fingerprint of a folder has those of the job files in it.
    folders = {path for path, seen in files.items() if seen.startswith("folder:")}
    return {
        path: seen for path, seen in files.items() if not (path.endswith(".py") and os.path.dirname(path) in folders)
    }


def _drain(node: Node, grace: float, messages: SimpleQueue[str]) -> bool:
    ends: list[bool] = []
    drained = threading.Thread(target=_then, args=(lambda: ends.append(node.drain(grace)), messages), daemon=True)
    drained.start()
    asked_at = time.monotonic()
    while (message := _heard(messages)) != "drained":
        # `timeout` and some supervisors signal the process and then its group: one wish, sent twice.
        if message == "failed" or time.monotonic() - asked_at > _ONE_WISH_S:
            node.kill()
            return False
    return ends == [True]


_ONE_WISH_S = 0.3


def _heard(messages: SimpleQueue[str]) -> str:
    # Python runs signal handlers in this thread, but the kernel may hand the signal to another one, as it does right after
    # SIGCONT. A thread that waited for ever would then never hear of it.
    while True:
        try:
            return messages.get(timeout=0.5)
        except Empty:
            continue


def _then(work: Callable[[], None], messages: SimpleQueue[str]) -> None:
    try:
        work()
    finally:
        messages.put("drained")


def _install(messages: SimpleQueue[str]) -> Mapping[int, Any]:
    def put(number: int, _frame: FrameType | None) -> None:
        # SimpleQueue.put is reentrant: the only thing a handler may safely do here.
        messages.put(signal.Signals(number).name)

    return {number: signal.signal(number, put) for number in (signal.SIGTERM, signal.SIGINT)}


def _greeting(system: System, node: Node) -> dict[str, Any]:
    return {
        "node_id": node.node_id,
        "profile": system.profile.path,
        "ledger": system.profile.ledger,
        "jobs": len(system.catalogue.jobs),
        "quarantined": len(system.catalogue.quarantined),
    }
