"""How a SQLite file is opened and waited for, and what SQLite's errors mean: the same for the ledger and for jobs."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress

from systemprompt.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnreachable
from systemprompt.ownership import trusted_users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from systemprompt.errors import DatabaseError

    T = TypeVar("T")

__all__ = ["check_link", "database_error", "is_busy", "of_the_place", "open_connection", "retry_while_busy"]

_OLDEST = (3, 35, 0)
_IN_MEMORY = ":memory:"
_READER_WAITS_S = 2.0


def open_connection(path: str, *, read_only: bool = False, patience: float = 10.0) -> sqlite3.Connection:
    """Open a database file in WAL with every commit durable (`synchronous=FULL`); to write, it is created where it is absent.

    A file that is created is for this user alone: whoever may read the files that SQLite puts beside it can hold up the writers.
    SQLite gives those files the mode of the database; here they also get its group, where that may read it.
    Nothing is begun by itself (`isolation_level=None`), foreign keys hold, rows are `sqlite3.Row`, and any thread may use the
    connection. A file in a folder that this user may not write can be read as long as nobody writes it.
    A connection must not be used, nor closed, by a process that came by fork(): SQLite would drop the parent's file locks.

    Raises:
        DatabaseUnreachable: absent folder, no permission, not a database, or a SQLite library that is too old.
        DatabaseBusy: another connection held the whole file for longer than `patience` seconds.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise DatabaseUnreachable(
            f"this Python carries SQLite {sqlite3.sqlite_version}; {'.'.join(map(str, _OLDEST))} or newer is needed",
            hint="use a Python built with a newer SQLite",
        )
    try:
        # Of two processes that make one file at once, one may be told "busy" at the switch to WAL without being made to wait.
        connection = _open_to_read(path) if read_only else retry_while_busy(path, patience, _open_to_write, path)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        raise database_error(error, path) from error
    return connection


