"""Three real nodes on a real PostgreSQL while everything around them goes wrong: lines, server, connections, locks, clocks.

In `make test` one round of all faults, in a drawn order; in `make campaign ONLY=faults` one round after another.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from fault_storm import CLOCKS, SETTINGS, draw_faults, fault_storm, first_fires, own_server
from faults import FAULTS
from storm_acts import environment
from storm_checks import check_all
from storm_stage import make_whole

from support import REPOSITORY
from support.campaign import LONG, chosen_seconds, chosen_seed, record
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.system import open_system

SECONDS = chosen_seconds(300.0) if LONG else 1.0
"""The first round is whole in any case."""


def test_the_same_seed_gives_the_same_faults() -> None:
    assert draw_faults(7, 60) == draw_faults(7, 60)
    assert draw_faults(7, 60) != draw_faults(8, 60)


def test_every_fault_comes_once_a_round() -> None:
    drawn = [act.words[0] for act in draw_faults(7, 1.0) if act.kind == "fault"]
    assert sorted(drawn) == sorted(FAULTS)


def test_the_page_of_campaigns_names_every_fault() -> None:
    page = (REPOSITORY / "docs" / "campaigns.md").read_text()
    rows = [f"| {name} | {fault.does} |" for name, fault in FAULTS.items()]
    assert [row for row in rows if row not in page] == []


@pytest.mark.storm
def test_nodes_come_through_every_fault_without_help_and_the_ledger_agrees_with_what_really_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = chosen_seed()
    acts = draw_faults(seed, SECONDS)
    print(f"the storm's seed: SEED={seed}; in it, in seconds:")
    for act in acts:
        print(f"  {act.at:6.1f}  {' '.join(act.words) or act.kind}, node {act.node}, for {act.lasts:.1f}")
    with (
        own_server(**SETTINGS) as server,
        closing(PostgresLedger(Address(server.address))) as ledger,
        fault_storm(tmp_path, seed, server, ledger, environment(tmp_path)) as storm,
    ):
        ledger.migrate()
        seconds = max(SECONDS, max(act.at + act.lasts for act in acts) + 0.1)
        storm.carry_out(acts, seconds)
        storm.recover()
        off = sorted(round(node.clock_offset_us / 1e6) for node in ledger.living_nodes() if node.stopped_at is None)
        storm.end()
        for name in ("WITNESS", "XDG_CACHE_HOME", "STORM_PORT"):
            monkeypatch.setenv(name, storm.environ[name])
        with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
            make_whole(system)
            account, said = check_all(system.ledger, system.clock.now(), storm)
        said["first_fires_s"] = [round(one, 2) for one in first_fires(account, storm.place.accepting)]
        print(said)
        assert off == sorted(CLOCKS)
        assert storm.ended_at_work(account) == []
        assert said["runs"]["success"] > seconds
        assert storm.run("audit").code == 0
    record(campaign="faults", seed=seed, seconds=round(seconds), **said)
