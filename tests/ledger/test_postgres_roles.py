"""A node's role on PostgreSQL: the GRANTs of the page are enough, none is too much, and none leads further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from support.doc_grants import grants
from support.ledger_stage import ME, START, node
from support.postgres_roles import a_role, an_owner, as_role
from support.postgres_server import a_database
from support.raw_postgres import MONTH, Connection, raw_connection
from support.whole_life import lived
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.postgres.reader import SQL
from systemprompt.ledger.records import ManualStart
from systemprompt.ledger.statements import load_statements

UPKEEP = frozenset(load_statements(str(Path(SQL) / "upkeep.sql")))
ACTS = (
    "UPDATE {} SET {} = now()",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {}",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
)
CLOSED = ("job_runs", MONTH, "job_runs_default", "job_run_ranges", "job_attempts", "ledger_seals")


class Place:
    """A ledger of an owner's, and a role of the nodes."""

    def __init__(self, address: str, owner: str, role: str) -> None:
        self.owner, self.role = owner, role
        self.node = as_role(address, role)
        with closing(PostgresLedger(Address(owner), decides_by="host")) as ledger:
            ledger.migrate()

    def grant(self, first: int | None = None) -> None:
        """Give the role the GRANTs of the page, or the first of them."""
        with raw_connection(self.owner) as connection:
            for command in grants(self.role)[:first]:
                connection.execute(command.encode())


@pytest.fixture
def place(postgres: str) -> Iterator[Place]:
    with an_owner(postgres) as owner, a_role(postgres, "node") as role:
        yield Place(postgres, owner, role)


def test_the_grants_of_the_page_are_enough_for_the_whole_life_of_a_node(place: Place) -> None:
    place.grant()
    lived(place.node)
    with raw_connection(place.node) as node:
        left = node.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'job_runs'::regclass ORDER BY 1"
        )
        assert [row[0] for row in left] == ["job_runs_2026_03", "job_runs_2026_04", "job_runs_default"]


def test_without_the_grants_the_ledger_says_where_they_are(place: Place) -> None:
    place.grant(2)
    with closing(PostgresLedger(Address(place.node))) as ledger, pytest.raises(DatabaseUnreachable) as told:
        ledger.ask_for_runs(START, [ManualStart(job_name="x")], ME)
    assert told.value.hint == "docs/many-machines.md has the GRANTs that a role needs"


def rights(place: Place) -> set[tuple[str, str]]:
    """Return each right to write that the page gives: the right, and on what."""
    asked = """
        SELECT a.privilege_type, c.relname FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE a.grantee = %(role)s::regrole AND a.privilege_type <> 'SELECT'
        UNION ALL
        SELECT a.privilege_type, p.proname FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
        WHERE a.grantee = %(role)s::regrole"""
    with raw_connection(place.owner) as owner:
        return set(owner.execute(asked, {"role": place.role}).fetchall())


def needed() -> set[tuple[str, str]]:
    """Return what the ledger's statements do, but for those of upkeep, which are the owner's."""
    found = set()
    for name, text in load_statements(SQL).items():
        if name in UPKEEP:
            continue
        for right, on in re.findall(r"\b(INSERT|DELETE|UPDATE)(?: INTO| FROM)? (?!SET|OF|SKIP)([a-z_]+)", text):
            found.add((right, on))
        updated = re.search(r"INSERT INTO (\w+)[^;]*DO UPDATE", text)
        found |= {("UPDATE", updated[1])} if updated else set()
        found |= {("USAGE", sequence) for sequence in re.findall(r"nextval\('(\w+)'\)", text)}
        found |= {
            ("EXECUTE", function) for function in re.findall(r"SELECT ((?:make|drop|hold|prune|enter)_\w+)\(", text)
        }
    # A hint is sent beside the statements; what is folded is held before it is deleted.
    return found | {("USAGE", "changes"), ("UPDATE", "job_tallies")}


def test_the_grants_of_the_page_are_those_that_the_statements_of_a_node_need(place: Place) -> None:
    place.grant()
    assert rights(place) == needed()


@pytest.fixture(scope="module")
def closed(postgres_server: str) -> Iterator[Connection]:
    """A session of a role that has the GRANTs of the page, where some months have partitions."""
    with a_database(postgres_server) as address, an_owner(address) as owner, a_role(address, "node") as role:
        place = Place(address, owner, role)
        place.grant()
        with closing(PostgresLedger(Address(place.node), decides_by="host")) as ledger:
            ledger.join(node("a", START))
        with raw_connection(place.node) as connection:
            yield connection


@pytest.mark.parametrize("table", CLOSED)
@pytest.mark.parametrize(
    "act",
    [
        "UPDATE {} SET {} = now()",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
    ],
)
def test_a_nodes_role_may_not_touch_a_closed_account(closed: Connection, table: str, act: str) -> None:
    column = {"job_run_ranges": "written_at", "ledger_seals": "sealed_at"}.get(table, "started_at")
    with pytest.raises(InsufficientPrivilege):
        closed.execute(act.format(table, column).encode())


@pytest.mark.parametrize(
    "act",
    [
        "CREATE TABLE mine (x integer)",
        "DROP TABLE nodes",
        "ALTER TABLE open_runs ADD COLUMN mine integer",
        "CREATE INDEX ON open_runs (actor)",
        "DROP TRIGGER open_runs_begin_new ON open_runs",
        "CREATE OR REPLACE FUNCTION drop_partitions() RETURNS SETOF text LANGUAGE sql AS $$ SELECT '' $$",
        "ALTER TABLE job_runs DETACH PARTITION job_runs_2026_01",
        "TRUNCATE open_runs",
        "UPDATE reasons SET sentence = ''",
        "DELETE FROM jobs",
        "SELECT setval('fences', 1)",
    ],
)
def test_a_nodes_role_may_not_change_what_is_built(closed: Connection, act: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        closed.execute(act.encode())
    assert isinstance(refused.value, InsufficientPrivilege)
