"""The folder a site is published into: files appear whole or not at all, and only ours are ever touched."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from secrets import token_hex
from types import TracebackType

from systemprompt.builtin.content.below import folder_below, open_below, open_folder
from systemprompt.errors import ConflictError

__all__ = ["ForeignFile", "SiteFolder"]

_OURS = ".systemprompt"
_UNFINISHED = "tmp"


class ForeignFile(ConflictError):
    """What stands where a page should go was not written by this job."""

    code = "foreign_file"


class SiteFolder:
    """Writes a site. Use it in a `with` block: the folder is locked against a second publisher.

    A crash at any moment leaves every page either as it was or as it will be. The manifest names every file of ours before it is
    written, so what a crash left behind is still known as ours, and a later run mends or removes it.

    Others may be allowed to write in the site. So nothing below its folder is reached through a link, only regular files are
    replaced or removed, and what we keep for ourselves lies in a folder that this user alone may enter.

    Raises:
        ConflictError: another process is publishing here, or the folder `.systemprompt` in it is a link or somebody else's.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.written = 0
        self.unchanged = 0
        self.removed = 0
        self._ours: set[str] = set()
        self._kept: set[str] = set()
        self._dirty_folders: set[tuple[str, ...]] = set()
        self._open = ExitStack()
        self._root = self._private = self._tmp = -1

    def __enter__(self) -> SiteFolder:
        with ExitStack() as opened:
            os.makedirs(self.root, exist_ok=True)
            self._root = _close_with(opened, open_folder(self.root))
            self._private = _close_with(opened, self._own_folder(self._root, _OURS, _OURS))
            self._tmp = _close_with(opened, self._own_folder(self._private, _UNFINISHED, f"{_OURS}/{_UNFINISHED}"))
            self._lock(_close_with(opened, self._own_file("lock", os.O_RDWR | os.O_CREAT)))
            for name in os.listdir(self._tmp):  # what a crash left
                os.unlink(name, dir_fd=self._tmp)
            self._ours = self._read_manifest()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def announce(self, addresses: set[str]) -> None:
        """Note the files that are about to be written, before they are. What exists and is not ours is not noted."""
        new = {address for address in addresses - self._ours if self._kind_of(address) is None}
        if new:
            self._write_manifest(self._ours | new)
        self._ours |= new

    def put(self, address: str, data: bytes) -> bool:
        """Make the file hold `data`; return whether it had to be written. A file that holds it already is left untouched.

        Raises:
            ForeignFile: something that is not ours stands there, or a link stands on the way.
            OSError: it cannot be written; the old one stands as it was.
        """
        self._kept.add(address)
        if self._holds(address, data):
            self.unchanged += 1
            return False
        there = self._kind_of(address)
        if there is not None and (address not in self._ours or there != stat.S_IFREG):
            self._kept.discard(address)
            raise self._foreign(address)
        if address not in self._ours:
            self.announce({address})
        *folder, name = address.split("/")
        with self._folder(folder, make=True) as opened:
            self._replace(opened, name, data, 0o666)
        self._dirty_folders.add(tuple(folder))
        self.written += 1
        return True

    def keep(self, address: str) -> None:
        """Spare a file in `finish`, whatever state it is in."""
        self._kept.add(address)

    def finish(self) -> None:
        """Remove the files of ours that were neither put nor kept, and their folders where that leaves them empty."""
        for address in sorted(self._ours - self._kept):
            # Something else took the name: somebody else made it, and it stays.
            if self._kind_of(address) == stat.S_IFREG:
                *folder, name = address.split("/")
                with folder_below(self._root, folder) as opened:
                    os.unlink(name, dir_fd=opened)
                self.removed += 1
                self._dirty_folders.add(tuple(folder))
                self._prune(folder)
        for parts in sorted(self._dirty_folders):
            # A folder that was pruned is gone.
            with suppress(FileNotFoundError, NotADirectoryError), folder_below(self._root, parts) as opened:
                os.fsync(opened)
        present = {address for address in self._kept if self._kind_of(address) is not None}
        if present != self._read_manifest():
            self._write_manifest(present)
        self._ours = present

    # -- the site's files -----------------------------------------------------------------------------------------------

    def _kind_of(self, address: str) -> int | None:
        """Return what stands at an address, as `stat.S_IFMT` says it; a link is a link. None where nothing can be there."""
        *folder, name = address.split("/")
        try:
            with folder_below(self._root, folder) as opened:
                return stat.S_IFMT(os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode)
        except OSError:  # also a name that is too long: writing it says so
            return None

    def _holds(self, address: str, data: bytes) -> bool:
        try:
            descriptor = open_below(self._root, address.split("/"), os.O_RDONLY)
        except OSError:  # absent, or not for us to read: writing it says what is wrong
            return False
        with os.fdopen(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            return stat.S_ISREG(seen.st_mode) and seen.st_size == len(data) and file.read() == data

    @contextmanager
    def _folder(self, parts: list[str], *, make: bool) -> Iterator[int]:
        try:
            held = ExitStack()
            opened = held.enter_context(folder_below(self._root, parts, make=make))
        except OSError:
            for number in range(1, len(parts) + 1):
                there = self._kind_of("/".join(parts[:number]))
                if there is not None and there != stat.S_IFDIR:
                    raise self._foreign("/".join(parts[:number])) from None
            raise
        with held:
            yield opened

    def _foreign(self, address: str) -> ForeignFile:
        is_link = self._kind_of(address) == stat.S_IFLNK
        return ForeignFile(
            f"{os.path.join(self.root, address)} {'is a link' if is_link else 'exists'} and was not written by publish_content",
            hint="move it away, or publish into a folder of its own",
        )

    def _prune(self, folder: list[str]) -> None:
        while folder:
            *folder, name = folder
            try:
                with folder_below(self._root, folder) as above:
                    os.rmdir(name, dir_fd=above)
            except OSError:  # it holds something else, or somebody has taken it away
                return

    def _replace(self, folder: int, name: str, data: bytes, mode: int) -> None:
        # The temporary file stands in a folder of ours on the same file system, so that the rename is atomic.
        temporary = token_hex(16)
        made = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, made, mode, dir_fd=self._tmp), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, name, src_dir_fd=self._tmp, dst_dir_fd=folder)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._tmp)
            raise

    # -- what we keep for ourselves -------------------------------------------------------------------------------------

    def _own_folder(self, above: int, name: str, shown: str) -> int:
        """Return a descriptor of a folder that this user alone may enter; it is made where it is absent."""
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        try:
            opened = open_below(above, [name], os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
            why = "is a link" if is_link else f"cannot be opened as a folder: {error.strerror}"
            raise self._not_ours(shown, why) from error
        return self._kept_private(opened, shown, 0o700)

    def _own_file(self, name: str, flags: int) -> int:
        """Return a descriptor of a regular file in the private folder that this user alone may open."""
        shown = f"{_OURS}/{name}"
        try:
            opened = open_below(self._private, [name], flags, 0o600)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._not_ours(shown, f"cannot be opened as a file: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise self._not_ours(shown, "is not a regular file")
        return self._kept_private(opened, shown, 0o600)

    def _kept_private(self, opened: int, shown: str, mode: int) -> int:
        seen = os.fstat(opened)
        if seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
            os.close(opened)
            whose = f"belongs to user {seen.st_uid}" if seen.st_uid != os.geteuid() else "may be written by others"
            raise self._not_ours(shown, whose)
        if seen.st_mode & 0o077:
            os.fchmod(opened, mode)  # whoever may read the lock could hold it
        return opened

    def _not_ours(self, shown: str, why: str) -> ConflictError:
        return ConflictError(
            f"{os.path.join(self.root, shown)} {why}; nothing was published",
            hint=f"publish as the user whose site it is, or move {_OURS} away: files that still hold what would be published"
            " are taken over again",
        )

    def _lock(self, opened: int) -> None:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another process is publishing into {self.root}", hint="wait until it has finished"
            ) from None

    def _read_manifest(self) -> set[str]:
        try:
            with os.fdopen(self._own_file("manifest.json", os.O_RDONLY), encoding="utf-8") as file:
                names = json.load(file)["files"]
        except FileNotFoundError:
            return set()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConflictError(
                f"{self.root}/{_OURS}/manifest.json cannot be read: {error}",
                hint="delete it: files that still hold what would be published are taken over again",
            ) from error
        return {name for name in names if isinstance(name, str) and _is_inside(name)}

    def _write_manifest(self, addresses: set[str]) -> None:
        text = json.dumps({"files": sorted(addresses)}, ensure_ascii=False, indent=1) + "\n"
        self._replace(self._private, "manifest.json", text.encode(), 0o600)
        os.fsync(self._private)


def _close_with(opened: ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor


def _is_inside(address: str) -> bool:
    """A manifest that somebody edited must not lead outside the folder."""
    parts = address.split("/")
    return all(part not in ("", ".", "..", _OURS) for part in parts) and "\0" not in address
