"""How rows and values look on this side: instants as microseconds, rows by name and by place, texts that can be stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import unpack
from typing import Any

import psycopg
from psycopg import BaseConnection
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.string import StrDumperUnknown

from systemprompt.clock import Instant
from systemprompt.ledger.bookkeeping import storable

__all__ = ["adapt", "rows_by_name_and_place"]

_EPOCH = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01, the ledger from 1970-01-01."""

_EVER = 2**62
_ENDS = {2**63 - 1: _EVER, -(2**63): -_EVER}


def adapt(connection: BaseConnection[Any]) -> None:
    """Let a connection read and write values as the ledger has them."""
    connection.adapters.register_loader("timestamptz", _InstantLoader)
    connection.adapters.register_dumper(str, _StorableDumper)


class _InstantLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Instant:
        (number,) = unpack("!q", data)
        ends = _ENDS.get(number)
        return int(number) + _EPOCH if ends is None else ends


class _StorableDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(storable(obj) or "")


class _Row(tuple[Any, ...]):
    """A row that a statement found. Like `sqlite3.Row`: by place, by name, `keys` names the columns."""

    __slots__ = ()
    _places: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self._places[key] if key.__class__ is str else key)

    def keys(self) -> list[str]:
        return list(self._places)


@lru_cache(maxsize=512)
def _kind_of_row(names: tuple[str, ...]) -> type[_Row]:
    return type("Row", (_Row,), {"__slots__": (), "_places": {name: place for place, name in enumerate(names)}})


def rows_by_name_and_place(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """A row factory of psycopg's."""
    described: list[psycopg.Column] = cursor.description or []
    return _kind_of_row(tuple(column.name for column in described))
