"""A throw-away installation: a real database with the application's tables, a folder for content, contexts for jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from systemprompt.builtin.tables.application_file import MIGRATIONS
from systemprompt.builtin.tables.application_schema import ApplicationSchema
from systemprompt.clock import ManualClock, from_datetime
from systemprompt.databases.address import Address
from systemprompt.databases.database import Database, Parameters, Row
from systemprompt.databases.dialect import OUR_SCHEMA, dialect_named
from systemprompt.databases.postgres_database import PostgresDatabase
from systemprompt.databases.sqlite_database import SqliteDatabase
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import ContentSource, JobSettings, Paths, PublishTarget

NOW = 1_768_386_600_000_000  # 2026-01-14T10:30:00Z
HOUR = 3_600_000_000
DAY = 24 * HOUR
TABLES = "".join(file.read_text(encoding="utf-8") for file in sorted(Path(MIGRATIONS).glob("*.sql")))


class App:
    """What a test of a built-in job needs.

    database   what jobs get
    db         what the test itself uses: on PostgreSQL it finds our tables without their schema, and gives instants as SQLite does
    """

    def __init__(self, folder: Path, postgres: str | None = None) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.database: Database
        self.db: Database
        if postgres is None:
            self.database = self.db = sqlite_application(folder / "app.db")
        else:
            ApplicationSchema(Address(postgres)).migrate()
            self.database = PostgresDatabase(postgres)
            self.db = SeenDatabase(f"{postgres}&options=-csearch_path%3Dpublic,{OUR_SCHEMA}")
            for statement in _CASTS:
                self.db.execute(statement)

    @property
    def on_sqlite(self) -> bool:
        return self.database.dialect == "sqlite"

    def own(self, table: str) -> str:
        """Return the name of one of our tables as a profile would have to give it."""
        return dialect_named(self.database.dialect).own(table)

    def bytes_of(self, table: str) -> int:
        """Return how much disk a table takes, on SQLite the whole file."""
        if self.on_sqlite:
            (row,) = self.db.fetch("SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()")
        else:
            (row,) = self.db.fetch(f"SELECT pg_relation_size('{self.own(table)}') AS n")
        return int(row["n"])

    def watch(self, table: str, column: str) -> None:
        """Note from now on which rows of a table are written again, for `touched`."""
        self.db.execute("CREATE TABLE touched (it TEXT)")
        self._trigger("watch", f"AFTER UPDATE ON {table}", f"INSERT INTO touched VALUES (new.{column});")

    def touched(self) -> list[str]:
        return [row["it"] for row in self.db.fetch("SELECT it FROM touched ORDER BY 1")]

    def refuse(self, table: str, column: str, value: str) -> None:
        """Let every row with this value fail as it is written."""
        fails = "SELECT RAISE(ABORT, 'refused');" if self.on_sqlite else "RAISE EXCEPTION 'refused';"
        self._trigger("refuse", f"BEFORE INSERT ON {table}", fails, when=f"new.{column} = '{value}'")

    def allow(self, table: str) -> None:
        self.db.execute("DROP TRIGGER refuse" + ("" if self.on_sqlite else f" ON {table}"))

    def _trigger(self, name: str, event: str, action: str, *, when: str = "1 = 1") -> None:
        if self.on_sqlite:
            self.db.execute(f"CREATE TRIGGER {name} {event} WHEN {when} BEGIN {action} END")
            return
        body = f"BEGIN {action.replace('touched', 'public.touched')} RETURN new; END"
        self.db.execute(f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        self.db.execute(f"CREATE TRIGGER {name} {event} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION public.{name}()")

    def close(self) -> None:
        self.database.close()
        self.db.close()

    def context(self, *, settings: dict[str, Any] | None = None, **given: Any) -> JobContext:
        chosen = {
            "paths": Paths(home=str(self.folder)),
            "content_sources": (ContentSource(name="docs", path="docs"),),
            "publish": PublishTarget(path="site", title="A site", base_url="https://example.org"),
            **(settings or {}),
        }
        return JobContext(job_name="a_job", database=self.database, settings=JobSettings(**chosen), **given)

    def run(self, job: Any, ctx: JobContext | None = None, **given: Any) -> JobResult:
        instance = job()
        instance.clock = self.clock
        result = instance.execute(self.context(**given) if ctx is None else ctx)
        assert isinstance(result, JobResult)
        return result

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file


@contextmanager
def an_app(folder: Path, postgres: str | None = None) -> Iterator[App]:
    app = App(folder, postgres)
    yield app
    app.close()


class SeenDatabase(PostgresDatabase):
    """PostgreSQL as the tests of both engines look at it: an instant is a whole number of microseconds."""

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return [_as_on_sqlite(row) for row in super().fetch(sql, parameters)]

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        row = super().fetch_one(sql, parameters)
        return None if row is None else _as_on_sqlite(row)


def _as_on_sqlite(row: Row) -> Row:
    return {name: from_datetime(value) if isinstance(value, datetime) else value for name, value in row.items()}


# So that one INSERT of a test serves both engines. Jobs cannot lean on it unseen: tests/builtin/test_beside_a_host.py does without.
_CASTS = tuple(
    statement
    for kind in ("smallint", "integer", "bigint")
    for statement in (
        f"""CREATE FUNCTION public.at({kind}) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS
            $$ SELECT timestamptz 'epoch' + $1 * interval '1 microsecond' $$""",
        f"CREATE CAST ({kind} AS timestamptz) WITH FUNCTION public.at({kind}) AS ASSIGNMENT",
    )
)


def sqlite_application(path: Path) -> SqliteDatabase:
    connection = sqlite3.connect(path)
    # No test cuts the power, and fsync is what would cost them their time.
    connection.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {TABLES}; COMMIT;")
    connection.close()
    database = SqliteDatabase(str(path))
    database.fetch("PRAGMA synchronous = OFF")
    return database
