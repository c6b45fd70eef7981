"""A server that is silent on an open connection: a node's thread gives it up, and what it left behind is in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from support.bad_line import BadLine
from support.ledger_stage import Stage
from support.postgres_engine import firing_stage
from support.raw_postgres import raw_connection
from support.waiting import WAIT_S
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.ledger import PostgresLedger

SOON = 0.3


@pytest.fixture
def stage(one_postgres: str) -> Iterator[Stage]:
    with firing_stage(one_postgres) as stage:
        yield stage


@pytest.fixture
def line(one_postgres: str) -> Iterator[BadLine]:
    with BadLine(one_postgres) as line:
        yield line


@pytest.fixture
def ledger(line: BadLine) -> Iterator[PostgresLedger]:
    """A node's handle, over the line."""
    with closing(PostgresLedger(Address(line.address), decides_by="host")) as ledger:
        yield ledger


def test_a_statement_that_has_no_answer_in_time_is_given_up_and_the_next_has_another_connection(
    stage: Stage, line: BadLine, ledger: PostgresLedger
) -> None:
    assert ledger.beat("a", stage.now)
    line.silence()
    with ledger.answered_within(SOON), pytest.raises(DatabaseUnreachable, match=r"no answer within 0\.3 s"):
        ledger.beat("a", stage.now)
    line.mend()
    assert ledger.beat("a", stage.now)


def test_a_connection_that_cannot_be_made_is_given_up_too(stage: Stage, line: BadLine, ledger: PostgresLedger) -> None:
    line.silence()
    with ledger.answered_within(SOON), pytest.raises(DatabaseUnreachable, match="timeout expired"):
        ledger.beat("a", stage.now)


def test_a_slow_answer_is_waited_for(stage: Stage, line: BadLine, ledger: PostgresLedger) -> None:
    line.delay(0.05)
    with ledger.answered_within(WAIT_S):
        assert ledger.beat("a", stage.now)


def test_the_limit_is_of_its_thread_and_of_its_block(stage: Stage, line: BadLine, ledger: PostgresLedger) -> None:
    assert ledger.beat("a", stage.now)
    ends: list[str] = []

    def wait() -> None:
        with pytest.raises(DatabaseUnreachable) as ended:
            ledger.living_nodes()
        ends.append(str(ended.value))

    with ledger.answered_within(SOON):
        line.silence()
        other = threading.Thread(target=wait)
        other.start()
        with pytest.raises(DatabaseUnreachable, match="no answer"):
            ledger.beat("a", stage.now)
        with pytest.raises(DatabaseUnreachable, match="timeout expired"):
            ledger.beat("a", stage.now)
    assert other.is_alive(), "nobody limits what it reads"
    line.drop()
    other.join(WAIT_S)
    assert "no answer" not in ends[0]


def test_a_transaction_whose_node_fell_silent_lets_go_of_its_jobs(
    stage: Stage, line: BadLine, ledger: PostgresLedger, one_postgres: str
) -> None:
    ledger.be_patient(0.1)
    with ledger.answered_within(SOON), pytest.raises(DatabaseUnreachable, match="no answer"):
        _fall_silent_in_a_transaction(ledger, line)
    assert stage.turn().claimed == (), "its session holds the job's cursor"
    with raw_connection(one_postgres) as other:
        other.execute(f"SET lock_timeout = '{WAIT_S:g}s'".encode())
        other.execute("SELECT 1 FROM job_cursors FOR UPDATE")
    (claimed,) = stage.turn().claimed
    stage.finish(claimed)


def _fall_silent_in_a_transaction(ledger: PostgresLedger, line: BadLine) -> None:
    with ledger._store.write():
        ledger._store.hold_jobs(["job"])
        line.silence()
        ledger._store.hold_jobs(["job"])
