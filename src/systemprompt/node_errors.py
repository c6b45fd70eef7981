"""Errors about nodes: which one is meant, what it takes, and what it may run. They belong to the family in `errors.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from systemprompt.errors import ConflictError, NotFoundError, UsageError
from systemprompt.wording import did_you_mean, labels_text

__all__ = ["LabelsLacking", "NodeAmbiguous", "NodeDrains", "NodeNotFound"]


class NodeNotFound(NotFoundError):
    """No node that lives has this id, nor one that begins so."""

    code = "node_not_found"

    def __init__(self, node: str, living: Iterable[str]) -> None:
        ids = list(living)
        near = did_you_mean(node, ids)
        hint = f"did you mean {near!r}? sp nodes shows all" if near else "sp nodes shows all that live"
        super().__init__(
            f"no node has the id {node!r}",
            hint=hint if ids else "no node lives: sp serve starts one",
            details={"node": node, "did_you_mean": near},
        )


class NodeAmbiguous(UsageError):
    """Several nodes have an id that begins so."""

    code = "node_ambiguous"

    def __init__(self, node: str, found: Iterable[str]) -> None:
        ids = list(found)
        super().__init__(
            f"the ids of {len(ids)} nodes begin with {node!r}: {', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}",
            hint="write more of the id",
            details={"node": node, "nodes": ids},
        )


class LabelsLacking(ConflictError):
    """A job is to start on a node that lacks a label which the job needs."""

    code = "labels_lacking"

    def __init__(self, name: str, runs_on: Collection[str], lacking: Collection[str]) -> None:
        but = "lacks it" if len(runs_on) == 1 else f"lacks {', '.join(lacking)}"
        super().__init__(
            f"job {name!r} runs only on nodes with the {labels_text(runs_on)}, and this node {but}",
            hint=f"ask for a run, which a node that may run it takes: sp jobs run {name} --detach",
            details={"job_name": name, "runs_on": list(runs_on), "lacking": list(lacking)},
        )


class NodeDrains(ConflictError):
    """The node was asked to take no more: it ends once what it runs has ended."""

    code = "node_drains"

    def __init__(self, node_id: str) -> None:
        super().__init__(
            f"node {node_id!r} is draining: it starts nothing",
            hint="another node can: sp nodes shows all that live",
            details={"node_id": node_id},
        )
