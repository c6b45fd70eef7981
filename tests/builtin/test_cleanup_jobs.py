"""The clean-up jobs: what they take, what they spare, and that a dry run counts exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.application import DAY, HOUR, NOW, App, an_app
from systemprompt.builtin.sessions import (
    cleanup_anonymous_users,
    cleanup_empty_contexts,
    cleanup_inactive_sessions,
    session_cleanup,
)
from systemprompt.builtin.upkeep import database_cleanup, log_cleanup
from systemprompt.databases.database import Database
from systemprompt.errors import ConfigurationError, ParameterError
from systemprompt.jobs.context import CancelSignal, JobCancelled
from systemprompt.jobs.settings import HostTable, Retention

DRY = {"dry_run": "true"}


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        yield app


def add_session(db: Database, name: str, last: int, ended: int | None = None) -> None:
    db.execute(
        "INSERT INTO user_sessions (id, started_at, last_activity_at, ended_at) VALUES (?, ?, ?, ?)",
        (name, last - HOUR, last, ended),
    )


def first_number(message: str | None) -> int:
    return int(next(word for word in (message or "").split() if word.isdigit()))


def ids(db: Database, table: str) -> list[Any]:
    return [row["id"] for row in db.fetch(f"SELECT id FROM {table} ORDER BY id")]


def test_session_cleanup_says_what_the_reference_says(app: App) -> None:
    for number in range(15):
        add_session(app.db, f"old{number:02}", NOW - HOUR - 1 - number)
    add_session(app.db, "just", NOW - HOUR)

    dry = app.run(session_cleanup.SessionCleanup, parameters=DRY)
    assert (dry.message, dry.items_processed, dry.dry_run) == ("Would clean up 15 inactive session(s)", 0, True)
    assert len(ids(app.db, "user_sessions")) == 16

    result = app.run(session_cleanup.SessionCleanup)
    assert (result.message, result.items_processed, result.dry_run) == ("Cleaned up 15 inactive session(s)", 15, False)
    assert ids(app.db, "user_sessions") == ["just"]


def test_log_cleanup_says_what_the_reference_says(app: App) -> None:
    rows = [(NOW - 30 * DAY - 1, "old")] * 5000 + [(NOW - 30 * DAY, "young")] * 3
    app.db.execute_many("INSERT INTO logs (created_at, level, message) VALUES (?, 'info', ?)", rows)

    dry = app.run(log_cleanup.LogCleanup, parameters=DRY)
    result = app.run(log_cleanup.LogCleanup)

    assert dry.message == "Would delete 5000 log entries older than 30 days"
    assert (result.message, result.items_processed) == ("Deleted 5000 log entries older than 30 days", 5000)
    assert {row["message"] for row in app.db.fetch("SELECT message FROM logs")} == {"young"}


def test_parameters_move_the_threshold(app: App) -> None:
    add_session(app.db, "a", NOW - 3 * HOUR)

    job = session_cleanup.SessionCleanup
    assert app.run(job, parameters={"hours": "3"}).message == "Cleaned up 0 inactive session(s)"
    assert app.run(job, parameters={"hours": "2", "dry_run": "yes"}).message == "Would clean up 1 inactive session(s)"
    assert app.run(job, settings={"retention": Retention(session_idle_hours=3)}).items_processed == 0
    for bad in ("-1", "1000001", "soon"):
        with pytest.raises(ParameterError, match=bad):
            app.run(job, app.context(parameters={"hours": bad}))


def test_a_batch_is_one_short_transaction_and_cancelling_keeps_what_is_done(app: App) -> None:
    for number in range(10):
        add_session(app.db, f"s{number}", 0)
    cancel = CancelSignal()
    seen: list[tuple[int, int | None]] = []

    def on_progress(done: int, total: int | None, note: str) -> None:
        seen.append((done, total))
        if done == 6:
            cancel.set("draining")

    ctx = app.context(settings={"batch_size": 3}, on_progress=on_progress, cancel=cancel)
    with pytest.raises(JobCancelled):
        app.run(session_cleanup.SessionCleanup, ctx)

    assert seen == [(3, 10), (6, 10)]
    assert len(ids(app.db, "user_sessions")) == 4


def test_a_row_that_a_constraint_holds_back_is_counted_and_the_rest_goes(app: App) -> None:
    app.db.execute("CREATE TABLE invoices (session_id TEXT REFERENCES user_sessions (id))")
    for number in range(7):
        add_session(app.db, f"s{number}", 0)
    app.db.execute("INSERT INTO invoices VALUES ('s2')")

    ctx = app.context(settings={"batch_size": 3})
    result = app.run(session_cleanup.SessionCleanup, ctx)

    assert result.message == "Cleaned up 6 inactive session(s); 1 held back by the database"
    assert (result.items_processed, result.items_failed) == (6, 1)
    assert ids(app.db, "user_sessions") == ["s2"]


def test_idle_sessions_end_and_stay_on_record(app: App) -> None:
    add_session(app.db, "idle", NOW - HOUR - 1)
    add_session(app.db, "busy", NOW - HOUR)
    add_session(app.db, "over", NOW - 9 * HOUR, ended=NOW - 8 * HOUR)

    job = cleanup_inactive_sessions.CleanupInactiveSessions
    assert app.run(job, parameters=DRY).message == "Would end 1 session idle for more than 1 hour"
    assert app.run(job).message == "Ended 1 session idle for more than 1 hour"

    rows = app.db.fetch("SELECT id, ended_at, end_reason FROM user_sessions ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("busy", None, None),
        ("idle", NOW, "idle"),
        ("over", NOW - 8 * HOUR, None),
    ]


def test_only_old_contexts_without_a_message_go(app: App) -> None:
    for name, at in (("old", NOW - DAY - 1), ("young", NOW - DAY), ("spoken", 0)):
        app.db.execute("INSERT INTO user_contexts (id, created_at, updated_at) VALUES (?, ?, ?)", (name, at, at))
    app.db.execute("INSERT INTO task_messages VALUES ('m', 'spoken', 'user', 'hello', 0)")

    job = cleanup_empty_contexts.CleanupEmptyContexts
    assert app.run(job, parameters=DRY).message == "Would delete 1 empty context older than 24 hours"
    assert app.run(job).items_processed == 1
    assert ids(app.db, "user_contexts") == ["spoken", "young"]


def test_mapping_only_one_of_two_related_tables_deletes_nothing(app: App) -> None:
    app.db.execute("CREATE TABLE chats (id TEXT, created_at INTEGER)")
    app.db.execute("INSERT INTO chats VALUES ('c', 0)")
    app.db.execute("INSERT INTO task_messages VALUES ('m', 'c', 'user', 'hello', 0)")
    ctx = app.context(settings={"tables": {"user_contexts": HostTable(table="chats")}})

    with pytest.raises(ConfigurationError, match="every context would look empty"):
        app.run(cleanup_empty_contexts.CleanupEmptyContexts, ctx)
    assert app.run(database_cleanup.DatabaseCleanup, ctx).items_processed == 0
    assert ids(app.db, "task_messages") == ["m"]


def test_database_cleanup_takes_orphans_and_expired_rows_and_gives_space_back(app: App) -> None:
    app.db.execute("INSERT INTO user_contexts (id, created_at, updated_at) VALUES ('c', 0, 0)")
    app.db.execute("INSERT INTO task_messages VALUES ('kept', 'c', 'user', 'hello', 0)")
    said = Random(1).randbytes(800).hex()  # which nothing can compress much
    app.db.execute_many(
        "INSERT INTO task_messages VALUES (?, 'gone', 'user', ?, 0)", [(f"m{n}", said) for n in range(200)]
    )
    app.db.execute("INSERT INTO session_requests (session_id, requested_at, path, status) VALUES ('gone', 0, '/', 200)")
    app.db.execute("INSERT INTO logs (created_at, level, message) VALUES (0, 'info', 'old')")

    before = app.bytes_of("task_messages")
    dry = app.run(database_cleanup.DatabaseCleanup, parameters=DRY)
    assert dry.message == "Would delete 202 rows (200 orphaned messages, 1 orphaned requests, 1 old log entries)"

    result = app.run(database_cleanup.DatabaseCleanup, app.context(settings={"batch_size": 37}))

    assert result.items_processed == 202
    assert "; database " in (result.message or "")
    assert ids(app.db, "task_messages") == ["kept"]
    assert app.bytes_of("task_messages") < before / 2
    if app.on_sqlite:
        assert app.db.fetch("PRAGMA freelist_count")[0]["freelist_count"] == 0


def test_one_wrong_table_fails_its_own_step_alone(app: App) -> None:
    app.db.execute("INSERT INTO session_requests (session_id, requested_at, path, status) VALUES ('gone', 0, '/', 200)")
    ctx = app.context(settings={"tables": {"logs": HostTable(table="app_logs")}})

    result = app.run(database_cleanup.DatabaseCleanup, ctx)

    assert not result.succeeded
    assert "no table 'app_logs', which the profile gives as logs" in (result.message or "")
    assert (result.items_processed, result.items_failed) == (1, 1)


HOST = """
    CREATE TABLE "web ""v"" x" (pk INTEGER PRIMARY KEY, "last seen" {kind}, "left at" {kind})
