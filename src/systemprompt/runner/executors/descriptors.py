"""Pipes and descriptors for a new process."""

from __future__ import annotations

import os
import tempfile

__all__ = ["fill_standard_streams", "pipe_for", "read_now", "unnamed_file"]

_CHUNK = 64 * 1024


def pipe_for(ours: dict[int, str], theirs: list[int], name: str) -> int:
    """Make a pipe from the new process to us; return the end to hand over. Both ends are noted, ours under this name."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    ours[reader] = name
    theirs.append(writer)
    return writer


def fill_standard_streams() -> None:
    """See that no pipe gets the number 0, 1 or 2, where a job in a thread has closed them: the new process needs those itself."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(fd)


def unnamed_file(content: bytes) -> int:
    """Return a descriptor to read this from: a pipe would block where it is longer than the pipe."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return os.dup(file.fileno())


def read_now(fd: int) -> bytes | None:
    """Return what is there, nothing at the end, None where it would have to wait."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None
