"""Let `import inspect` cost nothing until somebody uses it.

`dataclasses` imports `inspect` at its top and needs it only for classes without a docstring; ours have one. `inspect` in turn
pulls in ast, dis, tokenize and linecache: half of what a reading command costs. See docs/decisions/0002-lazy-inspect.md.
"""

from __future__ import annotations

import sys

__all__ = ["install"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
else:
    ModuleType = type(sys)  # the module `types` is one import more


def install() -> None:
    """Put a stand-in where `import inspect` looks, unless the real module is there already."""
    if "inspect" not in sys.modules:
        stand_in = _LazyInspect("inspect")
        if (3, 12) <= sys.version_info < (3, 14):
            stand_in.__dict__["get_annotations"] = _get_annotations
        sys.modules["inspect"] = stand_in


class _LazyInspect(ModuleType):
    """Becomes the real module's face at the first touch of any attribute; the real one takes its place in `sys.modules`."""

    def __getattr__(self, name: str) -> object:
        return getattr(_load(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_load(self), name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_load(self), name)
        self.__dict__.pop(name, None)

    def __dir__(self) -> list[str]:
        return dir(_load(self))


def _get_annotations(of: object) -> dict[str, object]:
    # Python 3.12 and 3.13 ask this of every dataclass they make. Of a class it is no more than its own dictionary.
    return dict(of.__dict__.get("__annotations__", {}))  # noqa: RUF063  # inspect is what must not load


def _load(stand_in: ModuleType) -> ModuleType:
    if sys.modules.get("inspect") is stand_in:
        del sys.modules["inspect"]
    from importlib import import_module  # two threads at once: the import system's own lock lets one of them do it

    real = import_module("inspect")
    stand_in.__dict__.update(real.__dict__)
    return real
