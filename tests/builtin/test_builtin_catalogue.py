"""What the house brings along, as discovery sees it."""

from __future__ import annotations

import importlib
import os
import sqlite3
from pathlib import Path

import pytest

from support import REPOSITORY
from support.application import an_app
from support.installation import Installation
from systemprompt.builtin import BUILTIN_MODULES
from systemprompt.builtin.tables.application_file import MIGRATIONS
from systemprompt.cron import Schedule
from systemprompt.jobs.job import MODULE_JOBS, Job
from systemprompt.ledger.sqlite.migrating import migrate

SCHEDULES = {
    "behavioral_analysis": "Every 30 minutes",
    "cleanup_anonymous_users": "Daily at 3:30 AM",
    "cleanup_empty_contexts": "Every 6 hours",
    "cleanup_inactive_sessions": "Every 2 hours",
    "content_ingestion": "Every hour",
    "database_cleanup": "Daily at 3:00 AM",
    "file_ingestion": None,  # every hour, 20 minutes past
    "ledger_audit": "Daily at 1:30 AM",
    "log_cleanup": "Daily at 2:00 AM",
    "prune_history": "Daily at 4:30 AM",
    "malicious_ip_blacklist": "Every 20 minutes",
    "publish_content": None,  # every hour at half past, in whatever words
    "session_cleanup": "Daily at 2:30 AM",
}


def test_each_module_submits_the_one_job_it_is_named_for() -> None:
    found = {}
    for module in BUILTIN_MODULES:
        (submitted,) = getattr(importlib.import_module(module), MODULE_JOBS)
        assert issubclass(submitted, Job)
        assert module.rpartition(".")[2] == submitted.name
        assert submitted.enabled
        assert submitted.description
        assert submitted.tags
        found[submitted.name] = Schedule(submitted.schedule).describe()

    assert {name: words for name, words in found.items() if SCHEDULES[name] is not None} == {
        name: words for name, words in SCHEDULES.items() if words is not None
    }
    assert set(found) == set(SCHEDULES)


def test_the_migration_runner_makes_the_tables_that_these_tests_use(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "migrated.db", isolation_level=None)

    def begin(taken: sqlite3.Connection) -> None:
        taken.execute("BEGIN IMMEDIATE")

    applied = migrate(connection, MIGRATIONS, table="app_migrations", begin=begin)

    schema = "SELECT type, name, sql FROM sqlite_master WHERE name <> 'app_migrations' ORDER BY name"
    with an_app(tmp_path) as app:
        assert [tuple(row.values()) for row in app.db.fetch(schema)] == connection.execute(schema).fetchall()
    connection.close()
    assert applied == sorted(os.listdir(MIGRATIONS))


@pytest.mark.parametrize(
    "table",
    [
        *("logs", "users", "user_sessions", "session_requests", "user_contexts", "task_messages"),
        *("markdown_content", "files", "ip_blacklist"),
    ],
)
def test_every_table_is_strict(tmp_path: Path, table: str) -> None:
    with an_app(tmp_path) as app:
        row = app.db.fetch_one("SELECT strict FROM pragma_table_list WHERE name = ?", (table,))

    assert row == {"strict": 1}


def test_the_docs_name_every_job_and_every_weight() -> None:
    from systemprompt.builtin.sessions.address_scoring import WEIGHTS

    page = (REPOSITORY / "docs" / "builtin-jobs.md").read_text(encoding="utf-8")

    assert [module for module in BUILTIN_MODULES if f"| `{module.rpartition('.')[2]}` |" not in page] == []
    scored = page.partition("## How an address is scored")[2].partition("## Every job")[0]
    shown = [line.split(" | ")[1] for line in scored.splitlines() if line.startswith("| ")][1:]
    assert [f"{weight:.2f}" for weight in WEIGHTS.values()] == shown


def test_a_job_for_which_the_profile_names_nothing_to_work_on_says_so(tmp_path: Path) -> None:
    installation = Installation(tmp_path)

    def remarks(name: str) -> list[str]:
        found: list[str] = installation.sp("jobs", "show", name)["data"]["remarks"]
        return found

    assert remarks("content_ingestion") == ["nothing to do: the profile has no content.sources"]
    assert remarks("publish_content") == ["nothing to do: the profile has no content.publish"]
    assert remarks("file_ingestion") == ["nothing to do: the profile has no files.sources"]
    assert remarks("log_cleanup") == []
    (tmp_path / "texts").mkdir()
    installation.write_profile("content: {sources: [{name: notes, path: texts/}]}\n")
    assert remarks("content_ingestion") == []
