"""What happens to the nodes of a storm and around them, drawn from a seed beforehand; and what carries it out."""

from __future__ import annotations

import heapq
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEASE = 2.0
ROUND, CALM = 45.0, 18.0
"""Seconds in which it storms and then does not touch the nodes, over and over."""

SQLITE = "sqlite:///app.db"

PROFILE = """\
name: storm
database: {database}
extensions: [jobs.py, edited.py]
entry_points: false
limits: {{lease: {lease}s, kill_grace: 1s, shutdown_grace: 3s, misfire_grace: 2s, max_concurrent_runs: 12}}
scheduler:
  jobs:
    command_fail: {{schedule: "*/2 * * * * *", command: [sh, -c, {command}]}}
    command_rerun: {{schedule: "*/3 * * * * *", on_lost: rerun, command: [sh, -c, {command}]}}
    command_long: {{schedule: "*/5 * * * * *", on_lost: rerun, command: [sh, -c, {long}]}}
    command_bad: {{schedule: "*/10 * * * * *", command: [sh, -c, {bad}]}}
    command_every: {{schedule: "@every 7s", command: [sh, -c, {command}]}}
    command_hourly: {{schedule: "0 30 * * * *", command: [sh, -c, {command}]}}
    command_daily: {{schedule: "@daily", command: [sh, -c, {command}]}}
    command_edited: {{schedule: "{edited}", command: [sh, -c, {command}]}}
"""
_START = (
    r"""printf "{\"run_id\": %s, \"job\": \"%s\", \"at\": \"%s\", \"fence\": %s, \"attempt\": %s, \"pid\": $$}\n" """
    r"""$SP_RUN_ID $SP_JOB_NAME "$SP_FIRE_AT" $SP_FENCE $SP_ATTEMPT >> "$WITNESS"; sync "$WITNESS" """
)
_END = r"""printf "{\"end\": %s, \"whole\": true}\n" $SP_FENCE >> "$WITNESS"; sync "$WITNESS" """
COMMAND = f"'{_START}; {_END}'"
LONG = f"'{_START}; sleep 2; {_END}'"
BAD = f"'{_START}; {_END}; exit 3'"

EDITED = """\
from witness_lines import witness

from systemprompt import job


def edited(ctx):
    with witness(ctx):
        pass


job(name="edited_one", schedule="{one}", catch_up="{catch_up}")(edited)
job(name="edited_two", schedule="{two}", on_lost="rerun", enabled={enabled})(edited)
"""
COMES_AND_GOES = """\
job(name="comes_and_goes", schedule="*/2 * * * * *")(edited)
"""
SWITCHED = ("plain_fail", "async_3s", "command_rerun", "process_rerun")
BY_HAND = (
    "async_by_hand",
    "plain_by_hand",
    "plain_hourly",
    "process_daily",
    "command_daily",
    "async_rerun",
    "plain_raises",
)

RUNNING, ASKED_FOR = "a run that is at work", "a run that was asked for"
"""Whom a `cancel` is for. Its number is known when it is given."""


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """What is done `at` seconds after the beginning: to a node, for so long, or with a command or a file."""

    at: float
    kind: str
    node: int = -1
    lasts: float = 0.0
    words: tuple[str, ...] = ()
    killed_after: float | None = None


def draw_acts(seed: int, seconds: float, nodes: int) -> list[Act]:
    """Draw what will happen. The same seed, duration and number of nodes give the same."""
    acts: list[Act] = []
    for node in range(nodes):
        acts += _faults(random.Random(f"{seed} node {node}"), seconds, node)
    acts += _commands(random.Random(f"{seed} commands"), seconds)
    acts += _edits(random.Random(f"{seed} edits"), seconds)
    return sorted(acts)


def spells(seconds: float) -> list[tuple[float, float]]:
    """Return when no node is touched."""
    found, at = [], 0.0
    storm, calm = (ROUND, CALM) if seconds >= 2 * (ROUND + CALM) else (seconds * 0.65, seconds * 0.35)
    while at + storm < seconds:
        found.append((at + storm, min(seconds, at + storm + calm)))
        at += storm + calm
    return found


def _faults(chance: random.Random, seconds: float, node: int) -> list[Act]:
    faults, at, calm = [], chance.uniform(0.5, 3.0), spells(seconds)
    while at < seconds:
        drawn = chance.random()
        if drawn < 0.45:
            kind, lasts = "kill", 0.0 if chance.random() < 0.7 else chance.uniform(0, 2)
        elif drawn < 0.8:
            kind, lasts = "stop", chance.uniform(LEASE * 1.4, LEASE * 1.8)
        elif drawn < 0.9:
            kind, lasts = "stop", chance.uniform(0.05, 0.8)
        else:
            kind, lasts = "stop and kill", chance.uniform(0.5, LEASE * 1.8)
        over = at + lasts
        if not any(start < over and at < end for start, end in calm):
            faults.append(Act(at, kind, node, lasts))
        at = over + chance.uniform(1.5, 6.0)
    return faults