"""


@pytest.mark.parametrize(
    ("form", "kind", "old", "edge", "empty"),
    [
        ("seconds", "DOUBLE PRECISION", NOW / 1e6 - 3600.001, NOW / 1e6 - 3600, None),
        ("seconds", "INTEGER", NOW // 10**6 - 3601, NOW // 10**6 - 3600, None),
        ("iso", "TEXT", "2026-01-14T09:29:59.999Z", "2026-01-14T09:30:00Z", "yesterday"),
        ("iso", "TEXT", "2026-01-14 09:29:59", "2026-01-14 09:30:00", ""),
        ("iso", "TEXT", "2026-01-14T11:29:59+02:00", "2026-01-14T11:30:00.000+02:00", None),
        ("iso", "TEXT", "2025-12-31", "2026-02-01", None),
        ("micros", "BIGINT", NOW - HOUR - 1, NOW - HOUR, None),
    ],
)
def test_host_tables_keep_their_names_and_their_clocks(
    app: App,
    form: str,
    kind: str,
    old: Any,
    edge: Any,
    empty: Any,
) -> None:
    app.db.execute(HOST.format(kind=kind))
    app.db.execute_many('INSERT INTO "web ""v"" x" VALUES (?, ?, NULL)', [(1, old), (2, edge), (3, empty)])
    host = HostTable(
        table='web "v" x',
        columns={"id": "pk", "last_activity_at": "last seen", "ended_at": "left at"},
        time_format=form,
    )
    spared = {"tables": {"user_sessions": host}}
    mapped = {"tables": {"user_sessions": replace(host, clean=True)}}

    idle = cleanup_inactive_sessions.CleanupInactiveSessions
    assert first_number(app.run(idle, settings=spared).message) == 1
    assert app.run(idle, settings=mapped).items_processed == 1
    ended = app.db.fetch('SELECT pk, "left at" AS at FROM "web ""v"" x" WHERE "left at" IS NOT NULL')
    expected = {"micros": NOW, "seconds": NOW // 10**6, "iso": "2026-01-14T10:30:00Z"}[form]
    assert [tuple(row.values()) for row in ended] == [(1, expected)]

    inactive = session_cleanup.SessionCleanup
    assert first_number(app.run(inactive, settings=spared).message) == 1
    assert app.run(inactive, settings=mapped).items_processed == 1
    assert [row["pk"] for row in app.db.fetch('SELECT pk FROM "web ""v"" x" ORDER BY pk')] == [2, 3]


JOBS = (
    cleanup_anonymous_users.CleanupAnonymousUsers,
    cleanup_empty_contexts.CleanupEmptyContexts,
    cleanup_inactive_sessions.CleanupInactiveSessions,
    database_cleanup.DatabaseCleanup,
    log_cleanup.LogCleanup,
    session_cleanup.SessionCleanup,
)
OLD_ROWS = """
    INSERT INTO users (id, created_at, is_anonymous) VALUES ('u', 0, TRUE);
    INSERT INTO user_sessions (id, started_at, last_activity_at) VALUES ('s', 0, 0);
    INSERT INTO session_requests (session_id, requested_at, path, status) VALUES ('gone', 0, '/', 200);
    INSERT INTO user_contexts (id, created_at, updated_at) VALUES ('c', 0, 0);
    INSERT INTO task_messages VALUES ('m', 'gone', 'user', 'hello', 0);
    INSERT INTO logs (created_at, level, message) VALUES (0, 'info', 'old');
