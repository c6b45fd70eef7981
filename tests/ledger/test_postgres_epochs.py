"""When an epoch begins on PostgreSQL, and when not: who the server is, its timeline, and how far its log reaches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.ledger_stage import ME, START, node, spec
from support.postgres_engine import PostgresEngine
from support.postgres_server import Server
from support.raw_postgres import raw_connection
from systemprompt.databases.address import Address
from systemprompt.errors import HistoryLost
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.postgres.server_history import ServerHistory, ServerState
from systemprompt.planning.planner import Planner

HERE = ServerState("7", 1, 1_000)


@pytest.mark.parametrize(
    ("state", "is_news"),
    [
        (HERE, False),
        (HERE._replace(durable=1_001), False),
        (HERE._replace(durable=999), True),
        (HERE._replace(timeline=2, durable=5_000), True),
        (HERE._replace(system="8", durable=5_000), True),
    ],
)
def test_another_server_another_timeline_and_a_shorter_log_are_news(state: ServerState, is_news: bool) -> None:
    history = ServerHistory()
    assert history.is_news(HERE, history.reached), "nothing is known of it yet"
    history.enter(0, HERE)
    assert history.is_news(state, history.reached) is is_news


def test_an_answer_that_was_overtaken_by_a_later_one_is_no_news() -> None:
    history = ServerHistory()
    history.enter(0, HERE)
    asked_before = history.reached
    assert not history.is_news(HERE._replace(durable=2_000), history.reached)
    assert not history.is_news(HERE._replace(durable=1_500), asked_before)


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))  # a socket's path has to be short
    yield folder
    shutil.rmtree(folder)


def test_a_server_put_back_from_a_picture_of_its_disk_is_in_a_new_epoch(folder: Path) -> None:
    server = Server(folder, wal_level="replica")
    server.make()
    try:
        engine = PostgresEngine(server.address)
        ledger = engine.open_again()
        ledger.join(node("a", START))
        server.stop()
        shutil.copytree(folder / "data", folder / "picture", symlinks=True)
        server.start()
        ledger.sync_catalogue([spec("job")], [], START, Planner().decide, ME)
        for second in range(20):
            ledger.beat("a", START + second)
        assert ledger.epoch == 0, "a crash alone loses nothing"
        server.stop()
        shutil.rmtree(folder / "data")
        (folder / "picture").rename(folder / "data")
        shutil.chown(folder / "data", "nobody")
        for path in (folder / "data").rglob("*"):
            shutil.chown(path, "nobody")
        server.start()
        with pytest.raises(HistoryLost):
            ledger.sync_catalogue([spec("job")], [], START, Planner().decide, ME)
        assert ledger.epoch == 1
        assert ledger.sync_catalogue([spec("job")], [], START, Planner().decide, ME).added == ("job",)
        engine.close()
    finally:
        server.stop()


def test_two_who_notice_at_once_enter_one_epoch(postgres: str) -> None:
    with closing(PostgresLedger(Address(postgres))) as one, closing(PostgresLedger(Address(postgres))) as two:
        one.migrate()
        one.join(node("a", START))
        two.join(node("b", START))
        with raw_connection(postgres) as raw:
            raw.execute("INSERT INTO ledger_epochs VALUES (5, 'another server', 9, now())")
            assert [raw.execute("SELECT enter_epoch(0)").fetchone() for _ in range(2)] == [(6,), (6,)]
            assert raw.execute("SELECT nextval('fences') >> 40").fetchone() == (6,)


def test_an_epoch_that_this_process_has_seen_is_never_entered_again(postgres: str) -> None:
    with closing(PostgresLedger(Address(postgres))) as ledger:
        ledger.migrate()
        ledger.join(node("a", START))
        with raw_connection(postgres) as raw:
            assert raw.execute("SELECT enter_epoch(7)").fetchone() == (8,), "the row of epoch 7 was lost"
