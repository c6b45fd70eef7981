"""Labels: words that say what a node has, and what a job needs of the node that runs it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from systemprompt.errors import JobDefinitionError

__all__ = ["LONGEST_LABEL", "check_labels", "lacking"]

LONGEST_LABEL = 63
"""Characters in a label at most."""

_ENDS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALLOWED = _ENDS | frozenset("_-.")


def check_labels(labels: object) -> tuple[str, ...]:
    """Return labels sorted, each once, so that the same labels are always written alike.

    Raises:
        JobDefinitionError: they are no list of texts, or one is not 1 to 63 of a-z, 0-9, `_`, `-` and `.`, beginning with a
            letter or a digit.
    """
    if not isinstance(labels, (list, tuple, set, frozenset)):
        raise JobDefinitionError(f"labels {labels!r:.100} are not a list", hint=f"write a list: [{_example(labels)}]")
    return tuple(sorted({_checked(label) for label in labels}))


def lacking(wanted: Iterable[str], labels: Collection[str]) -> tuple[str, ...]:
    """Return which of the wanted labels a node with these labels lacks. It may run the job where it lacks none."""
    return tuple(label for label in wanted if label not in labels)


def _checked(label: object) -> str:
    if not isinstance(label, str):
        raise JobDefinitionError(f"label {label!r:.100} is not text", hint="write words such as gpu or eu-west")
    if not 0 < len(label) <= LONGEST_LABEL or label[0] not in _ENDS or not _ALLOWED.issuperset(label):
        shown = label if len(label) <= LONGEST_LABEL else label[:20] + "..."
        raise JobDefinitionError(
            f"label {shown!r} is not 1 to {LONGEST_LABEL} of a-z, 0-9, '_', '-' and '.', beginning with a letter or a digit",
            hint="write words such as gpu or eu-west",
        )
    return label


def _example(labels: object) -> str:
    return labels if isinstance(labels, str) and labels and _ALLOWED.issuperset(labels) else "gpu"
