"""How a value is declared that is made for every run: frozen for the type checker, and quick to make."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar, dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def record(cls: type[T]) -> type[T]: ...

else:
    # `frozen=True` sets each field by a call of `object.__setattr__`: 1.4 us for 14 fields, and 0.4 us without.
    # mypy refuses to set a field of a record all the same.
    record = dataclass(slots=True, kw_only=True, unsafe_hash=True)

__all__ = ["record"]
