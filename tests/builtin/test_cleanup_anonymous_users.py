"""Who came without an account and never came back goes, with what is left of them; nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.application import DAY, HOUR, NOW, App, an_app
from systemprompt.builtin.sessions.cleanup_anonymous_users import CleanupAnonymousUsers
from systemprompt.builtin.sessions.session_cleanup import SessionCleanup
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import CancelSignal, JobCancelled
from systemprompt.jobs.settings import HostTable

OLD = NOW - 31 * DAY
TABLES = ("users", "user_sessions", "session_requests", "user_contexts")


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        yield app


def user(app: App, name: str, *, anonymous: bool = True, at: int = OLD, status: str = "active") -> str:
    banned_at = at if status == "banned" else None
    app.db.execute(
        "INSERT INTO users (id, status, banned_at, created_at, is_anonymous) VALUES (?, ?, ?, ?, ?)",
        (name, status, banned_at, at, anonymous),
    )
    return name


def visit(app: App, who: str, last: int = OLD, *, ended: bool = True) -> str:
    name = f"{who}-{last}"
    app.db.execute(
        "INSERT INTO user_sessions (id, user_id, started_at, last_activity_at, ended_at) VALUES (?, ?, ?, ?, ?)",
        (name, who, last - HOUR, last, last if ended else None),
    )
    app.db.execute(
        "INSERT INTO session_requests (session_id, requested_at, path, status) VALUES (?, ?, '/', 200)", (name, last)
    )
    return name


def talk(app: App, who: str, *, words: int = 0) -> None:
    app.db.execute(
        "INSERT INTO user_contexts (id, user_id, created_at, updated_at) VALUES (?, ?, 0, 0)", (f"c-{who}", who)
    )
    for number in range(words):
        app.db.execute("INSERT INTO task_messages VALUES (?, ?, 'user', 'hi', 0)", (f"m-{who}-{number}", f"c-{who}"))


def ids(app: App, table: str, column: str = "id") -> list[Any]:
    return [row["it"] for row in app.db.fetch(f"SELECT {column} AS it FROM {table} ORDER BY 1")]


def run(app: App, **given: Any) -> Any:
    return app.run(CleanupAnonymousUsers, **given)


def test_who_is_gone_goes_with_sessions_requests_and_empty_contexts(app: App) -> None:
    gone = user(app, "gone")
    visit(app, gone)
    visit(app, gone, OLD - DAY)
    talk(app, gone)
    visit(app, user(app, "member", anonymous=False))

    dry = run(app, parameters={"dry_run": "true"})
    assert dry.message == "Would delete 1 anonymous user not seen for 30 days with 2 requests, 2 sessions, 1 context"
    assert len(ids(app, "users")) == 2
    done = run(app)

    assert done.message == "Deleted 1 anonymous user not seen for 30 days with 2 requests, 2 sessions, 1 context"
    assert (done.items_processed, done.items_failed) == (1, 0)
    assert ids(app, "users") == ["member"]
    assert ids(app, "session_requests", "session_id") == ids(app, "user_sessions") == [f"member-{OLD}"]
    assert ids(app, "user_contexts") == []
    assert run(app).message == "Deleted 0 anonymous users not seen for 30 days"


def test_whoever_may_still_matter_is_spared_whole(app: App) -> None:
    user(app, "young", at=NOW - 30 * DAY)
    visit(app, user(app, "open"), ended=False)
    visit(app, user(app, "back"), NOW - DAY)
    visit(app, "back", OLD)
    talk(app, user(app, "spoke"), words=1)
    user(app, "banned", status="banned")
    user(app, "member", anonymous=False)
    before = {table: ids(app, table) for table in TABLES}

    assert run(app).items_processed == 0
    assert {table: ids(app, table) for table in TABLES} == before


def test_a_visit_that_session_cleanup_deleted_still_says_that_somebody_came_back(app: App) -> None:
    for who, last in (("back", NOW - 2 * DAY), ("gone", OLD)):
        user(app, who)
        visit(app, who, last)
    visit(app, "back", OLD)

    cleaned = app.run(SessionCleanup)
    app.run(CleanupAnonymousUsers)

    assert (cleaned.items_processed, ids(app, "user_sessions")) == (3, [])
    assert ids(app, "users") == ["back"]


def test_the_parameter_moves_the_threshold(app: App) -> None:
    user(app, "a", at=NOW - 3 * DAY)

    assert (
        run(app, parameters={"days": "2", "dry_run": "true"}).message
        == "Would delete 1 anonymous user not seen for 2 days"
    )
    assert (
        run(app, parameters={"days": "3", "dry_run": "true"}).message
        == "Would delete 0 anonymous users not seen for 3 days"
    )


def test_children_go_first_so_that_a_crash_leaves_nobodys_rows(app: App) -> None:
    for number in range(4):
        visit(app, user(app, f"u{number}"))
    cancel = CancelSignal()
    parts: list[str] = []

    def on_progress(done: int, total: int | None, note: str) -> None:
        parts.append(note)
        if note == "user_sessions":
            cancel.set("draining")

    with pytest.raises(JobCancelled):
        run(app, settings={"batch_size": 3}, cancel=cancel, on_progress=on_progress)

    assert parts == ["session_requests", "session_requests", "user_sessions"]
    assert len(ids(app, "users")) == 4
    assert len(ids(app, "user_sessions")) == 1
    assert run(app).message == "Deleted 4 anonymous users not seen for 30 days with 1 session"


def test_a_user_whom_the_host_still_needs_is_held_back_and_counted(app: App) -> None:
    user(app, "a")
    user(app, "b")
    app.db.execute("CREATE TABLE orders (user_id TEXT REFERENCES users (id))")
    app.db.execute("INSERT INTO orders VALUES ('a')")

    result = run(app)

    assert result.message == "Deleted 1 anonymous user not seen for 30 days; 1 held back by the database"
    assert (result.items_processed, result.items_failed) == (1, 1)


def test_host_tables_with_different_clocks_are_each_read_by_their_own(app: App) -> None:
    app.db.execute("CREATE TABLE people (pk INTEGER PRIMARY KEY, guest INTEGER, status TEXT, joined TEXT)")
    app.db.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, who INTEGER, seen INTEGER, ended_at INTEGER)")
    app.db.execute("CREATE TABLE chats (id INTEGER PRIMARY KEY, user_id INTEGER)")
    app.db.execute("CREATE TABLE words (context_id INTEGER)")
    app.db.execute_many(
        "INSERT INTO people VALUES (?, 1, 'active', ?)",
        [(1, "2025-11-01T00:00:00Z"), (2, "2025-11-01 00:00:00"), (3, "never"), (4, "2026-01-14T00:00:00Z")],
    )
    app.db.execute("INSERT INTO visits VALUES (7, 2, ?, 1)", (NOW // 10**6 - 86_400,))
    app.db.execute("INSERT INTO visits VALUES (8, 1, ?, 1)", (NOW // 10**6 - 40 * 86_400,))
    tables = {
        "users": HostTable(
            table="people",
            columns={"id": "pk", "is_anonymous": "guest", "created_at": "joined"},
            time_format="iso",
        ),
        "user_sessions": HostTable(
            table="visits", columns={"user_id": "who", "last_activity_at": "seen"}, time_format="seconds"
        ),
        "user_contexts": HostTable(table="chats"),
        "task_messages": HostTable(table="words"),
    }
    tables = {name: replace(table, clean=True) for name, table in tables.items()}

    spared = run(app, settings={"tables": tables | {"user_sessions": replace(tables["user_sessions"], clean=False)}})
    assert spared.message == (
        "Would delete 1 anonymous user not seen for 30 days with 1 session; tables.user_sessions: the profile has no"
        " `clean: true` there, so this only reports"
    )
    assert (spared.dry_run, ids(app, "people", "pk")) == (True, [1, 2, 3, 4])
    result = run(app, settings={"tables": tables})

    assert result.message == "Deleted 1 anonymous user not seen for 30 days with 1 session"
    assert ids(app, "people", "pk") == [2, 3, 4]


def test_where_nobody_could_say_who_came_back_nothing_is_deleted(app: App) -> None:
    user(app, "a")
    app.db.execute("CREATE TABLE visits (id INTEGER)")
    mapped = {"tables": {"user_sessions": HostTable(table="visits")}}

    with pytest.raises(ConfigurationError, match="nobody could say who came back"):
        run(app, settings=mapped)
    assert ids(app, "users") == ["a"]
