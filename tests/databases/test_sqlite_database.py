"""The database handle that jobs get."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rules_database import DatabaseRules, count

from systemprompt.databases.sqlite_database import SqliteDatabase
from systemprompt.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnreachable, RowRefused, UsageError
from systemprompt.ledger.sqlite.ledger import SqliteLedger


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    db = SqliteDatabase(str(tmp_path / "jobs.db"), patience=0.05)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE)")
    yield db
    db.close()


@pytest.fixture
def again(tmp_path: Path) -> Iterator[Callable[[], SqliteDatabase]]:
    opened: list[SqliteDatabase] = []

    def open_it() -> SqliteDatabase:
        opened.append(SqliteDatabase(str(tmp_path / "jobs.db"), patience=20))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


class TestSqlite(DatabaseRules):
    """Every rule, on this engine."""


def test_it_keeps_what_it_committed_through_a_power_cut(db: SqliteDatabase) -> None:
    settings = {
        name: db.fetch(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
    }

    assert [next(iter(row.values())) for row in settings.values()] == ["wal", 2, 1, 2]


def test_a_row_that_a_constraint_does_not_allow_is_refused_and_its_transaction_goes_on(db: SqliteDatabase) -> None:
    db.execute("INSERT INTO t (word) VALUES ('a')")
    with db.transaction() as tx:
        tx.execute("INSERT INTO t (word) VALUES ('b')")
        with pytest.raises(RowRefused, match=r"does not allow this row: UNIQUE constraint failed: t\.word") as refused:
            tx.execute("INSERT INTO t (word) VALUES ('c'), ('a')")

    assert refused.value.details == {"path": db.path, "cause": "UNIQUE constraint failed: t.word"}
    assert [row["word"] for row in db.fetch("SELECT word FROM t ORDER BY id")] == ["a", "b"]


def test_a_writer_that_waits_too_long_is_told_who_to_look_for(db: SqliteDatabase, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseBusy, match="was held by another connection") as single:
        db.execute("INSERT INTO t (word) VALUES ('a')")
    with pytest.raises(DatabaseBusy), db.transaction():
        pass
    assert single.value.details["path"] == str(tmp_path / "jobs.db")
    assert count(db) == 0, "readers are not held up"

    other.execute("COMMIT")
    other.close()
    assert db.execute("INSERT INTO t (word) VALUES ('a')") == 1


def test_a_writer_waits_its_turn(tmp_path: Path, db: SqliteDatabase) -> None:
    patient = SqliteDatabase(db.path, patience=20)

    def add(worker: int) -> None:
        for number in range(10):
            with patient.transaction() as tx:
                tx.execute("INSERT INTO t (word) VALUES (?)", (f"{worker}.{number}",))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    patient.close()

    assert count(db) == 40


def test_a_thread_that_ends_gives_its_connection_back(db: SqliteDatabase) -> None:
    thread = threading.Thread(target=lambda: db.fetch("SELECT 1"))
    thread.start()
    thread.join()

    assert len(db._slots) == 1


def test_a_forked_child_opens_a_connection_of_its_own(db: SqliteDatabase) -> None:
    slot = db._slot()
    slot.pid = -1  # as it looks from the child

    assert db._slot() is not slot
    assert count(db) == 0
    slot.connection.close()


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("nowhere/jobs.db", "nowhere' does not exist", "make the folder"),
        ("folder", "it is a folder", "mend the path"),
        ("text.db", "file is not a database", "is the path right?"),
    ],
)
def test_a_database_that_cannot_be_opened_says_which_and_why(tmp_path: Path, name: str, says: str, hint: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("this is no database, and long enough to be seen as none" * 10)
    db = SqliteDatabase(str(tmp_path / name))

    with pytest.raises(DatabaseUnreachable, match=says) as error:
        db.fetch("SELECT * FROM sqlite_master")

    assert str(tmp_path / name) in error.value.message
    assert error.value.hint is not None
    assert hint in error.value.hint


def test_a_broken_file_is_told_in_the_same_words_by_the_ledger_and_by_a_job(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, and long enough to be seen as none" * 10)
    with pytest.raises(DatabaseDamaged) as of_the_ledger:
        SqliteLedger(str(path))
    with pytest.raises(DatabaseDamaged) as of_a_job:
        SqliteDatabase(str(path)).fetch("SELECT * FROM sqlite_master")
    assert (of_a_job.value.message, of_a_job.value.hint) == (of_the_ledger.value.message, of_the_ledger.value.hint)


def test_a_full_disk_is_unreachable_and_leaves_the_transaction_whole(db: SqliteDatabase) -> None:
    db.execute("INSERT INTO t (word) VALUES ('before')")
    db.fetch("PRAGMA max_page_count = 1")

    def write_much() -> None:
        with db.transaction() as tx:
            tx.execute("INSERT INTO t (word) VALUES ('small')")
            tx.execute("INSERT INTO t (word) VALUES (?)", ("x" * 100_000,))

    with pytest.raises(DatabaseUnreachable, match="full") as error:
        write_much()

    assert "free some space" in (error.value.hint or "")
    assert [row["word"] for row in db.fetch("SELECT word FROM t")] == ["before"]


def test_a_read_only_database_is_unreachable_for_writing(db: SqliteDatabase) -> None:
    db.fetch("PRAGMA query_only = ON")

    with pytest.raises(DatabaseUnreachable, match="readonly") as error:
        db.execute("INSERT INTO t (word) VALUES ('a')")

    assert "give this user the right" in (error.value.hint or "")


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="another one in each thread"):
        SqliteDatabase(":memory:")
    assert not os.path.exists(":memory:")
