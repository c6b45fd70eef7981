"""A process killed with SIGKILL at every event of every transaction that the engine has, and what the next one makes of it.

In `make test` one event of each kind and scenario, chosen by a seed; in `make campaign` every event, on three grounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_scenarios import SCENARIOS
from victims import Victims, chosen, killed

from support.campaign import LONG, chosen_seed, record

GROUNDS = {
    "as it is": (),
    # Every commit writes the log back into the database and starts it anew.
    "checkpoint at each commit": ("PRAGMA wal_autocheckpoint = 1",),
    # The power failed too: the log ends in a torn frame, and its index is gone.
    "power cut": (),
}
SHARDS = 2
MOST = 24
CASES = [(scenario, ground, shard) for ground in GROUNDS for scenario in SCENARIOS for shard in range(SHARDS)]
if not LONG:
    CASES = [(scenario, "as it is", 0) for scenario in SCENARIOS]
SEED = chosen_seed()


@pytest.fixture
def victims(scenario: str, ground: str) -> Iterator[Victims]:
    victims = Victims(scenario, GROUNDS[ground])
    try:
        victims.play_to_the_end()
        yield victims
    finally:
        victims.close()


@pytest.mark.parametrize(("scenario", "ground", "shard"), CASES)
def test_killed_at_any_event_the_next_process_makes_it_whole(
    victims: Victims, scenario: str, ground: str, shard: int
) -> None:
    SCENARIOS[scenario].recover(str(victims.whole))
    SCENARIOS[scenario].check(str(victims.whole), str(victims.whole))
    points = (
        list(range(1 + shard, len(victims.events) + 1, SHARDS)) if LONG else chosen(victims.events, SEED, most=MOST)
    )
    for kill_at in points:
        with killed(victims, kill_at, said=f"{ground}, SEED={SEED}") as folder:
            if ground == "power cut":
                tear_logs(folder)
    record(campaign="crash points", scenario=scenario, ground=ground, kills=len(points), seed=SEED)


def tear_logs(folder: Path) -> None:
    """Leave what a power cut leaves in the middle of a write: a frame that says it commits, and is not whole."""
    for log in folder.rglob("*-wal"):
        head = log.read_bytes()[:32]
        if len(head) == 32:
            size = int.from_bytes(head[8:12], "big")
            with log.open("ab") as stream:
                stream.write((1).to_bytes(4, "big") + (9).to_bytes(4, "big") + head[16:24] + b"\x5a" * (8 + size // 2))
        log.with_name(log.name.removesuffix("-wal") + "-shm").unlink(missing_ok=True)
