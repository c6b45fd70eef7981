"""Find the files of a content source."""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache

__all__ = ["shown_path", "walk_files"]

from collections.abc import Iterator


def shown_path(path: str) -> str:
    """Return a path that any terminal and any database can take: bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def walk_files(root: str, pattern: str, unreadable: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the files below `root` that match the glob, in order, one folder at a time: (path relative to it, with `/`; absolute).

    Hidden files and folders are left out. Symbolic links are followed and each real folder is visited once: a loop of links ends,
    and its files are listed under the first path in order. A folder that cannot be listed is put into `unreadable`, with why, on
    the way: what lies below it is unknown, not gone.
    """
    matches = _matcher(pattern)
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop(0)
        try:
            here = os.path.join(root, folder)
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(here))
        except OSError as error:
            unreadable[folder] = error.strerror or str(error)
            continue
        below = []
        for name in names:
            if name.startswith("."):
                continue
            relative = f"{folder}/{name}" if folder else name
            absolute = os.path.join(here, name)
            if _is_folder(absolute):
                below.append(relative)
            elif matches.fullmatch(relative):
                yield relative, absolute
        waiting[:0] = below


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False  # a dangling link: reading it will say so, if it matches


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> re.Pattern[str]:
    """Return a glob as a regular expression: `**` is any number of folders, `*` and `?` stay within one."""
    expression = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|[^*?\[]+|\[", pattern):
        if part == "**/":
            expression += r"(?:[^/]+/)*"
        elif part == "**":
            expression += r".*"
        elif part == "*":
            expression += r"[^/]*"
        elif part == "?":
            expression += r"[^/]"
        elif part.startswith("[") and part.endswith("]"):
            inner = part[1:-1].replace("\\", r"\\")
            expression += f"[^{inner[1:]}]" if inner[0] == "!" else f"[{inner}]"
        else:
            expression += re.escape(part)
    return re.compile(expression, re.DOTALL)
