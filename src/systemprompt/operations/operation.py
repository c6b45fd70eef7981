"""What is said of one operation, and how what it names by path is found."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Operation", "kind_of", "load"]


class Operation:
    """One operation. A plain class: a dataclass would cost every start 0.3 ms.

    name           what programs call it: a word of their own may stand before it in a door
    code           where it is, as `module:function Params Result`; the module below `systemprompt.operations` or in full.
                   The function is (context, params) -> result; both are dataclasses
    example        values for params that make sense in a new installation, or nearly so
    needs          what its context opens: `ledger` to read, `system` (all of an installation), `profile`, or nothing
    does           `reads`, `writes`, `destroys`, or `runs` code of users in this process
    where          `anywhere`, or `local`: it names a file, starts a process or writes code
    entries        the attribute of its result that is a list, where the answer is one: `fields` chooses what each entry shows
    failed         the attribute of its result that says that it failed; after `not `, the one that says it went well
    title          what a person calls the answer; `{0.name}` is an attribute of the result
    artifact_type  `table`, `presentation_card` or `text`
    """

    __slots__ = (
        "artifact_type",
        "does",
        "entries",
        "example",
        "failed",
        "function",
        "name",
        "needs",
        "params",
        "result",
        "summary",
        "title",
        "where",
    )

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        code: str,
        example: dict[str, Any] | None = None,
        needs: str = "",
        does: str = "reads",
        where: str = "anywhere",
        entries: str = "",
        failed: str = "",
        title: str,
        artifact_type: str = "text",
    ) -> None:
        self.name = name
        self.summary = summary
        module, _, names = code.partition(":")
        if not module.startswith("systemprompt."):
            module = f"systemprompt.operations.{module}"
        self.function, self.params, self.result = (f"{module}:{one}" for one in names.split())
        self.example = example or {}
        self.needs = needs
        self.does = does
        self.where = where
        self.entries = entries
        self.failed = failed
        self.title = title
        self.artifact_type = artifact_type


def load(dotted: str) -> Any:
    """Import what `package.module:name` says."""
    module, _, name = dotted.partition(":")
    __import__(module)  # the package importlib alone would cost a start two fifths of a bare interpreter's
    return getattr(sys.modules[module], name)


def kind_of(annotation: str) -> str:
    """Return what a parameter is, from its annotation: `str`, `int`, `float`, `bool`, `list` (of texts) or `map` (text to text)."""
    bare = annotation.removesuffix(" | None")
    if bare.startswith("tuple["):
        return "list"
    if bare.startswith(("dict[", "Mapping[")):
        return "map"
    if bare not in ("str", "int", "float", "bool"):
        raise TypeError(f"a parameter cannot have the type {annotation!r}")
    return bare
