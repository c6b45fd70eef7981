"""A move while somebody writes at either side, or with addresses that are easily mistaken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.cli_session import SQLITE, CliSession
from systemprompt.ledger.sqlite import database_file
from systemprompt.operations import move as moving

LEDGER = ".systemprompt/profiles/local/data/app.ledger.db"


@pytest.fixture
def ours(tmp_path: Path) -> CliSession:
    """An installation on SQLite with a catalogue and no run."""
    session = CliSession(tmp_path, real_time=True)
    assert session.sp("db migrate").code == 0
    assert session.sp("jobs disable nightly_report").code == 0
    return session


@pytest.fixture
def after_filling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen once the other side was filled and is not there for others yet."""

    def set_up(happens: Callable[[], object]) -> None:
        audited = moving._audited

        def audited_later(*given: Any) -> Any:
            happens()
            return audited(*given)

        monkeypatch.setattr(moving, "_audited", audited_later)

    return set_up


def name_in_profile(session: CliSession, address: str) -> None:
    text = session.profile.read_text(encoding="utf-8")
    session.profile.write_text(text.replace(SQLITE, address), encoding="utf-8")


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as file:
        return {str(name) for (name,) in file.execute("SELECT name FROM sqlite_master")}


def can_write(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


def test_nobody_writes_at_the_source_from_the_copy_until_it_is_there(
    ours: CliSession, after_filling: Callable[[Callable[[], object]], None]
) -> None:
    could: list[bool] = []
    after_filling(lambda: could.append(can_write(ours.folder / LEDGER)))

    assert ours.sp("--json db move --to new.db").code == 0

    assert could == [False]
    assert can_write(ours.folder / LEDGER)


def test_nobody_writes_at_a_source_on_a_server_from_the_copy_until_it_is_there(
    ours: CliSession, postgres: str, after_filling: Callable[[Callable[[], object]], None]
) -> None:
    assert ours.sp(f"--json db move --to {postgres}").code == 0
    name_in_profile(ours, postgres)
    said: list[str] = []

    def write() -> None:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '10ms'")
            try:
                connection.execute("DELETE FROM systemprompt.requests")
            except psycopg.errors.LockNotAvailable:
                said.append("locked")

    after_filling(write)

    assert ours.sp("--json db move --to new.db").code == 0
    write()

    assert said == ["locked"]


def test_tables_of_the_application_that_somebody_writes_to_do_not_move(
    ours: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "_PATIENCE_S", 0)
    with closing(sqlite3.connect(ours.home / "data/app.db", isolation_level=None)) as host:
        host.execute("BEGIN IMMEDIATE")

        answer = ours.sp("--json db move --to new.db")

    assert (answer.code, answer.error["code"]) == (5, "database_busy")
    assert not list(ours.folder.glob("*new*"))


def test_an_empty_ledger_that_gets_something_meanwhile_is_not_replaced(
    ours: CliSession, tmp_path: Path, after_filling: Callable[[Callable[[], object]], None]
) -> None:
    (tmp_path / "other").mkdir()
    other = CliSession(tmp_path / "other", real_time=True, database=f"sqlite:///{tmp_path}/new.db")
    assert other.sp("db migrate").code == 0
    after_filling(lambda: other.sp("jobs disable nightly_report"))

    answer = ours.sp("--json db move --to new.db")

    assert answer.code == 6, answer
    assert not other.sp("--json jobs show nightly_report").data["enabled"]


def test_a_ledger_does_not_move_to_another_spelling_of_its_address(ours: CliSession, postgres: str) -> None:
    assert ours.sp(f"--json db move --to {postgres}").code == 0
    name_in_profile(ours, postgres)

    answer = ours.sp(f"--json db move --to {postgres}&connect_timeout=7")

    assert answer.code == 2, answer
    assert "already" in answer.error["message"]


def test_a_ledger_is_not_taken_for_an_applications_database(ours: CliSession) -> None:
    before = tables(ours.folder / LEDGER)

    answer = ours.sp(f"--json db move --to {LEDGER}")

    assert answer.code == 6, answer
    assert "is a ledger, not an application's database" in answer.error["message"]
    assert tables(ours.folder / LEDGER) == before


@pytest.mark.parametrize("name", ["a b: c.db", "ü'\".db", "a$b ${HOME.db", "a%20b.db"])
def test_what_is_to_be_written_in_the_profile_names_the_file_whatever_its_name(ours: CliSession, name: str) -> None:
    moved = ours.sp("--json db move --to", f"sqlite:///{name.replace('$', '$$')}").data
    text = ours.profile.read_text(encoding="utf-8").replace(f"database: {SQLITE}", moved["profile"][0])
    ours.profile.write_text(text, encoding="utf-8")

    (ledger, application) = ours.sp("--json db status").data["databases"]

    assert application["path"] == str(ours.folder / name)
    assert (ledger["path"], ledger["state"]) == (moved["databases"][0]["target"], "current")


@pytest.mark.parametrize("name", ["", "a?b.db", "a#b.db", "a/"])
def test_a_file_that_no_profile_can_name_is_no_address(ours: CliSession, name: str) -> None:
    assert ours.sp("--json db move --to", name).code == 4
