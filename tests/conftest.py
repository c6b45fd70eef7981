"""Fixtures that many folders use. Nothing of the package is loaded before a test asks for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli_session import CliSession
    from support.postgres_place import PostgresPlace
    from support.reused_database import ReusedDatabases
    from support.reused_ledger import ReusedLedger

pytest.register_assert_rewrite("support")

from support.postgres_server import releases  # noqa: E402  # its asserts are rewritten from here on


def pytest_configure(config: pytest.Config) -> None:
    """What a command remembers of a profile goes where it is thrown away, also of a test that says nothing about it."""
    if not hasattr(config, "workerinput"):  # the workers inherit it
        os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="sp-cache-")
        os.environ["XDG_STATE_HOME"] = os.path.join(os.environ["XDG_CACHE_HOME"], "state")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


@pytest.fixture
def cli(tmp_path: Path) -> CliSession:
    """`sp` on an installation of its own whose clock stands still."""
    from support.cli_session import CliSession

    return CliSession(tmp_path)


@pytest.fixture
def live(tmp_path: Path) -> CliSession:
    """`sp` on an installation of its own in real time, for tests that really run jobs."""
    from support.cli_session import CliSession

    return CliSession(tmp_path, real_time=True)


@pytest.fixture(scope="session", params=releases())
def postgres_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """The address of the one PostgreSQL of its release in this run."""
    from support.postgres_server import server_of_this_run

    own = tmp_path_factory.getbasetemp()
    return server_of_this_run(own if worker_id == "master" else own.parent, request.param)


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[ReusedDatabases]:
    """This worker's databases on PostgreSQL."""
    from support.reused_database import ReusedDatabases

    databases = ReusedDatabases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture
def postgres(databases: ReusedDatabases) -> Iterator[str]:
    """The address of an empty database on PostgreSQL."""
    with databases.one() as address:
        yield address


@pytest.fixture(scope="session")
def reused_ledger(postgres_server: str) -> Iterator[ReusedLedger]:
    """One ledger of this worker on PostgreSQL, for tests that each begin with an empty one."""
    from support.postgres_server import a_database
    from support.reused_ledger import ReusedLedger

    with a_database(postgres_server) as address:
        ledger = ReusedLedger(address, "systemprompt")
        yield ledger
        ledger.close()


@pytest.fixture
def emptied_postgres(reused_ledger: ReusedLedger) -> str:
    """The address of a database on PostgreSQL with a ledger in which nothing happened yet."""
    return reused_ledger.emptied().address


@pytest.fixture(scope="session")
def newest_postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """The address of the one PostgreSQL of the newest release in this run: for suites that are too long for each release."""
    from support.postgres_server import server_of_this_run

    own = tmp_path_factory.getbasetemp()
    return server_of_this_run(own if worker_id == "master" else own.parent, 18)


@pytest.fixture(scope="session")
def newest_databases(newest_postgres: str) -> Iterator[ReusedDatabases]:
    """This worker's databases on the newest release."""
    from support.reused_database import ReusedDatabases

    databases = ReusedDatabases(newest_postgres)
    yield databases
    databases.close()


@pytest.fixture
def one_postgres(newest_databases: ReusedDatabases) -> Iterator[str]:
    """The address of an empty database on the newest release."""
    with newest_databases.one() as address:
        yield address


@pytest.fixture(scope="session")
def postgres_of_many(newest_postgres: str) -> Iterator[str]:
    """The address of one database on the newest release, for many ledgers that each have a schema."""
    from support.postgres_server import a_database

    with a_database(newest_postgres) as address:
        yield address


@pytest.fixture
def postgres_place(postgres_of_many: str) -> Iterator[PostgresPlace]:
    """A place for one ledger, in a schema that is dropped at the end."""
    from support.postgres_place import PostgresPlace

    place = PostgresPlace(postgres_of_many)
    yield place
    place.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def postgres_or_none(request: pytest.FixtureRequest) -> str | None:
    """For a suite that runs on every engine: None is SQLite, else it is the address of an empty database on PostgreSQL."""
    address: str | None = None if request.param == "sqlite" else request.getfixturevalue("one_postgres")
    return address


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # the process that the workers report to, or the only one
        from support.postgres_server import stop_servers

        stop_servers(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]  # pytest has no other name for it
