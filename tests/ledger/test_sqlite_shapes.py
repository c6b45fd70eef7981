"""Rows and views in Python have the columns of the schema, and the view `scheduled_jobs` those of the reference."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, Stage, at, spec
from support.raw_ledger import raw_ledger
from support.sqlite_engine import SqliteEngine
from systemprompt.clock import iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun
from systemprompt.ledger.sqlite.reader import MIGRATIONS
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.closing import _Holder
from systemprompt.ledger.stored.remembered import Terms
from systemprompt.ledger.stored.run_views import run_view
from systemprompt.ledger.views import RunView

STATEMENTS = load_statements(str(Path(MIGRATIONS).parent / "sql"))
REFERENCE = (
    "id",
    "job_name",
    "schedule",
    "enabled",
    "last_run",
    "next_run",
    "last_status",
    "last_error",
    "run_count",
    "created_at",
    "updated_at",
)
"""The columns of the reference's `CREATE TABLE scheduled_jobs`, in order."""


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with raw_ledger(tmp_path) as connection:
        yield connection


def columns(raw: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(row[1] for row in raw.execute(f"PRAGMA table_info({table})"))


@pytest.mark.parametrize(("table", "row"), [("open_runs", OpenRun), ("job_runs", ClosedRun)])
def test_a_row_has_the_columns_of_its_table_in_their_order(
    raw: sqlite3.Connection, table: str, row: type[OpenRun] | type[ClosedRun]
) -> None:
    assert columns(raw, table) == row._fields


def test_an_attempt_has_the_columns_of_its_table_without_the_id_that_the_table_gives(raw: sqlite3.Connection) -> None:
    assert columns(raw, "job_attempts") == ("attempt_id", *AttemptRow._fields)


def test_a_closed_run_has_all_columns_of_its_open_row_in_their_order() -> None:
    assert tuple(name for name in ClosedRun._fields if name in OpenRun._fields) == OpenRun._fields


@pytest.mark.parametrize("view", ["open_run_views", "closed_run_views"])
def test_a_run_is_shown_in_the_columns_of_its_view(raw: sqlite3.Connection, view: str) -> None:
    assert columns(raw, view) == tuple(field.name for field in fields(RunView))


def test_a_reader_is_shown_every_column_of_an_account_and_its_texts_in_place_of_their_hashes() -> None:
    hashes, shown = {"error_hash", "output_hash"}, {"job_name", "error", "output"}
    assert {field.name for field in fields(RunView)} - shown == set(ClosedRun._fields) - hashes


@pytest.mark.parametrize(("table", "row"), [("open_runs", OpenRun), ("job_runs", ClosedRun)])
def test_each_column_of_a_run_is_read_under_its_own_name_and_as_its_type(
    raw: sqlite3.Connection, table: str, row: type[OpenRun] | type[ClosedRun]
) -> None:
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.row_factory = sqlite3.Row
    kinds = {column["name"]: column["type"] for column in raw.execute(f"PRAGMA table_info({table})")}
    values: dict[str, object] = {
        name: number if kinds[name] == "INTEGER" else f"text {number}" for number, name in enumerate(row._fields, 1_000)
    }
    values |= {"job_id": 1, "parameters": '{"days": 7}', "enforce": 1}
    values |= {name: 1 for name in ("abandoned", "did_nothing", "dry_run") if name in values}
    marks = ", ".join("?" * len(values))
    raw.execute(f"INSERT INTO {table} VALUES ({marks})", list(values.values()))

    view = "open_run_views" if table == "open_runs" else "closed_run_views"
    (found,) = raw.execute(f"SELECT * FROM {view} WHERE run_id = ?", [values["run_id"]])
    shown = run_view(found)

    read = {"parameters": {"days": 7}, "enforce": True, "abandoned": True, "did_nothing": True, "dry_run": True}
    for name in set(row._fields) - {"error_hash", "output_hash"}:
        assert getattr(shown, name) == read.get(name, values[name]), name
    for field in fields(RunView):
        if field.type in ("bool", "bool | None"):
            assert isinstance(getattr(shown, field.name), bool), field.name


@pytest.mark.parametrize(
    ("statement", "row"),
    [("write_attempts", AttemptRow), ("keep_late_result", AttemptRow), ("holder_of_fence", _Holder)],
)
def test_a_statement_names_the_columns_of_its_row_in_their_order(
    statement: str, row: type[AttemptRow | _Holder]
) -> None:
    text = STATEMENTS[statement]
    columns = re.search(r"INTO \w+ \(([^)]*)\)|SELECT ([\w, ]+) FROM", text)
    assert columns is not None
    assert tuple(re.findall(r"\w+", columns[1] or columns[2])) == row._fields
    assert text.count("?") == (len(row._fields) if columns[1] else 0)


@pytest.mark.parametrize("statement", ["terms_of_jobs", "jobs_by_id_to_plan"])
def test_what_a_version_says_is_read_in_the_columns_of_terms(raw: sqlite3.Connection, statement: str) -> None:
    found = raw.execute(STATEMENTS[statement], {"ids": "[1]", "first": 1, "last": 1})
    assert tuple(column[0] for column in found.description)[-len(Terms._fields) :] == Terms._fields


def test_an_attempt_is_shown_in_the_columns_of_its_view(raw: sqlite3.Connection) -> None:
    assert columns(raw, "attempt_views") == tuple(field.name for field in fields(AttemptView))


# -- the view for people ----------------------------------------------------------------------------------------------------


class Sight:
    """A stage on a file, and what a person reads in `scheduled_jobs` of the job `job`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stage = Stage(SqliteEngine(path))

    def rows(self, *columns: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            asked = f"SELECT {', '.join(columns)} FROM scheduled_jobs ORDER BY job_name"  # the test's own
            return connection.execute(asked).fetchall()

    def row(self, *columns: str) -> tuple[object, ...]:
        (row,) = self.rows(*columns)
        return row


@pytest.fixture
def sight(tmp_path: Path) -> Iterator[Sight]:
    sight = Sight(tmp_path / "ledger.db")
    yield sight
    sight.stage.sound()
    sight.stage.ledger.close()


def test_scheduled_jobs_has_exactly_the_columns_of_the_reference(raw: sqlite3.Connection) -> None:
    assert columns(raw, "scheduled_jobs") == REFERENCE


def test_scheduled_jobs_shows_each_job_once_whatever_it_has_open(raw: sqlite3.Connection) -> None:
    assert raw.execute("SELECT id, job_name FROM scheduled_jobs ORDER BY job_name").fetchall() == [
        ("job_again", "again"),
        ("job_job", "job"),
        ("job_stuck", "stuck"),
    ]


def test_a_job_that_has_never_run_shows_no_run(sight: Sight) -> None:
    sight.stage.declare(spec("job"))
    assert sight.row("schedule", "enabled") == ("0 * * * * *", 1)
    assert sight.row("last_run", "last_status", "last_error", "run_count") == (None, None, None, 0)
    assert sight.row("next_run") == (iso(at(60)),)


def test_instants_are_iso_text_in_utc(sight: Sight) -> None:
    sight.stage.wait(0.25)
    sight.stage.declare(spec("job", EVERY_SECOND))
    assert sight.row("created_at", "updated_at") == ("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.25Z")
    assert sight.row("next_run") == ("2026-01-01T00:00:01Z",)
    sight.stage.wait(61.5)
    sight.stage.finish(*sight.stage.turn().claimed)
    assert sight.row("last_run") == ("2026-01-01T00:01:01.75Z",)


def test_instants_can_be_read_and_compared_by_sqlite_itself(sight: Sight) -> None:
    sight.stage.declare(spec("job", EVERY_SECOND))
    sight.stage.wait(1)
    sight.stage.finish(*sight.stage.turn().claimed)
    asked = [f"CAST(strftime('%s', {name}) AS INTEGER)" for name in ("last_run", "next_run", "created_at")]
    assert sight.row(*asked) == tuple(instant // 1_000_000 for instant in (at(1), at(2), START))


def test_a_disabled_job_shows_zero_and_no_next_run(sight: Sight) -> None:
    sight.stage.declare(spec("job", enabled=False))
    assert sight.row("enabled", "next_run") == (0, None)


def test_a_changed_schedule_shows_and_so_does_when_it_changed(sight: Sight) -> None:
    sight.stage.declare(spec("job"))
    sight.stage.wait(5)
    sight.stage.declare(spec("job", EVERY_SECOND))
    assert sight.row("schedule", "created_at", "updated_at") == (
        EVERY_SECOND,
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:05Z",
    )


def test_a_job_shows_running_while_a_run_of_it_is_held(sight: Sight) -> None:
    stage = sight.stage
    stage.declare(spec("job", EVERY_SECOND))
    stage.wait(1)
    stage.turn(stage.end(stage.claim_one(), "failed", "exception", message="m"), plan=False, room=0)
    stage.wait(1)
    claimed = stage.claim_one()
    shown = ("last_run", "last_status", "last_error", "run_count")
    assert sight.row(*shown) == ("2026-01-01T00:00:02Z", "running", None, 1)
    stage.finish(claimed)
    assert sight.row(*shown) == ("2026-01-01T00:00:02Z", "success", None, 2)


def test_a_run_that_waits_is_not_running(sight: Sight) -> None:
    sight.stage.declare(spec("job", EVERY_SECOND))
    sight.stage.wait(1)
    sight.stage.turn(room=0)
    assert sight.row("last_status", "last_run") == (None, None)


def test_a_failure_shows_its_error(sight: Sight) -> None:
    stage = sight.stage
    stage.declare(spec("job", EVERY_SECOND))
    stage.wait(1)
    stage.turn(stage.end(stage.claim_one(), "failed", "exception", error="Traceback"), plan=False, room=0)
    assert sight.row("last_status", "last_error") == ("failed", "Traceback")


def test_a_cancelled_run_shows_as_failed_with_its_reason(sight: Sight) -> None:
    stage = sight.stage
    stage.declare(spec("job", EVERY_SECOND))
    stage.wait(1)
    stage.turn(stage.end(stage.claim_one(), "cancelled", "shutdown"), plan=False, room=0)
    assert sight.row("last_status", "last_error") == ("failed", "shutdown")


def test_a_retired_job_is_not_shown(sight: Sight) -> None:
    sight.stage.declare(spec("job"), spec("gone"))
    sight.stage.declare(spec("job"))
    assert sight.rows("job_name") == [("job",)]


def test_last_status_is_one_of_the_references_three_words_or_null(raw: sqlite3.Connection) -> None:
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    seen = set()
    raw.execute("UPDATE open_runs SET node_id = NULL, fence = NULL, started_at = NULL")
    for status in ("success", "failed", "cancelled"):
        raw.execute("UPDATE job_last SET last_status = ?", [status])
        seen |= {row[0] for row in raw.execute("SELECT last_status FROM scheduled_jobs")}
    assert seen == {"success", "failed", None}, "one of the jobs was never closed"
