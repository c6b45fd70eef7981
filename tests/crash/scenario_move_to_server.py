"""A ledger and our tables move from files to PostgreSQL: in one transaction, where both are in one database."""

from __future__ import annotations

import os

import psycopg
import scenario_move
from crash_worker import place_of

from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.upkeep import LedgerSchema


def prepare(folder: str) -> None:
    scenario_move.prepare(folder, more=f"ledger_schema: {place_of(folder)[1]}\n")


def clear(folder: str) -> None:
    """Drop what was moved."""
    address, schema = place_of(folder)
    with psycopg.connect(address) as connection:
        for name in (schema, "systemprompt_app"):
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


def play(folder: str) -> None:
    scenario_move.play(folder, place_of(folder)[0])


def recover(folder: str) -> None:
    with psycopg.connect(place_of(folder)[0]) as connection:
        there = {str(name) for (name,) in connection.execute(_THERE, [place_of(folder)[1]])}
    assert len(there) in (0, 2), "both or none"
    scenario_move.recover(folder, place_of(folder)[0])


def check(folder: str, whole: str) -> None:
    address, schema = place_of(folder)
    scenario_move.check_same(folder, LedgerSchema(Address(address), schema=schema))
    assert os.path.exists(os.path.join(folder, "app.db"))
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT message FROM systemprompt_app.logs").fetchall() == [("moved",)]


_THERE = "SELECT nspname FROM pg_namespace WHERE nspname IN (%s, 'systemprompt_app')"
