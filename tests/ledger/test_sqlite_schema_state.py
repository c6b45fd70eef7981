"""The schema of a file against what its migrations make: what is missing, altered or added is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from systemprompt.errors import DatabaseDamaged
from systemprompt.ledger.sqlite.database_file import DatabaseFile
from systemprompt.ledger.sqlite.upkeep import LedgerFile

FIRST = """\
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY,  -- never given twice
    status TEXT NOT NULL
);
CREATE INDEX runs_by_status ON runs (status);
CREATE VIEW failures AS SELECT run_id FROM runs WHERE status = 'failed';
CREATE TRIGGER runs_stay BEFORE DELETE ON runs
BEGIN
    SELECT raise(ABORT, 'a run  stays');
END;
"""
SECOND = "ALTER TABLE runs ADD COLUMN reason TEXT;\n"


class Ours(DatabaseFile):
    """A file in which nothing else lives."""

    ours = True


@pytest.fixture
def file(tmp_path: Path) -> Ours:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_runs.sql").write_text(FIRST, encoding="utf-8")
    (folder / "0002_reasons.sql").write_text(SECOND, encoding="utf-8")
    made = Ours(str(tmp_path / "file.db"), migrations=str(folder), table="applied")
    assert made.migrate() == ["0001_runs.sql", "0002_reasons.sql"]
    return made


def change(file: DatabaseFile, script: str) -> None:
    with closing(sqlite3.connect(file.location)) as connection:
        connection.executescript(script)


def found(file: DatabaseFile) -> list[str]:
    return [str(one) for one in file.schema_state().differences]


def harmful(file: DatabaseFile) -> list[str]:
    return [str(one) for one in file.schema_state().harmful]


def test_what_the_migrations_made_differs_in_nothing(file: Ours) -> None:
    state = file.schema_state()

    assert state.differences == ()
    assert (state.state, state.schema, state.newest) == ("current", 2, 2)
    assert state.applied == ("0001_runs.sql", "0002_reasons.sql")


def test_a_dropped_trigger_is_missing(file: Ours) -> None:
    change(file, "DROP TRIGGER runs_stay")

    assert harmful(file) == ["trigger runs_stay on runs is missing"]


def test_a_dropped_index_is_missing(file: Ours) -> None:
    change(file, "DROP INDEX runs_by_status")

    assert harmful(file) == ["index runs_by_status on runs is missing"]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT 1; END",
        "CREATE TRIGGER runs_stay BEFORE DELETE ON runs WHEN OLD.run_id > 9 BEGIN SELECT raise(ABORT, 'a run  stays'); END",
        "CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT raise(ABORT, 'a run stays'); END",
        "CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT raise(ABORT, 'a run  -- stays'); END",
    ],
)
def test_a_trigger_with_another_text_is_altered(file: Ours, text: str) -> None:
    change(file, f"DROP TRIGGER runs_stay; {text};")

    assert harmful(file) == ["trigger runs_stay on runs is altered"]


def test_spaces_and_comments_make_no_difference(file: Ours) -> None:
    change(
        file,
        "DROP TRIGGER runs_stay; CREATE TRIGGER runs_stay\n\n  BEFORE DELETE ON runs /* keep */ BEGIN -- really\n"
        "SELECT raise( ABORT,'a run  stays' ) ;END;",
    )

    assert found(file) == []


def test_an_altered_view_and_an_altered_table_are_named(file: Ours) -> None:
    change(file, "DROP VIEW failures; CREATE VIEW failures AS SELECT run_id FROM runs; ALTER TABLE runs ADD COLUMN x")

    assert harmful(file) == ["table runs is altered", "view failures is altered"]


def test_a_table_beside_ours_is_named_and_does_no_harm(file: Ours) -> None:
    change(file, "CREATE TABLE notes (text); CREATE INDEX notes_by_text ON notes (text); CREATE VIEW mine AS SELECT 1")

    assert found(file) == ["index notes_by_text on notes was added", "table notes was added", "view mine was added"]
    assert harmful(file) == []


def test_a_trigger_or_an_index_added_to_a_table_of_ours_does_harm(file: Ours) -> None:
    change(
        file,
        "CREATE UNIQUE INDEX one_each ON runs (status);"
        "CREATE TRIGGER hush AFTER INSERT ON runs BEGIN UPDATE runs SET status = 'success'; END;",
    )

    assert harmful(file) == ["index one_each on runs was added", "trigger hush on runs was added"]


def test_what_sqlite_keeps_for_itself_is_no_difference(file: Ours) -> None:
    change(file, "INSERT INTO runs VALUES (1, 'failed', ''); ANALYZE")

    assert found(file) == []


def test_a_file_that_is_behind_is_compared_with_the_migrations_that_it_has(file: Ours) -> None:
    Path(file.migrations, "0003_more.sql").write_text("CREATE TABLE more (x);", encoding="utf-8")
    change(file, "DROP TRIGGER runs_stay")

    state = file.schema_state()

    assert (state.state, state.pending) == ("behind", ("0003_more.sql",))
    assert harmful(file) == ["trigger runs_stay on runs is missing"]


def test_a_file_of_a_newer_release_is_not_compared(file: Ours) -> None:
    change(file, "INSERT INTO applied VALUES (9, '', 1); DROP TRIGGER runs_stay")

    state = file.schema_state()

    assert (state.state, state.schema, state.pending, state.differences) == ("ahead", 9, (), ())


def test_a_file_that_is_absent_is_said_to_be_and_not_made(tmp_path: Path) -> None:
    state = LedgerFile(str(tmp_path / "absent.db")).schema_state()

    assert (state.state, state.applied, state.differences) == ("absent", (), ())
    assert len(state.pending) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_shared_with_others_is_not_compared(file: Ours) -> None:
    shared = DatabaseFile(file.location, migrations=file.migrations, table=file.table)
    change(file, "DROP VIEW failures; CREATE TABLE theirs (x)")

    assert shared.schema_state().differences == ()


def test_what_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all" * 1_000)

    with pytest.raises(DatabaseDamaged, match="not a database"):
        LedgerFile(str(path)).schema_state()
    assert LedgerFile(str(path)).faults() != []


def test_every_object_of_the_ledger_is_missed_when_it_is_dropped(tmp_path: Path) -> None:
    ledger = LedgerFile(str(tmp_path / "ledger.db"))
    ledger.migrate()
    with closing(sqlite3.connect(ledger.location, isolation_level=None)) as connection:
        names = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view', 'index') AND sql IS NOT NULL"
        ).fetchall()
        assert len(names) > 10
        for kind, name, text in names:
            connection.execute(f"DROP {kind} {name}")
            assert [one.name for one in ledger.schema_state().harmful if one.kind == kind] == [name]
            connection.execute(text)
    assert found(ledger) == []
