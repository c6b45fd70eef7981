"""Opening and migrating the file: two at once, a crash in between, files that are not ours, places where nobody may write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from binascii import crc32
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, at, node, spec
from systemprompt.errors import DatabaseBusy, DatabaseOutdated, DatabaseTooNew, DatabaseUnreachable
from systemprompt.ledger.records import Change
from systemprompt.ledger.sqlite import migrating
from systemprompt.ledger.sqlite.ledger import MIGRATIONS, MIGRATIONS_TABLE, SqliteLedger
from systemprompt.ledger.sqlite.making import make_ledger
from systemprompt.ledger.sqlite.reader import open_reading_ledger
from systemprompt.ledger.sqlite.store import SqliteStore
from systemprompt.planning.planner import Planner


def test_migrating_twice_applies_each_file_once(tmp_path: Path) -> None:
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        assert list(ledger.upkeep.schema_state().pending) == sorted(os.listdir(MIGRATIONS))
        assert ledger.migrate() == sorted(os.listdir(MIGRATIONS))
        assert ledger.migrate() == []


def test_processes_that_start_at_once_apply_each_file_once_between_them(tmp_path: Path) -> None:
    SqliteLedger(str(tmp_path / "ledger.db")).close()
    script = (
        "import sys; from systemprompt.ledger.sqlite.ledger import SqliteLedger;"
        "sys.stdin.readline(); ledger = SqliteLedger(sys.argv[1]); print(len(ledger.migrate())); ledger.close()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "ledger.db")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(6)]  # type: ignore[call-overload]  # pipes by name
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in answers] == [""] * 6
    # A file is one transaction: two processes may share the files, and none is applied twice.
    assert sum(int(answer) for answer, _ in answers) == len(os.listdir(MIGRATIONS))
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        assert ledger.upkeep.faults() == []


def test_handles_that_open_at_once_in_threads_all_succeed(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    gate = threading.Barrier(8)

    def begin() -> None:
        gate.wait(10)
        try:
            make_ledger(str(tmp_path / "ledger.db"), patience=60.0)
            ledger = SqliteLedger(str(tmp_path / "ledger.db"))
            ledger.migrate()
            ledger.close()
        except Exception as error:  # noqa: BLE001  # whatever a thread met is the test's to judge
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Our migrations, and two more of a coming release."""
    copied = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copied)
    (copied / "9001_more.sql").write_text("CREATE TABLE more (x INTEGER);\nINSERT INTO more VALUES (1);\n")
    (copied / "9002_most.sql").write_text("CREATE TABLE most (x INTEGER);\nINSERT INTO absent VALUES (1);\n")
    return str(copied)


def test_a_crash_between_two_files_leaves_what_the_next_start_completes(tmp_path: Path, folder: str) -> None:
    with closing(SqliteStore(str(tmp_path / "ledger.db"), {})) as store:
        with pytest.raises(sqlite3.Error, match="absent"):
            migrating.migrate(store.connection, folder, table=MIGRATIONS_TABLE, begin=store.begin)
        assert migrating.applied_migration(store.connection, table=MIGRATIONS_TABLE) == 9001
        names = {row[0] for row in store.connection.execute("SELECT name FROM sqlite_master")}
        assert "more" in names
        assert "most" not in names, "within a file nothing is half done"
        (Path(folder) / "9002_most.sql").write_text("CREATE TABLE most (x INTEGER);\n")
        applied = migrating.migrate(store.connection, folder, table=MIGRATIONS_TABLE, begin=store.begin)
    assert applied == ["9002_most.sql"]


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    ledger = SqliteLedger(path)
    ledger.migrate()
    ledger._store.connection.execute(f"INSERT INTO {MIGRATIONS_TABLE} VALUES (999, '0999_future.sql', 1)")
    with pytest.raises(DatabaseTooNew, match=r"has schema 999; this program knows schemas up to \d+"):
        ledger.migrate()
    ledger.close()
    with pytest.raises(DatabaseTooNew):
        open_reading_ledger(path)


def of_another_text(connection: sqlite3.Connection) -> None:
    """A migration of ours was applied as it stood on another day."""
    connection.execute(f"UPDATE {MIGRATIONS_TABLE} SET checksum = checksum + 1")


def of_another_file(connection: sqlite3.Connection) -> None:
    """The first migration had another name, and by chance the same text."""
    connection.execute(f"UPDATE {MIGRATIONS_TABLE} SET name = '0001_scheduler.sql'")


