"""`systemprompt.node(...)`: a node inside a program, with `with` or, in asyncio, with `async with`."""

from __future__ import annotations

import os
from asyncio import CancelledError, get_running_loop
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType

from systemprompt.discovery.given import GIVEN
from systemprompt.embedding.program import program_name
from systemprompt.embedding.serving_node import AsyncServingNode, ServingNode
from systemprompt.embedding.threads import call_in, in_a_thread, to_the_end
from systemprompt.errors import JobDefinitionError, UsageError
from systemprompt.nodes.events import NodeEvent
from systemprompt.profile.find import find_profile, is_on_purpose
from systemprompt.profile.load import load_profile
from systemprompt.system import System

__all__ = ["EmbeddedNode", "node"]


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
        ProfileNotTrusted: none was named, and somebody else may change the nearest one.
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
        environ = dict(os.environ)
        profile = load_profile(_path_of(self._profile, environ), environ)
        is_wary = self._profile is None and not is_on_purpose(None, environ, profile.path)
        by = f"program:{program_name()}"
        system = System(profile, environ=environ, given=self._jobs, opened_by=by, is_wary=is_wary)
        try:
            _refuse_broken(system)
            system.sync()
            opened = ServingNode(system, *(() if on_event is None else (on_event,)))
            opened.begin()
        except BaseException:
            system.close()
            raise
        return opened


def _path_of(profile: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> str:
    if profile is None:
        return find_profile(None, environ, os.getcwd())
    path = os.path.abspath(os.path.expanduser(profile))
    return os.path.join(path, "profile.yaml") if os.path.isdir(path) else path


def _refuse_broken(system: System) -> None:
    broken = [one for one in system.catalogue.quarantined if one.source.kind == GIVEN]
    if broken:
        raise JobDefinitionError(broken[0].error, hint=broken[0].hint)
