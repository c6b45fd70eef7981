"""Serve: plan and run in the foreground until told to stop."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType

from systemprompt.nodes.events import NodeEvent
from systemprompt.nodes.serving import Serving
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.runner.forks import end_children, handling

__all__ = ["ServeParams", "ServeResult", "serve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeParams:
    """How long a stopping node waits, and how a command tells what it does; an operation by itself tells its listeners."""

    grace: float | None = param(
        "Seconds that running jobs get to finish on SIGTERM (default: the profile's)",
        None,
        minimum=0,
    )
    log_format: str | None = param(
        "How the node tells on stderr what happens (default: text, with --json lines of JSON)",
        None,
        choices=("text", "json"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeResult:
    """How it ended.

    stopped_by   the signal's name, or `drain`
    clean        False where work had to be stopped, or left unaccounted for
    """

    node_id: str
    stopped_by: str
    clean: bool


def serve(context: OperationContext, params: ServeParams) -> ServeResult:
    """Run a node until SIGTERM, SIGINT or SIGHUP (a closed terminal; `nohup` keeps it away).

    The first signal drains: nothing new starts, running jobs get the grace, then they are stopped and accounted for. The
    second ends everything at once. A drain that somebody asked for (`sp nodes drain`) ends it too, once what runs has ended; a
    signal meanwhile gives what still runs the grace. Changes to the profile and to job files by anybody are taken over within a
    second.

    Raises:
        DatabaseError: the ledger cannot be written. Whatever else ends the clockwork is raised as it is.
    """
    messages: SimpleQueue[str] = SimpleQueue()

    def hear(event: NodeEvent) -> None:
        if event.kind in ("failed", "left"):
            messages.put(event.kind)

    context.listeners.add(hear)
    with context.open_system() as system:
        return _serve(Serving(system, context.listeners), params, messages)


def _serve(serving: Serving, params: ServeParams, messages: SimpleQueue[str]) -> ServeResult:
    # The catalogue stays for good, and the collector would look through it again and again while runs are made: with 10,000
    # jobs that stopped every thread for 25 ms at a time. Only here, where the whole process is ours.
    gc.collect()
    gc.freeze()

    def put(number: int, _frame: FrameType | None) -> None:
        # SimpleQueue.put is reentrant: the only thing a handler may safely do here.
        messages.put(signal.Signals(number).name)

    with handling(put, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        try:
            serving.start()
            stopped_by = _heard(messages)
            if stopped_by == "failed":
                serving.kill()
                assert serving.error is not None
                raise serving.error
            if stopped_by == "left":
                return ServeResult(node_id=serving.node.node_id, stopped_by="drain", clean=serving.left_clean)
            clean = _drain(serving, params.grace, stopped_by, messages)
            return ServeResult(node_id=serving.node.node_id, stopped_by=stopped_by, clean=clean)
        finally:
            end_children()


def _drain(serving: Serving, grace: float | None, by: str, messages: SimpleQueue[str]) -> bool:
    ends: list[bool] = []
    drain = partial(serving.drain, grace, by=by)
    drained = threading.Thread(target=_then, args=(lambda: ends.append(drain()), messages), daemon=True)
    drained.start()
    asked_at = time.monotonic()
    while (message := _heard(messages)) != "drained":
        if message == "left":  # a drain that was asked for ended in this very moment
            continue
        # `timeout` and some supervisors signal the process and then its group: one wish, sent twice.
        if message == "failed" or time.monotonic() - asked_at > _ONE_WISH_S:
            serving.kill()
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
