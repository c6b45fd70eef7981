"""Find and open the files of a source."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ELOOP, ENOTDIR

from systemprompt.builtin.content.below import open_below, open_folder
from systemprompt.builtin.content.pattern import pattern_of

__all__ = ["LeadsOutside", "SourceFolder", "shown_path"]


def shown_path(path: str) -> str:
    """Return a path that any terminal and any database can take: bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class LeadsOutside(OSError):
    """A link leads out of the source's folder."""

    def __init__(self) -> None:
        super().__init__(ELOOP, "a link that leads outside the source; `follow_links: true` of the source allows that")


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """The folder of a source. Whoever may write in it decides which of its files are read, and about no other file.

    A link that leads to another place in the folder is followed. One that leads outside is followed only with `follow_links`,
    whatever changes meanwhile: what is read is the descriptor that was checked.
    """

    root: str
    follow_links: bool = False

    def walk(self, pattern: str, unreadable: dict[str, OSError]) -> Iterator[str]:
        """Yield the files that match the glob, in order, one folder at a time, each as its path below the source with `/`.

        Hidden files and folders are left out. Each real folder is visited once: a loop of links ends, and its files are listed
        under the first path in order. A folder that cannot be listed is put into `unreadable`, with why, on the way: what lies
        below it is unknown, not gone; but below one that `LeadsOutside` there is nothing of this source.
        """
        wanted = pattern_of(pattern)
        seen: set[tuple[int, int]] = set()
        waiting = [""]
        while waiting:
            folder = waiting.pop(0)
            below = []
            try:
                opened = self._open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                unreadable[folder] = error
                continue
            try:
                status = os.fstat(opened)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                names = sorted(name for name in os.listdir(opened) if not name.startswith("."))
                folders = {name for name in names if _is_folder(name, opened)}
            except OSError as error:
                unreadable[folder] = error
                continue
            finally:
                os.close(opened)
            for name in names:
                path = f"{folder}/{name}" if folder else name
                if name in folders:
                    below.append(path)
                elif wanted.matches(path):
                    yield path
            waiting[:0] = below

    def status(self, path: str) -> os.stat_result:
        """Return the state of what a path leads to.

        Raises:
            LeadsOutside: a link leads out of the folder.
            OSError: it is absent, or cannot be looked at.
        """
        named = os.path.join(self.root, path)
        seen = os.stat(named) if self.follow_links else os.lstat(named)
        if not stat.S_ISLNK(seen.st_mode):
            return seen
        opened = self._open(path, os.O_RDONLY)
        try:
            return os.fstat(opened)
        finally:
            os.close(opened)

    def open_file(self, path: str) -> int:
        """Return a descriptor of a regular file, to read. A pipe that took its place holds nobody up.

        Raises:
            LeadsOutside: a link leads out of the folder.
            OSError: it is absent, cannot be read, or is not a regular file.
        """
        opened = self._open(path, os.O_RDONLY)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise OSError(f"{shown_path(os.path.join(self.root, path))} is not a regular file")
        return opened

    def _open(self, path: str, flags: int) -> int:
        if self.follow_links:
            return os.open(os.path.join(self.root, path), flags | os.O_NONBLOCK | os.O_CLOEXEC)
        root = open_folder(self.root)
        try:
            try:
                return open_below(root, _parts(path), flags)
            except OSError as error:
                if error.errno not in (ELOOP, ENOTDIR):
                    raise
                where = self._inside(path)
                if where is None:
                    raise
            return open_below(root, where, flags)
        finally:
            os.close(root)

    def _inside(self, path: str) -> list[str] | None:
        """Return where a path with links in it leads, below the folder; None where it has no links that lead anywhere else.

        Raises:
            LeadsOutside: it leads out of the folder.
        """
        root = os.path.realpath(self.root)
        real = os.path.realpath(os.path.join(root, path))
        if real == os.path.join(root, path):
            return None
        if real != root and not real.startswith(os.path.join(root, "")):
            raise LeadsOutside
        return _parts(os.path.relpath(real, root))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _is_folder(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder).st_mode)
    except OSError:
        return False  # a dangling link: reading it will say so, if it matches