def retry_while_busy(path: str, patience: float, do: Callable[..., T], *values: object) -> T:
    """Return `do(*values)`; while another connection holds the file, do it again, with jitter, for `patience` seconds in all.

    For what has changed nothing when SQLite says "busy": opening, BEGIN IMMEDIATE, COMMIT, a statement on its own. The waiting is
    done here because SQLite's own busy handler is unfair and starves some writers.

    Raises:
        DatabaseBusy: the file was held for all that time. Nothing was written.
        sqlite3.Error: anything else that SQLite says.
    """
    began = 0.0
    pause = 0.001
    while True:
        try:
            return do(*values)
        except sqlite3.Error as error:
            if not is_busy(error):
                raise
            now = time.monotonic()
            began = began or now
            left = began + patience - now
            if left <= 0:
                raise DatabaseBusy(
                    f"database {path!r} was held by another connection for {now - began:.3g} s",
                    hint="nothing was written: try again, or look for a long transaction in another process; "
                    "`sp doctor` shows which nodes are alive",
                    details={"path": path, "waited_s": round(now - began, 3)},
                ) from error
        time.sleep(min(pause * (0.5 + _jitter()), left))
        pause = min(pause * 2, 0.05)


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether somebody else holds the file: the same may succeed in a moment."""
    return _code(error) in _BUSY


def database_error(error: sqlite3.Error, path: str) -> DatabaseError:
    """Return what SQLite said in our own family of errors, with the path and the way out."""
    return of_the_place(error, path) or DatabaseUnreachable(
        f"database {path!r} cannot be used: {error}", hint="sp doctor looks into it", details={"path": path}
    )


def of_the_place(error: sqlite3.Error, path: str) -> DatabaseError | None:
    """Return what an error says of the file and its place, with the path and the way out; None where it is of the statement."""
    code = _code(error)
    if code in _BUSY:
        return DatabaseBusy(f"database {path!r} is held by another connection", hint="nothing was written: try again")
    if code not in _HINTS:
        return None
    folder = os.path.dirname(path) or "."
    hint, cause = _HINTS[code], str(error)
    if code == sqlite3.SQLITE_CANTOPEN and not os.path.isdir(folder):
        cause = f"its folder {folder!r} does not exist"
    elif code == sqlite3.SQLITE_CANTOPEN and os.path.isdir(path):
        cause = "it is a folder, and a database is a file"
    kind = DatabaseDamaged if code in _DAMAGED else DatabaseUnreachable
    return kind(f"database {path!r} cannot be used: {cause}", hint=hint, details={"path": path, "cause": str(error)})


def check_link(path: str) -> None:
    """Refuse a database whose name is a link of somebody else's: root, above all, would make or change a file of their choice.

    Raises:
        DatabaseUnreachable: it is one.
    """
    try:
        seen = os.lstat(path)
    except OSError:  # absent, or opening it says what is wrong
        return
    if stat.S_ISLNK(seen.st_mode) and seen.st_uid not in trusted_users(os.environ):
        raise DatabaseUnreachable(
            f"database {path!r} is a link that belongs to user {seen.st_uid}, and is not followed",
            hint="name the file that it leads to in the profile, or run this as that user",
            details={"path": path},
        )


def _open_to_write(path: str) -> sqlite3.Connection:
    if path != _IN_MEMORY:
        check_link(path)
        # Where this fails, SQLite says why as it opens the file.
        with suppress(OSError):
            os.close(os.open(os.path.realpath(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = _connect(path, "", wait_s=0)
    try:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Heard only by a file that is still empty: what is pruned later can then be given back to the disk. Any other would
            # ask for the write lock, and whoever opens the file has to wait for no writer.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL, anything less than FULL may lose an acknowledged commit when power fails.
        connection.execute("PRAGMA synchronous = FULL")
        _share_with_group(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _share_with_group(path: str) -> None:
    """Give the files beside a database its group. As root SQLite does that itself."""
    if path == _IN_MEMORY or os.geteuid() == 0:
        return
    seen = os.stat(path)
    if not seen.st_mode & 0o040 or seen.st_gid == os.getegid():
        return
    for ending in ("-wal", "-shm"):
        # By its name: to open and close the file would let go of SQLite's locks on it. One of another user has its group already.
        with suppress(FileNotFoundError, PermissionError):
            os.chown(path + ending, -1, seen.st_gid, follow_symlinks=False)


def _open_to_read(path: str) -> sqlite3.Connection:
    connection = _connect(path, "?mode=ro", wait_s=_READER_WAITS_S)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error as error:
        # A folder where we may not write has no place for the -shm file. Without a -wal file nobody is writing either.
        connection.close()
        is_place = isinstance(error, sqlite3.OperationalError) and not is_busy(error) and os.path.exists(path)
        if not is_place or os.path.exists(f"{path}-wal"):
            raise
        connection = _connect(path, "?mode=ro&immutable=1", wait_s=_READER_WAITS_S)
    return connection


def _connect(path: str, options: str, *, wait_s: float) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # With `//` before it, a path that begins with two slashes does not name a host.
    start = "file://" if path.startswith("/") else "file:"
    return sqlite3.connect(
        f"{start}{quoted}{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=wait_s,
        cached_statements=256,
    )


def _jitter() -> float:
    return (time.perf_counter_ns() & 0xFFFF) / 0xFFFF


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PLACE = "make the folder, or mend the path, or give this user the right to write there: `sp doctor` looks"
_HINTS = {
    sqlite3.SQLITE_CANTOPEN: _PLACE,
    sqlite3.SQLITE_PERM: _PLACE,
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: give this user the right to write there",
    sqlite3.SQLITE_FULL: "the disk is full: free some space; nothing was written",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: is the path right?",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the nodes, restore a backup (sp db restore FILE --replace), then: sp doctor",
    sqlite3.SQLITE_IOERR: "the disk is full or has failed: `sp doctor` shows what is free, the system's log the rest",
}
