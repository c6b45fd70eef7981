"""The folder a site is published into: files appear whole or not at all, and only ours are ever touched."""

from __future__ import annotations

import fcntl
import json
import os
from types import TracebackType

from systemprompt.errors import ConflictError

__all__ = ["ForeignFile", "SiteFolder"]

_OURS = ".systemprompt"


class ForeignFile(ConflictError):
    """A file stands where a page should go, and this job did not write it."""

    code = "foreign_file"


class SiteFolder:
    """Writes a site. Use it in a `with` block: the folder is locked against a second publisher.

    A crash at any moment leaves every page either as it was or as it will be. The manifest names every file of ours before it is
    written, so what a crash left behind is still known as ours, and a later run mends or removes it.

    Raises:
        ConflictError: another process is publishing here.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.written = 0
        self.unchanged = 0
        self.removed = 0
        self._ours: set[str] = set()
        self._kept: set[str] = set()
        self._dirty_folders: set[str] = set()
        self._lock = -1

    def __enter__(self) -> SiteFolder:
        private = os.path.join(self.root, _OURS)
        os.makedirs(os.path.join(private, "tmp"), exist_ok=True)
        self._lock = os.open(os.path.join(private, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConflictError(
                f"another process is publishing into {self.root}", hint="wait until it has finished"
            ) from None
        for name in os.listdir(os.path.join(private, "tmp")):  # what a crash left
            os.unlink(os.path.join(private, "tmp", name))
        self._ours = self._read_manifest()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def announce(self, addresses: set[str]) -> None:
        """Note the files that are about to be written, before they are. What exists and is not ours is not noted."""
        new = {address for address in addresses - self._ours if not os.path.lexists(self._absolute(address))}
        if new:
            self._write_manifest(self._ours | new)
        self._ours |= new

    def put(self, address: str, data: bytes) -> bool:
        """Make the file hold `data`; return whether it had to be written. A file that holds it already is left untouched.

        Raises:
            ForeignFile: a file that is not ours stands there with other content.
            OSError: it cannot be written; the old one stands as it was.
        """
        self._kept.add(address)
        path = self._absolute(address)
        if _holds(path, data):
            self.unchanged += 1
            return False
        if address not in self._ours:
            if os.path.lexists(path):
                self._kept.discard(address)
                raise ForeignFile(
                    f"{path} exists and was not written by publish_content",
                    hint="move it away, or publish into a folder of its own",
                )
            self.announce({address})
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._replace(path, data)
        self._dirty_folders.add(os.path.dirname(path))
        self.written += 1
        return True

    def keep(self, address: str) -> None:
        """Spare a file in `finish`, whatever state it is in."""
        self._kept.add(address)

    def finish(self) -> None:
        """Remove the files of ours that were neither put nor kept, and their folders where that leaves them empty."""
        for address in sorted(self._ours - self._kept):
            path = self._absolute(address)
            if os.path.lexists(path):
                os.unlink(path)
                self.removed += 1
                self._dirty_folders.add(os.path.dirname(path))
                self._prune(os.path.dirname(path))
        for folder in sorted(self._dirty_folders):
            if os.path.isdir(folder):
                _sync_folder(folder)
        present = {address for address in self._kept if os.path.lexists(self._absolute(address))}
        if present != self._read_manifest():
            self._write_manifest(present)
        self._ours = present

    def _absolute(self, address: str) -> str:
        return os.path.join(self.root, *address.split("/"))

    def _prune(self, folder: str) -> None:
        while folder != self.root and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)

    def _replace(self, path: str, data: bytes) -> None:
        # The temporary file stands in a folder of ours on the same file system, so that the rename is atomic.
        temporary = os.path.join(self.root, _OURS, "tmp", "page")
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    def _read_manifest(self) -> set[str]:
        try:
            with open(os.path.join(self.root, _OURS, "manifest.json"), encoding="utf-8") as file:
                names = json.load(file)["files"]
        except FileNotFoundError:
            return set()
        except (ValueError, KeyError, TypeError) as error:
            raise ConflictError(
                f"{self.root}/{_OURS}/manifest.json cannot be read: {error}",
                hint="delete it: files that still hold what would be published are taken over again",
            ) from error
        return {name for name in names if isinstance(name, str) and _is_inside(name)}

    def _write_manifest(self, addresses: set[str]) -> None:
        text = json.dumps({"files": sorted(addresses)}, ensure_ascii=False, indent=1) + "\n"
        self._replace(os.path.join(self.root, _OURS, "manifest.json"), text.encode())
        _sync_folder(os.path.join(self.root, _OURS))


def _holds(path: str, data: bytes) -> bool:
    try:
        if os.path.getsize(path) != len(data):
            return False
        with open(path, "rb") as file:
            return file.read() == data
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _is_inside(address: str) -> bool:
    """A manifest that somebody edited must not lead outside the folder."""
    parts = address.split("/")
    return all(part not in ("", ".", "..", _OURS) for part in parts) and "\0" not in address


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
