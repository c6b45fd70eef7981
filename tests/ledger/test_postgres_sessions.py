"""A session of PostgreSQL keeps nothing between transactions, and may be taken away between any two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from support.counted_statements import counted
from support.ledger_stage import Stage, at
from support.lossy_proxy import LossyProxy
from support.postgres_engine import firing_stage
from support.raw_postgres import raw_connection
from support.whole_life import lived
from systemprompt.databases.address import Address
from systemprompt.databases.postgres_waiting import BoundedConnection
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres import store
from systemprompt.ledger.postgres.connections import Connections
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.postgres.reader import SQL

pytestmark = pytest.mark.parametrize("postgres_server", [18], indirect=True)


class NewEachTime(Connections):
    """Every transaction has a session of its own, which is over with it."""

    sessions: ClassVar[int] = 0

    @contextmanager
    def taken(self) -> Iterator[BoundedConnection]:
        type(self).sessions += 1
        with closing(self.connect()) as connection:
            yield connection


class HandedRound(Connections):
    """Sessions pass from one to the next as they were left, as by a pooler that resets nothing."""

    idle: ClassVar[list[BoundedConnection]] = []

    @contextmanager
    def taken(self) -> Iterator[BoundedConnection]:
        connection = self.idle.pop() if self.idle else self.connect()
        try:
            yield connection
        finally:
            if not connection.closed:
                self.idle.append(connection)


def test_a_whole_life_goes_well_where_each_transaction_has_another_session(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "Connections", NewEachTime)
    lived(postgres)
    assert NewEachTime.sessions > 100


def test_a_session_is_after_a_whole_life_as_it_was_when_it_began(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "Connections", HandedRound)
    lived(postgres)
    used = 0
    for connection in HandedRound.idle:
        with closing(connection):
            used += 1
            for kept in (
                "pg_settings WHERE source = 'session'",
                "pg_prepared_statements",
                "pg_cursors",
                "pg_listening_channels()",
                "pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
                "pg_class WHERE relpersistence = 't'",
            ):
                assert connection.execute(f"SELECT count(*) FROM {kept}".encode()).fetchall()[0][0] == 0, kept
    HandedRound.idle.clear()
    assert used >= 1


KEPT = re.compile(
    r"(^|;)\s*SET (?!LOCAL)|\bRESET\b|set_config\([^)]*false\)|pg_(try_)?advisory_lock|\bLISTEN\b|\bTEMP(ORARY)?\b TABLE"
    r"|\bPREPARE\b|\bDECLARE\b.*WITH HOLD",
    re.IGNORECASE,
)


def test_no_statement_keeps_anything_in_its_session(postgres: str) -> None:
    with counted() as said:
        lived(postgres)
    assert len(set(said)) > 100
    said = [text for text in said if "CREATE TABLE ledger_state" not in text]  # the migration, in its own connection
    said += [re.sub(r"--.*", "", one.read_text()) for one in Path(SQL).glob("*.sql")]
    assert [text for text in said if KEPT.search(text)] == []
    sources = {one.name: one.read_text() for one in Path(SQL).parent.glob("*.py")}
    assert [name for name, text in sources.items() if '"LISTEN ' in text] == ["listening.py"]


def test_no_statement_is_compiled_whatever_the_server_does_for_others(postgres: str) -> None:
    """Compiling takes 50 to 500 ms; up to PostgreSQL 17 each statement that meets one of our triggers seemed to be worth it."""
    with counted() as said:
        lived(postgres)
    begun = [text for text in said if "SET LOCAL client_connection_check_interval" in text]
    assert len(begun) > 100
    assert [text for text in begun if "SET LOCAL jit = off;" not in text] == []


# -- sessions that are taken away -------------------------------------------------------------------------------------------


@pytest.fixture
def stage(postgres: str) -> Iterator[Stage]:
    with firing_stage(postgres) as stage:
        yield stage


def ended(postgres: str, name: str) -> int:
    """Let the server end the sessions of this name, and wait until they are over."""
    asked = (
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
        " WHERE application_name = %s AND datname = current_database()"
    )
    with raw_connection(postgres) as admin:
        ((number,),) = admin.execute(asked, [name]).fetchall()
    return int(number)


def test_sessions_that_the_server_ended_are_replaced_without_an_error(stage: Stage, postgres: str) -> None:
    (claimed,) = stage.turn().claimed
    assert stage.ledger.beat("a", stage.now)
    assert ended(postgres, "systemprompt ledger systemprompt") >= 2
    assert stage.finish(claimed).closed == (claimed.run_id,)
    assert stage.ledger.beat("a", stage.now)
    assert stage.run(claimed.run_id).status == "success"


def test_a_claim_whose_answer_was_lost_is_committed_and_its_node_finds_it_once(stage: Stage, postgres: str) -> None:
    with LossyProxy(postgres) as proxy, closing(PostgresLedger(Address(proxy.address), decides_by="host")) as ledger:
        assert ledger.beat("a", stage.now), "its first commit says which epoch the server is in"
        proxy.lose_next.set()
        with pytest.raises(DatabaseUnreachable):
            ledger.turn("a", stage.now, stage.decide, room=9)
        assert proxy.lost.is_set()
        assert ledger.turn("a", stage.now, stage.decide, room=9).claimed == (), "it is not planned a second time"
        (found,) = ledger.held("a")
        assert (found.job_name, found.fire_at, found.attempt) == ("job", at(1), 1)
        assert ledger.turn("a", stage.now, stage.decide, closings=[stage.end(found)]).closed == (found.run_id,)
    assert stage.job("job").run_count == 1


def test_an_end_whose_answer_was_lost_counts_once_however_often_it_is_told(stage: Stage, postgres: str) -> None:
    with LossyProxy(postgres) as proxy, closing(PostgresLedger(Address(proxy.address), decides_by="host")) as ledger:
        (claimed,) = ledger.turn("a", stage.now, stage.decide, room=9).claimed
        proxy.lose_next.set()
        for told in range(3):
            if told == 0:
                with pytest.raises(DatabaseUnreachable):
                    ledger.turn("a", stage.now, stage.decide, closings=[stage.end(claimed)])
            else:
                turn = ledger.turn("a", stage.now, stage.decide, closings=[stage.end(claimed)])
                assert (turn.closed, turn.late, turn.odd) == ((claimed.run_id,), (), ())
    assert (stage.job("job").run_count, stage.run(claimed.run_id).status) == (1, "success")
