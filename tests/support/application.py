"""A throw-away installation: a real database with the application's tables, a folder for content, contexts for jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from systemprompt.builtin.tables.application_file import MIGRATIONS
from systemprompt.clock import ManualClock
from systemprompt.databases.sqlite_database import SqliteDatabase
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import ContentSource, JobSettings, Paths, PublishTarget

NOW = 1_768_386_600_000_000  # 2026-01-14T10:30:00Z
HOUR = 3_600_000_000
DAY = 24 * HOUR
TABLES = "".join(file.read_text(encoding="utf-8") for file in sorted(Path(MIGRATIONS).glob("*.sql")))


class App:
    """What a test of a built-in job needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        path = folder / "app.db"
        connection = sqlite3.connect(path)
        # No test cuts the power, and fsync is what would cost them their time.
        connection.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {TABLES}; COMMIT;")
        connection.close()
        self.db = SqliteDatabase(str(path))
        self.db.fetch("PRAGMA synchronous = OFF")

    def context(self, *, settings: dict[str, Any] | None = None, **given: Any) -> JobContext:
        chosen = {
            "paths": Paths(home=str(self.folder)),
            "content_sources": (ContentSource(name="docs", path="docs"),),
            "publish": PublishTarget(path="site", title="A site", base_url="https://example.org"),
            **(settings or {}),
        }
        return JobContext(job_name="a_job", database=self.db, settings=JobSettings(**chosen), **given)

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
def an_app(folder: Path) -> Iterator[App]:
    app = App(folder)
    yield app
    app.db.close()
