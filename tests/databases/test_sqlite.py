"""How a SQLite file is opened and waited for, whoever opens it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from systemprompt.databases.sqlite import open_connection, retry_while_busy
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable

if TYPE_CHECKING:
    from pathlib import Path


def busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_a_new_file_keeps_what_was_committed_and_can_give_space_back(tmp_path: Path) -> None:
    with closing(open_connection(str(tmp_path / "new.db"))) as connection:
        names = ("journal_mode", "synchronous", "auto_vacuum", "foreign_keys", "busy_timeout")
        settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert settings == ["wal", 2, 2, 1, 0]


@pytest.mark.parametrize("name", ["100%.db", "a?mode=ro.db", "a#b.db", "%3f.db", "ä ö.db"])
def test_any_name_of_a_file_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    with closing(open_connection(str(tmp_path / name))) as connection:
        connection.execute("CREATE TABLE t (n)")

    assert os.listdir(tmp_path) == [name]
    with closing(open_connection(str(tmp_path / name), read_only=True)) as connection:
        assert [row["name"] for row in connection.execute("SELECT name FROM sqlite_master")] == ["t"]


def test_a_path_that_begins_with_two_slashes_names_no_host(tmp_path: Path) -> None:
    open_connection(f"/{tmp_path}/app.db").close()

    assert os.listdir(tmp_path) == ["app.db"]


def test_opening_to_read_writes_nothing_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable):
        open_connection(str(tmp_path / "absent.db"), read_only=True)
    assert os.listdir(tmp_path) == []

    open_connection(str(tmp_path / "app.db")).close()
    with (
        closing(open_connection(str(tmp_path / "app.db"), read_only=True)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("CREATE TABLE t (n)")


def test_a_writer_at_work_holds_nobody_up_who_opens_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "app.db")
    with closing(open_connection(path)) as writer:
        writer.execute("CREATE TABLE t (n)")
        writer.execute("BEGIN IMMEDIATE")

        open_connection(path, patience=0).close()
        open_connection(path, read_only=True).close()


def test_a_file_that_another_process_holds_whole_is_busy_and_not_read_past_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemprompt.databases.sqlite._READER_WAITS_S", 0)
    path = str(tmp_path / "app.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE t (n)")
        holder.execute("BEGIN EXCLUSIVE")

        with pytest.raises(DatabaseBusy, match="held by another connection for"):
            open_connection(path, patience=0)
        with pytest.raises(DatabaseBusy):
            open_connection(path, read_only=True)


def test_what_meets_a_lock_is_done_again_until_the_file_is_free() -> None:
    answers: list[sqlite3.Error | None] = [busy(), busy(), None]

    def begin(name: str) -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return name

    assert retry_while_busy("app.db", 30.0, begin, "begun") == "begun"
    assert answers == []


def test_waiting_ends_when_patience_does_and_says_for_how_long_it_was() -> None:
    def begin() -> None:
        raise busy()

    with pytest.raises(DatabaseBusy, match=r"'app\.db' was held by another connection for 0") as error:
        retry_while_busy("app.db", 0.02, begin)

    waited = error.value.details["waited_s"]
    assert isinstance(waited, float)
    assert waited >= 0.02
    assert isinstance(error.value.__cause__, sqlite3.OperationalError)


def test_what_is_not_a_lock_is_not_tried_again() -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise sqlite3.OperationalError("no such table: t")

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        retry_while_busy("app.db", 30.0, fail)

    assert tries == [1]
