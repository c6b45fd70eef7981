"""Put a finished copy in the place of a SQLite database that nobody has open, and keep what was there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from systemprompt.clock import Instant, iso
from systemprompt.databases.sqlite import is_busy, open_connection
from systemprompt.errors import DatabaseError, DatabaseUnreachable
from systemprompt.ledger.sqlite.copying import held_view, put_in_place
from systemprompt.ledger.sqlite.place import BESIDE, carry, is_regular, share_with

__all__ = ["is_open_elsewhere", "make_folder", "number_in", "replace", "take_owner"]


def is_open_elsewhere(path: str, *, fold: bool) -> bool:
    """Say whether any process on this machine has the database open, in whatever container it runs.

    A connection in WAL mode keeps a shared lock for as long as it lives, and leaving WAL takes the whole file. With `fold` WAL is
    left where that is possible: the log's content is then in the database, so that one file is all there is to keep.

    Raises:
        sqlite3.DatabaseError, DatabaseUnreachable: it is damaged, so nobody can work with it.
    """
    with held_view(path):
        pass  # a damaged file is met here, where nothing is written: closing it otherwise would delete its log
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        if fold:
            connection.execute("PRAGMA journal_mode = DELETE")
        else:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if is_busy(error):
            return True
        raise
    finally:
        connection.close()
    return False


def take_owner(copy: str, target: str, group: str | None) -> None:
    """Give the copy the owner and the mode of what it replaces; else its folder's owner, and to read to the group that is named.

    Raises:
        ConfigurationError: the group is not on this machine, or this user may not give files to it.
        DatabaseUnreachable: this user may not.
    """
    model = target if is_regular(target) else os.path.dirname(target)
    try:
        seen = os.stat(model, follow_symlinks=model != target)
        opened = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.geteuid() == 0:
                os.fchown(opened, seen.st_uid, seen.st_gid)
            if model == target:
                os.fchmod(opened, seen.st_mode & 0o777)
        finally:
            os.close(opened)
    except OSError as error:
        raise DatabaseUnreachable(f"{target!r} cannot be given to its owner: {error.strerror or error}") from error
    if model != target and group is not None:
        share_with(copy, group)


def replace(copy: str, target: str, now: Instant) -> str | None:
    """Put the copy in place; return the name under which what was there is kept, None where nothing was.

    What is there gets a second name first, so `target` always names a whole database, and no node can make an empty one there.

    Raises:
        DatabaseUnreachable: it cannot be kept, or the copy cannot be put in place. What was there is still there.
    """
    kept = _keep(target, now)
    put_in_place(copy, target, replace=True)
    return kept


def number_in(path: str, question: str, parameters: Sequence[str] = ()) -> int:
    """Return a number from a database that may be absent, damaged, or without that table; 0 where it cannot be had."""
    if not os.path.exists(path):
        return 0
    try:
        connection = open_connection(path, read_only=True)
    except DatabaseError:
        return 0
    try:
        row = connection.execute(question, parameters).fetchone()
    except sqlite3.Error:
        return 0
    finally:
        connection.close()
    return int(row[0] or 0) if row else 0


def make_folder(path: str) -> None:
    """Make the folder of a database that may not be there yet.

    Raises:
        DatabaseUnreachable: it cannot be made.
    """
    try:
        _make_folders(os.path.dirname(path))
    except OSError as error:
        raise DatabaseUnreachable(
            f"database {path!r} cannot be made: {error.strerror or error}",
            hint="create its folder, or name another place in the profile",
            details={"path": path},
        ) from error


def _make_folders(folder: str) -> None:
    if os.path.isdir(folder):
        return
    if os.path.dirname(folder) != folder:
        _make_folders(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o775)  # not even without a umask may everybody write there
    except FileExistsError:
        if not os.path.isdir(folder):
            raise


def _keep(target: str, now: Instant) -> str | None:
    stamp = "".join(char for char in iso(now)[:19] if char.isalnum())
    kept = f"{target}.replaced-{stamp}"
    number = 1
    while any(os.path.lexists(kept + ending) for ending in ("", *BESIDE)):
        number += 1
        kept = f"{target}.replaced-{stamp}-{number}"
    try:
        for ending in BESIDE:
            # Left by a damaged database, or one that was deleted: beside the restored one they would be taken for its own.
            if os.path.lexists(target + ending):
                os.rename(target + ending, kept + ending)
        if not os.path.lexists(target):
            return None
        _second_name(target, kept)
    except OSError as error:
        raise DatabaseUnreachable(
            f"{target!r} cannot be kept as {kept!r}: {error.strerror or error}",
            hint="move it away by hand and restore again",
        ) from error
    return kept


def _second_name(target: str, kept: str) -> None:
    try:
        os.link(target, kept, follow_symlinks=False)
    except OSError:
        # No links on this file system: nobody has the file open, so that a plain copy is a whole one.
        carry(target, kept)
