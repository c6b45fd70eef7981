"""Processes that play a scenario and are killed at an event, and what the next one makes of what they left."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import crash_scenarios
from crash_checks import read_what_is_there
from crash_scenarios import ON_POSTGRES, SCENARIOS
from recorder import Event

from support import finds_support


class Victims:
    """The process that forks them, and the folder where they work."""

    def __init__(self, scenario: str, pragmas: tuple[str, ...] = ()) -> None:
        # Nothing here cuts the power, so memory is as good as a disk and spares it the work.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="crash-", dir=place))
        self.scenario = scenario
        self._pragmas = pragmas
        (self.folder / "template").mkdir()
        self.prepare(self.folder / "template")
        with (self.folder / "said.txt").open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, crash_scenarios.__file__],
                env={**finds_support(), "TMPDIR": str(self.folder)},
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

    def prepare(self, template: Path) -> None:
        SCENARIOS[self.scenario].prepare(str(template))

    def furnish(self, folder: Path) -> None:
        """Let the scenario begin in this folder."""
        shutil.copytree(self.folder / "template", folder)

    def play(self, kill_at: int) -> dict[str, Any]:
        return self.play_in(self.folder / str(kill_at), kill_at)

    def play_in(self, folder: Path, kill_at: int) -> dict[str, Any]:
        self.furnish(folder)
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


@contextmanager
def killed(victims: Victims, kill_at: int, *, said: str) -> Iterator[Path]:
    """Kill one at this event, lend what it left, and let the next process make it whole."""
    folder, scenario = victims.folder / str(kill_at), {**SCENARIOS, **ON_POSTGRES}[victims.scenario]
    answer = victims.play(kill_at)
    try:
        assert answer["signal"] == 9, f"it was not killed: {victims.said()}"
        yield folder
        read_what_is_there(str(folder))
        scenario.recover(str(folder))
        scenario.check(str(folder), str(victims.whole))
    except Exception as error:
        last = ", ".join(map(str, victims.events[max(0, kill_at - 4) : kill_at]))
        at = f"{victims.scenario}, {said}: killed at event {kill_at} of {len(victims.events)}: {last}"
        raise AssertionError(f"{at}\n{type(error).__name__}: {error}") from error
    shutil.rmtree(folder)


def chosen(events: list[Event], seed: int, *, most: int) -> list[int]:
    """Choose one event of each kind, and of the kinds as many as there is time for."""
    chance = random.Random(seed)
    places = _places(events, str)
    return sorted(chance.choice(places[kind]) for kind in chance.sample(sorted(places), min(most, len(places))))


def chosen_by_transaction(events: list[Event], seed: int) -> list[int]:
    """Choose one event of each transaction that there is, whichever it is."""
    chance = random.Random(seed)
    places = _places(events, lambda event: event.transaction)
    return sorted(chance.choice(places[transaction]) for transaction in sorted(places))


def _places(events: list[Event], kind: Callable[[Event], str]) -> dict[str, list[int]]:
    places = defaultdict(list)
    for number, event in enumerate(events, start=1):
        places[kind(event)].append(number)
    return places
