"""Ask a node to take no more."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.errors import ConflictError
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.ledger.reader import LedgerReader
from systemprompt.node_errors import NodeAmbiguous, NodeNotFound
from systemprompt.nodes.identity import this_machine
from systemprompt.operations.context import OperationContext
from systemprompt.operations.list_nodes import state_of
from systemprompt.operations.parameters import param
from systemprompt.wording import counted

__all__ = ["DrainNodeParams", "NodeDrain", "drain_node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainNodeParams:
    """Which node to drain, and why."""

    node: str = param("the node's id, as in nodes, or how it begins")
    why: str = param("the reason, kept with the node", "")
    dry_run: bool = param("only say what would be drained", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDrain:
    """What became of the request. Instants are ISO 8601 in UTC.

    state     as in the list of nodes: `draining`, `silent` or `gone`; `serving` in a dry run
    running   how many runs it still holds
    changed   whether this call asked: asking twice does not change anything
    """

    node_id: str
    state: str
    running: int
    message: str
    draining_at: str | None
    draining_by: str | None
    draining_why: str | None
    changed: bool
    dry_run: bool


def drain_node(context: OperationContext, params: DrainNodeParams) -> NodeDrain:
    """Have a node that serves begin nothing more, let what it runs come to its end, and end its process. It hears within a second.

    Raises:
        NodeNotFound: no node has this id. NodeAmbiguous: several begin so.
        ConflictError: it is a command that runs jobs in its own process.
    """
    with context.open_system() as system:
        before = _chosen(system.ledger, params.node)
        if before.kind != "serve":
            raise ConflictError(
                f"node {before.node_id!r} is a command that runs jobs (pid {before.pid} on {before.host}) and ends with them",
                hint="sp jobs active shows its runs, and sp jobs cancel RUN stops one",
                details={"node_id": before.node_id, "kind": before.kind},
            )
        after = before
        if not params.dry_run:
            after = system.ledger.drain(before.node_id, system.clock.now(), context.change(params.why))
        running = sum(run.node_id == after.node_id for run in system.ledger.open_runs())
        state = state_of(after, system.ledger.clock(system.clock).now(), this_machine())
    return NodeDrain(
        node_id=after.node_id,
        state=state,
        running=running,
        message=_message(before, state, running, dry_run=params.dry_run),
        draining_at=None if after.draining_at is None else iso(after.draining_at),
        draining_by=after.draining_by,
        draining_why=after.draining_why,
        changed=before.draining_at is None and after.draining_at is not None,
        dry_run=params.dry_run,
    )


def _chosen(ledger: LedgerReader, text: str) -> NodeIdentity:
    """Return the node that is meant: among those that live, else among those that have stopped."""
    nodes = [node for node in ledger.nodes() if text and node.node_id.startswith(text)]
    living = [node for node in nodes if node.stopped_at is None]
    exact = [node for node in nodes if node.node_id == text]
    found = exact or living or nodes
    if not found:
        raise NodeNotFound(text, [node.node_id for node in ledger.living_nodes()])
    if len(found) > 1:
        raise NodeAmbiguous(text, [node.node_id for node in found])
    return found[0]


def _message(before: NodeIdentity, state: str, running: int, *, dry_run: bool) -> str:
    name = f"Node {before.node_id}"
    if state == "gone":
        return f"{name} has ended already" + (": the next node settles its runs" if running else "")
    if before.draining_by is not None:
        why = f" ({before.draining_why})" if before.draining_why else ""
        return f"{name} drains already, as {before.draining_by} asked{why}: {_left(running)}"
    if state == "silent":
        asked = "would be asked" if dry_run else "is asked"
        return f"{name} {asked} to drain, and was not heard since {iso(before.beat_at)}: sp doctor says more"
    return f"{name} {'would begin' if dry_run else 'begins'} nothing more: {_left(running)}"


def _left(running: int) -> str:
    return f"it ends after {counted(running, 'run')}" if running else "it holds no run, and ends"
