"""Compare the objects of a schema with those that the migrations make, by their texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from systemprompt.ledger.upkeep import SchemaDifference

__all__ = ["SchemaObject", "differences_between"]


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """A table, view, index, trigger or function: the table it belongs to, and its text."""

    table: str
    text: str


def differences_between(
    have: Mapping[tuple[str, str], SchemaObject], want: Mapping[tuple[str, str], SchemaObject]
) -> Iterator[SchemaDifference]:
    """Yield each object that is missing, altered or added. Both are by kind and name."""
    ours = {name for kind, name in want if kind in ("table", "view")}
    for key in sorted(have.keys() | want.keys()):
        kind, name = key
        if key not in have:
            yield SchemaDifference(found="missing", kind=kind, name=name, table=want[key].table, harmful=True)
        elif key not in want:
            # A trigger or an index can refuse or change what we write; a table beside ours cannot.
            harmful = kind in ("index", "trigger") and have[key].table in ours
            yield SchemaDifference(found="added", kind=kind, name=name, table=have[key].table, harmful=harmful)
        elif have[key].text != want[key].text:
            yield SchemaDifference(found="altered", kind=kind, name=name, table=have[key].table, harmful=True)
