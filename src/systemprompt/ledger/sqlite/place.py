"""Where a SQLite database lies: the file, what SQLite puts beside it, and having both on the disk."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["BESIDE", "flush", "name_anew", "remove"]

BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite may put beside a database."""


def flush(path: str) -> None:
    """Have a file, or a folder's names, on the disk when this returns."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove(path: str, endings: tuple[str, ...] = ("", *BESIDE)) -> None:
    """Remove a database with what SQLite may have put beside it, as far as it is there."""
    for ending in endings:
        with suppress(FileNotFoundError):
            os.unlink(path + ending)


def name_anew(path: str, target: str) -> None:
    """Give a file a name that nothing has. The old name may stay as a second one: the caller removes it.

    Raises:
        FileExistsError: something has the name, and is left as it is.
    """
    # Unlike rename, link never takes the place of a file that somebody made a moment ago.
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems (FAT, some network shares) have no links.
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        os.rename(path, target)
