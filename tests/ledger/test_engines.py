"""What opens a ledger, engine by engine: the same functions, and the same answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import systemprompt.ledger.postgres.engine as of_postgresql
import systemprompt.ledger.sqlite.engine as of_sqlite
from systemprompt.databases.address import Address
from systemprompt.errors import ConfigurationError, DatabaseUnreachable
from systemprompt.ledger.engine import Engine, engine_of

ENGINES: tuple[Engine, ...] = (of_sqlite, of_postgresql)
"""mypy holds each of them to the protocol here, since the others get them by name."""


@pytest.fixture
def nothing_yet(postgres_or_none: str | None, tmp_path: Path) -> Address:
    """An address at which there is no ledger yet."""
    return Address(postgres_or_none or tmp_path / "ledger.db")


def test_an_address_leads_to_its_engine(nothing_yet: Address) -> None:
    assert engine_of(nothing_yet) in ENGINES
    assert engine_of(nothing_yet).__name__.split(".")[-2] in nothing_yet.engine  # type: ignore[attr-defined]  # a module


def test_a_ledger_that_is_absent_is_nothing_to_read_and_made_when_it_is_opened(nothing_yet: Address) -> None:
    engine = engine_of(nothing_yet)
    assert engine.open_if_there(nothing_yet, schema="runs") is None
    with pytest.raises(DatabaseUnreachable, match="there is no ledger") as error:
        engine.open_reader(nothing_yet, schema="runs")
    assert "sp db migrate makes" in (error.value.hint or "")
    assert engine.upkeep(nothing_yet, schema="runs").schema_state().state == "absent"

    with closing(engine.open_ledger(nothing_yet, schema="runs")) as ledger:
        written_by = ledger.ledger_id()

    assert engine.upkeep(nothing_yet, schema="runs").schema_state().state == "current"
    with closing(engine.open_reader(nothing_yet, schema="runs")) as reader:
        assert reader.ledger_id() == written_by
    found = engine.open_if_there(nothing_yet, schema="runs")
    assert found is not None
    found.close()


def test_two_schemas_of_one_database_are_two_ledgers(postgres: str) -> None:
    address = Address(postgres)
    with closing(of_postgresql.open_ledger(address, schema="one")) as one:
        assert of_postgresql.open_if_there(address, schema="two") is None
        with closing(of_postgresql.open_ledger(address, schema="two")) as two:
            assert one.ledger_id() != two.ledger_id()


def test_an_address_that_libpq_cannot_read_opens_nothing() -> None:
    with pytest.raises(ConfigurationError, match="libpq cannot read the address"):
        engine_of(Address("postgresql://h/x?colour=red"))
