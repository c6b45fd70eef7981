"""Upkeep of our tables in an application's database on PostgreSQL, and what their own rules are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.application import sqlite_application
from systemprompt.builtin.tables.application_file import ApplicationFile
from systemprompt.builtin.tables.application_schema import MIGRATIONS, ApplicationSchema
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.errors import ConfigurationError, DatabaseUnreachable
from systemprompt.ledger.postgres.upkeep import LedgerSchema
from systemprompt.ledger.upkeep import DatabaseUpkeep


@pytest.fixture
def upkeep(postgres: str) -> ApplicationSchema:
    return ApplicationSchema(Address(postgres))


@pytest.fixture
def db(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, **CONNECTING) as connection:
        yield connection


def test_both_engines_upkeeps_keep_one_protocol() -> None:
    upkeeps: tuple[DatabaseUpkeep, ...] = (ApplicationFile("a.db"), ApplicationSchema(Address("postgresql:///a")))

    assert [one.location for one in upkeeps] == ["a.db", "postgresql:///a"]


def test_a_password_is_no_part_of_a_place() -> None:
    assert ApplicationSchema(Address("postgresql://me:secret@host/app")).location == "postgresql://me:***@host/app"


def test_an_empty_database_is_migrated_once_and_is_then_current(upkeep: ApplicationSchema) -> None:
    names = tuple(sorted(os.listdir(MIGRATIONS)))
    before = upkeep.schema_state()
    assert (before.state, before.applied, before.pending) == ("absent", (), names)
    assert upkeep.size().file_bytes == 0
    with pytest.raises(DatabaseUnreachable, match="has still to be migrated: 0001_application_tables"):
        upkeep.check_current()

    assert upkeep.migrate() == list(names)
    assert upkeep.migrate() == []

    after = upkeep.schema_state()
    assert (after.state, after.applied, after.pending) == ("current", names, ())
    assert upkeep.size().file_bytes > 0
    assert (upkeep.faults(), upkeep.faults(quick=True)) == ([], [])
    upkeep.check_current()


def test_a_schema_that_stands_empty_is_behind_and_not_absent(
    upkeep: ApplicationSchema, db: psycopg.Connection[Any]
) -> None:
    db.execute("CREATE SCHEMA systemprompt_app")

    assert upkeep.schema_state().state == "behind"


def test_tables_and_columns_are_the_same_on_both_engines(
    upkeep: ApplicationSchema, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    upkeep.migrate()
    with closing(sqlite_application(tmp_path / "app.db")) as sqlite:
        there = {
            (row["t"], row["c"]): bool(row["required"])
            for row in sqlite.fetch(
                'SELECT m.name AS t, c.name AS c, c."notnull" AS required FROM sqlite_master AS m, pragma_table_info(m.name) AS c'
                " WHERE m.type = 'table'"
            )
        }
    here = {
        (table, column): nullable == "NO"
        for table, column, nullable in db.execute(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'systemprompt_app' AND table_name <> 'application_migrations'"
        )
    }
    keys = {(table, column) for table, column in here if column in ("id", "network")}
    assert here.keys() == there.keys()
    assert {place for place in here.keys() - keys if here[place] != there[place]} == set()


def test_an_index_that_was_not_built_to_the_end_is_a_fault(
    upkeep: ApplicationSchema, db: psycopg.Connection[Any]
) -> None:
    upkeep.migrate()
    db.execute(
        "INSERT INTO systemprompt_app.files SELECT g, 's', g::text, 1, 'm', 'same', NULL, now(), '', now(), now(), now(), ''"
        " FROM generate_series(1, 2) AS g"
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute("CREATE UNIQUE INDEX CONCURRENTLY one_content ON systemprompt_app.files (sha256)")
    db.execute("ALTER TABLE systemprompt_app.files ADD CHECK (size_bytes > 0) NOT VALID")

    faults = upkeep.faults(quick=True)

    assert [fault.partition(" is ")[0].partition(" was ")[0] for fault in faults] == [
        "constraint files_size_bytes_check1 of files",
        "index one_content of files",
    ]


def test_copies_are_the_business_of_postgresqls_own_programs(upkeep: ApplicationSchema, tmp_path: Path) -> None:
    for act, program in ((upkeep.backup, "pg_dump"), (upkeep.restore, "pg_restore")):
        with pytest.raises(ConfigurationError, match="is on a PostgreSQL server") as told:
            act(str(tmp_path / "copy"))
        assert program in (told.value.hint or "")
    assert not upkeep.is_at(str(tmp_path))


def test_the_last_run_that_a_line_names_is_found(upkeep: ApplicationSchema, db: psycopg.Connection[Any]) -> None:
    assert upkeep.last_logged_run("one") == 0
    upkeep.migrate()
    assert upkeep.last_logged_run("one") == 0
    for ledger_id, run_id in (("one", 3), ("one", 7), ("two", 9)):
        db.execute(
            "INSERT INTO systemprompt_app.logs (created_at, level, message, ledger_id, run_id) VALUES (now(), 'info', '', %s, %s)",
            [ledger_id, run_id],
        )
    assert upkeep.last_logged_run("one") == 7


def test_nobody_there_is_unreachable_and_a_fault(tmp_path: Path) -> None:
    nowhere = ApplicationSchema(Address(f"postgresql:///app?host={tmp_path}"))

    asked: tuple[Callable[[], object], ...] = (
        nowhere.migrate,
        nowhere.schema_state,
        nowhere.size,
        nowhere.check_current,
    )
    for ask in asked:
        with pytest.raises(DatabaseUnreachable, match="cannot be used"):
            ask()
    assert len(nowhere.faults()) == 1


READ = [
    ("2026-01-14T10:30:00Z", "2026-01-14 10:30:00"),
    ("2026-01-14 10:30:00.25", "2026-01-14 10:30:00.25"),
    ("2026-01-14T11:30+01:00", "2026-01-14 10:30:00"),
    ("2026-01-14T10:30:00 -0130", "2026-01-14 12:00:00"),
    ("2026-01-14", "2026-01-14 00:00:00"),
    *(
        (bad, None)
        for bad in (
            "",
            "now",
            "epoch",
            "-infinity",
            "2026-02-31",
            "2026-13-01",
            "20260114",
            "x2026-01-14",
            "2026-01-14 10",
            None,
        )
    ),
]


def test_iso_text_of_a_host_is_the_same_instant_in_every_session_and_anything_else_is_none(
    upkeep: ApplicationSchema, db: psycopg.Connection[Any]
) -> None:
    upkeep.migrate()
    asked = "SELECT (systemprompt_app.instant_of(%s) AT TIME ZONE 'UTC')::text"
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        db.execute("SELECT set_config('timezone', %s, false)", [zone])
        assert [(written, *db.execute(asked, [written]).fetchone()) for written, _ in READ] == READ  # type: ignore[misc]  # a row comes


def test_the_ledger_beside_it_in_one_database_is_restored_without_it(
    upkeep: ApplicationSchema, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    ledger, copy = LedgerSchema(upkeep.address), str(tmp_path / "copy.db")
    upkeep.migrate()
    ledger.migrate()
    db.execute("INSERT INTO systemprompt_app.logs (created_at, level, message) VALUES (now(), 'info', 'kept')")
    assert ledger.schema_state().differences == ()
    with ledger.backup(copy) as backup:
        backup.copy()
        backup.publish()

    with ledger.restore(copy, replace=True) as restore:
        restore.copy()
        assert restore.publish(0) is not None

    assert db.execute("SELECT message FROM systemprompt_app.logs").fetchall() == [("kept",)]
    assert (upkeep.schema_state().state, upkeep.migrate()) == ("current", [])
    assert (ledger.faults(), upkeep.faults()) == ([], [])
