"""An answer as every door gives it: the same data, the same title, and only the fields that were asked for."""

from __future__ import annotations

from systemprompt.clock import iso
from systemprompt.operations.operation import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from systemprompt.operations.operation import Operation

    T = TypeVar("T")

__all__ = ["Answer", "check_fields", "entry_of", "entry_type", "plain", "said_once"]


class Answer:
    """What an operation answered to these params."""

    __slots__ = ("fields", "operation", "result")

    def __init__(self, operation: Operation, params: object, result: Any) -> None:
        self.operation = operation
        self.result = result
        self.fields: tuple[str, ...] = getattr(params, "fields", ())

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.operation.title.format(self.result)

    @property
    def failed(self) -> bool:
        """Whether it says that what was asked for did not succeed."""
        attribute = self.operation.failed.removeprefix("not ")
        return bool(attribute) and bool(getattr(self.result, attribute)) is (attribute == self.operation.failed)

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of a list, each with the fields that were asked for, in their order."""
        listed = getattr(self.result, self.operation.entries)
        return [{name: plain(getattr(entry, name)) for name in self.fields} for entry in listed]

    def data(self) -> Any:
        """Return it as JSON can hold it."""
        if not self.fields:
            return plain(self.result)
        return {
            name: self.entries() if name == self.operation.entries else plain(getattr(self.result, name))
            for name in self.result.__dataclass_fields__
        }

    def envelope(self) -> dict[str, Any]:
        """Return the whole document that a program gets."""
        return {"data": self.data(), "artifact_type": self.operation.artifact_type, "title": self.title}


def check_fields(operation: Operation, params: Any) -> None:
    """Refuse fields that an entry of this operation's list does not have.

    Raises:
        UsageError: the message names the parameter in backticks.
    """
    if asked := getattr(params, "fields", ()):
        known = entry_type(operation).__dataclass_fields__
        for name in asked:
            if name not in known:
                from systemprompt.operations.parameters import none_of

                raise none_of("fields", name, known)


def entry_of(kind: type[T], view: object, /, **own: Any) -> T:
    """Return a record for programs, made of what a view of the ledger has by the same names, and of what is its own.

    Where the record has a text and the view an instant, it is written as ISO 8601 in UTC.
    """
    for name, field in kind.__dataclass_fields__.items():  # type: ignore[attr-defined]  # a dataclass
        if name not in own:
            value = getattr(view, name)
            own[name] = iso(value) if value.__class__ is int and field.type.startswith("str") else value
    return kind(**own)


def said_once(message: str | None, error: str | None) -> str | None:
    """Return the message, or None where the error ends with it: a traceback does, and nobody wants to read one text twice."""
    repeated = message and error and error.rstrip().endswith(message.rstrip())
    return None if repeated else message


def entry_type(operation: Operation) -> Any:
    """Return the dataclass of an entry of an operation's list."""
    result = load(operation.result)
    kind = result.__dataclass_fields__[operation.entries].type.removeprefix("tuple[").partition(",")[0]
    return load(f"{result.__module__}:{kind}")


def plain(value: Any) -> Any:
    """Return records as dicts and tuples as lists, all the way down: what JSON and YAML can hold."""
    if value is None or value.__class__ in (str, int, bool, float):
        return value
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    if hasattr(value, "items"):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(held) for held in value]
    return value if isinstance(value, (str, int, float)) else str(value)
