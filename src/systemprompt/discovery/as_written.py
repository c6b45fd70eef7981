"""Show what came out of the environment as it is written: `${TOKEN}`, never its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["as_written"]

_TELLING = 4
"""Characters from which a value is looked for inside of other text: a shorter one, such as 5, would be found anywhere."""


def as_written(value: Any, filled: Mapping[str, str]) -> Any:
    """Return a JSON value with every text in it that came out of the environment as the profile writes it.

    filled   text with variables filled in -> as it is written; a variable's value alone -> `${NAME}`
    """
    if isinstance(value, dict):
        return {name: as_written(held, filled) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_written(held, filled) for held in value]
    if not isinstance(value, str) or not filled:
        return value
    if value in filled:
        return filled[value]
    for text in sorted(filled, key=len, reverse=True):
        value = value.replace(repr(text), repr(filled[text]))
        if len(text) >= _TELLING:
            value = value.replace(text, filled[text])
    return value
