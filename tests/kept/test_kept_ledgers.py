"""A ledger of every schema that ever landed is read by this release: migrated, whole, and with nothing wrong in it."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import keep
import psycopg
import pytest

from support.ledger_stage import audit_finds_nothing
from systemprompt.clock import Instant
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.sqlite.ledger import SqliteLedger


def kept(engine: str) -> list[Path]:
    return sorted(keep.HERE.glob(f"ledger-*.{engine}.sql"))


def is_read(ledger: Ledger, now: Instant) -> None:
    ledger.migrate()
    state = ledger.upkeep.schema_state()
    assert (state.state, state.harmful) == ("current", ())
    assert ledger.upkeep.faults() == []
    audit_finds_nothing(ledger, now)
    assert ledger.seals()
    assert list(ledger.runs_between(-(2**62), 2**62))
    assert list(ledger.ranges_between(-(2**62), 2**62))


def now_of(text: str) -> Instant:
    found = re.match(r"-- now: (\d+)\n", text)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("file", kept("sqlite"), ids=lambda file: file.name)
def test_a_ledger_of_each_schema_that_landed_is_read_on_sqlite(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.executescript(text)
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        is_read(ledger, now_of(text))


@pytest.mark.parametrize("file", kept("postgres"), ids=lambda file: file.name)
def test_a_ledger_of_each_schema_that_landed_is_read_on_postgresql(file: Path, postgres: str) -> None:
    text = file.read_text(encoding="utf-8")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(text.encode())
    with closing(PostgresLedger(Address(postgres), decides_by="host")) as ledger:
        is_read(ledger, now_of(text))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_newest_schema_is_kept_too(engine: str) -> None:
    """`python tests/kept/keep.py` keeps it, in the commit in which it lands."""
    assert keep.place(engine).exists()


def test_a_migration_that_landed_is_never_changed() -> None:
    """What has to be changed is changed by the next one."""
    landed = json.loads(keep.LANDED.read_text(encoding="utf-8"))
    present = keep.migrations()
    assert {file: present.get(file) for file in landed} == landed
    assert present.keys() == landed.keys(), "a new one has landed: python tests/kept/keep.py"
