"""Our tables beside a host application's of the same names, on each release of PostgreSQL: ours alone are read and changed.

And one story of all built-in jobs leaves the same rows on both engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from support.application import DAY, HOUR, NOW, TABLES, sqlite_application
from systemprompt.builtin.content.content_ingestion import ContentIngestion
from systemprompt.builtin.content.file_ingestion import FileIngestion
from systemprompt.builtin.content.publish_content import PublishContent
from systemprompt.builtin.sessions.behavioral_analysis import BehavioralAnalysis
from systemprompt.builtin.sessions.cleanup_anonymous_users import CleanupAnonymousUsers
from systemprompt.builtin.sessions.cleanup_empty_contexts import CleanupEmptyContexts
from systemprompt.builtin.sessions.cleanup_inactive_sessions import CleanupInactiveSessions
from systemprompt.builtin.sessions.malicious_ip_blacklist import MaliciousIpBlacklist
from systemprompt.builtin.sessions.session_cleanup import SessionCleanup
from systemprompt.builtin.tables.application_schema import ApplicationSchema
from systemprompt.builtin.upkeep.database_cleanup import DatabaseCleanup
from systemprompt.builtin.upkeep.log_cleanup import LogCleanup
from systemprompt.clock import SECOND, ManualClock
from systemprompt.databases.address import Address
from systemprompt.databases.database import Database
from systemprompt.databases.dialect import dialect_named
from systemprompt.databases.postgres_database import PostgresDatabase
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.settings import ContentSource, FileSource, JobSettings, Paths, PublishTarget, Retention
from systemprompt.runner.run_logs import RunLogs

Tables: TypeAlias = dict[str, list[dict[str, Any]]]
OURS = sorted(line.split()[2] for line in TABLES.splitlines() if line.startswith("CREATE TABLE"))
TAKING_IN = (ContentIngestion, FileIngestion, PublishContent)
WATCHING = (BehavioralAnalysis, MaliciousIpBlacklist, MaliciousIpBlacklist, CleanupInactiveSessions)
CLEARING = (SessionCleanup, CleanupEmptyContexts, LogCleanup, DatabaseCleanup, CleanupAnonymousUsers)


@pytest.fixture
def beside(postgres: str) -> Iterator[PostgresDatabase]:
    """A database whose host has a table of each of our names, in which nobody may change anything."""
    with closing(PostgresDatabase(postgres)) as database:
        database.execute(
            "CREATE FUNCTION hands_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'hands off'; END $$"
        )
        for name in (*OURS, "application_migrations"):
            database.execute(f"CREATE TABLE {name} (theirs text)")
            database.execute(f"INSERT INTO {name} VALUES ('kept')")
            database.execute(
                f"CREATE TRIGGER hands_off BEFORE INSERT OR UPDATE OR DELETE ON {name}"
                " FOR EACH STATEMENT EXECUTE FUNCTION hands_off()"
            )
        ApplicationSchema(Address(postgres)).migrate()
        yield database


def insert(database: Database, table: str, **values: Any) -> None:
    """Insert a row of ours; instants are those whose name ends in `_at`."""
    dialect = dialect_named(database.dialect)
    values = {name: dialect.stored(value) if name.endswith("_at") else value for name, value in values.items()}
    marks = ", ".join(f":{name}" for name in values)
    database.execute(f"INSERT INTO {dialect.own(table)} ({', '.join(values)}) VALUES ({marks})", values)


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    """Return what stands in a table of ours, as it is on both engines: instants in microseconds."""
    dialect = dialect_named(database.dialect)
    found = []
    for row in database.fetch(f"SELECT * FROM {dialect.own(table)}"):
        values = {
            name: dialect.instant(value) if name.endswith("_at") and value else value for name, value in row.items()
        }
        found.append(values)
    return sorted(found, key=lambda row: str(next(iter(row.values()))))


def visits(database: Database) -> None:
    """A person, a scanner, somebody who never came back, and rows that belong to nobody."""
    old = NOW - 40 * DAY
    for name, anonymous in (("person", False), ("scanner", True), ("gone", True), ("back", True)):
        insert(database, "users", id=name, created_at=old, is_anonymous=anonymous)
    for name, at, address in (
        ("person", NOW - 30 * 60 * SECOND, "45.9.148.7"),
        ("scanner", NOW - 60 * SECOND, "45.9.148.9"),
        ("gone", old, None),
        ("back", NOW - 2 * DAY, None),
    ):
        insert(
            database, "user_sessions", id=f"s-{name}", user_id=name, started_at=at - 60 * SECOND, last_activity_at=at,
            ended_at=at if name == "gone" else None, ip_address=address, user_agent="sqlmap/1.8",
        )  # fmt: skip
    for number in range(300):
        at = NOW - 120 * SECOND + number * 100_000
        path = ("/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/", "/etc/passwd")[number % 5]
        insert(database, "session_requests", session_id="s-scanner", requested_at=at, path=path, status=404)
    insert(database, "session_requests", session_id="nobody", requested_at=old, path="/", status=200)
    insert(database, "user_contexts", id="empty", user_id="gone", created_at=old, updated_at=old)
    insert(database, "user_contexts", id="spoken", user_id="person", created_at=old, updated_at=old)
    insert(database, "task_messages", id="m", context_id="spoken", role="user", content="hello", created_at=old)
    insert(database, "task_messages", id="o", context_id="none", role="user", content="hello", created_at=old)
    for at in (old, NOW):
        insert(database, "logs", created_at=at, level="INFO", message="said", fields='{"a": 1}')
    insert(
        database, "ip_blacklist", network="198.51.100.1", score=80.0, reason="old", first_seen_at=old, last_seen_at=old,
        expires_at=old + DAY, listed_by="job",
    )  # fmt: skip


def tell(database: Database, folder: Path) -> tuple[list[str], Tables, Tables]:
    """Run every job that works on these tables; return what each said, and what stands in them before and after the clean-ups."""
    clock = ManualClock(NOW)
    settings = JobSettings(
        paths=Paths(home=str(folder)),
        content_sources=(ContentSource(name="docs", path="docs"),),
        file_sources=(FileSource(name="docs", path="docs"),),
        publish=PublishTarget(path="site", title="A site", base_url="https://example.org"),
        retention=Retention(content_removed_days=0),
        batch_size=50,
    )
    said: list[str] = []

    def run_all(jobs: tuple[Any, ...]) -> None:
        for job in jobs:
            instance = job()
            instance.clock = clock
            result = instance.execute(JobContext(job_name=job.name, database=database, settings=settings, enforce=True))
            assert (result.succeeded, result.items_failed) == (True, 0), result.message
            said.append((result.message or "").partition("; database ")[0])

    visits(database)
    run_all(TAKING_IN)
    (folder / "docs" / "b.md").unlink()
    (folder / "docs" / "a.md").write_text("---\ndate: 2025-12-01\n---\n# A again")
    clock.advance(HOUR // SECOND)
    run_all(TAKING_IN)
    clock.set(NOW)
    run_all(WATCHING)
    between = {table: rows(database, table) for table in OURS}
    run_all(CLEARING)
    logs = RunLogs(database, ledger_id="l", clock=clock)
    logs.open(job_name="work", run_id=7, attempt=1).write("hello \0 there", fields={"n": 1}, at=123_456_789)
    assert logs.close()
    at_the_end = {table: rows(database, table) for table in OURS}
    return said, between, at_the_end


def write_docs(folder: Path) -> Path:
    (folder / "docs").mkdir(parents=True)
    for name, text in (
        ("a", "---\ndate: 2025-12-01\ntags: [ü, x]\n---\n# A"),
        ("b", "# B"),
        ("c", "---\ndraft: true\n---\n# C"),
    ):
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def test_every_job_leaves_the_same_rows_on_both_engines_and_none_touches_the_hosts(
    beside: PostgresDatabase, tmp_path: Path
) -> None:
    with closing(sqlite_application(tmp_path / "app.db")) as sqlite:
        said, between, at_the_end = tell(sqlite, write_docs(tmp_path / "one"))
    said_here, between_here, at_the_end_here = tell(beside, write_docs(tmp_path / "two"))

    assert said_here == said
    assert without_what_differs(between_here) == without_what_differs(between)
    assert without_what_differs(at_the_end_here) == without_what_differs(at_the_end)
    assert [row["id"] for row in at_the_end["users"] if row["status"] == "banned"] == ["scanner"]
    assert {row["id"] for row in between["users"]} - {row["id"] for row in at_the_end["users"]} == {"gone"}
    assert {table for table, found in between.items() if not found} == set()
    for name in OURS:
        assert beside.fetch(f"SELECT theirs FROM {name}") == [{"theirs": "kept"}]


def without_what_differs(tables: Tables) -> Tables:
    """Leave out what the file system and the real clock say of a file."""
    leave = ("modified_at", "born_at", "stamp", "seen_in")
    return {
        table: [{name: value for name, value in row.items() if name not in leave} for row in found]
        for table, found in tables.items()
    }
