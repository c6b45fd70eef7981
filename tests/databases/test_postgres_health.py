"""What doctor is told of a server, on a real PostgreSQL. What this one does not have is put before its own views and functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from support.postgres_server import a_database
from systemprompt.databases import postgres_health
from systemprompt.databases.address import Address
from systemprompt.databases.postgres_health import (
    _durability_note,
    about_clock,
    about_connections,
    about_durability,
    about_holders,
    about_server,
    holders,
    server_health,
)
from systemprompt.errors import DatabaseUnreachable

AT_ONCE = timedelta(0)


@contextmanager
def connection_to(address: str, stand_ins: str = "") -> Iterator[psycopg.Connection[Any]]:
    """Connect; `stand_ins` are made in a schema that is looked at before the server's own."""
    with psycopg.connect(address, autocommit=True) as connection:
        if stand_ins:
            connection.execute("CREATE SCHEMA before")
            connection.execute("SET search_path = before, pg_catalog")
            connection.execute(stand_ins.encode())
        yield connection


def test_a_server_that_is_well_is_told_with_its_release(postgres: str) -> None:
    notes = list(server_health(Address(postgres)))

    assert [(note.name, note.status) for note in notes] == [
        ("server", "ok"),
        ("durability", "warn"),
        ("server clock", "ok"),
        ("connections", "ok"),
        ("vacuum", "ok"),
    ]
    assert notes[0].message.startswith(("PostgreSQL 15.", "PostgreSQL 16.", "PostgreSQL 18."))
    assert notes[0].message.endswith(f"at {postgres}, UTF8, takes writes")


@pytest.mark.parametrize(
    ("off", "standbys", "status", "says"),
    [
        ((), "", "ok", "a standby that takes over may lack the last ones"),
        ((), "ANY 1 (b, c)", "ok", "on that of its standbys (ANY 1 (b, c)) before it counts"),
        (("fsync",), "ANY 1 (b, c)", "warn", "with fsync off a power cut loses commits"),
        (("fsync", "full_page_writes"), "", "warn", "with fsync and full_page_writes off"),
    ],
)
def test_what_survives_what_is_told_as_the_servers_settings_have_it(
    off: tuple[str, ...], standbys: str, status: str, says: str
) -> None:
    note = _durability_note(off, standbys)
    assert note.status == status
    assert says in note.message


def test_the_settings_of_a_server_that_nobody_cuts_the_power_of_are_seen(postgres: str) -> None:
    with connection_to(postgres) as connection:
        note = about_durability(connection)
    assert note.mend == "ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()"


def test_a_release_that_is_too_old_is_a_failure(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_health, "_OLDEST", 99)
    with connection_to(postgres) as connection:
        (note,) = about_server(connection, "there")

    assert (note.status, note.mend) == ("fail", "upgrade it: 99 or newer is needed")


def test_a_database_in_another_encoding_is_a_failure(postgres_server: str) -> None:
    with a_database(postgres_server) as address, psycopg.connect(address, autocommit=True) as admin:
        name = f"{admin.info.dbname}_ascii"
        admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0".encode())
        try:
            note = next(server_health(Address(address.replace(admin.info.dbname, name))))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    assert note.status == "fail"
    assert "keeps text in SQL_ASCII" in note.message


def test_a_standby_is_a_failure_that_says_how_to_name_the_primary(postgres: str) -> None:
    standby = "CREATE FUNCTION pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    with connection_to(postgres, standby) as connection:
        (note,) = about_server(connection, "there")

    assert (note.status, note.message) == ("fail", "there is a standby: nobody can write there")
    assert "target_session_attrs=read-write" in (note.mend or "")


def test_a_server_that_takes_no_writes_is_a_failure(postgres: str) -> None:
    with connection_to(f"{postgres}&options=-c%20default_transaction_read_only%3Don") as connection:
        (note,) = about_server(connection, "there")

    assert (note.status, note.message) == ("fail", "transactions on there are read only")


