"""What runs with the owner's rights on PostgreSQL does what it says, whoever calls it and whatever that role has prepared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, IntegrityConstraintViolation

from support.doc_grants import grants
from support.postgres_roles import a_role, an_owner, as_role
from support.postgres_server import a_database
from support.raw_postgres import MONTH, Connection, raw_connection, raw_postgres, undone

DEFINERS = (
    "drop_partitions",
    "enter_epoch",
    "hold_closed_days",
    "make_partitions",
    "prune_attempts",
    "prune_ranges",
    "prune_runs",
)
CALLS = {
    "drop_partitions": "drop_partitions()",
    "enter_epoch": "enter_epoch(-1)",
    "hold_closed_days": "hold_closed_days()",
    "make_partitions": "make_partitions(now())",
    "prune_attempts": "prune_attempts(100)",
    "prune_ranges": "prune_ranges(ARRAY[1, 2, 3]::bigint[])",
    "prune_runs": "prune_runs(ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9]::bigint[])",
}


class Sessions(NamedTuple):
    """Sessions on a ledger: of a superuser, its owner, a node's role, and a role that may only use the schema."""

    admin: Connection
    owner: Connection
    node: Connection
    other: Connection


@pytest.fixture(scope="module")
def sessions(postgres_server: str) -> Iterator[Sessions]:
    with (
        a_database(postgres_server) as address,
        an_owner(address) as owner,
        a_role(address, "node") as role,
        a_role(address, "other") as other,
        raw_postgres(owner) as of_owner,
        raw_connection(address) as admin,
    ):
        for command in grants(role):
            of_owner.execute(command.encode())
        of_owner.execute(f"GRANT USAGE ON SCHEMA systemprompt TO {other}".encode())
        admin.execute(f"CREATE SCHEMA evil AUTHORIZATION {role}".encode())
        admin.execute(f"GRANT TEMPORARY ON DATABASE {admin.info.dbname} TO {role}".encode())
        with raw_connection(as_role(address, role)) as of_node, raw_connection(as_role(address, other)) as of_other:
            yield Sessions(admin, of_owner, of_node, of_other)


@pytest.fixture
def owner(sessions: Sessions) -> Connection:
    return sessions.owner


@pytest.fixture
def node(sessions: Sessions) -> Iterator[Connection]:
    with undone(sessions.node):
        yield sessions.node


def accounts(connection: Connection) -> tuple[int, ...]:
    tables = ("job_runs", "job_run_ranges", "job_attempts")
    asked = "SELECT " + ", ".join(f"(SELECT count(*) FROM systemprompt.{name})" for name in tables)
    (row,) = connection.execute(asked.encode()).fetchall()
    assert min(row) > 0
    return tuple(row)


def test_every_function_with_the_owners_rights_has_a_fixed_search_path_that_ends_in_the_temporary_one(
    owner: Connection,
) -> None:
    asked = "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'systemprompt'::regnamespace ORDER BY 1"
    found = owner.execute(asked).fetchall()
    assert tuple(name for name, _ in found) == DEFINERS
    for name, settings in found:
        assert "search_path=systemprompt, pg_temp" in settings, name


def test_every_function_that_looks_into_a_table_has_that_search_path(owner: Connection) -> None:
    asked = (
        "SELECT proname FROM pg_proc WHERE pronamespace = 'systemprompt'::regnamespace"
        " AND NOT coalesce('search_path=systemprompt, pg_temp' = ANY (proconfig), false) ORDER BY 1"
    )
    assert [row[0] for row in owner.execute(asked)] == ["instant", "refuse"], "these look into none"


@pytest.mark.parametrize("name", DEFINERS)
def test_what_runs_with_the_owners_rights_is_not_for_everybody(sessions: Sessions, name: str) -> None:
    with pytest.raises(InsufficientPrivilege, match=f"permission denied for function {name}"):
        sessions.other.execute(f"SELECT {CALLS[name]}".encode())


