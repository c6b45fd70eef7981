"""The crash points on PostgreSQL exercise every transaction of its ledger: found in the source, and heard in the scenarios."""

from __future__ import annotations

import pytest
from crash_scenarios import ON_POSTGRES, SCENARIOS, play
from postgres_ground import LEDGERS, note
from recorder import Event
from test_crash_coverage import changes, found_in

from support.postgres_server import a_database
from systemprompt.ledger.postgres.reader import SQL
from systemprompt.ledger.statements import load_statements

HERE = ("systemprompt.ledger.postgres.", "systemprompt.ledger.stored.")

DONE_OTHERWISE = {
    # `PostgresLedger` does it by itself, with no word of the one that it has in common with SQLite.
    "systemprompt.ledger.stored.ledger:StoredLedger.beat",
    # `sp db migrate` begins just what `PostgresLedger.migrate` begins.
    "systemprompt.ledger.postgres.database_schema:DatabaseSchema.migrate",
    # It is inside of the transaction of `publish`.
    "systemprompt.ledger.postgres.copies:SchemaRestore._keep",
    # They are inside of the transaction that `SchemaPlacement.__enter__` begins.
    "systemprompt.ledger.postgres.placing:SchemaPlacement.fill",
    "systemprompt.ledger.postgres.table_rows:fill_schema",
    "systemprompt.ledger.postgres.table_rows:_let_rules",
    # One statement, and only where ledger and tables are in two databases: tests/operations/test_move_of_tables.py.
    "systemprompt.ledger.postgres.placing:SchemaPlacement.finish",
    # It reads, and keeps off who would write.
    "systemprompt.ledger.postgres.placing:held_schema",
    # It is always undone.
    "systemprompt.ledger.postgres.upkeep:LedgerSchema._differences",
}


def in_the_source() -> set[str]:
    return found_in(lambda module: module.startswith(HERE))


@pytest.fixture(scope="module")
def heard(newest_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> frozenset[Event]:
    """Play every scenario to its end."""
    events: set[Event] = set()
    for name, scenario in {**{name: SCENARIOS[name] for name in LEDGERS}, **ON_POSTGRES}.items():
        with a_database(newest_postgres) as address:
            folder = tmp_path_factory.mktemp("scenario")
            note(folder, address)
            scenario.prepare(str(folder))
            events.update(play(name, str(folder)))
    return frozenset(events)


def test_every_transaction_and_statement_that_writes_on_postgresql_is_lived_through(heard: frozenset[Event]) -> None:
    """Add a scenario in tests/crash for a new one. One test, since the lives are long: it looks from both sides."""
    lived, source = {event.transaction for event in heard}, in_the_source()
    assert source - lived == DONE_OTHERWISE
    assert {name for name in lived if name.startswith(HERE)} - source == set(), (
        "the search is blind to a way to begin one"
    )
    writing = {name for name, text in load_statements(SQL).items() if changes(text)}
    assert {"write_closed_runs", "move_cursors", "make_partitions", "fold_into_sums"} <= {event.name for event in heard}
    assert writing - {event.name for event in heard} == set()