def _commands(chance: random.Random, seconds: float) -> list[Act]:
    acts, at = [], 1.0
    while at < seconds:
        drawn = chance.random()
        if drawn < 0.3:
            words: tuple[str, ...] = ("run", *chance.sample(BY_HAND, chance.choice((1, 1, 2))))
        elif drawn < 0.45:
            words = ("run", "--detach", *chance.sample(BY_HAND, chance.choice((1, 2, 3))))
        elif drawn < 0.6:
            words = ("cancel", chance.choice((RUNNING, RUNNING, ASKED_FOR)), "--why", "the storm")
        elif drawn < 0.75:
            words = (chance.choice(("enable", "disable")), chance.choice(SWITCHED))
        elif drawn < 0.9:
            words = (chance.choice(("list", "history")),)
        else:
            words = ("audit",)
        killed = chance.uniform(0.1, 0.9) if chance.random() < 0.15 else None
        acts.append(Act(at, "command", words=words, killed_after=killed))
        at += chance.uniform(0.8, 3.0)
    return acts


def _edits(chance: random.Random, seconds: float) -> list[Act]:
    acts, at = [], 2.0
    while at < seconds:
        drawn = chance.random()
        if drawn < 0.2:
            acts.append(Act(at, "edit", words=("edited.py", "def broken(:\n")))
        elif drawn < 0.7:
            acts.append(Act(at, "edit", words=("edited.py", edited(chance))))
        else:
            schedule = chance.choice(("*/2 * * * * *", "*/3 * * * * *", "@every 4s"))
            acts.append(Act(at, "edit", words=("profile.yaml", profile(schedule))))
        at += chance.uniform(2.0, 7.0)
    return acts


def edited(chance: random.Random) -> str:
    text = EDITED.format(
        one=chance.choice(("*/2 * * * * *", "* * * * * *", "*/5 * * * * *")),
        two=chance.choice(("*/3 * * * * *", "@every 2s")),
        catch_up=chance.choice(("latest", "skip", "all")),
        enabled=chance.random() < 0.8,
    )
    return text + (COMES_AND_GOES if chance.random() < 0.6 else "")


def profile(schedule: str = "*/2 * * * * *", *, database: str = SQLITE) -> str:
    return PROFILE.format(database=database, lease=LEASE, command=COMMAND, long=LONG, bad=BAD, edited=schedule)


@dataclass(slots=True)
class Answer:
    """What a command said. `code` is negative where it was killed; `disturbed` where its database was away meanwhile."""

    words: tuple[str, ...]
    code: int
    document: dict[str, Any]
    said: str
    disturbed: bool = False


@dataclass(slots=True)
class Spell:
    """A time in which one node was there and nobody touched it, in microseconds since the epoch."""

    node: int
    start: int
    end: int


@dataclass(slots=True)
class _Command:
    words: tuple[str, ...]
    process: subprocess.Popen[str]
    disturbed: bool = False


