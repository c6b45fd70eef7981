"""How an operation says of a parameter what every door needs to know."""

from __future__ import annotations

from dataclasses import MISSING, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["param"]


def param(
    help: str,  # noqa: A002  # it is what the doors show as help
    default: Any = MISSING,
    *,
    flag: str | None = None,
    short: str | None = None,
    metavar: str | None = None,
    positional: bool = False,
    minimum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field. The type comes from its annotation, the flag from its name unless `flag` says otherwise.

    positional   an argument of the command line; without a default it is required
    minimum      the least number that makes sense; doors refuse less
    choices      the only words that make sense
    """
    metadata = {
        "help": help,
        "flag": flag,
        "short": short,
        "metavar": metavar,
        "positional": positional,
        "minimum": minimum,
        "choices": choices,
    }
    if default == {} and isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)