"""


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("clean", [True, False])
def test_a_clean_up_changes_ours_and_of_the_host_what_the_profile_lets_it(app: App, job: Any, clean: bool) -> None:
    for statement in OLD_ROWS.strip().split("\n"):
        app.db.execute(statement)
    tables = ("users", "user_sessions", "session_requests", "user_contexts", "task_messages", "logs")
    host = {"tables": {name: HostTable(table=app.own(name), clean=clean) for name in tables}}

    result = app.run(job, settings=host)

    changed = sum(len(ids(app.db, name)) for name in tables) < 6 or app.db.fetch(
        "SELECT 1 FROM user_sessions WHERE ended_at IS NOT NULL"
    )
    assert (bool(changed), result.dry_run) == (clean, not clean)
    assert ("the profile has no `clean: true` there, so this only reports" in (result.message or "")) is not clean
    if not clean:  # and ours it changes, with nothing said
        assert app.run(job).dry_run is False


def test_a_dry_run_of_database_cleanup_is_told_of_each_table_on_its_own(app: App) -> None:
    for statement in OLD_ROWS.strip().split("\n"):
        app.db.execute(statement)
    result = app.run(database_cleanup.DatabaseCleanup, settings={"tables": {"logs": HostTable(table=app.own("logs"))}})

    assert (result.message or "").split("; database")[0] == (
        "Deleted 2 rows (1 orphaned messages, 1 orphaned requests); would delete 1 row (1 old log entries)"
    )
    assert (result.items_processed, result.dry_run) == (2, True)


def test_a_column_that_the_host_does_not_have_is_named(app: App) -> None:
    app.db.execute("CREATE TABLE visits (id INTEGER, last_activity INTEGER)")
    ctx = app.context(settings={"tables": {"user_sessions": HostTable(table="visits")}})

    with pytest.raises(ConfigurationError, match=r"no column 'last_activity_at', needed as user_sessions") as error:
        app.run(session_cleanup.SessionCleanup, ctx)

    assert error.value.hint is not None
    assert "did you mean 'last_activity'?" in error.value.hint
    assert "tables.user_sessions.columns.last_activity_at" in error.value.hint


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ages=st.lists(st.tuples(st.integers(-2, 4), st.integers(-1, 1), st.booleans()), max_size=25),
    hours=st.integers(0, 3),
    batch=st.integers(1, 7),
)
def test_a_dry_run_counts_exactly_what_a_run_takes(
    app: App, ages: list[tuple[int, int, bool]], hours: int, batch: int
) -> None:
    db = app.db
    for table in ("user_sessions", "user_contexts", "task_messages", "logs"):
        db.execute(f"DELETE FROM {table}")
    for number, (age, shift, ended) in enumerate(ages):
        at = NOW - age * HOUR + shift
        add_session(db, f"s{number}", at, at if ended else None)
        db.execute("INSERT INTO user_contexts (id, created_at, updated_at) VALUES (?, ?, ?)", (f"c{number}", at, at))
        db.execute(
            "INSERT INTO task_messages VALUES (?, ?, 'user', '', ?)", (f"m{number}", f"c{number if ended else 99}", at)
        )
        db.execute("INSERT INTO logs (created_at, level, message) VALUES (?, 'info', '')", (at - 24 * HOUR,))
    chosen = {
        "batch_size": batch,
        "retention": Retention(session_idle_hours=hours, empty_context_hours=hours, logs_days=1),
    }

    for job in (
        cleanup_inactive_sessions.CleanupInactiveSessions,
        session_cleanup.SessionCleanup,
        cleanup_empty_contexts.CleanupEmptyContexts,
        log_cleanup.LogCleanup,
        database_cleanup.DatabaseCleanup,
    ):
        dry, wet, again = (
            app.run(job, settings=chosen, parameters={"hours": hours, "dry_run": dry_run})
            for dry_run in (True, False, True)
        )
        assert (first_number(dry.message), dry.items_processed) == (wet.items_processed, 0)
        assert first_number(wet.message) == wet.items_processed
        assert first_number(again.message) == 0
