"""What a node tells whoever listens: one record for each kind of event, and any number of listeners."""

from __future__ import annotations

from collections.abc import Callable

from systemprompt.clock import Instant
from systemprompt.own_log import own_log
from systemprompt.record import record

__all__ = [
    "CatalogueReloaded",
    "DrainAsked",
    "LeaseLost",
    "Listeners",
    "NodeDraining",
    "NodeEvent",
    "NodeFailed",
    "NodeLeft",
    "NodeServing",
    "NotLoaded",
    "ProfileRefused",
    "ReloadFailed",
    "RunFinished",
    "RunLate",
    "RunProgressed",
    "RunRescued",
    "RunStarted",
]

log = own_log("systemprompt.node")


class Listeners:
    """Whoever wants to know what a node does. Listeners are called in the thread in which it happens, one after the other.

    A listener that raises, with a closed terminal say, is logged, and keeps neither the node nor the others from going on.
    """

    def __init__(self, *listeners: Callable[[NodeEvent], object]) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Callable[[NodeEvent], object]) -> None:
        """Tell this one too, from the next event on."""
        self._listeners.append(listener)

    def tell(self, event: NodeEvent) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # of whoever listens: see above
                log.exception("telling of %s failed", event.kind)


class NodeEvent:
    """Something that happened on a node. `kind` is its name for programs; instants are microseconds, UTC."""

    __slots__ = ()
    kind = ""


@record
class RunStarted(NodeEvent):
    """A run was claimed, and its work begins. `fire_at` is None for a start by hand."""

    kind = "run_started"
    run_id: int
    job_name: str
    origin: str
    fire_at: Instant | None
    attempt: int
    started_at: Instant


@record
class RunFinished(NodeEvent):
    """The account of a run is closed, durably; or an attempt of it is over, and the run waits to be tried again.

    tried_again_at   in UTC, from when on; None where the account is closed
    did_nothing      it is a success that had nothing to do
    """

    kind = "run_finished"
    run_id: int
    job_name: str
    status: str
    reason: str | None
    message: str | None
    duration_ms: int | None
    tried_again_at: str | None = None
    did_nothing: bool = False


@record
class RunLate(NodeEvent):
    """A result came after its account was closed, and is kept as a late one."""

    kind = "run_late"
    run_id: int


@record
class RunProgressed(NodeEvent):
    """A job said how far it is. `total` is None where it does not know."""

    kind = "progress"
    run_id: int
    job_name: str
    done: int
    total: int | None
    note: str


@record
class RunRescued(NodeEvent):
    """A run was taken from a node that is gone: `failed`, or `queued` again."""

    kind = "rescued"
    run_id: int
    job_name: str
    node_id: str
    status: str


@record
class LeaseLost(NodeEvent):
    """The node could not renew its lease, or was declared lost: `why` is `database` or `fenced`, `run_ids` what it stops."""

    kind = "lease_lost"
    why: str
    node_id: str
    run_ids: tuple[int, ...]


@record
class NodeServing(NodeEvent):
    """The node has joined the ledger."""

    kind = "serving"
    node_id: str
    profile: str
    ledger: str
    jobs: int
    quarantined: int


@record
class NodeDraining(NodeEvent):
    """The node takes nothing new; so many runs may finish within the grace, in seconds. `signal` is what asked for it."""

    kind = "draining"
    signal: str
    running: int
    grace: float


@record
class DrainAsked(NodeEvent):
    """Somebody asked the node to take no more (`sp nodes drain`); so many runs go on to their end, and then the node leaves."""

    kind = "drain_asked"
    node_id: str
    by: str
    why: str
    running: int


@record
class NodeLeft(NodeEvent):
    """The node has left after a drain that somebody asked for. `clean`: every account could be closed."""

    kind = "left"
    node_id: str
    clean: bool


@record
class NodeFailed(NodeEvent):
    """The node ends by itself, and why."""

    kind = "failed"
    error: str


@record
class CatalogueReloaded(NodeEvent):
    """Profile or job files had changed; job names, by what became of them.

    not_loaded   the places that cannot be loaded, and could before, or have changed: a `NotLoaded` follows for each
    """

    kind = "reloaded"
    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    quarantined: tuple[str, ...]
    released: tuple[str, ...]
    not_loaded: tuple[str, ...]


@record
class NotLoaded(NodeEvent):
    """A job, or all that a job file or module holds, cannot be loaded. Told when a node starts, and when it becomes so.

    source       the job file, module or profile; job_name   None where nothing of it could be read
    file, line   where the error is, None where that is not known
    quarantined  the jobs that this node had from there until now
    """

    kind = "not_loaded"
    source: str
    job_name: str | None
    file: str | None
    line: int | None
    error: str
    hint: str | None
    quarantined: tuple[str, ...]


@record
class ReloadFailed(NodeEvent):
    """A change could not be taken over: the node goes on with what it has, and tries again."""

    kind = "reload_failed"
    error: str


@record
class ProfileRefused(NodeEvent):
    """The profile has faults now: what was read before stays in force."""

    kind = "profile_invalid"
    error: str
