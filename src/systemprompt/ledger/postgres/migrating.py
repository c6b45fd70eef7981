"""Bring a schema of a PostgreSQL database to the newest state: the twin of `ledger/sqlite/migrating.py`.

Each numbered `.sql` file is sent whole, in a transaction of its own with `search_path` set to the schema alone, so a file names its
tables without the schema. It may hold functions in dollar quotes; it must not hold COMMIT. Two processes may start at once: a
lock of the transaction is taken before the number is read, and the second finds nothing to do. Nothing is kept in the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import tuple_row

from systemprompt.errors import ConfigurationError, DatabaseOutdated, DatabaseTooNew, DatabaseUnreachable
from systemprompt.ledger.migration_files import (
    all_migrations,
    are_all_beside,
    migration_checksum,
    migration_number,
    newest_migration,
    read_migration,
    unknown_migrations,
)

__all__ = [
    "all_migrations",
    "applied_migration",
    "applied_migrations",
    "build",
    "complete",
    "has_schema",
    "lock_schema",
    "locked_transaction",
    "migrate",
    "newer_migrations",
    "newest_migration",
    "pending_migrations",
]

_LONGEST_NAME = 63
"""PostgreSQL cuts a longer name without a word, in bytes."""


def migrate(connection: Connection[Any], folder: str, *, schema: str, table: str, patience: float = 30.0) -> list[str]:
    """Apply what is pending and return the names of the files applied, in order. The connection is in autocommit mode.

    The schema is made where it is absent. A crash between two files leaves what the next call completes; within a file nothing
    is half done.

    patience   seconds to wait for another process that migrates, and for each lock that a file needs

    Raises:
        DatabaseTooNew: the schema has a migration that this program does not know, and may not go on beside. Nothing is changed.
        DatabaseOutdated: a migration was applied with another text than it has now. Nothing is changed.
        DatabaseUnreachable: this role may not make the schema, or nothing in it; the hint has the command to run.
        psycopg.Error: the server's own, such as LockNotAvailable when `patience` is over.
    """
    _check_name(schema)
    applied: list[str] = []
    if not pending_migrations(connection, folder, schema=schema, table=table):
        return applied
    while True:
        with locked_transaction(connection, schema, patience=patience):
            pending = pending_migrations(connection, folder, schema=schema, table=table)
            if not pending:
                return applied
            _make_schema(connection, schema)
            _apply(connection, folder, pending[0], schema=schema, table=table)
        applied.append(pending[0])


def has_schema(connection: Connection[Any], schema: str) -> bool:
    """Say whether the database has a schema of this name. Every role may ask."""
    return _value(connection, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", schema) is True


def applied_migration(connection: Connection[Any], *, schema: str, table: str) -> int:
    """Return the number of the last applied migration; 0 where there is none."""
    return max(_applied(connection, schema, table), default=0)


def applied_migrations(connection: Connection[Any], *, schema: str, table: str) -> tuple[str, ...]:
    """Return the names of the migrations that a schema has, in order."""
    return tuple(name for name, _ in _applied(connection, schema, table).values())


def newer_migrations(connection: Connection[Any], folder: str, *, schema: str, table: str) -> tuple[str, ...]:
    """Return the names of applied migrations that this program does not know."""
    return unknown_migrations(folder, _applied(connection, schema, table))


def pending_migrations(
    connection: Connection[Any], folder: str, *, schema: str, table: str, beside: bool = True
) -> list[str]:
    """Return the file names still to apply, in order: all of them where there is no such schema.

    beside   False: refuse also a newer schema beside which this program may work, for it is to be copied as a whole

    Raises:
        DatabaseTooNew, DatabaseOutdated: see `migrate`. DatabaseUnreachable: this role may not look into the schema.
    """
    applied = _applied(connection, schema, table)
    files = all_migrations(folder)
    place = _place(connection, schema)
    for file in files:
        known = applied.get(migration_number(file))
        if known is not None and known != (file, migration_checksum(read_migration(folder, file))):
            raise DatabaseOutdated(
                f"{place} is of an unreleased version of systemprompt ({known[0]})",
                hint="no release made it, so nothing brings it up to date. Rename it and begin anew: "
                f"ALTER SCHEMA {_quoted(schema)} RENAME TO {_quoted(f'{schema}_old')}",
                details={"schema_name": schema, "migration": known[0]},
            )
    have, newest = max(applied, default=0), newest_migration(folder)
    unknown = unknown_migrations(folder, applied)
    if unknown and not (beside and are_all_beside(unknown)):
        raise DatabaseTooNew(
            f"{place} is at migration {have}; this program knows migrations up to {newest}",
            hint="it was used by a newer release of systemprompt: install that release (or newer) here",
            details={"schema_name": schema, "schema": have, "known": newest},
        )
    return [name for name in files if migration_number(name) > have]


def build(connection: Connection[Any], folder: str, *, schema: str, table: str, up_to: int) -> None:
    """Make in an empty schema, inside a transaction of the caller's, what the migrations up to this number make."""
    for name in all_migrations(folder):
        if migration_number(name) <= up_to:
            _apply(connection, folder, name, schema=schema, table=table)


