"""Hints on PostgreSQL: heard from others, never from oneself, found out where a pooler swallows them, and back after an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, Self

import psycopg
import pytest

from support.bad_line import BadLine
from support.ledger_stage import Stage, spec
from support.postgres_engine import PostgresEngine
from support.raw_postgres import raw_connection
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres import listening
from systemprompt.ledger.postgres.ledger import PostgresLedger

pytestmark = pytest.mark.parametrize("postgres_server", [18], indirect=True)

WAIT = 20.0


class Ear:
    """Counts what a handle hears; `wait_for` as many times as are asked for."""

    def __init__(self) -> None:
        self.times = 0
        self._changed = threading.Condition()

    def hear(self) -> None:
        with self._changed:
            self.times += 1
            self._changed.notify_all()

    def wait_for(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.times >= times, WAIT), f"heard {self.times} of {times}"


@pytest.fixture(params=["systemprompt", 'a schema\'s "name" of the greatest length that the server allows'])
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)[:63]


@pytest.fixture
def stage(postgres: str, schema: str) -> Iterator[Stage]:
    class Engine(PostgresEngine):
        def open_again(self, **settings: Any) -> PostgresLedger:
            return super().open_again(schema=schema, **settings)

    engine = Engine(postgres)
    stage = Stage(engine)
    stage.declare(spec("job", ""))
    yield stage
    engine.close()


def test_a_hint_of_another_is_heard_and_ones_own_is_not(stage: Stage) -> None:
    ear, other = Ear(), stage.engine.open_again()
    stage.ledger.hear(ear.hear)
    ear.wait_for(1)  # it listens now, and looks at what was said before
    stage.ask("job")
    other.set_enabled("job", False, stage.now, stage.decide, stage.change("me"))
    ear.wait_for(2)
    other.set_enabled("job", True, stage.now, stage.decide, stage.change("me"))
    ear.wait_for(3)
    assert ear.times == 3, "hints come in the order of their commits, so one's own would have come first"


@pytest.mark.parametrize("schema", ["systemprompt"])
class TestTrouble:
    def test_a_node_listens_again_after_the_server_ended_its_session(self, stage: Stage, postgres: str) -> None:
        ear, other = Ear(), stage.engine.open_again()
        stage.ledger.hear(ear.hear)
        ear.wait_for(1)
        asked = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'systemprompt listen' AND datname = %s"
        )
        with raw_connection(postgres) as admin:
            assert admin.execute(asked, [admin.info.dbname]).fetchall() == [(True,)]
        ear.wait_for(2)  # it listens again
        other.set_enabled("job", False, stage.now, stage.decide, stage.change("me"))
        ear.wait_for(3)

    def test_a_node_whose_line_fell_silent_listens_over_another(
        self, stage: Stage, postgres: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "_LOOK_S", 0.1)
        ear, other = Ear(), stage.engine.open_again()
        with BadLine(postgres) as line:
            over = Address(line.address)
            with closing(PostgresLedger(over, decides_by="host")) as ledger:
                ledger.hear(ear.hear)
                ear.wait_for(1)
                line.silence()
                line.mend()
                ear.wait_for(2)  # it listens again
                other.set_enabled("job", False, stage.now, stage.decide, stage.change("me"))
                ear.wait_for(3)

    def test_a_node_behind_a_pooler_finds_out_that_it_hears_nothing_and_says_so(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = threading.Event()

        class Pooled:
            """Each statement is answered by another session."""

            def __init__(self, address: str, **settings: Any) -> None:
                self._address, self._settings = address, settings

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                asked.set()

            def execute(self, query: Any) -> Any:
                with psycopg.connect(self._address, **self._settings) as session:
                    cursor = session.execute(query)
                    rows = cursor.fetchall() if cursor.description else []
                return SimpleNamespace(fetchall=lambda: rows)

        monkeypatch.setattr(listening, "BoundedConnection", SimpleNamespace(connect=Pooled))
        ear = Ear()
        stage.ledger.hear(ear.hear)
        assert asked.wait(WAIT)
        assert stage.ledger.beat("a", stage.now)
        degraded = {node.node_id: node.degraded for node in stage.ledger.living_nodes()}
        assert degraded == {"a": ("listen",), "b": ()}
        assert ear.times == 0

    def test_who_listens_stops_at_once(self, stage: Stage) -> None:
        ear = Ear()
        stage.ledger.hear(ear.hear)
        ear.wait_for(1)
        before = time.monotonic()
        stage.ledger.close()
        assert time.monotonic() - before < 2.5, "of the five seconds for which it waits for hints"
        assert not [thread for thread in threading.enumerate() if thread.name == "sp-listen"]

    def test_a_node_that_hears_hints_is_not_degraded(self, stage: Stage) -> None:
        ear = Ear()
        stage.ledger.hear(ear.hear)
        ear.wait_for(1)
        assert stage.ledger.beat("a", stage.now)
        assert {node.degraded for node in stage.ledger.living_nodes()} == {()}