def of_the_old_shape(connection: sqlite3.Connection) -> None:
    """The ledger before there were two tables: three migrations, and no checksum was kept."""
    connection.execute(f"DROP TABLE {MIGRATIONS_TABLE}")
    connection.execute(f"CREATE TABLE {MIGRATIONS_TABLE} (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
    names = [(1, "0001_ledger.sql"), (2, "0002_seals.sql"), (3, "0003_counts.sql")]
    connection.executemany(f"INSERT INTO {MIGRATIONS_TABLE} VALUES (?, ?)", names)


@pytest.mark.parametrize("made", [of_another_text, of_another_file, of_the_old_shape])
def test_a_ledger_of_an_unreleased_schema_is_refused_and_left_alone(
    tmp_path: Path, made: Callable[[sqlite3.Connection], None]
) -> None:
    path = str(tmp_path / "ledger.db")
    with closing(SqliteLedger(path)) as ledger:
        ledger.migrate()
        made(ledger._store.connection)
        before = "\n".join(ledger._store.connection.iterdump())
        for act in (ledger.migrate, lambda: open_reading_ledger(path)):
            with pytest.raises(
                DatabaseOutdated, match="has a schema of an unreleased version of systemprompt"
            ) as refused:
                act()
            assert path in refused.value.message
            assert "move the file away and begin anew" in (refused.value.hint or "")
        assert "\n".join(ledger._store.connection.iterdump()) == before


def test_what_was_applied_is_kept_with_its_text(tmp_path: Path) -> None:
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        ledger.migrate()
        kept = ledger._store.connection.execute(f"SELECT * FROM {MIGRATIONS_TABLE}").fetchall()
    texts = {name: crc32((Path(MIGRATIONS) / name).read_bytes()) for name in os.listdir(MIGRATIONS)}
    assert {row["name"]: row["checksum"] for row in kept} == texts
    assert [row["number"] for row in kept] == [int(name[:4]) for name in sorted(texts)]


def test_each_ledger_has_an_id_of_its_own_that_stays(tmp_path: Path) -> None:
    ids = []
    for name in ("one.db", "two.db", "one.db"):
        with closing(SqliteLedger(str(tmp_path / name))) as ledger:
            ledger.migrate()
            ids.append(ledger.ledger_id())
    assert ids[0] == ids[2] != ids[1]


def test_a_ledger_that_is_not_migrated_is_not_read(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    SqliteLedger(path).close()
    with pytest.raises(DatabaseUnreachable, match="has still to be migrated: 0001") as refused:
        open_reading_ledger(path)
    assert "sp db migrate" in (refused.value.hint or "")


def test_a_ledger_that_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="there is no ledger"):
        open_reading_ledger(str(tmp_path / "absent.db"))
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are longer than a database's header would be\n" * 50)
    before = path.read_bytes()
    for open_it in (SqliteLedger, open_reading_ledger):
        with pytest.raises(DatabaseUnreachable, match=r"notes\.txt.* cannot be used: file is not a database"):
            open_it(str(path))
    assert path.read_bytes() == before


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match=r"its folder .*absent' does not exist"):
        SqliteLedger(str(tmp_path / "absent" / "ledger.db"))


def test_a_folder_where_nobody_may_write_is_refused(tmp_path: Path) -> None:
    # Not even root may make a file there.
    with pytest.raises(DatabaseUnreachable, match="cannot be used"):
        SqliteLedger("/proc/ledger.db" if os.path.isdir("/proc") else "/dev/null/ledger.db")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="it is a folder"):
        SqliteLedger(str(tmp_path))


def test_a_path_with_odd_characters_is_that_path(tmp_path: Path) -> None:
    path = tmp_path / "a b%3f?c#d ü.db"
    with closing(SqliteLedger(str(path))) as ledger:
        ledger.migrate()
    with closing(open_reading_ledger(str(path))) as reading:
        assert reading.jobs() == []
    assert path.exists()


def test_a_writer_that_waits_in_vain_says_busy_and_has_written_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    with (
        closing(SqliteLedger(path, patience=0.05)) as ledger,
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
    ):
        ledger.migrate()
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match=r"held by another connection for 0\.\d+ s"):
            ledger.join(node("a", START))
        holder.execute("ROLLBACK")
        assert ledger.nodes() == []
        ledger.join(node("a", START))


def test_commits_are_durable_and_readers_block_nobody(tmp_path: Path) -> None:
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        connection = ledger._store.connection
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL"


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(str(path))
    ledger.migrate()
    ledger.sync_catalogue(
        [spec(f"job{n}", EVERY_SECOND) for n in range(50)], [], START, Planner().decide, Change(actor="x")
    )
    ledger.turn("a", at(1), Planner().decide, room=50)
    ledger._store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    with path.open("r+b") as stream:
        stream.seek(4096 * 4)
        stream.write(os.urandom(4096 * 8))
    with closing(SqliteLedger(str(path))) as damaged:
        assert damaged.upkeep.faults() != []
