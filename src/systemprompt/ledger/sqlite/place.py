"""Where a SQLite database lies: the file, what SQLite puts beside it, and having both on the disk."""

from __future__ import annotations

import grp
import os
import stat
import tempfile
from contextlib import suppress
from secrets import token_hex
from shutil import copyfileobj

from systemprompt.errors import ConfigurationError
from systemprompt.ownership import strangers_hand

__all__ = [
    "BESIDE",
    "carry",
    "discard",
    "flush",
    "is_regular",
    "name_anew",
    "new_file",
    "remove",
    "share_with",
    "work_name",
]

BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite may put beside a database."""


def work_name(target: str) -> str:
    """Return the name for an unfinished file that is to become `target`, on which nobody else can put a hand meanwhile.

    It is in the folder of `target`. Where others may write there, root could be led anywhere by a link in the place of the
    unfinished file, or of one that SQLite makes beside it. Then it is in a new folder of this user alone, below TMPDIR.

    Raises:
        OSError: no such folder can be made.
    """
    folder, name = os.path.split(os.path.abspath(target))
    if strangers_hand(os.path.realpath(folder), (0, os.geteuid()), is_shared=False) is not None:
        folder = tempfile.mkdtemp(prefix=_PRIVATE)
    return os.path.join(folder, f".{name}.{token_hex(8)}.part")


def new_file(path: str) -> int:
    """Make a file for this user alone, and return its descriptor.

    Raises:
        FileExistsError: something has the name, a link too.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def carry(path: str, target: str) -> None:
    """Copy a finished file, its owner and mode to the new name `target`, and have it on the disk.

    Raises:
        OSError: something has the name, or it cannot be written; nothing is left behind.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as source, os.fdopen(new_file(target), "wb") as copy:
        try:
            copyfileobj(source, copy, 1 << 20)
            copy.flush()
            seen = os.fstat(source.fileno())
            if (seen.st_uid, seen.st_gid) != (os.geteuid(), os.fstat(copy.fileno()).st_gid):
                os.fchown(copy.fileno(), seen.st_uid, seen.st_gid)
            os.fchmod(copy.fileno(), stat.S_IMODE(seen.st_mode))
            os.fsync(copy.fileno())
        except BaseException:
            os.unlink(target)
            raise


def share_with(path: str, group: str) -> None:
    """Let a group read a file of this user that nobody has open.

    Raises:
        ConfigurationError: this machine has no such group, or this user may not give files to it.
    """
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise ConfigurationError(
            f"this machine has no group {group!r}", hint="create the group, or fix `group` in the profile"
        ) from error
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchown(opened, -1, gid)
        os.fchmod(opened, 0o640)
    except PermissionError as error:
        raise ConfigurationError(
            f"{path!r} cannot be given to group {group!r}: this user is not in it",
            hint="add the user to the group, or fix `group` in the profile",
        ) from error
    finally:
        os.close(opened)


def discard(path: str) -> None:
    """Remove an unfinished file with what is beside it, and the folder that was made for it."""
    remove(path)
    folder = os.path.dirname(path)
    if os.path.basename(folder).startswith(_PRIVATE):
        with suppress(FileNotFoundError):
            os.rmdir(folder)


def is_regular(path: str) -> bool:
    """Say whether a regular file has this name: no link, no folder, no device."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


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


_PRIVATE = "systemprompt-"