@pytest.mark.parametrize("trap", ["evil", "pg_temp"])
@pytest.mark.parametrize("name", ["drop_partitions", "prune_attempts", "prune_ranges", "prune_runs"])
def test_a_state_of_ones_own_leads_to_no_pruning(owner: Connection, node: Connection, trap: str, name: str) -> None:
    """Neither a schema of the caller's nor its temporary tables come before the ledger's."""
    before = accounts(owner)
    node.execute(f"CREATE TABLE {trap}.ledger_state AS SELECT * FROM systemprompt.ledger_state".encode())
    node.execute(f"UPDATE {trap}.ledger_state SET sealed_until = 'infinity', pruned_until = 'infinity'".encode())
    for table in ("job_runs", "open_runs", "job_run_ranges", "job_attempts"):
        node.execute(f"CREATE TABLE {trap}.{table} AS SELECT * FROM systemprompt.{table} WHERE false".encode())
    node.execute(f"SET LOCAL search_path = {trap}, systemprompt".encode())
    node.execute("SAVEPOINT asked")
    try:
        gone = node.execute(f"SELECT systemprompt.{CALLS[name]}".encode()).fetchall()
    except psycopg.IntegrityError as refused:
        assert refused.diag.message_primary == "ledger: only what is sealed is pruned"  # noqa: PT017  # as good an answer
        node.execute("ROLLBACK TO asked")
    else:
        assert gone in ([], [(0,)])
    assert accounts(node) == before


def test_functions_of_ones_own_are_not_called_with_the_owners_rights(node: Connection) -> None:
    node.execute("CREATE TABLE evil.callers (who text)")
    for name, arguments, result in (
        ("date_trunc", "text, timestamp", "timestamp"),
        ("to_char", "timestamp, text", "text"),
        ("to_regclass", "text", "regclass"),
        ("lower", "text", "text"),
    ):
        node.execute(
            f"CREATE FUNCTION evil.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS $$"
            " BEGIN INSERT INTO evil.callers VALUES (current_user); RETURN NULL; END $$".encode()
        )
    node.execute("SET LOCAL search_path = evil, pg_catalog, systemprompt")
    node.execute("SELECT systemprompt.make_partitions('2031-05-05')")
    assert node.execute("SELECT count(*) FROM evil.callers").fetchone() == (0,)
    assert node.execute("SELECT count(*) FROM pg_class WHERE relname = 'job_runs_2031_05'").fetchone() == (1,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sealed_until = 'infinity'", "a day is sealed by its seal"),
        (
            "seals = 9, sealed_until = 'infinity', pruned_until = 'infinity'",
            "only what is sealed|is sealed by its seal",
        ),
        ("pruned_until = 'infinity'", "only what is sealed is pruned"),
    ],
)
def test_a_nodes_role_cannot_declare_pruned_what_is_not_sealed(node: Connection, change: str, said: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match=said):
        node.execute(f"UPDATE ledger_state SET {change}".encode())


def test_a_nodes_role_prunes_by_the_functions_what_is_sealed_and_nothing_after_it(sessions: Sessions) -> None:
    sealed = "'2026-01-01 00:00:12+00'"
    with undone(sessions.admin) as admin:
        admin.execute("ALTER TABLE ledger_state DISABLE TRIGGER USER")
        admin.execute(f"UPDATE ledger_state SET sealed_until = {sealed}, pruned_until = {sealed}".encode())
        admin.execute(f"SET LOCAL ROLE {sessions.node.info.user}".encode())
        with pytest.raises(IntegrityConstraintViolation, match="only what is sealed is pruned"), admin.transaction():
            admin.execute(f"SELECT {CALLS['prune_runs']}".encode())
        ids = f"ARRAY(SELECT run_id FROM job_runs WHERE due_at < {sealed})"
        assert admin.execute(f"SELECT prune_runs({ids})".encode()).fetchone() == (1,)
        assert admin.execute(f"SELECT min(due_at) >= {sealed} FROM job_runs".encode()).fetchone() == (True,)
        with pytest.raises(InsufficientPrivilege):
            admin.execute(f"DELETE FROM job_runs WHERE due_at < {sealed}".encode())


def test_a_partition_of_a_month_that_is_not_pruned_is_not_dropped_however_empty(node: Connection) -> None:
    assert node.execute("SELECT make_partitions('2025-06-15')").fetchone() == (True,)
    assert node.execute("SELECT drop_partitions()").fetchall() == []
    kept = "SELECT count(*) FROM pg_class WHERE relname IN ('job_runs_2025_06', 'job_runs_2025_07', %s)"
    assert node.execute(kept, [MONTH]).fetchone() == (3,)
