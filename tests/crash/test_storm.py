"""Real nodes on one profile in a storm: killed and stopped at random, edited, switched and asked to run jobs by real commands.

In `make test` two nodes and half a minute; in `make campaign` two, then three, and at least 2,000 fire times.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from storm_acts import LEASE, Spell, Storm, draw_acts, environment, spells
from storm_checks import (
    check_ledger,
    check_starts,
    check_witness,
    fire_times,
    lateness,
    read_account,
    what_there_was,
    with_a_node,
)
from storm_stage import install, make_whole

from support.campaign import LONG, chosen_seconds, chosen_seed, record
from systemprompt.clock import SECOND
from systemprompt.system import System, open_system

SECONDS = chosen_seconds(300.0) if LONG else 30.0


def test_the_same_seed_gives_the_same_storm() -> None:
    assert draw_acts(7, 60, 3) == draw_acts(7, 60, 3)
    assert draw_acts(7, 60, 3) != draw_acts(8, 60, 3)


@pytest.mark.storm
@pytest.mark.parametrize("nodes", (2, 3) if LONG else (2,))
def test_nodes_in_a_storm_leave_a_ledger_that_agrees_with_what_really_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    seed = chosen_seed()
    print(f"the storm's seed: SEED={seed}")
    install(tmp_path, seed)
    storm = Storm(tmp_path, environment(tmp_path), nodes)
    try:
        began = storm.carry_out(draw_acts(seed, SECONDS, nodes), SECONDS)
        storm.end()
        install(tmp_path, seed)
        for name in ("WITNESS", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, storm.environ[name])
        with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
            make_whole(system)
            said = look(system, storm, began)
        assert storm.run("audit").code == 0
    finally:
        storm.close()
    record(campaign=f"storm, {nodes} nodes", seed=seed, seconds=round(SECONDS), **said)


def look(system: System, storm: Storm, began: int) -> dict[str, object]:
    """Check everything, and return what there was."""
    check_ledger(system.ledger, system.clock.now())
    account = read_account(system.ledger)
    ends = check_witness(account, Path(storm.environ["WITNESS"]))
    check_starts(account)
    joined = [node.started_at for node in system.ledger.nodes() if node.kind == "serve"]
    sheltered = lateness(account, with_a_node(storm.untouched, dict.fromkeys(range(storm.nodes), joined)))
    calm = lateness(
        account,
        [
            Spell(-1, began + round((start + 2 * LEASE) * SECOND), began + round((end - 1) * SECOND))
            for start, end in spells(SECONDS)
        ],
    )
    said = what_there_was(account, storm, ends)
    said |= {"calm": str(calm), "with_a_node": str(sheltered)}
    print(said)
    assert len(account.jobs) >= 40
    assert said["runs"]["success"] > SECONDS
    succeeded = {run.job_name.partition("_")[0] for run in account.runs.values() if run.status == "success"}
    assert succeeded >= {"async", "plain", "command", "process"}
    assert calm.starts > 0
    if LONG:
        # A node that is stopped while it writes holds everybody up until it goes on: SQLite has one writer. And after a stall there
        # is more to do than one node has room for.
        assert sheltered.p99 < 2 * LEASE
        assert sheltered.most < 6 * LEASE
        assert ends["lost"] >= 1
        assert fire_times(account) >= 2_000 * min(1.0, SECONDS / 240)
        assert calm.p99 < 1.0
        assert calm.missed == 0
    return said
