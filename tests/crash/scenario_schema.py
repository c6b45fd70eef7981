"""On PostgreSQL: a schema is made for the ledger, it is used, and a copy takes its place, after which it is kept beside."""

from __future__ import annotations

import os
from contextlib import closing

import psycopg
from crash_checks import check_ledger
from crash_worker import DECIDE, Worker, ledger_in, place_of, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.upkeep import LedgerSchema
from systemprompt.ledger.records import Change

BACKED_UP = START + 20 * SECOND
PLAYED = START + 60 * SECOND
LATER = START + 100 * SECOND

JOBS = (spec("often", "*/5 * * * * *", on_lost="rerun"), spec("seldom", "*/20 * * * * *"))
SEE_OFF = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = %s"
)
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY 1"


def prepare(folder: str) -> None:
    """Make a copy in which a node holds runs. Of the schema that it was copied from nothing stays."""
    with closing(ledger_in(folder)) as ledger:
        ledger.migrate()
        ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
        Worker(ledger, ManualClock(START), folder).step(20)
    with _schema(folder).backup(_copy(folder)) as backup:
        backup.copy()
        backup.publish()
    clear(folder)


def clear(folder: str) -> None:
    """Drop the scenario's schema, and those that were kept of it."""
    address, schema = place_of(folder)
    with psycopg.connect(address) as connection:
        for (name,) in connection.execute(SCHEMAS, [f"{schema}%"]).fetchall():
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def play(folder: str, now: int = PLAYED) -> None:
    with closing(ledger_in(folder)) as ledger:
        ledger.migrate()
    _see_them_off(folder)
    with _schema(folder).restore(_copy(folder), replace=True) as restore:
        restore.copy()
        restore.settle(now, logged=lambda _: 0, max_attempts=5)
        restore.take_owner()
        restore.publish(now)


def _see_them_off(folder: str) -> None:
    """Wait for sessions whose process is gone or has closed them, and whose server's half has not heard of it yet."""
    address, schema = place_of(folder)
    with psycopg.connect(address) as connection:
        connection.execute(SEE_OFF, [f"systemprompt ledger {schema}"])


def recover(folder: str) -> None:
    """Whoever got no answer does it again."""
    play(folder, PLAYED + 10 * SECOND)
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER, with_witness=False) as ledger:
        assert ledger.upkeep.schema_state().state == "current"
        restored = list(ledger.runs_between(0, BACKED_UP))
        assert {(run.job_name, run.fire_at) for run in restored} == {("often", BACKED_UP), ("seldom", BACKED_UP)}
        assert ledger.last_fence() > START, "a token of the time after the backup is never given out again"
    address, schema = place_of(folder)
    with psycopg.connect(address) as connection:
        kept = [name for (name,) in connection.execute(SCHEMAS, [f"{schema}_replaced_%"]).fetchall()]
    assert 1 <= len(kept) <= 2, "each time that a copy took its place, and never else"
    for name in kept:
        assert LedgerSchema(Address(address), schema=name).schema_state().state == "current", "what is kept is whole"


def _schema(folder: str) -> LedgerSchema:
    address, schema = place_of(folder)
    return LedgerSchema(Address(address), schema=schema)


def _copy(folder: str) -> str:
    return os.path.join(folder, "ledger.copy")
