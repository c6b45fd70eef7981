"""What a server says that cannot be used just now comes as such, so that a node tries again and does not end of it."""

from __future__ import annotations

import select
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.ledger_stage import Stage
from support.postgres_engine import firing_stage
from support.postgres_server import Server
from support.waiting import WAIT_S
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import of_the_server
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres import ledger as ledger_module
from systemprompt.ledger.postgres import reader as reader_module
from systemprompt.ledger.postgres.engine import open_ledger
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.postgres.reader import open_reading_ledger


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that the tests may start and stop: few connections, and enough in its log for a standby."""
    folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))
    server = Server(folder, wal_level="replica", max_connections="12")
    try:
        server.make()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stage(own_server: Server) -> Iterator[Stage]:
    with firing_stage(own_server.address) as stage:
        yield stage
    with psycopg.connect(own_server.address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA systemprompt CASCADE")


def test_a_server_that_came_back_as_a_standby_is_away_until_it_takes_writes_again(
    stage: Stage, own_server: Server
) -> None:
    own_server.stop()
    own_server.start(standby=True)
    with pytest.raises(DatabaseUnreachable, match="on a standby: nobody can write there"):
        stage.ledger.beat("a", stage.now)
    with pytest.raises(DatabaseUnreachable, match="on a standby"):
        stage.turn()
    assert len(stage.ledger.living_nodes()) == 2, "it can be read"
    own_server.stop()
    own_server.start(standby=False)
    assert stage.ledger.beat("a", stage.now)
    (claimed,) = stage.turn().claimed
    stage.finish(claimed)


def test_a_database_that_is_read_only_by_default_takes_writes_and_hints(stage: Stage, own_server: Server) -> None:
    with psycopg.connect(own_server.address, autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        with closing(PostgresLedger(Address(own_server.address), decides_by="host")) as ledger:
            hints = ledger.change_marker()
            (claimed,) = ledger.turn("a", stage.now, stage.decide, room=1).claimed
            assert stage.ledger.change_marker() != hints
            ledger.turn("a", stage.now, stage.decide, closings=[stage.end(claimed)])
    finally:
        with psycopg.connect(own_server.address, autocommit=True) as admin:
            admin.execute("BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT")


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_a_session_that_the_server_ends_in_its_transaction_is_replaced(
    stage: Stage, own_server: Server, limit: str
) -> None:
    with closing(PostgresLedger(Address(own_server.address), decides_by="host")) as ledger:
        with pytest.raises(DatabaseUnreachable):
            _stand_still_in_a_transaction(ledger, limit)
        assert ledger.beat("a", stage.now)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.IdleInTransactionSessionTimeout,
        psycopg.errors.lookup("25P04"),
        psycopg.errors.ReadOnlySqlTransaction,
        psycopg.errors.TooManyConnections,
        psycopg.errors.CannotConnectNow,
        psycopg.DatabaseError,
    ],
)
def test_what_ended_a_session_or_let_none_begin_is_the_servers_and_no_defect(error: type[psycopg.Error]) -> None:
    assert isinstance(of_the_server(error("as it says"), Address("postgresql:///shop")), DatabaseUnreachable)


@pytest.mark.parametrize("opens", [open_ledger, open_reading_ledger])
def test_a_session_that_ends_while_a_ledger_is_opened_is_a_server_that_is_away(
    stage: Stage, own_server: Server, monkeypatch: pytest.MonkeyPatch, opens: Callable[..., object]
) -> None:
    def end(connection: psycopg.Connection[Any], *_: object, **__: object) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(ledger_module, "migrate", end)
    monkeypatch.setattr(reader_module, "pending_migrations", end)
    with pytest.raises(DatabaseUnreachable):
        opens(Address(own_server.address), schema="systemprompt")


def test_a_server_that_has_no_connection_left_is_away_for_those_who_need_one(stage: Stage, own_server: Server) -> None:
    with ExitStack() as held:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            _take_every_connection(own_server, held)
        other = held.enter_context(closing(PostgresLedger(Address(own_server.address), decides_by="host")))
        with pytest.raises(DatabaseUnreachable, match="too many clients"):
            other.beat("a", stage.now)
        assert stage.ledger.beat("a", stage.now), "a node that has its connections goes on"


def _stand_still_in_a_transaction(ledger: PostgresLedger, limit: str) -> None:
    with ledger._store.write():
        connection = ledger._store._current().connection
        connection.execute(f"SET LOCAL {limit} = 1".encode())
        assert select.select([connection.fileno()], [], [], WAIT_S)[0], "the server never ends the session"
        connection.execute("SELECT 1")


def _take_every_connection(server: Server, held: ExitStack) -> None:
    while True:
        held.enter_context(psycopg.connect(server.address))
