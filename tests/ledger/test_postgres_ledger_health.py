"""What doctor is told of a ledger on PostgreSQL besides its server: rights, and runs outside of their months' partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from support import REPOSITORY
from support.doc_pages import blocks
from support.ledger_stage import DAY, Stage, spec
from support.postgres_engine import PostgresEngine
from support.postgres_roles import address_of, role
from systemprompt.databases.address import Address
from systemprompt.databases.health_note import HealthNote
from systemprompt.ledger.postgres.health import ledger_health, rights_needed


@pytest.fixture
def stage(one_postgres: str) -> Iterator[Stage]:
    engine = PostgresEngine(one_postgres)
    yield Stage(engine)
    engine.close()


def note(address: str, name: str) -> HealthNote | None:
    found = [one for one in ledger_health(Address(address)) if one.name == name]
    assert len(found) <= 1, found
    return found[0] if found else None


def test_a_role_that_may_make_the_schema_is_told_so_before_it_is_made(one_postgres: str) -> None:
    found = note(one_postgres, "rights")

    assert found == HealthNote(name="rights", status="ok", message="role 'tester' may make schema 'systemprompt'")
    with psycopg.connect(one_postgres) as connection:
        assert not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'systemprompt'").fetchall()


@pytest.mark.usefixtures("stage")
def test_each_right_that_is_missing_is_named_and_the_command_gives_it(one_postgres: str) -> None:
    with role(one_postgres) as name, psycopg.connect(one_postgres, autocommit=True) as admin:
        theirs = address_of(one_postgres, name)
        found = note(theirs, "rights")
        assert found is not None
        assert (found.status, found.message.partition(" of ")[0]) == (
            "fail",
            f"role '{name}' may not use schema 'systemprompt'",
        )
        admin.execute((found.mend or "").removeprefix("let the owner of the schema run: ").encode())

        found = note(theirs, "rights")
        assert found is not None
        assert "lacks rights in schema 'systemprompt': " in found.message
        assert " and on " in found.message
        admin.execute((found.mend or "").removeprefix("let the owner of the schema run: ").encode())

        found = note(theirs, "rights")
        assert found is not None
        assert found.status == "ok", found
        asked = "SELECT has_table_privilege(%s, 'systemprompt.job_runs', %s)"
        may = [admin.execute(asked, [name, right]).fetchall()[0][0] for right in ("INSERT", "UPDATE", "DELETE")]
        assert may == [True, False, False], "the command gives no more than is needed"
        admin.execute(f"REVOKE UPDATE ON systemprompt.open_runs FROM {name}".encode())
        found = note(theirs, "rights")
        assert found is not None
        assert found.message == f"role '{name}' lacks rights in schema 'systemprompt': UPDATE on open_runs"


@pytest.mark.usefixtures("stage")
def test_the_grants_that_the_docs_give_a_node_are_enough_and_each_of_them_is_needed(one_postgres: str) -> None:
    (block,) = [one.text for one in blocks(REPOSITORY / "docs/many-machines.md") if one.language == "sql"]
    grants = [" ".join(one.split()) for one in re.sub("--.*", "", block).split(";") if one.strip()]
    with role(one_postgres) as name, psycopg.connect(one_postgres, autocommit=True) as admin:
        for grant in grants:
            admin.execute(grant.replace("systemprompt_node", name).encode())
        found = note(address_of(one_postgres, name), "rights")
        assert found is not None
        assert found.status == "ok", found

        for grant in grants:
            revoke = grant.replace("GRANT", "REVOKE", 1).replace(" TO systemprompt_node", f" FROM {name}")
            admin.execute(revoke.encode())
            found = note(address_of(one_postgres, name), "rights")
            assert found is not None
            assert found.status == "fail", grant
            admin.execute(grant.replace("systemprompt_node", name).encode())


def test_what_is_needed_of_a_table_is_what_the_statements_do_to_it() -> None:
    needed = rights_needed()

    assert needed["open_runs"] == {"INSERT", "UPDATE", "DELETE"}
    assert needed["job_runs"] == {"INSERT"}, "a closed account never changes"
    assert needed["job_tallies"] == {"INSERT", "UPDATE", "DELETE"}, "locked before they are deleted"
    assert needed["requests"] == {"INSERT", "DELETE"}
    assert "UPDATE" in needed["job_last"], "ON CONFLICT DO UPDATE"


def test_runs_whose_month_has_no_partition_are_told_and_others_go_without_saying(
    stage: Stage, one_postgres: str
) -> None:
    stage.declare(spec("a"))
    stage.finish(*stage.start("a"))
    assert note(one_postgres, "partitions") is None

    stage.wait(200 * DAY)
    stage.finish(*stage.start("a"))

    found = note(one_postgres, "partitions")
    assert found is not None
    assert found.status == "warn"
    assert found.message.startswith("1 closed runs from 2026-07-20 00:00:00+00 to 2026-07-20")
