"""A move where ledger and tables are in two databases, with a password, and of a ledger alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from support.cli_session import PROFILE, CliSession
from support.postgres_roles import address_of, role
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.placing import SchemaPlacement
from systemprompt.ledger.sqlite.placing import FilePlacement

PASSWORD = "hunter2-of-the-tests"
LOGGED = "INSERT INTO logs (created_at, level, message) VALUES (1, 'INFO', 'moved')"
UNFINISHED = "SELECT count(*) FROM pg_class WHERE relname = 'systemprompt_unfinished_move'"


def session(folder: Path, profile: str = PROFILE) -> CliSession:
    ours = CliSession(folder, real_time=True, profile=profile)
    ours.sp("jobs run by_hand")
    ours.sp("db migrate")
    with closing(sqlite3.connect(ours.home / "data/app.db")) as app, app:
        app.execute("DELETE FROM logs")
        app.execute(LOGGED)
    return ours


def logged(address: str) -> int:
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT count(*) FROM systemprompt_app.logs").fetchone()
    return int(found[0]) if found else 0


def test_no_password_is_shown_and_the_line_for_the_profile_has_its_variable(tmp_path: Path, postgres: str) -> None:
    with role(postgres, password=PASSWORD) as name:
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(f"GRANT CREATE ON DATABASE {admin.info.dbname} TO {name}".encode())
        ours = session(tmp_path)
        ours.environ["SECRET"] = PASSWORD
        to = address_of(postgres, name, "${SECRET}")

        first = ours.sp(f"--json db move --to {to} --dry-run")
        by_hand = ours.sp(f"--json db move --to {address_of(postgres, name, PASSWORD)} --dry-run")
        people = ours.sp(f"db move --to {to}")
        again = ours.sp(f"--json db move --to {to}")

        assert first.data["profile"] == [f"database: {to}"]
        assert (people.code, again.code) == (0, 6)
        assert f"database: {to}" in people.out
        for answer in (first, by_hand, people, again):
            assert PASSWORD not in answer.out + answer.err
    unset = ours.sp("--json db move --to postgresql://me:${NOBODY_SET_THIS}@localhost/shop")
    assert (unset.code, unset.error["code"]) == (2, "usage")
    assert "NOBODY_SET_THIS is not set" in unset.error["message"]


def test_a_ledger_moves_alone_to_the_database_that_the_application_has(tmp_path: Path, postgres: str) -> None:
    ours = CliSession(
        tmp_path, real_time=True, database=postgres, profile=PROFILE + "ledger: ledger.db\nledger_schema: runs\n"
    )
    ours.sp("jobs run by_hand")

    moved = ours.sp(f"--json db move --to {postgres}").data

    assert [one["name"] for one in moved["databases"]] == ["ledger"]
    assert (moved["profile"], moved["without"]) == ([], ["ledger"])
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM runs.job_runs").fetchone() == (1,)
    back = ours.sp(f"--json db move --to {postgres} --ledger elsewhere.db").data
    assert back["profile"] == [f"ledger: sqlite:///{tmp_path}/elsewhere.db"]


def test_a_database_that_is_spelled_otherwise_is_not_waited_for(tmp_path: Path, postgres: str) -> None:
    ours = CliSession(tmp_path, real_time=True, database=postgres, profile=PROFILE + "ledger: ledger.db\n")
    ours.sp("db migrate")
    other = f"{postgres}&application_name=other"

    ours.sp("jobs run nightly_report")

    moved = ours.sp(f"--json db move --to {other}").data

    assert [one["name"] for one in moved["databases"]] == ["ledger"], "our tables are there already"
    assert (moved["profile"], moved["without"]) == ([], ["ledger"])


def test_tables_that_a_move_left_without_a_ledger_are_replaced_by_the_next_unless_somebody_changed_them(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = session(tmp_path)

    def fails(_self: object) -> None:
        raise DatabaseUnreachable("the disk is full")

    def move(code: int) -> str:
        answer = ours.sp(f"--json db move --to {postgres} --ledger there.db")
        assert answer.code == code, answer
        return answer.out

    with monkeypatch.context() as broken:
        broken.setattr(FilePlacement, "publish", fails)
        move(5)
    assert logged(postgres) == 1
    assert not (tmp_path / "there.db").exists()
    with psycopg.connect(postgres) as connection:
        connection.execute(
            "INSERT INTO systemprompt_app.logs (created_at, level, message) VALUES (now(), 'INFO', 'mine')"
        )
    assert "not empty" in move(6)
    with psycopg.connect(postgres) as connection:
        connection.execute("DELETE FROM systemprompt_app.logs WHERE message = 'mine'")
    move(0)
    assert logged(postgres) == 1
    with psycopg.connect(postgres) as connection:
        assert connection.execute(UNFINISHED).fetchone() == (0,)


def test_tables_in_a_file_that_a_move_left_without_a_ledger_are_replaced_by_the_next(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = session(tmp_path)

    def fails(_self: object) -> None:
        raise DatabaseUnreachable("the server is away")

    with monkeypatch.context() as broken:
        broken.setattr(SchemaPlacement, "publish", fails)
        assert ours.sp(f"--json db move --to there.db --ledger {postgres}").code == 5
    assert (tmp_path / "there.db").exists()
    assert ours.sp(f"--json db move --to there.db --ledger {postgres}").code == 0
    with closing(sqlite3.connect(tmp_path / "there.db")) as app:
        assert app.execute("SELECT message FROM logs").fetchall() == [("moved",)]
        assert app.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE '%unfinished%'").fetchone() == (0,)
