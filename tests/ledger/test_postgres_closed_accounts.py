"""A closed account on PostgreSQL never changes and goes only when it is pruned: for nobody, by whatever name of its table."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from support.postgres_roles import an_owner
from support.postgres_server import a_database
from support.raw_postgres import MONTH, Connection, copied, raw_connection, raw_postgres, refused_by, undone

TABLES = {
    "job_runs": "a closed account never changes",
    MONTH: "a closed account never changes",
    "job_runs_default": "a closed account never changes",
    "job_run_ranges": "a range never changes",
    "job_attempts": "an attempt never changes",
    "ledger_seals": "a seal never changes",
}
PRUNED = "only what is sealed is pruned"
WHO = ("the owner", "a superuser")


@pytest.fixture(scope="module")
def sessions(postgres_server: str) -> Iterator[dict[str, Connection]]:
    """A ledger whose owner is no superuser; an account of 2030 lies in the default partition."""
    with (
        a_database(postgres_server) as address,
        an_owner(address) as owner,
        raw_postgres(owner) as of_owner,
        raw_connection(address) as of_superuser,
    ):
        late = copied(
            of_owner, "job_runs", "job_runs", "run_id = 2", run_id="99", fire_at="'2030-01-01'", due_at="'2030-01-01'"
        )
        of_owner.execute(late.encode())
        assert of_owner.execute("SELECT count(*) FROM job_runs_default").fetchone() == (1,)
        yield dict(zip(WHO, (of_owner, of_superuser), strict=True))


@pytest.fixture(params=WHO)
def raw(request: pytest.FixtureRequest, sessions: dict[str, Connection]) -> Iterator[Connection]:
    with undone(sessions[request.param]):
        yield sessions[request.param]


def said(refused: psycopg.IntegrityError | None) -> str:
    assert refused is not None, "it was done"
    return refused.diag.message_primary or ""


@pytest.mark.parametrize("table", TABLES)
def test_a_closed_account_is_updated_by_nobody(raw: Connection, table: str) -> None:
    column = "written_at" if table == "job_run_ranges" else "sealed_at" if table == "ledger_seals" else "started_at"
    assert said(refused_by(raw, f"UPDATE {table} SET {column} = now()")) == f"ledger: {TABLES[table]}"


@pytest.mark.parametrize("table", TABLES)
def test_a_closed_account_that_is_not_pruned_is_deleted_by_nobody(raw: Connection, table: str) -> None:
    expected = "a seal is never deleted" if table == "ledger_seals" else PRUNED
    assert said(refused_by(raw, f"DELETE FROM {table}")) == f"ledger: {expected}"


@pytest.mark.parametrize("table", TABLES)
def test_closed_accounts_are_truncated_by_nobody(raw: Connection, table: str) -> None:
    expected = "a seal is never deleted" if table == "ledger_seals" else TABLES[table]
    assert said(refused_by(raw, f"TRUNCATE {table}")) == f"ledger: {expected}"


@pytest.mark.parametrize("table", ["job_runs", MONTH])
def test_what_is_both_insert_and_update_updates_no_account(raw: Connection, table: str) -> None:
    again = copied(raw, table, table, "run_id = 2")
    upsert = f"{again} ON CONFLICT (run_id, due_at) DO UPDATE SET message = 'x'"
    merge = (
        f"MERGE INTO {table} r USING (SELECT 2 AS id) n ON r.run_id = n.id WHEN MATCHED THEN UPDATE SET message = 'x'"
    )
    for statement in (upsert, merge):
        assert said(refused_by(raw, statement)) == "ledger: a closed account never changes"


def test_a_merge_deletes_no_account_that_is_not_pruned(raw: Connection) -> None:
    merge = "MERGE INTO job_runs r USING (SELECT 2 AS id) n ON r.run_id = n.id WHEN MATCHED THEN DELETE"
    assert said(refused_by(raw, merge)) == f"ledger: {PRUNED}"


def test_each_partition_has_all_guards_of_the_whole_table(raw: Connection) -> None:
    asked = (
        "SELECT c.relname, array_agg(g.tgname::text ORDER BY g.tgname) FROM pg_class c"
        " LEFT JOIN pg_trigger g ON g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled = 'O'"
        " WHERE c.relname = 'job_runs' OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'job_runs'::regclass)"
        " GROUP BY 1 ORDER BY 1"
    )
    found = dict(raw.execute(asked).fetchall())
    assert {"job_runs", "job_runs_default", MONTH} < set(found)
    assert all(
        guards == ["job_runs_account_once", "job_runs_go_when_pruned", "job_runs_never_change"]
        for guards in found.values()
    )


@pytest.mark.parametrize("table", ["job_runs", MONTH, "job_run_ranges", "job_attempts"])
def test_what_is_pruned_may_go_and_what_is_not_stays_beside_it(sessions: dict[str, Connection], table: str) -> None:
    raw = sessions["the owner"]
    column = {"job_run_ranges": "last_at", "job_attempts": "day_at"}.get(table, "due_at")
    with undone(raw):
        raw.execute("ALTER TABLE ledger_state DISABLE TRIGGER USER")
        last = f"(SELECT max({column}) FROM {table} WHERE {column} < '2029-01-01')"
        raw.execute(f"UPDATE ledger_state SET sealed_until = 'infinity', pruned_until = {last}".encode())
        assert said(refused_by(raw, f"DELETE FROM {table} WHERE {column} < '2029-01-01'")) == f"ledger: {PRUNED}", (
            "the last one"
        )
        raw.execute(f"UPDATE ledger_state SET pruned_until = {last} + interval '1 us'".encode())
        assert refused_by(raw, f"DELETE FROM {table} WHERE {column} < '2029-01-01'") is None
