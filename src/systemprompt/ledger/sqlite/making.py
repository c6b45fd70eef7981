"""Make a new ledger: whole under another name first, then at its path. Nobody ever finds a part of one there."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from systemprompt.databases.sqlite import check_link
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.place import BESIDE, carry, discard, flush, name_anew, remove, share_with, work_name

__all__ = ["lock_of", "make_ledger", "making_name"]


def make_ledger(path: str, *, group: str | None = None, patience: float = 10.0) -> None:
    """Make a ledger of the newest schema where there is nothing at `path`. What is there already is left as it is.

    After a crash or a power cut at any moment, the path leads to nothing or to the whole ledger. Of several processes that call
    at once one makes it, and the others wait for that one. Whoever makes it holds a lock on the folder, which ends with the
    process: so a file under the other name that nobody holds the lock for is left from a crash, and is removed. Only this user may
    read the ledger, and a group that is named. Where others may write in its folder, it is filled where they cannot.

    Raises:
        ConfigurationError: the group is not on this machine, or this user may not give files to it.
        DatabaseBusy: another process was still making a ledger in this folder after `patience` seconds.
        DatabaseUnreachable: it cannot be made here. Nothing is left behind.
    """
    check_link(path)
    path = os.path.realpath(path)  # where SQLite would put it, and the files beside it
    making = making_name(path)
    if os.path.lexists(path) and not os.path.lexists(making):
        return
    try:
        with lock_of(os.path.dirname(path), path, patience):
            if os.path.lexists(path):
                # Left by a crash right after the ledger got its name: nothing may be written to it before the name is durable.
                flush(os.path.dirname(path))
                with suppress(OSError):  # it is in nobody's way
                    remove(making)
                return
            remove(making)
            # Files left beside a ledger that somebody deleted: SQLite would take them for the new one's.
            remove(path, BESIDE)
            work = work_name(path)
            is_beside = os.path.dirname(work) == os.path.dirname(path)
            if is_beside:
                work = making
            try:
                _fill(work, path)
                if group is not None:
                    share_with(work, group)
                flush(work)
                if not is_beside:
                    carry(work, making)
                with suppress(FileExistsError):  # somebody has put one there by hand a moment ago
                    name_anew(making, path)
                flush(os.path.dirname(path))
            finally:
                remove(making)
                discard(work)
    except OSError as error:
        raise DatabaseUnreachable(
            f"database {path!r} cannot be made: {error.strerror or error}",
            hint="give this user write access to the folder, or name another place in the profile; `sp doctor` checks both",
            details={"path": path},
        ) from error


def making_name(path: str) -> str:
    """Return the name under which the ledger of this path is made, in the same folder."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.making")


@contextmanager
def lock_of(folder: str, path: str, patience: float) -> Iterator[None]:
    """Hold the lock of a folder for the block, which whoever makes the ledger `path` in it has to hold.

    Raises:
        DatabaseBusy: another process held it for `patience` seconds.
    """
    deadline = time.monotonic() + patience
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise DatabaseBusy(
                        f"another process is making a ledger in {folder!r}, for {patience:.2g} s now",
                        hint="nothing was written: try again",
                        details={"path": path},
                    ) from error
                time.sleep(0.005)
            else:
                break
        try:
            yield
        finally:
            # A child that was forked meanwhile has this descriptor too, so closing ours would not let go of the lock.
            fcntl.flock(opened, fcntl.LOCK_UN)
    finally:
        os.close(opened)


def _fill(making: str, path: str) -> None:
    try:
        ledger = SqliteLedger(making)
        try:
            ledger.migrate()
            ledger.checkpoint()
        finally:
            ledger.close()
    except DatabaseUnreachable as error:
        told = error.message.replace(making, path)  # nobody has heard of the other name
        raise DatabaseUnreachable(told, hint=error.hint, details={"path": path}) from error
    log = f"{making}-wal"
    if os.path.lexists(log) and os.path.getsize(log):
        raise DatabaseUnreachable(
            f"database {path!r} cannot be made: its log could not be written back",
            hint="nothing was kept: try again",
            details={"path": path},
        )
