"""The triggers of the schema on PostgreSQL: whatever a defect above them asks for, the server refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.postgres_refusals import REFUSED, Copy
from support.postgres_server import a_database
from support.raw_postgres import Connection, raw_postgres, refusals, refused_by, undone


@pytest.fixture(scope="module")
def ledger(postgres_server: str) -> Iterator[Connection]:
    with a_database(postgres_server) as address, raw_postgres(address) as connection:
        yield connection


@pytest.fixture
def raw(ledger: Connection) -> Iterator[Connection]:
    """The one ledger of these tests; what a test does is undone."""
    with undone(ledger):
        yield ledger


def asked(raw: Connection, name: str) -> str:
    """Run what is let through, and return the statement that is not."""
    *first, last = [one.sql(raw) if isinstance(one, Copy) else one for one in REFUSED[name][3]]
    for statement in first:
        raw.execute(statement.encode())
    return last


@pytest.mark.parametrize("name", REFUSED)
def test_the_schema_refuses_when(raw: Connection, name: str) -> None:
    trigger, table, said, _ = REFUSED[name]
    statement = asked(raw, name)
    refused = refused_by(raw, statement)
    assert refused is not None
    assert refused.diag.message_primary == f"ledger: {said}"
    # It is this trigger that refused: without it the statement meets another rule, or none.
    raw.execute(f"DROP TRIGGER {trigger} ON {table}".encode())
    other = refused_by(raw, statement)
    assert other is None or other.diag.message_primary != f"ledger: {said}"


def test_no_trigger_and_none_of_its_words_are_left_without_a_test(raw: Connection) -> None:
    assert refusals(raw) == {(trigger, f"ledger: {said}") for trigger, _, said, _ in REFUSED.values()}


def test_triggers_only_refuse(raw: Connection) -> None:
    """They keep no books: what a statement writes is what it says."""
    asked = "SELECT DISTINCT p.proname, p.prosrc FROM pg_proc p JOIN pg_trigger g ON g.tgfoid = p.oid WHERE NOT g.tgisinternal"
    bodies = raw.execute(asked).fetchall()
    assert len(bodies) > 5
    for name, whole in bodies:
        body = whole.replace("EXECUTE 'SELECT ", "'SELECT ")  # a look that is planned anew
        assert not {"INSERT", "UPDATE", "DELETE", "MERGE", "PERFORM", "EXECUTE"} & set(body.split()), name
        assert "RAISE EXCEPTION" in body, name
