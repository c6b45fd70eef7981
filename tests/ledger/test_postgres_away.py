"""What a server says that cannot be used just now comes as such, so that a node tries again and does not end of it."""

from __future__ import annotations

import select
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from support.ledger_stage import EVERY_SECOND, Stage, spec
from support.postgres_engine import PostgresEngine
from support.postgres_server import Server
from support.waiting import WAIT_S
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.ledger import PostgresLedger


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
    engine = PostgresEngine(own_server.address)
    stage = Stage(engine)
    stage.declare(spec("job", EVERY_SECOND))
    stage.wait(1)
    yield stage
    stage.sound()
    engine.close()
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
        with pytest.raises(DatabaseUnreachable, match="terminating connection due to"):
            _stand_still_in_a_transaction(ledger, limit)
        assert ledger.beat("a", stage.now)


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