@dataclass(slots=True)
class Storm:
    """Carries acts out. A node that ends of anything but our SIGKILL is a failure."""

    folder: Path
    environ: dict[str, str]
    nodes: int
    answers: list[Answer] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    untouched: list[Spell] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _since: dict[int, int] = field(default_factory=dict)
    _down: set[int] = field(default_factory=set)
    _commands: list[_Command] = field(default_factory=list)
    _pause: threading.Event = field(default_factory=threading.Event)

    def carry_out(self, acts: list[Act], seconds: float) -> int:
        """Do it all, each at its time; return the instant when it began."""
        self._running = [self._start(node) for node in range(self.nodes)]
        began, epoch = time.monotonic(), _now()
        waiting = [*acts, Act(seconds, "end")]
        heapq.heapify(waiting)
        while waiting:
            act = heapq.heappop(waiting)
            self._pause.wait(max(0.0, began + act.at - time.monotonic()))
            self._alive()
            for later in self._do(act, time.monotonic() - began):
                heapq.heappush(waiting, later)
        return epoch

    def end(self) -> None:
        """End the nodes as an operator does; wait for the commands that are still at work."""
        self._alive()
        for node, process in enumerate(self._running):
            self._touched(node)
            process.send_signal(signal.SIGTERM)
        # One that was only just starting dies of the signal.
        assert {_wait(process) for process in self._running} <= {0, -signal.SIGTERM}, self.words()
        for command in self._commands:
            self._hear(command, patience=60)
        self._commands.clear()

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait(30)
        for command in self._commands:
            command.process.kill()
            command.process.communicate(timeout=30)

    def run(self, *words: str) -> Answer:
        """Run one command to its end."""
        command = self._command(words)
        self._hear(command, patience=60)
        return self.answers[-1]

    def words(self) -> str:
        lines = (self.folder / "nodes.txt").read_text().splitlines()
        return "\n".join(line for line in lines[-200:] if not line.startswith("{") or '"error": {' in line)

    def _do(self, act: Act, now: float) -> list[Act]:
        if act.kind == "command":
            return self._give(act, now)
        if act.kind == "edit":
            name, text = act.words
            beside = self.folder / f"{name}.new"
            beside.write_text(text)
            beside.replace(self.folder / name)
            self.done[f"{name} edited"] += 1
            return []
        if act.node < 0:
            return []
        process = self._running[act.node]
        self._touched(act.node)
        if act.kind in ("kill", "dies"):
            self.done["killed" if act.kind == "kill" else "killed while stopped"] += 1
            process.kill()
            process.wait(30)
            self._down.add(act.node)
            return [Act(now + (act.lasts if act.kind == "kill" else 0.0), "start", act.node)]
        if act.kind == "start":
            self._down.discard(act.node)
            self._running[act.node] = self._start(act.node)
        elif act.kind == "go on":
            process.send_signal(signal.SIGCONT)
            self._since[act.node] = _now()
        else:
            self.done["stopped for longer than its lease" if act.lasts > LEASE else "stopped"] += 1
            process.send_signal(signal.SIGSTOP)
            return [Act(now + act.lasts, "go on" if act.kind == "stop" else "dies", act.node)]
        return []

    def _give(self, act: Act, now: float) -> list[Act]:
        for command in [command for command in self._commands if command.process.poll() is not None]:
            self._hear(command, patience=10)
            self._commands.remove(command)
        if act.killed_after is not None and act.lasts:
            running = [command for command in self._commands if command.words == act.words]
            for command in running:
                command.process.kill()
                self.done["commands killed"] += 1
            return []
        if len(self._commands) >= 4:
            self.done["commands left out: four were at work"] += 1
            return []
        words = tuple(self._number_of(word) if word in (RUNNING, ASKED_FOR) else word for word in act.words)
        self.done[f"sp jobs {words[0]}{' --detach' if '--detach' in words else ''}"] += 1
        self._commands.append(self._command(words))
        if act.killed_after is None:
            return []
        return [Act(now + act.killed_after, "command", lasts=1.0, words=words, killed_after=0.0)]

    def _number_of(self, which: str) -> str:
        """Return the newest run of that kind, as far as anybody outside can know; it may have ended by now."""
        if which == RUNNING:
            found = [line["run_id"] for line in self._at_work()]
        else:
            asked = [answer.document.get("data", {}) for answer in self.answers if "--detach" in answer.words]
            found = [run["run_id"] for data in asked for run in data.get("jobs_run", ())]
        return str(found[-1] if found else 1)

    def _at_work(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in Path(self.environ["WITNESS"]).read_text().splitlines()[-200:]]
        ended = {line["end"] for line in lines if "end" in line}
        return [line for line in lines if "fence" in line and line["fence"] not in ended]

    def _command(self, words: tuple[str, ...]) -> _Command:
        line = [*self._sp(), "jobs", *words]
        process = subprocess.Popen(
            line, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        return _Command(words, process)

    def _hear(self, command: _Command, *, patience: float) -> None:
        out, said = command.process.communicate(timeout=patience)
        code = command.process.returncode
        document = json.loads(out) if code >= 0 else {}
        self.answers.append(Answer(command.words, code, document, said, command.disturbed))

    def _start(self, node: int) -> subprocess.Popen[bytes]:
        self._since[node] = _now()
        with (self.folder / "nodes.txt").open("ab") as said:
            return subprocess.Popen([*self._sp(), "serve"], env=self.environ, stdout=said, stderr=said)

    def _sp(self) -> list[str]:
        return [sys.executable, "-m", "systemprompt", "--json", "--profile", str(self.folder / "profile.yaml")]

    def _touched(self, node: int) -> None:
        if node in self._since:
            self.untouched.append(Spell(node, self._since.pop(node), _now()))

    def _alive(self) -> None:
        ended = [node for node, process in enumerate(self._running) if process.poll() is not None]
        assert set(ended) <= self._down, self.words()


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler then says where every thread is
        return process.wait(30)


def _now() -> int:
    return time.time_ns() // 1_000


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "WITNESS": str(folder / "witness.jsonl"),
        "PYTHONFAULTHANDLER": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "USER": "storm",
    }
