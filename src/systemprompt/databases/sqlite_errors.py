"""What SQLite's errors mean, in our own family of errors: one broken file is told in one way, whoever meets it."""

from __future__ import annotations

import os
import sqlite3

from systemprompt.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.errors import DatabaseError

__all__ = ["is_busy", "of_the_place"]


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether somebody else holds the file: the same may succeed in a moment."""
    return _code(error) in _BUSY


def of_the_place(error: sqlite3.Error, path: str) -> DatabaseError | None:
    """Return what an error says of the file and its place, with the path and the way out; None where it is of the statement."""
    code = _code(error)
    if code in _BUSY:
        return DatabaseBusy(f"database {path!r} is held by another process", hint="nothing was written: try again")
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
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the nodes, restore a backup, then: sp doctor",
    sqlite3.SQLITE_IOERR: "the disk is full or has failed: `sp doctor` shows what is free, the system's log the rest",
}