@pytest.mark.parametrize(("off", "says"), [(-90, "90.0 s ahead of"), (90, "90.0 s behind")])
def test_a_clock_that_differs_from_the_servers_is_told_with_how_much(postgres: str, off: int, says: str) -> None:
    clock = f"""CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql
                AS 'SELECT pg_catalog.clock_timestamp() + interval ''{off} s'''"""
    with connection_to(postgres, clock) as connection:
        note = about_clock(connection)

    assert note.status == "warn"
    assert f"this machine's clock is {says} the server's" in note.message


def test_a_session_that_holds_the_horizon_is_named_with_pid_user_and_application(postgres: str) -> None:
    with connection_to(f"{postgres}&application_name=report") as holding, connection_to(postgres) as connection:
        holding.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        ((began,),) = holding.execute("SELECT now()").fetchall()
        assert holders(connection) == [], "a minute has not passed"

        (found,) = holders(connection, AT_ONCE)
        (note,) = about_holders([found])

        pid = holding.info.backend_pid
        assert (found.who, found.since) == (f"pid {pid} (user tester, application 'report')", began)
        assert note.status == "warn"
        assert f"since {began.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" in note.message
        assert (note.mend or "").endswith(f"SELECT pg_terminate_backend({pid})")


def test_a_session_in_another_database_holds_nothing_here(postgres: str, postgres_server: str) -> None:
    with connection_to(postgres_server) as holding, connection_to(postgres) as connection:
        holding.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        assert holders(connection, AT_ONCE) == []


def test_a_prepared_transaction_and_a_slot_that_nobody_reads_are_named(postgres: str) -> None:
    stand_ins = """
        CREATE VIEW pg_prepared_xacts AS
            SELECT 'two''s' AS gid, 'ada'::name AS owner, current_database() AS database,
                   timestamptz '2026-01-14 12:00Z' AS prepared
            UNION ALL SELECT 'of another', 'ada', 'elsewhere', '2026-01-14 12:00Z';
        CREATE VIEW pg_replication_slots AS
            SELECT 'old'::name AS slot_name, false AS active, '7'::xid AS xmin, NULL::xid AS catalog_xmin,
                   timestamptz '2026-01-13 12:00Z' AS inactive_since
            UNION ALL SELECT 'read', true, '7', NULL, NULL
            UNION ALL SELECT 'new', false, NULL, NULL, NULL"""
    with connection_to(postgres, stand_ins) as connection:
        slot, prepared = holders(connection)

    assert (slot.who, slot.ending) == (
        "replication slot 'old', which nobody reads",
        "SELECT pg_drop_replication_slot('old')",
    )
    assert prepared.who == """prepared transaction "two's" of user ada"""
    assert prepared.ending == "ROLLBACK PREPARED 'two''s'"
    assert prepared.since == datetime(2026, 1, 14, 12, tzinfo=UTC)


def test_what_this_role_may_not_see_is_said(postgres: str) -> None:
    hidden = """CREATE VIEW pg_stat_activity AS
        SELECT 7 AS pid, 'ada'::name AS usename, '' AS application_name, NULL::timestamptz AS xact_start, '3'::xid AS backend_xmin,
               'client backend' AS backend_type, NULL::oid AS datid, NULL::name AS datname"""
    with connection_to(postgres, hidden) as connection:
        for _ in range(3):
            connection.execute("SELECT pg_current_xact_id()")
        connection.execute("CREATE FUNCTION age(xid) RETURNS integer LANGUAGE sql AS 'SELECT 10001'")
        (note,) = about_holders(holders(connection))

    assert (
        "pid 7 (user ada, application 'without a name') holds vacuum back, since when this role may not see"
        in note.message
    )


def test_connections_that_run_out_are_told_before_they_have(postgres: str) -> None:
    many = """CREATE VIEW pg_stat_activity AS SELECT 'client backend' AS backend_type FROM generate_series(1, 160)"""
    with connection_to(postgres, many) as connection:
        note = about_connections(connection)

    assert (note.status, note.message.partition(":")[0]) == ("warn", "160 of 197 are in use")


def test_a_server_that_is_not_there_is_unreachable_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachable) as error:
        list(server_health(Address("postgresql://app:hunter2@/x?host=/nowhere")))

    assert "hunter2" not in f"{error.value} {error.value.hint} {error.value.details}"