def complete(connection: Connection[Any], folder: str, *, schema: str, table: str) -> None:
    """Make the schema where it is absent and apply what is pending, inside a locked transaction of the caller's.

    Raises as `migrate`.
    """
    _check_name(schema)
    _make_schema(connection, schema)
    for name in pending_migrations(connection, folder, schema=schema, table=table, beside=False):
        _apply(connection, folder, name, schema=schema, table=table)


@contextmanager
def locked_transaction(connection: Connection[Any], schema: str, *, patience: float = 30.0) -> Iterator[None]:
    """Open a transaction that changes a schema: no other one does so at the same time, from wherever.

    The lock is of the transaction, so a pooler may stand in between and a crash leaves none behind.
    """
    # Whatever the role's default is: what is read after the lock has to be what its last holder committed.
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)",
            [f"{max(1, round(patience * 1000))}ms"],
        )
        lock_schema(connection, schema)
        yield
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
    connection.commit()


def lock_schema(connection: Connection[Any], schema: str) -> None:
    """Take that lock inside a transaction of the caller's."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"systemprompt {schema}"])


def _applied(connection: Connection[Any], schema: str, table: str) -> dict[int, tuple[str, int]]:
    """Return number -> (file, checksum) of what was applied, in order."""
    found = _value(
        connection,
        "SELECT count(*) FROM pg_class WHERE relname = %s"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        table,
        schema,
    )
    if not found:
        return {}
    name = f"{_quoted(schema)}.{_quoted(table)}"
    if not (_may(connection, schema, "USAGE") and _value(connection, "SELECT has_table_privilege(%s, 'SELECT')", name)):
        raise _forbidden(
            connection,
            f"may not read {_place(connection, schema)}",
            f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {{role}}; "
            f"GRANT ALL ON ALL TABLES IN SCHEMA {_quoted(schema)} TO {{role}}",
        )
    query = sql.SQL("SELECT number, name, checksum FROM {} ORDER BY number").format(sql.Identifier(schema, table))
    rows = _rows(connection, query)
    return {int(number): (str(file), int(checksum)) for number, file, checksum in rows}


def _make_schema(connection: Connection[Any], schema: str) -> None:
    # CREATE SCHEMA IF NOT EXISTS wants the right to make one even where it exists: so we look first.
    name = _quoted(schema)
    if has_schema(connection, schema):
        if not (_may(connection, schema, "USAGE") and _may(connection, schema, "CREATE")):
            raise _forbidden(
                connection,
                f"may not make tables in {_place(connection, schema)}",
                f"GRANT USAGE, CREATE ON SCHEMA {name} TO {{role}}",
            )
        return
    if not _value(connection, "SELECT has_database_privilege(current_database(), 'CREATE')"):
        raise _forbidden(
            connection, f"may not make {_place(connection, schema)}", f"CREATE SCHEMA {name} AUTHORIZATION {{role}}"
        )
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def _may(connection: Connection[Any], schema: str, right: str) -> bool:
    return _value(connection, "SELECT has_schema_privilege(%s, %s)", schema, right) is True


def _apply(connection: Connection[Any], folder: str, name: str, *, schema: str, table: str) -> None:
    script = read_migration(folder, name)
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, pg_temp").format(sql.Identifier(schema)))
    connection.execute(script.encode())  # without parameters: sent as it stands, however many statements it has
    own = sql.Identifier(schema, table)
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} (number integer PRIMARY KEY, name text NOT NULL, checksum bigint NOT NULL)"
        ).format(own)
    )
    connection.execute(
        sql.SQL("INSERT INTO {} (number, name, checksum) VALUES (%s, %s, %s)").format(own),
        [migration_number(name), name, migration_checksum(script)],
    )


def _forbidden(connection: Connection[Any], what: str, command: str) -> DatabaseUnreachable:
    role = str(_value(connection, "SELECT current_user"))
    command = command.format(role=_quoted(role))
    return DatabaseUnreachable(
        f"role {role!r} {what}",
        hint=f"nothing was changed. Let the owner of the database run: {command}",
        details={"role": role, "command": command},
    )


def _place(connection: Connection[Any], schema: str) -> str:
    return f"schema {schema!r} of database {connection.info.dbname!r}"


def _check_name(schema: str) -> None:
    if not schema or "\0" in schema or len(schema.encode()) > _LONGEST_NAME:
        raise ConfigurationError(
            f"{schema!r} cannot name a schema: a name has 1 to {_LONGEST_NAME} bytes",
            hint="choose a short name, such as systemprompt",
            details={"schema_name": schema},
        )


def _rows(connection: Connection[Any], query: sql.Composed) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:  # whatever the connection makes of its rows
        return cursor.execute(query).fetchall()


def _value(connection: Connection[Any], query: str, *values: str) -> object:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query.encode(), list(values)).fetchone()
    return None if row is None else row[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
