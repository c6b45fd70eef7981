"""Bring a SQLite database to the newest schema: plain numbered `.sql` files, each in a transaction of its own.

The number of the last applied file stands in a table named by the caller, so that our tables can live in a host application's
database. Two processes may start at once: the write lock is taken before the number is read, and the second finds nothing to do.
"""

from __future__ import annotations

from systemprompt.errors import DatabaseOutdated, DatabaseTooNew
from systemprompt.ledger.migration_files import (
    all_migrations,
    are_all_beside,
    migration_checksum,
    migration_number,
    newest_migration,
    read_migration,
    unknown_migrations,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = [
    "all_migrations",
    "applied_migration",
    "applied_migrations",
    "build",
    "complete",
    "migrate",
    "newer_migrations",
    "newest_migration",
    "pending_migrations",
]


def migrate(
    connection: sqlite3.Connection,
    folder: str,
    *,
    table: str,
    begin: Callable[[sqlite3.Connection], None],
) -> list[str]:
    """Apply what is pending and return the names of the files applied, in order.

    `begin` takes the write lock (with the caller's patience for a busy database). A crash between two files leaves a database
    that the next call completes; within a file nothing is half done.

    Raises:
        DatabaseTooNew: the database has a migration that this program does not know, and may not go on beside. Nothing is changed.
        DatabaseOutdated: a migration was applied with another text than it has now. Nothing is changed.
    """
    applied: list[str] = []
    if not pending_migrations(connection, folder, table=table):
        return applied
    while True:
        begin(connection)
        try:
            pending = pending_migrations(connection, folder, table=table)
            if pending:
                _apply(connection, folder, pending[0], table)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        if not pending:
            return applied
        applied.append(pending[0])


def applied_migration(connection: sqlite3.Connection, *, table: str) -> int:
    """Return the number of the last applied migration; 0 for a database that has none."""
    return max(_applied(connection, table), default=0)


def applied_migrations(connection: sqlite3.Connection, *, table: str) -> tuple[str, ...]:
    """Return the names of the migrations that a database has, in order."""
    return tuple(name for name, _ in _applied(connection, table).values())


def newer_migrations(connection: sqlite3.Connection, folder: str, *, table: str) -> tuple[str, ...]:
    """Return the names of applied migrations that this program does not know."""
    return unknown_migrations(folder, _applied(connection, table))


def build(connection: sqlite3.Connection, folder: str, *, table: str, up_to: int) -> None:
    """Make an empty database, of the caller's alone, what the migrations up to this number make."""
    for name in all_migrations(folder):
        if migration_number(name) <= up_to:
            _apply(connection, folder, name, table)


def complete(connection: sqlite3.Connection, folder: str, *, table: str) -> None:
    """Apply what is pending, inside a write transaction of the caller's. Raises as `migrate`."""
    for name in pending_migrations(connection, folder, table=table, beside=False):
        _apply(connection, folder, name, table)


def pending_migrations(connection: sqlite3.Connection, folder: str, *, table: str, beside: bool = True) -> list[str]:
    """Return the file names still to apply, in order.

    beside   False: refuse also a newer schema beside which this program may work, for it is to be judged as a whole

    Raises:
        DatabaseTooNew: the database has a migration that this program does not know, and may not go on beside.
    """
    applied = _applied(connection, table)
    files = all_migrations(folder)
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    for file in files:
        known = applied.get(migration_number(file))
        if known is not None and known != (file, migration_checksum(read_migration(folder, file))):
            raise DatabaseOutdated(
                f"database {path!r} has a schema of an unreleased version of systemprompt ({known[0]})",
                hint="no release made it, so nothing brings it up to date: move the file away and begin anew",
                details={"path": path, "migration": known[0]},
            )
    have, newest = max(applied, default=0), newest_migration(folder)
    unknown = unknown_migrations(folder, applied)
    if unknown and not (beside and are_all_beside(unknown)):
        raise DatabaseTooNew(
            f"database {path!r} has schema {have}; this program knows schemas up to {newest}",
            hint="it was used by a newer release of systemprompt: install that release (or newer) here",
            details={"path": path, "schema": have, "known": newest},
        )
    return [name for name in files if migration_number(name) > have]


def _applied(connection: sqlite3.Connection, table: str) -> dict[int, tuple[str, int | None]]:
    """Return number -> (file, checksum) of what was applied, in order; the checksum is None where that was not kept."""
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    if not columns:
        return {}
    checksum = "checksum" if "checksum" in columns else "NULL"
    rows = connection.execute(f'SELECT number, name, {checksum} FROM "{table}" ORDER BY number')  # noqa: S608  # names of ours, not input
    return {int(number): (str(name), known) for number, name, known in rows}


def _apply(connection: sqlite3.Connection, folder: str, name: str, table: str) -> None:
    script = read_migration(folder, name)
    for statement in _statements(script):
        connection.execute(statement)
    connection.execute(
        f'CREATE TABLE IF NOT EXISTS "{table}" '
        "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT"
    )
    values = (migration_number(name), name, migration_checksum(script))
    connection.execute(f'INSERT INTO "{table}" (number, name, checksum) VALUES (?, ?, ?)', values)  # noqa: S608  # as above


def _statements(script: str) -> list[str]:
    # sqlite3.executescript commits first, which would let go of the lock: split with SQLite's own judge of completeness.
    import sqlite3

    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
