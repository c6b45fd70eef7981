"""Migrating a schema on a real PostgreSQL: each file once, whole or not at all, and never a table that is not ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from systemprompt.databases.postgres import CONNECTING
from systemprompt.errors import ConfigurationError, DatabaseOutdated, DatabaseTooNew, DatabaseUnreachable
from systemprompt.ledger.postgres.migrating import (
    applied_migration,
    applied_migrations,
    has_schema,
    locked_transaction,
    migrate,
    pending_migrations,
)

SCHEMA = "system prompt"
"""With a space: a name of a schema is quoted wherever it stands."""

OURS: dict[str, Any] = {"schema": SCHEMA, "table": "migrations"}

FIRST = """-- A comment with a ; and a %s and 100 %.
CREATE TABLE users (id bigint PRIMARY KEY, word text NOT NULL DEFAULT '100 %');
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    new.word := upper(new.word) || ';';
    RETURN new;
END;
$body$;
CREATE TRIGGER shouting BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout();
INSERT INTO users (id, word) VALUES (1, 'a');
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE users ADD COLUMN x integer;\n")
    (tmp_path / "notes.txt").write_text("not a migration")
    return tmp_path


@pytest.fixture
def db(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, **CONNECTING) as connection:
        yield connection


def words(db: psycopg.Connection[Any]) -> list[Any]:
    return db.execute(f'SELECT word FROM "{SCHEMA}".users').fetchall()


def test_a_file_is_applied_once_and_whole_with_its_functions(db: psycopg.Connection[Any], folder: Path) -> None:
    assert pending_migrations(db, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]
    assert not has_schema(db, SCHEMA)

    assert migrate(db, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]
    assert migrate(db, str(folder), **OURS) == []

    assert words(db) == [("A;",)]
    assert applied_migrations(db, **OURS) == ("0001_first.sql", "0002_second.sql")
    assert applied_migration(db, **OURS) == 2


def test_a_table_of_the_host_with_one_of_our_names_is_not_touched(db: psycopg.Connection[Any], folder: Path) -> None:
    db.execute("CREATE TABLE public.users (theirs text)")
    db.execute("CREATE TABLE public.migrations (theirs text)")

    migrate(db, str(folder), **OURS)

    assert db.execute("SELECT count(*) FROM public.users").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM public.migrations").fetchone() == (0,)


def test_nothing_of_a_migration_is_kept_in_the_session(db: psycopg.Connection[Any], folder: Path) -> None:
    asked = "SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'lock_timeout', 'statement_timeout')"
    before = db.execute(asked).fetchall()

    migrate(db, str(folder), **OURS)

    assert db.execute(asked).fetchall() == before
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"  # others test on this server too
    assert db.execute(held).fetchone() == (0,)


def test_a_file_that_fails_leaves_nothing_of_itself_and_the_next_call_completes(
    db: psycopg.Connection[Any], folder: Path
) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE most (x integer);\nINSERT INTO absent VALUES (1);\n")
    with pytest.raises(psycopg.Error, match="absent"):
        migrate(db, str(folder), **OURS)
    assert applied_migration(db, **OURS) == 1
    (folder / "0002_second.sql").write_text("CREATE TABLE most (x integer);\n")

    assert migrate(db, str(folder), **OURS) == ["0002_second.sql"]


def test_those_that_start_at_once_apply_each_file_once_between_them(postgres: str, folder: Path) -> None:
    applied: list[str] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(6)

    def begin() -> None:
        # A role may have any default: what is read after the lock is still what the last holder committed.
        options = "-c default_transaction_isolation=serializable"
        with psycopg.connect(postgres, options=options, **CONNECTING) as connection:
            gate.wait(20)
            try:
                applied.extend(migrate(connection, str(folder), **OURS))
            except Exception as error:  # noqa: BLE001  # whatever a thread met is the test's to judge
                errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert sorted(applied) == ["0001_first.sql", "0002_second.sql"]


