"""A process killed with SIGKILL in the transactions of a ledger on PostgreSQL, and what the next one makes of it.

In `make test` one event of each transaction that a scenario has, chosen by a seed: what is not committed the server undoes, so
those inside of one leave the same ledger. In `make campaign` every event.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from crash_scenarios import ON_POSTGRES, SCENARIOS
from postgres_ground import LEDGERS, VictimsOfSchema, VictimsOnPostgres
from victims import chosen_by_transaction, killed

from support.campaign import LONG, chosen_seed, record

MOST = 4
SEED = chosen_seed()


@pytest.fixture
def victims(scenario: str, one_postgres: str) -> Iterator[VictimsOnPostgres]:
    victims = VictimsOnPostgres(scenario, one_postgres)
    try:
        victims.play_to_the_end()
        yield victims
    finally:
        victims.close()


@pytest.mark.parametrize("scenario", LEDGERS)
def test_killed_at_any_event_on_postgresql_the_next_process_makes_it_whole(
    victims: VictimsOnPostgres, scenario: str
) -> None:
    SCENARIOS[scenario].recover(str(victims.whole))
    SCENARIOS[scenario].check(str(victims.whole), str(victims.whole))
    points = list(range(1, len(victims.events) + 1)) if LONG else chosen_by_transaction(victims.events, SEED)
    for kill_at in points:
        with killed(victims, kill_at, said=f"PostgreSQL, SEED={SEED}"):
            pass
    record(campaign="crash points", scenario=scenario, ground="PostgreSQL", kills=len(points), seed=SEED)


@pytest.mark.parametrize("scenario", ON_POSTGRES)
def test_killed_while_a_schema_is_made_or_filled_the_next_process_makes_it_whole(
    one_postgres: str, scenario: str
) -> None:
    victims, played = VictimsOfSchema(one_postgres, scenario), ON_POSTGRES[scenario]
    try:
        victims.play_to_the_end()
        played.recover(str(victims.whole))
        played.check(str(victims.whole), str(victims.whole))
        on_the_server = [number for number, event in enumerate(victims.events, 1) if ".postgres." in event.transaction]
        points = on_the_server if LONG else random.Random(SEED).sample(on_the_server, MOST)
        for kill_at in points:
            with killed(victims, kill_at, said=f"PostgreSQL, SEED={SEED}"):
                pass
    finally:
        victims.close()
    record(campaign="crash points", scenario=scenario, ground="PostgreSQL", kills=len(points), seed=SEED)
