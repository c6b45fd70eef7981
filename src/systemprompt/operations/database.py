"""Which schema each database has, and how to bring it to the newest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from systemprompt.ledger.upkeep import DatabaseUpkeep
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import FIELDS, NoParams, param
from systemprompt.profile.profile import Profile
from systemprompt.system import application_upkeep, ledger_upkeep

__all__ = [
    "DatabaseState",
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
    """How to show it."""

    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """One database.

    state         `current`, `behind` (sp db migrate updates it), `absent`, or migrated by a newer release: `beside`, where this one
                  works on, and `ahead`, where it refuses
    size_bytes    the database itself; `log_bytes` what its log takes beside it, `free_bytes` what new rows may use in it
    altered       tables, indexes, views and triggers of the ledger that are not as its migrations make them: its rules may not hold
    added         tables and views that somebody put beside the ledger's: they do no harm
    """

    name: str
    path: str
    state: str
    schema: int
    newest: int
    size_bytes: int
    log_bytes: int
    free_bytes: int
    altered: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbStatus:
    """The ledger and the application's database."""

    databases: tuple[DatabaseState, ...]
    total: int


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


def db_status(context: OperationContext, params: DbStatusParams) -> DbStatus:  # noqa: ARG001  # as every operation
    """Look at both databases and change nothing, not even make one that is absent.

    Raises:
        DatabaseError: one of them is there and cannot be read.
    """
    states = tuple(database_states(context.load_profile()))
    return DbStatus(databases=states, total=len(states))


def db_migrate(context: OperationContext, params: NoParams) -> DbMigrated:  # noqa: ARG001  # as every operation
    """Make what is absent and apply what is pending, under the write lock. Two processes may call at once.

    Raises:
        DatabaseTooNew: a newer release wrote a database; it is left as it is.
        DatabaseError: a database cannot be opened or written.
    """
    done = []
    for name, upkeep in _both(context.load_profile()):
        state = upkeep.schema_state()
        upkeep.migrate()
        done.append(
            MigratedDatabase(
                name=name, path=upkeep.location, before=state.schema, after=max(state.schema, state.newest)
            )
        )
    changed = [one for one in done if one.before != one.after]
    said = ", ".join(f"{one.name} from schema {one.before} to {one.after}" for one in changed)
    return DbMigrated(
        databases=tuple(done), message=f"Migrated {said}" if changed else "Both databases are at the newest schema"
    )


def database_states(profile: Profile) -> Iterator[DatabaseState]:
    """Yield the state of the ledger, then of the application's database.

    Raises:
        DatabaseError: one of them is there and cannot be read.
    """
    for name, upkeep in _both(profile):
        schema, size = upkeep.schema_state(), upkeep.size()
        yield DatabaseState(
            name=name,
            path=upkeep.location,
            state=schema.state,
            schema=schema.schema,
            newest=schema.newest,
            size_bytes=size.file_bytes,
            log_bytes=size.log_bytes,
            free_bytes=size.free_bytes,
            altered=tuple(str(one) for one in schema.differences if one.harmful),
            added=tuple(str(one) for one in schema.differences if not one.harmful),
        )


def _both(profile: Profile) -> tuple[tuple[str, DatabaseUpkeep], ...]:
    return ("ledger", ledger_upkeep(profile)), ("application", application_upkeep(profile))