def test_who_waits_for_another_that_migrates_waits_no_longer_than_its_patience(
    postgres: str, db: psycopg.Connection[Any], folder: Path
) -> None:
    with (
        psycopg.connect(postgres, **CONNECTING) as other,
        locked_transaction(other, SCHEMA),
        pytest.raises(psycopg.errors.LockNotAvailable),
    ):
        migrate(db, str(folder), **OURS, patience=0.02)

    assert migrate(db, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]


def test_a_newer_schema_is_refused_and_left_alone(db: psycopg.Connection[Any], folder: Path) -> None:
    migrate(db, str(folder), **OURS)
    db.execute(f"INSERT INTO \"{SCHEMA}\".migrations VALUES (999, '0999_future.sql', 1)")

    for act in (migrate, pending_migrations):
        with pytest.raises(DatabaseTooNew, match="is at migration 999; this program knows migrations up to 2") as told:
            act(db, str(folder), **OURS)
        assert f"schema '{SCHEMA}' of database 't_" in told.value.message


@pytest.mark.parametrize("change", ["checksum = checksum + 1", "name = '0001_other.sql'"])
def test_a_schema_of_an_unreleased_version_is_refused_and_the_hint_loses_nothing(
    db: psycopg.Connection[Any], folder: Path, change: str
) -> None:
    migrate(db, str(folder), **OURS)
    db.execute(f'UPDATE "{SCHEMA}".migrations SET {change} WHERE number = 1')

    with pytest.raises(DatabaseOutdated, match="is of an unreleased version of systemprompt") as told:
        migrate(db, str(folder), **OURS)

    command = (told.value.hint or "").rpartition(": ")[2]
    assert command == f'ALTER SCHEMA "{SCHEMA}" RENAME TO "{SCHEMA}_old"'
    db.execute(command)
    assert migrate(db, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]


@pytest.fixture
def weak(postgres: str, db: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A role that may connect and nothing else."""
    role = f"weak_{db.info.dbname}"
    db.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        with psycopg.connect(postgres, **CONNECTING | {"user": role}) as connection:
            yield connection
    finally:
        db.execute(f'DROP OWNED BY "{role}"')
        db.execute(f'DROP ROLE "{role}"')


def test_a_role_that_may_not_make_the_schema_is_told_the_command_that_helps(
    db: psycopg.Connection[Any], weak: psycopg.Connection[Any], folder: Path
) -> None:
    with pytest.raises(DatabaseUnreachable, match=f"role 'weak_.*' may not make schema '{SCHEMA}'") as told:
        migrate(weak, str(folder), **OURS)

    db.execute(str(told.value.details["command"]))
    assert migrate(weak, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]


def test_a_role_that_may_make_nothing_in_the_schema_is_told_the_command_that_helps(
    db: psycopg.Connection[Any], weak: psycopg.Connection[Any], folder: Path
) -> None:
    db.execute(f'CREATE SCHEMA "{SCHEMA}"')
    with pytest.raises(DatabaseUnreachable, match="may not make tables in schema") as told:
        migrate(weak, str(folder), **OURS)

    db.execute(str(told.value.details["command"]))
    assert migrate(weak, str(folder), **OURS) == ["0001_first.sql", "0002_second.sql"]


def test_a_role_that_may_not_read_the_schema_is_told_the_command_that_helps(
    db: psycopg.Connection[Any], weak: psycopg.Connection[Any], folder: Path
) -> None:
    migrate(db, str(folder), **OURS)
    with pytest.raises(DatabaseUnreachable, match="may not read schema") as told:
        migrate(weak, str(folder), **OURS)

    db.execute(str(told.value.details["command"]))
    assert migrate(weak, str(folder), **OURS) == []


@pytest.mark.parametrize("name", ["", "a\0b", "ü" * 32])
def test_a_name_that_the_server_would_cut_or_refuse_is_no_name(
    db: psycopg.Connection[Any], folder: Path, name: str
) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a schema"):
        migrate(db, str(folder), schema=name, table="migrations")
