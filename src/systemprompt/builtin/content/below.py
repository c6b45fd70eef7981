"""Open what lies below a folder by descriptors and follow no link: a name that was checked may be another thing a moment later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

__all__ = ["folder_below", "open_below", "open_folder"]


def open_folder(path: str) -> int:
    """Return a descriptor of the folder that everything else is opened below. Its own path may be a link: somebody named it."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_below(root: int, parts: Sequence[str], flags: int, mode: int = 0o600) -> int:
    """Open `parts`, one name each, below the folder of the descriptor `root`.

    It never waits for a pipe's other end. No part may be a link, the last one neither.

    Raises:
        OSError: a part is absent, is a link, or is no folder where one is needed.
    """
    with folder_below(root, parts[:-1]) as folder:
        safe = flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(parts[-1] if parts else ".", safe, mode, dir_fd=folder)


@contextmanager
def folder_below(root: int, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open a folder below `root` for the block; with `make` the folders that are absent are made.

    Raises:
        OSError: a part is absent, is a link, or is no folder.
    """
    opened = os.dup(root)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):  # whether it is a folder is seen as it is opened
                    os.mkdir(part, dir_fd=opened)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened)
            os.close(opened)
            opened = below
        yield opened
    finally:
        os.close(opened)
