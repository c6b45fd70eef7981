"""A storm of faults over three nodes on one PostgreSQL, each over a line of its own and with a wall clock of its own."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults import FAULTS, NODE_FAULTS, SERVER_FAULTS, Over, Place
from storm_acts import LEASE, Act, Storm
from storm_checks import Account
from storm_server import OverAServer
from storm_stage import HERE, install

from support.bad_line import BadLine
from support.fake_clock import with_clock_off_by
from support.postgres_server import Server
from support.waiting import WAIT_S
from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.protocol import Ledger

CLOCKS = (-30.0, 0.0, 30.0)
"""How far each node's wall clock stands off, in seconds."""

SETTINGS = {"wal_level": "replica", "max_connections": "40"}
"""What the server has to have: it can be a standby, and its connections can run out."""

_BEGIN, _BETWEEN = 2.5, 1.0


def draw_faults(seed: int, seconds: float) -> list[Act]:
    """Draw rounds of faults until the seconds are over, at least one. The same seed and duration give the same.

    In a round each fault of the server comes once, one after another, and meanwhile each fault of a line on some node. From the
    second round on a node is killed, too, and one is frozen.
    """
    acts: list[Act] = []
    number, at = 0, _BEGIN
    while not number or at < seconds:
        at = _round(random.Random(f"{seed} faults {number}"), at, acts, harder=number > 0)
        number += 1
    return sorted(acts)


def _round(chance: random.Random, start: float, acts: list[Act], *, harder: bool) -> float:
    at = start
    for name in chance.sample(sorted(SERVER_FAULTS), len(SERVER_FAULTS)):
        lasts = chance.uniform(*SERVER_FAULTS[name].lasts)
        acts.append(Act(at, "fault", words=(name,), lasts=lasts))
        at += lasts + _BETWEEN * chance.uniform(0.3, 1.0)
    for name in NODE_FAULTS:
        lasts = chance.uniform(*NODE_FAULTS[name].lasts)
        when = chance.uniform(start, max(start, at - lasts))
        acts.append(Act(when, "fault", chance.randrange(len(CLOCKS)), lasts, (name,)))
    if harder:
        killed, frozen = chance.sample(range(len(CLOCKS)), 2)
        acts.append(Act(chance.uniform(start, at - 4), "kill", killed, 0.3))
        acts.append(Act(chance.uniform(start, at - 4), "stop", frozen, LEASE * chance.uniform(1.4, 1.7)))
    return at + _BETWEEN


@contextmanager
def own_server(**settings: str) -> Iterator[Server]:
    """Start a server that the block may crash: nobody else is on it."""
    # Not in tmp_path: as root the server runs as `nobody`, who may not look there.
    folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))
    server = Server(folder, 18, **settings)
    try:
        server.make()
        yield server
    finally:
        if server.is_running():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fault_storm(
    folder: Path, seed: int, server: Server, ledger: Ledger, environ: dict[str, str]
) -> Iterator[FaultStorm]:
    """Lay out an installation whose nodes have a line each, and the last of the lines, always whole, is for commands."""
    with ExitStack() as stack:
        lines = [stack.enter_context(BadLine(server.address)) for _ in range(len(CLOCKS) + 1)]
        install(folder, seed, database="postgresql://tester@127.0.0.1:${STORM_PORT}/postgres")
        with (folder / "jobs.py").open("a") as jobs:
            jobs.write((HERE / "storm_pool.py.txt").read_text())
        place = Place(server=server, lines=lines)
        environ = {**environ, "STORM_PORT": str(lines[-1].port)}
        storm = FaultStorm(folder, environ, len(CLOCKS), place=place, ledger=ledger)
        stack.callback(storm.close)
        yield storm


@dataclass(slots=True)
class FaultStorm(OverAServer):
    """Three nodes. Whatever befalls them, none may end, and none needs help."""

    place: Place = field(kw_only=True)
    _overs: dict[tuple[str, int], Over] = field(default_factory=dict)

    def _do(self, act: Act, now: float) -> list[Act]:
        if act.kind == "fault":
            (name,) = act.words
            self.done[name] += 1
            self._overs[name, act.node] = FAULTS[name].begins(self.place, max(0, act.node))
            return [Act(now + act.lasts, "over", act.node, words=act.words)]
        if act.kind == "over":
            self._overs.pop((act.words[0], act.node))()
            return []
        return Storm._do(self, act, now)

    def recover(self) -> None:
        """Wait until every node beats and starts runs, with nobody's help."""
        before = {node.pid: node.beat for node in self.ledger.living_nodes()}
        started: set[int] = set()
        for _ in range(round(WAIT_S * 10)):
            self._alive()
            living = {node.node_id: node for node in self.ledger.living_nodes() if node.stopped_at is None}
            started |= {living[run.node_id].pid for run in self.ledger.open_runs() if run.node_id in living}
            beating = {node.pid for node in living.values() if node.beat and node.beat != before.get(node.pid)}
            if {process.pid for process in self._running} <= started & beating:
                return
            self._pause.wait(0.1)
        raise AssertionError(f"a node does not recover: {started=} {living=}\n{self.words()}")

    def _start(self, node: int) -> subprocess.Popen[bytes]:
        whole = self.environ
        self.environ = with_clock_off_by(CLOCKS[node], whole | {"STORM_PORT": str(self.place.lines[node].port)})
        try:
            return Storm._start(self, node)
        finally:
            self.environ = whole

    def close(self) -> None:
        Storm.close(self)
        for over in self._overs.values():
            over()


def first_fires(account: Account, accepting: list[Instant]) -> list[float]:
    """Return after how many seconds a run was started, each time that the server had come back."""
    starts = sorted(attempt.started_at for attempt in account.attempts.values())
    after = [(bisect_left(starts, at), at) for at in accepting]
    return [(starts[index] - at) / SECOND for index, at in after if index < len(starts)]
