"""Read named statements from `.sql` files.

A statement begins at `-- name: some_name` and ends where the next begins. Comment lines right below the name explain it and
stay in the text, so that a trace shows them.
"""

from __future__ import annotations

import os

from systemprompt.errors import LedgerBroken

__all__ = ["load_statements"]

_MARK = "-- name:"


def load_statements(*paths: str) -> dict[str, str]:
    """Return every named statement of these files or folders of `.sql` files.

    Raises:
        LedgerBroken: two statements share a name, or text stands before the first name.
    """
    statements: dict[str, str] = {}
    for path in paths:
        files = (
            sorted(entry.path for entry in os.scandir(path) if entry.name.endswith(".sql"))
            if os.path.isdir(path)
            else [path]
        )
        for file in files:
            with open(file, encoding="utf-8") as stream:
                _read(stream.read(), file, statements)
    return statements


def _read(text: str, file: str, into: dict[str, str]) -> None:
    head, *parts = ("\n" + text).split("\n" + _MARK)
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise LedgerBroken(f"{file}: a statement stands before the first `{_MARK}`")
    for part in parts:
        name, _, body = part.partition("\n")
        name = name.strip()
        if name in into:
            raise LedgerBroken(f"{file}: two statements are named {name!r}")
        into[name] = body.strip().rstrip(";")
