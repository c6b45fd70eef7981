"""Three real nodes on a real PostgreSQL in a storm: one killed, one frozen, one drained; sessions and server end too.

In `make test` one round of it; in `make campaign` one after another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fault_storm import own_server
from storm_acts import environment
from storm_checks import check_all
from storm_server import ROUND, ServerStorm, draw_server_acts
from storm_stage import install, make_whole

from support.campaign import LONG, chosen_seconds, chosen_seed, record
from support.postgres_server import Server
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.system import System, open_system

SECONDS = chosen_seconds(300.0) if LONG else ROUND


def test_the_same_seed_gives_the_same_storm_over_a_server() -> None:
    assert draw_server_acts(7, 3 * ROUND) == draw_server_acts(7, 3 * ROUND)
    assert draw_server_acts(7, 3 * ROUND) != draw_server_acts(8, 3 * ROUND)


@pytest.fixture
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


@pytest.mark.storm
def test_a_storm_over_nodes_and_their_server_leaves_a_ledger_that_agrees_with_what_really_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    seed = chosen_seed()
    print(f"the storm's seed: SEED={seed}")
    install(tmp_path, seed, database=server.address)
    with closing(PostgresLedger(Address(server.address))) as ledger:
        ledger.migrate()
        storm = ServerStorm(tmp_path, environment(tmp_path), 3, server=server, ledger=ledger)
        try:
            storm.carry_out(draw_server_acts(seed, SECONDS), SECONDS)
            storm.end()
            install(tmp_path, seed, database=server.address)
            for name in ("WITNESS", "XDG_CACHE_HOME"):
                monkeypatch.setenv(name, storm.environ[name])
            with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
                make_whole(system)
                said = look(system, storm)
            assert storm.run("audit").code == 0
        finally:
            storm.close()
    record(campaign="storm, PostgreSQL", seed=seed, seconds=round(SECONDS), **said)


def look(system: System, storm: ServerStorm) -> dict[str, object]:
    """Check everything, and return what there was."""
    account, said = check_all(system.ledger, system.clock.now(), storm)
    print(said)
    assert storm.done.keys() >= {"killed", "stopped for longer than its lease", "sessions ended", "server stopped"}
    assert storm.ended_at_work(account) == []
    assert said["runs"]["success"] > SECONDS
    assert [node for node in system.ledger.nodes() if node.fate == "lost"], "whoever was killed was declared lost"
    succeeded = {run.job_name.partition("_")[0] for run in account.runs.values() if run.status == "success"}
    assert succeeded >= {"async", "plain", "command", "process"}
    return said
