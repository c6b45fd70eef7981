"""Many rows as one array for each column, in PostgreSQL's own notation: what `unnest` takes apart again.

Source of the notation: PostgreSQL's manual, chapter 8.15.2, Array Value Input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from systemprompt.ledger.bookkeeping import storable

__all__ = ["columns_of"]


def columns_of(names: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> dict[str, str]:
    """Return each column by its name. Rows are mappings by these names, or sequences in their order."""
    listed = [[row[name] for name in names] if isinstance(row, Mapping) else row for row in rows]
    return dict(zip(names, map(_array, zip(*listed, strict=True)), strict=True))


def _array(values: Sequence[Any]) -> str:
    if str in set(map(type, values)):
        # Most columns of text say one thing in all rows: each text is quoted once.
        quoted = {value: _quoted(value) for value in set(values)}
        return "{" + ",".join([quoted[value] for value in values]) + "}"
    # Numbers, yes and no: as Python writes a list of them, but for what is absent.
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    text = storable(value) or ""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
