"""A storm over nodes on one PostgreSQL: sessions are ended as well, the server crashes, and a node is drained."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import psycopg
from storm_acts import ASKED_FOR, BY_HAND, LEASE, RUNNING, SWITCHED, Act, Storm, _Command, edited
from storm_checks import Account

from support.postgres_server import Server
from systemprompt.clock import SystemClock
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change

ROUND = 12.5
"""Seconds in which everything happens once; a long storm is one round after another."""

END_OF_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_UNREACHABLE = 5
"""How a command ends whose database is away."""

PATIENCE = 20.0
"""Seconds that a node may take to leave: as long as its longest job, on a machine that has more to do."""


def draw_server_acts(seed: int, seconds: float) -> list[Act]:
    """Draw what will happen to three nodes and their server. The same seed and duration give the same."""
    acts: list[Act] = []
    for number in range(max(1, int(seconds // ROUND))):
        acts += _round(random.Random(f"{seed} round {number}"), number * ROUND)
    return sorted(acts)


def _round(chance: random.Random, start: float) -> list[Act]:
    killed, frozen, drained = chance.sample(range(3), 3)
    switched = chance.choice(SWITCHED)

    def at(offset: float) -> float:
        return start + offset + chance.uniform(0.0, 0.3)

    def command(offset: float, *words: str) -> Act:
        return Act(at(offset), "command", words=words)

    return [
        command(1.8, "run", "--detach", *chance.sample(BY_HAND, 2)),
        Act(at(2.6), "kill", killed, 0.3),
        Act(at(3.2), "sessions end"),
        Act(at(3.6), "stop", frozen, LEASE * chance.uniform(1.5, 1.7)),
        command(3.8, "run", chance.choice(BY_HAND)),
        command(4.2, "disable", switched),
        command(4.8, "cancel", RUNNING, "--why", "the storm"),
        Act(at(5.0), "edit", words=("edited.py", edited(chance))),
        command(6.0, "audit"),
        Act(at(7.4), "server stops", lasts=chance.uniform(0.4, 1.0)),
        command(8.6, "enable", switched),
        Act(at(9.0), "drain", drained),
        command(9.2, "run", "--detach", *chance.sample(BY_HAND, 3)),
        command(10.2, "cancel", ASKED_FOR, "--why", "the storm"),
    ]


@dataclass(slots=True)
class OverAServer(Storm):
    """A storm in which a node that was only just started may end, where its database is away; it is started again."""

    ledger: Ledger = field(kw_only=True)
    in_vain: list[int] = field(default_factory=list)

    def ended_at_work(self, account: Account) -> list[str]:
        """Return the nodes that ended by themselves after they had begun a run: there must be none."""
        in_vain = {node.node_id for node in self.ledger.nodes() if node.pid in self.in_vain}
        return sorted({one.node_id for one in account.attempts.values()} & in_vain)

    def _alive(self) -> None:
        """No node may end. One that was only just started may: its database was away, it says so, and it is started again."""
        for node, process in enumerate(self._running):
            if node in self._down or process.poll() is None:
                continue
            assert process.returncode == _UNREACHABLE, self.words()
            self.done["started in vain"] += 1
            self.in_vain.append(process.pid)
            self._pause.wait(0.3)
            self._running[node] = self._start(node)


@dataclass(slots=True)
class ServerStorm(OverAServer):
    """The same, on a server of its own. A node that was asked to drain ends by itself, and well; then it is started again."""

    server: Server = field(kw_only=True)
    is_down: bool = False

    def _do(self, act: Act, now: float) -> list[Act]:
        if act.kind == "sessions end":
            self._disturb()
            self.done["sessions ended"] += 1
            with psycopg.connect(self.server.address, autocommit=True) as connection:
                connection.execute(END_OF_SESSIONS)
        elif act.kind == "server stops":
            self._disturb()
            self.done["server stopped"] += 1
            self.server.stop()
            self.is_down = True
            return [Act(now + act.lasts, "server starts")]
        elif act.kind == "server starts":
            self.server.start()
            self.is_down = False
        elif act.kind == "drain":
            return self._drain(act.node, now)
        elif act.kind == "is drained":
            return self._is_drained(act, now)
        else:
            return Storm._do(self, act, now)
        return []

    def _drain(self, node: int, now: float) -> list[Act]:
        process = self._running[node]
        here = [one for one in self.ledger.living_nodes() if one.pid == process.pid and one.stopped_at is None]
        if not here:
            return []  # it has not joined yet
        asked = self.ledger.drain(here[-1].node_id, SystemClock().now(), Change(actor="storm", why="the storm"))
        if asked.draining_by is None:
            return []  # it was declared lost this very moment, and goes on under another id
        self._touched(node)
        self.done["drained"] += 1
        self._down.add(node)
        return [Act(now + 0.5, "is drained", node, words=(asked.node_id,))]

    def _is_drained(self, act: Act, now: float) -> list[Act]:
        process = self._running[act.node]
        if act.node not in self._down:
            return []  # it was killed meanwhile, and is there again
        if process.poll() is None:
            if act.lasts < PATIENCE:
                return [Act(now + 0.5, act.kind, act.node, act.lasts + 0.5, act.words)]
            (asked,) = [one for one in self.ledger.nodes() if one.node_id == act.words[0]]
            assert asked.fate == "lost", f"a node that was asked to drain never leaves: {self.words()}"
            self._down.discard(act.node)
            return []
        assert process.returncode == 0, self.words()
        return [Act(now, "start", act.node)]

    def _at_work(self) -> list[dict[str, Any]]:
        """Those that take seconds: the others have ended before a command has begun."""
        return [line for line in Storm._at_work(self) if line["job"].endswith("_long")]

    def _disturb(self) -> None:
        for command in self._commands:
            command.disturbed = True

    def _command(self, words: tuple[str, ...]) -> _Command:
        command = Storm._command(self, words)
        command.disturbed = self.is_down
        return command
