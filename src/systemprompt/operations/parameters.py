"""How an operation says of a parameter what every door needs to know, and how values are held against it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field

from systemprompt.errors import UsageError, unknown
from systemprompt.operations.operation import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["CURSOR", "FIELDS", "NoParams", "check", "none_of", "param", "read"]

CURSOR = "go on where an answer was cut: its next_cursor"
FIELDS = "show only these fields of each entry"
"""What these two parameters say of themselves wherever an answer is a list."""


@dataclass(frozen=True, slots=True)
class NoParams:
    """Nothing to choose."""


def param(
    help: str,  # noqa: A002  # it is what the doors show as help
    default: Any = MISSING,
    *,
    minimum: float | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field. The type comes from its annotation; without a default it is required.

    minimum      the least number that makes sense
    maximum      the largest; of a `limit` what one answer holds, and its cursor leads on
    choices      the only words that make sense
    """
    metadata = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
    }
    if default == {} and isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def check(params: Any) -> None:
    """Hold the values of a params dataclass against what its fields say of type, minimum and choices.

    Raises:
        UsageError: one does not fit. The message names the parameter in backticks.
    """
    for name, declared in params.__dataclass_fields__.items():
        value = getattr(params, name)
        if value is None and declared.type.endswith(" | None"):
            continue
        _check_one(name, value, kind_of(declared.type), declared.metadata)


def read(params_type: type, values: Mapping[str, Any]) -> Any:
    """Return params made of values by name, as a door has them that speaks JSON: lists for tuples, or a text for a list of one.

    Whether the values fit is asked by `catalogue.call`, once for every door.

    Raises:
        UsageError: a name is unknown, or a value that is required is missing.
    """
    fields: Mapping[str, Any] = params_type.__dataclass_fields__  # type: ignore[attr-defined]  # params are dataclasses
    for name in values:
        if name not in fields:
            there_are = f"there are: {', '.join(fields) or 'none'}"
            raise unknown(f"there is no parameter {name!r}", name, fields, there_are, parameter=name)
    for name, declared in fields.items():
        if name not in values and declared.default is MISSING and declared.default_factory is MISSING:
            raise UsageError(f"`{name}` is missing", hint=declared.metadata["help"], details={"parameter": name})
    lists = {name for name, declared in fields.items() if kind_of(declared.type) == "list"}
    return params_type(**{name: _listed(value) if name in lists else value for name, value in values.items()})


def none_of(name: str, word: str, known: Iterable[str]) -> UsageError:
    """Return the error that says that the value of a parameter is none of the words there are; the hint has the nearest."""
    words = tuple(known)
    said = f"`{name}` {word!r} is not one of {', '.join(words)}"
    return unknown(said, word.lower(), words, None, parameter=name, **{name: word})


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list of texts",
    "map": "texts by name",
}


def _check_one(name: str, value: Any, kind: str, declared: Mapping[str, Any]) -> None:
    if not _is_a(value, kind):
        raise UsageError(f"`{name}` {value!r} is not {_WORDS[kind]}", details={"parameter": name})
    if kind in ("int", "float"):
        minimum = declared["minimum"]
        if minimum is not None and value < minimum:
            given = f"{value:g}" if isinstance(value, float) else value
            said = f"`{name}` {given} is less than {minimum:g}, the least that makes sense"
            raise UsageError(said, details={"parameter": name})
        maximum = declared["maximum"]
        if maximum is not None and value > maximum:
            said = f"`{name}` {value} is more than {maximum:,}, the most that makes sense"
            hint = "ask for fewer, and go on with `cursor`" if name == "limit" else None
            raise UsageError(said, hint=hint, details={"parameter": name})
        if abs(value) >= 2**53:
            raise UsageError(f"`{name}` {value} is more than this program can count", details={"parameter": name})
    elif declared.get("choices"):
        for word in value if kind == "list" else (value,):
            if word not in declared["choices"]:
                raise none_of(name, word, declared["choices"])


def _is_a(value: Any, kind: str) -> bool:
    if kind == "str":
        return isinstance(value, str) and _is_text(value)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "list":
        return isinstance(value, tuple) and all(isinstance(word, str) and _is_text(word) for word in value)
    if kind == "map":
        return hasattr(value, "items") and all(isinstance(word, str) for pair in value.items() for word in pair)
    if isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
        return False
    return bool(value - value == 0)  # infinity and not-a-number


def _is_text(value: str) -> bool:
    """What a database can hold and an answer can repeat: no lone surrogate, no NUL."""
    if value.isascii():
        return "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
