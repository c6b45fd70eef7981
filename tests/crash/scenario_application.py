"""The application's database: every built-in job at its work, a user's job with transactions of its own, and the lines of runs."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from systemprompt.clock import ManualClock
from systemprompt.jobs.context import JobContext
from systemprompt.runner.run_logs import RunLogs
from systemprompt.system import System, open_system

NOW = 1_768_386_600_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR
ROWS = 3
TABLES = (
    "users",
    "user_sessions",
    "session_requests",
    "user_contexts",
    "task_messages",
    "markdown_content",
    "files",
    "ip_blacklist",
)
PROFILE = """\
name: app
database: sqlite:///app.db
entry_points: false
files: {sources: [{name: docs, path: docs}]}
content: {sources: [{name: docs, path: docs}], publish: {path: site, title: A site}}
"""


def prepare(folder: str) -> None:
    _write(folder, "profile.yaml", PROFILE)
    for number in range(3):
        _write(
            folder, f"docs/page{number}.md", f"---\ntags: [a, b]\n---\n# Page {number}\n\n[next](page{number + 1}.md)\n"
        )
    with _opened(folder) as system:
        database = system.database
        for number in range(ROWS):
            old = NOW - (40 + number) * DAY
            database.execute("INSERT INTO logs (created_at, level, message) VALUES (?, 'INFO', 'old')", (old,))
            database.execute("INSERT INTO users (id, created_at) VALUES (?, ?)", (f"user{number}", old))
            _visit(system, number)
            database.execute(
                "INSERT INTO user_contexts (id, created_at, updated_at) VALUES (?, ?, ?)", (f"c{number}", old, old)
            )
            message = (f"m{number}", f"gone{number}", NOW)
            database.execute("INSERT INTO task_messages VALUES (?, ?, 'user', 'hello', ?)", message)
        database.execute("UPDATE users SET is_anonymous = 1 WHERE id = 'user0'")
        database.execute(
            "INSERT INTO ip_blacklist (network, score, reason, first_seen_at, last_seen_at, expires_at, listed_by)"
            " VALUES ('93.184.216.9', 90, 'probes', 1, 2, 3, 'job')"
        )
        database.execute(
            "INSERT INTO files (source, path, size_bytes, media_type, sha256, modified_at, stamp, hashed_at, first_seen_at,"
            " last_seen_at, seen_in) VALUES ('docs', 'gone.md', 1, 'text/markdown', '', 1, '', 1, 1, 1, 'x')"
        )
        for name, removed in (("gone", NOW - 80 * DAY), ("going", None)):
            database.execute(
                "INSERT INTO markdown_content"
                " (source, path, slug, title, body, content_hash, parsed_as, ingested_at, removed_at)"
                " VALUES ('docs', ?, ?, 'A title', '', '', 'x', ?, ?)",
                (f"{name}.md", name, NOW - 90 * DAY, removed),
            )
        database.execute("CREATE TABLE purses (name TEXT PRIMARY KEY, coins INTEGER NOT NULL)")
        database.execute_many("INSERT INTO purses VALUES (?, ?)", [("mine", 100), ("yours", 0)])
        database.execute("CREATE TABLE notes (note TEXT NOT NULL)")


def play(folder: str) -> None:
    with _opened(folder) as system:
        _work(system)
        _pay(system)
        logs = RunLogs(system.database, ledger_id="a_ledger", clock=system.clock)
        log = logs.open(job_name="a_job", run_id=1, attempt=1)
        for batch in range(3):
            for line in range(4):
                log.write(f"line {batch * 4 + line}")
            assert logs.flush()
        logs.close()


def recover(folder: str) -> None:
    """The next fire times of each job finish what the last could not, and what that leaves over."""
    with _opened(folder) as system:
        _work(system)
        _work(system)


def check(folder: str, whole: str) -> None:
    database, other = _read(folder), _read(whole)
    for table in TABLES:
        columns = "source, path, sha256, removed_at" if table == "files" else "*"
        query = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
        assert database.execute(query).fetchall() == other.execute(query).fetchall(), table
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("SELECT sum(coins) FROM purses").fetchone() == (100,), "a transaction is whole"
    assert database.execute("SELECT count(*) % 5 FROM notes").fetchone() == (0,), "so are the rows of one call"
    assert database.execute("SELECT count(*) FROM logs WHERE created_at < ?", (NOW - 30 * DAY,)).fetchone() == (0,)
    lines = [row[0] for row in database.execute("SELECT message FROM logs WHERE run_id = 1 ORDER BY id")]
    assert lines == [f"line {number}" for number in range(len(lines))], (
        "lines come in order, and none before is missing"
    )
    database.close()
    other.close()
    assert _site(folder) == _site(whole)


def _work(system: System) -> None:
    for name, definition in sorted(system.catalogue.jobs.items()):
        job: Any = definition.job
        if hasattr(job, "clock"):
            job.clock = system.clock
        context = JobContext(job_name=name, database=system.database, settings=system.settings, enforce=True)
        result = job.execute(context)
        assert result is None or result.success, (name, result)


def _pay(system: System) -> None:
    database = system.database
    for _ in range(2):
        with database.transaction() as transaction:
            transaction.execute("UPDATE purses SET coins = coins - 1 WHERE name = 'mine'")
            transaction.execute("UPDATE purses SET coins = coins + 1 WHERE name = 'yours'")
        database.execute_many("INSERT INTO notes VALUES (?)", [(str(number),) for number in range(5)])
    database.execute("DELETE FROM notes")


def _visit(system: System, number: int) -> None:
    at = NOW - (3 + number) * HOUR
    system.database.execute(
        "INSERT INTO user_sessions (id, user_id, started_at, last_activity_at, user_agent, request_count, error_count,"
        " ip_address) VALUES (?, ?, ?, ?, 'sqlmap/1.8', 80, 80, ?)",
        (f"s{number}", f"user{number}", at, at + 6_000_000, f"93.184.216.{number + 1}"),
    )
    rows = [(f"s{number}", at + 50_000 * each, f"/.env?{each}") for each in range(80)]
    rows += [(f"gone{number}", at, "/")]
    system.database.execute_many(
        "INSERT INTO session_requests (session_id, requested_at, path, status) VALUES (?, ?, ?, 404)", rows
    )


def _opened(folder: str) -> System:
    environ = {"XDG_CACHE_HOME": os.path.join(folder, "cache"), "USER": "me"}
    return open_system(os.path.join(folder, "profile.yaml"), environ=environ, clock=ManualClock(NOW))


def _read(folder: str) -> sqlite3.Connection:
    return sqlite3.connect(os.path.join(folder, "app.db"))


def _site(folder: str) -> dict[str, bytes]:
    root = os.path.join(folder, "site")
    files = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names if ".systemprompt" not in at]
    return {os.path.relpath(file, root): _bytes(file) for file in files}


def _bytes(file: str) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()


def _write(folder: str, path: str, text: str) -> None:
    file = os.path.join(folder, path)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)
