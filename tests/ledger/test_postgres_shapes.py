"""Tables and views on PostgreSQL have the columns that Python names; `scheduled_jobs` has those of the reference and its types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest

from support.postgres_server import a_database
from support.raw_postgres import Connection, raw_postgres
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun
from systemprompt.ledger.views import RunView

REFERENCE = {
    "id": "text",
    "job_name": "text",
    "schedule": "text",
    "enabled": "boolean",
    "last_run": "timestamp with time zone",
    "next_run": "timestamp with time zone",
    "last_status": "text",
    "last_error": "text",
    "run_count": "integer",
    "created_at": "timestamp with time zone",
    "updated_at": "timestamp with time zone",
}
"""The columns of the reference's `CREATE TABLE scheduled_jobs`, in order, each with its type."""


@pytest.fixture(scope="module")
def raw(postgres_server: str) -> Iterator[Connection]:
    with a_database(postgres_server) as address, raw_postgres(address) as connection:
        yield connection


def columns(raw: Connection, table: str) -> dict[str, str]:
    asked = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(raw.execute(asked, [table]).fetchall())


def test_scheduled_jobs_has_exactly_the_columns_of_the_reference_with_its_types(raw: Connection) -> None:
    assert list(columns(raw, "scheduled_jobs").items()) == list(REFERENCE.items())


def test_scheduled_jobs_shows_each_job_once_whatever_it_has_open(raw: Connection) -> None:
    found = raw.execute("SELECT id, job_name, last_status, run_count FROM scheduled_jobs ORDER BY job_name").fetchall()
    assert found == [
        ("job_again", "again", None, 0),
        ("job_job", "job", "running", 1),
        ("job_stuck", "stuck", "failed", 1),
    ]


@pytest.mark.parametrize(
    ("table", "row"), [("open_runs", OpenRun), ("job_runs", ClosedRun), ("job_runs_default", ClosedRun)]
)
def test_a_row_has_the_columns_of_its_table_in_their_order(
    raw: Connection, table: str, row: type[OpenRun] | type[ClosedRun]
) -> None:
    assert tuple(columns(raw, table)) == row._fields


def test_an_attempt_has_the_columns_of_its_table_without_the_id_that_the_table_gives(raw: Connection) -> None:
    assert tuple(columns(raw, "job_attempts")) == ("attempt_id", *AttemptRow._fields)


@pytest.mark.parametrize("view", ["open_run_views", "closed_run_views"])
def test_a_run_is_shown_in_the_columns_of_its_view_and_both_views_in_the_same_types(raw: Connection, view: str) -> None:
    assert tuple(columns(raw, view)) == tuple(field.name for field in fields(RunView))
    assert columns(raw, view) == columns(raw, "closed_run_views")


def test_an_attempt_is_shown_in_the_columns_of_its_view(raw: Connection) -> None:
    assert tuple(columns(raw, "attempt_views")) == tuple(field.name for field in fields(AttemptView))


def test_no_instant_is_kept_without_a_zone_and_no_digested_text_as_jsonb(raw: Connection) -> None:
    asked = (
        "SELECT DISTINCT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'systemprompt'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0"
    )
    found = {row[0] for row in raw.execute(asked)}
    assert found == {"bigint", "boolean", "integer", "text", "timestamp with time zone"}
