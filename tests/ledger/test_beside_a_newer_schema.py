"""A program goes on beside migrations of a newer release that say it may, and refuses all others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from support.ledger_stage import Stage
from support.postgres_engine import PostgresEngine
from support.sqlite_engine import SqliteEngine
from support.whole_life import live
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseTooNew
from systemprompt.ledger.postgres.upkeep import LedgerSchema
from systemprompt.ledger.reader import LedgerUpkeep
from systemprompt.ledger.sqlite.reader import MIGRATIONS_TABLE
from systemprompt.ledger.sqlite.upkeep import LedgerFile

TABLES = (
    "jobs",
    "job_versions",
    "job_cursors",
    "job_last",
    "open_runs",
    "job_runs",
    "job_run_ranges",
    "job_attempts",
    "job_tallies",
    "job_tally_sums",
    "reasons",
    "run_marks",
    "run_texts",
    "requests",
    "nodes",
    "clock_events",
    "zone_data_changes",
    "ledger_seals",
    "ledger_state",
    "abandoned_runs",
    "quarantined_sources",
)
"""Each gets two columns more."""


class Ground:
    """One ledger of either engine, what its upkeep says of it, and what a newer release does to it."""

    def __init__(self, engine: SqliteEngine | PostgresEngine, upkeep: LedgerUpkeep, do: Callable[[str], None]) -> None:
        self.engine = engine
        self.upkeep = upkeep
        self._do = do
        engine.open_again()

    def migrated_by_a_newer_release(self, *names: str) -> None:
        for name in names:
            self._do(f"INSERT INTO {MIGRATIONS_TABLE} (number, name, checksum) VALUES ({int(name[:4])}, '{name}', 1)")

    def widened(self) -> None:
        """Do what a migration may do beside which others go on: tables, and columns that may be left out."""
        self._do("CREATE TABLE of_tomorrow (x integer)")
        for table in TABLES:
            self._do(f"ALTER TABLE {table} ADD COLUMN of_tomorrow text")
            self._do(f"ALTER TABLE {table} ADD COLUMN more_of_tomorrow integer NOT NULL DEFAULT 7")


class BesideRules:
    def test_nodes_live_on_beside_a_schema_with_more_tables_and_columns(self, ground: Ground) -> None:
        ground.widened()
        ground.migrated_by_a_newer_release("0998_more.beside.sql", "0999_most.beside.sql")

        stage = Stage(ground.engine)
        live(stage)

        stage.sound()

    def test_a_schema_beside_which_one_may_go_on_is_told_as_newer_and_not_as_altered(self, ground: Ground) -> None:
        ground.widened()
        ground.migrated_by_a_newer_release("0999_more.beside.sql")

        state = ground.upkeep.schema_state()

        assert (state.state, state.schema, state.differences) == ("beside", 999, ())
        assert state.unknown == ("0999_more.beside.sql",)

    @pytest.mark.parametrize("names", [("0999_other.sql",), ("0998_other.sql", "0999_more.beside.sql")])
    def test_one_migration_that_does_not_say_so_shuts_older_programs_out(
        self, ground: Ground, names: tuple[str, ...]
    ) -> None:
        ground.migrated_by_a_newer_release(*names)

        with pytest.raises(DatabaseTooNew):
            ground.engine.open_again()

        assert ground.upkeep.schema_state().state == "ahead"

    def test_a_copy_that_would_lack_what_a_newer_release_keeps_is_refused(self, ground: Ground, tmp_path: Path) -> None:
        """On SQLite the copy is whole; it cannot be judged before it is put in a ledger's place."""
        copied = str(tmp_path / "copy.db")
        ground.migrated_by_a_newer_release("0999_more.beside.sql")
        if isinstance(ground.engine, SqliteEngine):
            with ground.upkeep.backup(copied) as backup:
                backup.copy()
                backup.publish()
            with pytest.raises(DatabaseTooNew), LedgerFile(str(tmp_path / "other.db")).restore(copied):
                pass
        else:
            with pytest.raises(DatabaseTooNew), ground.upkeep.backup(copied):
                pass


class TestOnSqlite(BesideRules):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Iterator[Ground]:
        path = tmp_path / "ledger.db"

        def do(text: str) -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute(text)

        engine = SqliteEngine(path)
        yield Ground(engine, LedgerFile(str(path)), do)
        engine.close()


class TestOnPostgres(BesideRules):
    @pytest.fixture
    def ground(self, postgres: str) -> Iterator[Ground]:
        def do(text: str) -> None:
            with psycopg.connect(postgres, autocommit=True, options="-c search_path=systemprompt") as connection:
                connection.execute(text.encode())

        engine = PostgresEngine(postgres)
        yield Ground(engine, LedgerSchema(Address(postgres)), do)
        engine.close()
