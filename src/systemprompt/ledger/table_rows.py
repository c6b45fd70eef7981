"""The rows of a database's tables as every engine gives them: in one order, with the same values, so that digests can be compared.

An instant is whole microseconds, "ever" and "never" are 2^62 and -2^62, yes and no are 1 and 0. A text is as it can be stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from systemprompt.clock import Instant
from systemprompt.ledger.bookkeeping import storable

__all__ = [
    "NOT_COUNTED",
    "UNFINISHED",
    "Rows",
    "TableDigest",
    "TableShape",
    "difference",
    "digest_of",
    "digests_of",
    "of_all",
]

NOT_COUNTED = frozenset(("reasons", "ledger_epochs"))
"""Tables that hold something in an empty ledger, too."""

UNFINISHED = "systemprompt_unfinished_move"
"""The table that stands beside an application's rows from their publishing until their ledger is there."""

NUMBERS = "ledger_state"
"""The table under whose name a ledger's numbers are compared: each engine keeps them in its own way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """A table that both engines have: its columns, and those of them that tell its rows apart."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


class Rows(Protocol):
    """One state of some tables, in one database."""

    def rows(self, shape: TableShape) -> Iterator[Sequence[Any]]:
        """Yield each row in the order of the key, with its values in the order of the columns."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Return the last number that each table gave out by itself; tables that number nothing are left out."""
        ...

    def numbers(self) -> Mapping[str, Any]:
        """Return what a ledger keeps beside its tables, in the names of `ledger_state` on SQLite; nothing of an application."""
        ...

    def months(self) -> Sequence[Instant]:
        """Return an instant of each month in which a ledger has closed accounts; nothing of an application."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDigest:
    """What a table held: how many rows, and the SHA-256 of a line of JSON for each, in the order of the key."""

    table: str
    rows: int
    digest: str


def digests_of(rows: Rows, shapes: Iterable[TableShape]) -> tuple[TableDigest, ...]:
    """Return the digest of each table, by name, and of the numbers where there are any. Memory does not grow with the rows."""
    found = [digest_of(shape.name, rows.rows(shape)) for shape in shapes]
    numbers = rows.numbers()
    if numbers:
        found.append(digest_of(NUMBERS, [[name, numbers[name]] for name in sorted(numbers)]))
    return tuple(sorted(found, key=lambda one: one.table))


def digest_of(table: str, rows: Iterable[Sequence[Any]]) -> TableDigest:
    """Return the digest of these rows."""
    hashed, encode, number = sha256(), json.JSONEncoder(separators=(",", ":")).encode, 0
    for row in rows:
        hashed.update(f"{encode([_plain(value) for value in row])}\n".encode())
        number += 1
    return TableDigest(table=table, rows=number, digest=hashed.hexdigest())


def of_all(digests: Iterable[TableDigest]) -> str:
    """Return one digest of these."""
    return digest_of("", [[one.table, one.rows, one.digest] for one in digests]).digest


def difference(before: Sequence[TableDigest], after: Sequence[TableDigest]) -> str | None:
    """Name the first table that is not the same on both sides; None where all are."""
    for one, other in zip(before, after, strict=True):
        if one != other:
            rows = f"{one.rows:,} rows here and {other.rows:,} there"
            return f"table {one.table} differs: {rows if one.rows != other.rows else f'{rows}, with other values'}"
    return None


def _plain(value: Any) -> Any:
    if value.__class__ is bool:
        return int(value)
    return storable(value) if value.__class__ is str else value
