"""What jobs say, in a form that anything can show."""

from __future__ import annotations

import os

__all__ = ["shown_path"]


def shown_path(path: str) -> str:
    """Return a path that any terminal and any database can take: bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
