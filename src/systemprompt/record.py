"""How a value is declared that is made for every run: frozen for the type checker, and quick to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

__all__ = ["record"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Return a class as a dataclass with slots whose values are equal where their fields are, and that mypy refuses to change.

    `frozen=True` would set each field by a call of `object.__setattr__`: 1.4 us for 14 fields, and 0.4 us without.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
