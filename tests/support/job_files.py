"""Job files written for a test, and the catalogue that they give."""

from __future__ import annotations

import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING

from systemprompt.discovery.discovery import discover
from systemprompt.discovery.overrides import Extension

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systemprompt.discovery.definition import Catalogue

HEAD = "from systemprompt import Job, JobResult, job, submit_job\n"


class JobFolder:
    """A folder of the test's own. Every file begins with the imports that jobs need."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, name: str, text: str) -> str:
        """Write one file; return its path."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(text))
        return str(path)


def files(*paths: str, **more: object) -> Catalogue:
    extensions = [Extension(kind="file", name=path) for path in paths]
    return discover(extensions=extensions, entry_points=False, **more)  # type: ignore[arg-type]  # keywords of discover


@contextmanager
def own_modules(folder: Path) -> Iterator[None]:
    """Put `lib/` of this folder on the module path; leave no module behind that came from the folder."""
    path, before = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(folder / "lib"))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
