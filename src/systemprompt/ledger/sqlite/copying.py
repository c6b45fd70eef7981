"""Copy a SQLite database while others write to it, look the copy over, and put it in its place whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from systemprompt.databases.sqlite import database_error, open_connection
from systemprompt.errors import ConflictError, DatabaseUnreachable
from systemprompt.ledger.sqlite.place import carry, discard, flush, is_regular, name_anew, new_file, remove, work_name

__all__ = ["copy_beside", "held_view", "in_the_way", "no_file_to_replace", "put_in_place"]

PAGES_A_STEP = 256
PAUSE_S = 0.001


@contextmanager
def held_view(path: str) -> Iterator[sqlite3.Connection]:
    """Open a database to read and hold one view of it for the block.

    Without the held view SQLite starts a copy again whenever somebody else commits, and a busy ledger would never be copied.
    In WAL mode the view holds up no writer; what they write meanwhile waits in the `-wal` file.

    Raises:
        DatabaseUnreachable: it is absent or cannot be read.
    """
    if not os.path.exists(path):
        raise DatabaseUnreachable(
            f"there is no database at {path!r}",
            hint="is the path right? sp db status shows where this installation's databases are",
            details={"path": path},
        )
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
        raise DatabaseUnreachable(
            f"{path!r} is no regular file, and a database is one", hint="name another file", details={"path": path}
        )
    connection = open_connection(path, read_only=True)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection
    except sqlite3.Error as error:
        raise database_error(error, path) from error
    finally:
        connection.close()


def copy_beside(view: sqlite3.Connection, target: str, *, on_step: Callable[[int, int], None] | None = None) -> str:
    """Copy what a held view sees to a new file in the folder of `target`, or where `work_name` says; return the new file's path.

    A step copies 1 MB (of 4 kB pages) and then lets others have the disk. The copy is one file without a `-wal` beside it, is
    readable to its owner alone, has passed SQLite's integrity check, and is on the disk when this returns. `on_step` is told the
    pages that are left, and all. Who is done with it calls `discard`.

    Raises:
        DatabaseUnreachable: it cannot be written, or is not sound. Nothing is left behind.
    """
    try:
        copy = work_name(target)
        os.close(new_file(copy))
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        _fill(view, copy, on_step)
        flush(copy)
    except sqlite3.Error as error:
        discard(copy)
        raise database_error(error, target) from error
    except BaseException:
        discard(copy)
        raise
    return copy


def put_in_place(copy: str, target: str, *, replace: bool = False) -> None:
    """Give a finished copy its name. At every moment the name means nothing, the old file, or the new one, each whole.

    Raises:
        ConflictError: something has the name and `replace` is not given, or it is no regular file; the copy is gone, what was
            there is untouched.
        DatabaseUnreachable: the name cannot be given.
    """
    finished = copy
    try:
        if os.path.realpath(os.path.dirname(copy)) != os.path.realpath(os.path.dirname(target)):
            finished = os.path.join(os.path.dirname(target), os.path.basename(copy))
            carry(copy, finished)
        if replace:
            if os.path.lexists(target) and not is_regular(target):
                raise no_file_to_replace(target)
            os.replace(finished, target)
        else:
            name_anew(finished, target)
        flush(os.path.dirname(target) or ".")
    except FileExistsError as error:
        raise in_the_way(target) from error
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        remove(finished)
        discard(copy)


def in_the_way(target: str) -> ConflictError:
    return ConflictError(
        f"{target!r} exists; nothing was written",
        hint="choose another name, or say --replace",
        details={"path": target},
    )


def no_file_to_replace(target: str) -> ConflictError:
    return ConflictError(
        f"{target!r} is no regular file, and only such a one is replaced; nothing was written",
        hint="a link: name the file that it leads to; anything else: choose another name",
        details={"path": target},
    )


def _fill(view: sqlite3.Connection, copy: str, on_step: Callable[[int, int], None] | None) -> None:
    def step(_status: int, remaining: int, total: int) -> None:
        if on_step is not None:
            on_step(remaining, total)
        if remaining:
            time.sleep(PAUSE_S)

    filled = sqlite3.connect(copy, isolation_level=None)
    try:
        # What matters is the one fsync of the finished file.
        filled.execute("PRAGMA synchronous = OFF")
        view.backup(filled, pages=PAGES_A_STEP, progress=step)
        filled.execute("PRAGMA journal_mode = DELETE")
        faults = [str(row[0]) for row in filled.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    finally:
        filled.close()
    if faults:
        raise DatabaseUnreachable(
            f"the copy is damaged: {'; '.join(faults)}",
            hint="the copy was not kept; sp doctor checks the databases in use",
            details={"faults": faults},
        )


def _cannot_write(target: str, error: OSError) -> DatabaseUnreachable:
    folder = os.path.dirname(target) or "."
    cause = f"its folder {folder!r} does not exist" if not os.path.isdir(folder) else error.strerror or str(error)
    return DatabaseUnreachable(
        f"{target!r} cannot be written: {cause}",
        hint="create the folder, or name another place",
        details={"path": target},
    )
