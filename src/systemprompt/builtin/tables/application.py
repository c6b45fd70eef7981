"""The application's database by the engine of its address: what opens it, and its upkeep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol

from systemprompt.builtin.tables.application_file import ApplicationFile
from systemprompt.databases.address import Address
from systemprompt.databases.database import Database
from systemprompt.databases.health_note import HealthNote
from systemprompt.databases.postgres_driver import check_driver
from systemprompt.databases.sqlite_database import SqliteDatabase
from systemprompt.ledger.moving import Placement
from systemprompt.ledger.upkeep import DatabaseUpkeep

__all__ = ["ApplicationUpkeep", "health_of", "open_database", "opener_of", "upkeep_of"]


class ApplicationUpkeep(DatabaseUpkeep, Protocol):
    """The upkeep of the application's database."""

    def check_current(self) -> None:
        """Refuse a database that this release cannot read as it is. Raises DatabaseError."""
        ...

    def place(self, *, belongs_to: str, beside: Placement) -> AbstractContextManager[Placement]:
        """As in `systemprompt.ledger.reader.LedgerUpkeep`.

        belongs_to   names the ledger that is published after these rows; `beside` is its placement: in one database of a server
                     both are published at once
        """
        ...

    def last_logged_run(self, ledger_id: str) -> int:
        """Return the highest run id of this ledger that a log line names; 0 where there is none, or no table of ours to ask."""
        ...


_OPENERS = {
    "postgresql": "systemprompt.databases.postgres_database:PostgresDatabase",
    "sqlite": "systemprompt.databases.sqlite_database:SqliteDatabase",
}


def opener_of(address: Address) -> str:
    """Return, as `module:class`, what opens the database from its address with the password."""
    return _OPENERS[address.engine]


def open_database(address: Address, *, read_only: bool = False) -> Database:
    """Open the database. On a server the role decides what may be written: `read_only` is a file's.

    Raises:
        DatabaseError: it is absent, or cannot be opened. ConfigurationError: what its engine needs is not installed.
    """
    if address.engine == "sqlite":
        return SqliteDatabase(address.path, read_only=read_only)
    check_driver(address)
    module, _, name = opener_of(address).partition(":")
    database: Database = getattr(import_module(module), name)(address)
    return database


def upkeep_of(address: Address, *, group: str | None = None) -> ApplicationUpkeep:
    """Return the upkeep of the database. Nothing is opened: it may be absent or damaged. `group` may read a file made here."""
    if address.engine == "sqlite":
        return ApplicationFile(address.path, group=group)
    check_driver(address)
    made: ApplicationUpkeep = import_module(_SCHEMA_MODULE).ApplicationSchema(address)
    return made


def health_of(address: Address) -> Iterator[HealthNote]:
    """Yield what is to be said of the server that the database is on; nothing of a file.

    Raises:
        DatabaseError: the server cannot be reached. ConfigurationError: what it needs is not installed.
    """
    if address.engine != "sqlite":
        check_driver(address)
        yield from import_module("systemprompt.databases.postgres_health").server_health(address)


_SCHEMA_MODULE = "systemprompt.builtin.tables.application_schema"
