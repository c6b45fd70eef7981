"""Which nodes there are: what they run, since when, and how they stand to the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import SECOND, iso
from systemprompt.nodes.identity import this_machine
from systemprompt.operations.answers import entry_of
from systemprompt.operations.parameters import FIELDS, param
from systemprompt.operations.serving import node_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.ledger.node_identity import NodeIdentity
    from systemprompt.operations.context import OperationContext

__all__ = ["ListNodesParams", "NodeEntry", "NodeList", "NodeRun", "list_nodes", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNodesParams:
    """How to show them."""

    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRun:
    """One run that a node holds. Instants are ISO 8601 in UTC."""

    run_id: int
    job_name: str
    started_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntry:
    """One node that has not stopped, or that stopped and still holds runs. Instants are ISO 8601 in UTC.

    kind             `serve`, or `run` for a command that runs jobs in its own process
    state            `serving`; `draining`: it takes no more; `silent`: it was not heard for longer than its lease; `gone`: it left,
                     or its process is no more
    version          the program and its release
    labels           what it has, for `runs_on` of jobs
    capacity         how many runs it takes at once
    runs             what it runs, oldest first
    clock_offset_s   how far its clock stands before the database's; 0 on SQLite, where both are the machine's
    zone_data        the release of its time zone data; empty where the data does not say
    degraded         what does not work on it: `listen` (hints of others do not come through), `policies` (some jobs are
                     left to nodes of a newer release, for this one does not know their policies),
                     `zone_data` (it plans nothing, for another node has newer time zone data)
    draining_at, draining_by, draining_why   that somebody asked it to drain; null where nobody did
    """

    node_id: str
    kind: str
    state: str
    host: str
    pid: int
    version: str
    labels: tuple[str, ...]
    capacity: int
    runs: tuple[NodeRun, ...]
    started_at: str
    last_beat: str
    clock_offset_s: float
    zone_data: str
    degraded: tuple[str, ...]
    draining_at: str | None
    draining_by: str | None
    draining_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeList:
    """The nodes, oldest first; `serving` counts those that begin runs by schedule."""

    entries: tuple[NodeEntry, ...]
    total: int
    serving: int


def list_nodes(context: OperationContext, params: ListNodesParams) -> NodeList:  # noqa: ARG001  # `fields` is the doors' own
    """Return the nodes that live, from one state of the ledger. No node is asked: what it last wrote counts."""
    held: dict[str, list[NodeRun]] = {}
    with context.open_ledger() as ledger, ledger.snapshot():
        now, machine = context.now(), this_machine()
        nodes = sorted(ledger.living_nodes(), key=lambda node: (node.started_at, node.node_id))
        for run in sorted(ledger.open_runs(), key=lambda run: run.started_at or 0):
            if run.node_id is not None and run.started_at is not None:
                shown = NodeRun(run_id=run.run_id, job_name=run.job_name, started_at=iso(run.started_at))
                held.setdefault(run.node_id, []).append(shown)
    entries = tuple(
        entry_of(
            NodeEntry,
            node,
            state=state_of(node, now, machine),
            version=node.program,
            runs=tuple(held.get(node.node_id, ())),
            last_beat=iso(node.beat_at),
            clock_offset_s=node.clock_offset_us / SECOND,
        )
        for node in nodes
    )
    serving = sum(entry.kind == "serve" and entry.state == "serving" for entry in entries)
    return NodeList(entries=entries, total=len(entries), serving=serving)


def state_of(node: NodeIdentity, now: int, machine: str) -> str:
    """Return what people are told of a node: as `node_state`, and `draining`."""
    state = node_state(node, now, machine)
    return "draining" if state == "serving" and node.draining_at is not None else state
