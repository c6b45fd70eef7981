"""Which schema each database has, and how to bring it to the newest."""

from __future__ import annotations

import os
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.profile.profile import Profile
    from systemprompt.system import System

__all__ = [
    "DatabaseState",
    "DbMigrateParams",
    "DbMigrated",
    "DbStatus",
    "DbStatusParams",
    "MigratedDatabase",
    "database_states",
    "db_migrate",
    "db_status",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbStatusParams:
    """Nothing to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """One database. `state` is `current`, `behind` (sp db migrate mends it), `ahead` (a newer release wrote it) or `absent`."""

    name: str
    path: str
    state: str
    schema: int
    newest: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DbStatus:
    """The ledger and the application's database."""

    databases: tuple[DatabaseState, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMigrateParams:
    """Nothing to choose: migrations only ever go forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedDatabase:
    """One database, with its schema before and after."""

    name: str
    path: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMigrated:
    """What was done. Doing it twice changes nothing."""

    databases: tuple[MigratedDatabase, ...]
    message: str


def db_status(profile: Profile) -> DbStatus:
    """Look at both databases and change nothing, not even make one that is absent.

    Raises:
        DatabaseError: one of them is there and cannot be read.
    """
    states = tuple(database_states(profile))
    return DbStatus(databases=states, total=len(states))


def db_migrate(system: System) -> DbMigrated:
    """Make what is absent and apply what is pending, under the write lock. Two processes may call at once.

    Raises:
        DatabaseTooNew: a newer release wrote a database; it is left as it is.
        DatabaseError: a database cannot be opened or written.
    """
    before = {state.name: state.schema for state in database_states(system.profile)}
    _ = system.ledger, system.database  # opening them migrates them
    done = tuple(
        MigratedDatabase(name=state.name, path=state.path, before=before[state.name], after=state.schema)
        for state in database_states(system.profile)
    )
    changed = [one for one in done if one.before != one.after]
    said = ", ".join(f"{one.name} from schema {one.before} to {one.after}" for one in changed)
    return DbMigrated(
        databases=done, message=f"Migrated {said}" if changed else "Both databases are at the newest schema"
    )


def database_states(profile: Profile) -> Iterator[DatabaseState]:
    """Yield the state of the ledger, then of the application's database.

    Raises:
        DatabaseError: one of them is there and cannot be read.
    """
    from systemprompt.ledger.sqlite.ledger import MIGRATIONS, MIGRATIONS_TABLE
    from systemprompt.ledger.sqlite.store import refuse_empty
    from systemprompt.system import APPLICATION_MIGRATIONS, APPLICATION_MIGRATIONS_TABLE

    refuse_empty(profile.ledger)
    yield _state("ledger", profile.ledger, MIGRATIONS, MIGRATIONS_TABLE)
    yield _state("application", profile.database.path, APPLICATION_MIGRATIONS, APPLICATION_MIGRATIONS_TABLE)


def _state(name: str, path: str, folder: str, table: str) -> DatabaseState:
    import sqlite3

    from systemprompt.ledger.migrations import applied_migration, newest_migration
    from systemprompt.ledger.sqlite.store import database_error, open_connection

    newest = newest_migration(folder)
    if not os.path.exists(path):
        return DatabaseState(name=name, path=path, state="absent", schema=0, newest=newest, size_bytes=0)
    connection = open_connection(path, read_only=True)
    try:
        schema = applied_migration(connection, table=table)
    except sqlite3.Error as error:
        raise database_error(error, path) from error
    finally:
        connection.close()
    state = "current" if schema == newest else "behind" if schema < newest else "ahead"
    return DatabaseState(
        name=name, path=path, state=state, schema=schema, newest=newest, size_bytes=os.path.getsize(path)
    )
