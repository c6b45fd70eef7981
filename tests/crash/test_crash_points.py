"""A process killed with SIGKILL at every event of every transaction that the engine has, and what the next one makes of it.

In `make test` one event of each kind and scenario, chosen by a seed; in `make campaign` every event, on three grounds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crash_scenarios
import pytest
from crash_checks import read_what_is_there
from crash_scenarios import SCENARIOS
from recorder import Event

from support import finds_support
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


class Victims:
    """The process that forks them, and the folder where they work."""

    def __init__(self, scenario: str, pragmas: tuple[str, ...]) -> None:
        # Nothing here cuts the power, so memory is as good as a disk and spares it the work.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="crash-", dir=place))
        self.scenario = scenario
        self._pragmas = pragmas
        (self.folder / "template").mkdir()
        SCENARIOS[scenario].prepare(str(self.folder / "template"))
        with (self.folder / "said.txt").open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, crash_scenarios.__file__],
                env=finds_support(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self.whole = self.folder / "0"
        self.events: list[Event] = []

    def play_to_the_end(self) -> None:
        answer = self.play(0)
        assert (answer["signal"], answer["status"]) == (0, 0), self.said()
        self.events = [Event(*event) for event in answer["events"]]

    def play(self, kill_at: int) -> dict[str, Any]:
        folder = self.folder / str(kill_at)
        shutil.copytree(self.folder / "template", folder)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps((self.scenario, str(folder), kill_at, *self._pragmas)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"whoever forks the victims is gone: {self.said()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()[-2_000:]

    def close(self) -> None:
        self._process.communicate(timeout=30)
        shutil.rmtree(self.folder)


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
    points = list(range(1 + shard, len(victims.events) + 1, SHARDS)) if LONG else chosen(victims.events)
    for kill_at in points:
        folder = victims.folder / str(kill_at)
        answer = victims.play(kill_at)
        try:
            assert answer["signal"] == 9, "it was not killed"
            if ground == "power cut":
                tear_logs(folder)
            read_what_is_there(str(folder))
            SCENARIOS[scenario].recover(str(folder))
            SCENARIOS[scenario].check(str(folder), str(victims.whole))
        except Exception as error:
            last = ", ".join(map(str, victims.events[max(0, kill_at - 4) : kill_at]))
            at = f"{scenario}, {ground}, SEED={SEED}: killed at event {kill_at} of {len(victims.events)}: {last}"
            raise AssertionError(f"{at}\n{type(error).__name__}: {error}") from error
        shutil.rmtree(folder)
    record(campaign="crash points", scenario=scenario, ground=ground, kills=len(points), seed=SEED)


def chosen(events: list[Event]) -> list[int]:
    """Choose one event of each kind, and of the kinds as many as there is time for."""
    chance = random.Random(SEED)
    places = defaultdict(list)
    for number, event in enumerate(events, start=1):
        places[event].append(number)
    kinds = sorted(places, key=str)
    return sorted(chance.choice(places[kind]) for kind in chance.sample(kinds, min(MOST, len(kinds))))


def tear_logs(folder: Path) -> None:
    """Leave what a power cut leaves in the middle of a write: a frame that says it commits, and is not whole."""
    for log in folder.rglob("*-wal"):
        head = log.read_bytes()[:32]
        if len(head) == 32:
            size = int.from_bytes(head[8:12], "big")
            with log.open("ab") as stream:
                stream.write((1).to_bytes(4, "big") + (9).to_bytes(4, "big") + head[16:24] + b"\x5a" * (8 + size // 2))
        log.with_name(log.name.removesuffix("-wal") + "-shm").unlink(missing_ok=True)
