"""Who is measured: peers, each in an environment and processes of its own, and nodes of ours. All get a database of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench._installation import Installation, NodeProcess, ReportingProcess, scratch
from bench._ledger_alone import JOBS
from bench._peers import peer_environ, peer_version
from bench._report import REPOSITORY, NotMeasured, Options, Report
from bench.cluster.server import BenchServer

__all__ = ["PEERS", "SET_UP", "Outcome", "Peer", "bursts_of_ours", "load_of_peer", "peers_set_up"]

SET_UP = "make bench-cluster"
"""Sets the peers up, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody else's scheduler or queue; its settings are said in `bench/cluster/peers/with_KEY.py`.

    start_s    seconds that it is given to make its tables and start, before the first task falls due, and
    load_ms    milliseconds to put in each task or schedule
    most       so many tasks at most, as more of them would take minutes
    compiled   its workers are not Python
    """

    key: str
    name: str
    start_s: float = 6.0
    load_ms: float = 2.0
    most: int = 1_000_000
    compiled: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} {peer_version(self.key)}"


PEERS = (
    Peer(key="pgqueuer", name="PgQueuer"),
    Peer(key="procrastinate", name="Procrastinate", most=20_000),
    Peer(key="apscheduler4pg", name="APScheduler", load_ms=10.0, most=2_000),
    Peer(key="awa", name="awa (compiled)", start_s=15.0, compiled=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a load.

    asked, ended   how many tasks were due, and how many have a durable outcome
    first_s        seconds from the last due instant to the first start after it, and
    closed_s       to the last outcome
    lateness       seconds of each start
    log_bytes      the write-ahead log that all of it took, of the whole server
    """

    asked: int
    ended: int
    first_s: float
    closed_s: float
    lateness: Sequence[float]
    log_bytes: int

    @property
    def complete(self) -> bool:
        return self.ended >= self.asked


def peers_set_up(report: Report, chosen: Options) -> list[Peer]:
    """Return the peers that are to be measured; those that are not set up are named in the report."""
    if not chosen.peers:
        return []
    absent = [peer.key for peer in PEERS if peer_version(peer.key) is None]
    if absent:
        report.note(f"not set up, so not measured: {', '.join(absent)} (`{SET_UP}` sets the peers up)")
    return [peer for peer in PEERS if peer.key not in absent]


def load_of_peer(server: BenchServer, peer: Peer, *, seconds: int, count: int, nodes: int, limit_s: float) -> Outcome:
    """Let so many tasks fall due on each of so many seconds, on so many worker processes.

    Raises:
        NotMeasured: the peer failed, or could not put its tasks in before they were due; what it said is shown.
    """
    _say(f"{peer.title}: {count:,} tasks, {seconds} times, on {nodes} workers")
    with server.database() as address, ExitStack() as stack:
        due = float(int(time.time() + peer.start_s + nodes + seconds * count * peer.load_ms / 1000))
        dues = [due + number for number in range(seconds)]
        asked = _asked_once(peer, {"do": "load", "address": address, "dues": dues, "count": count})
        workers = [
            stack.enter_context(
                ReportingProcess(
                    _command(peer, {"do": "serve", "address": address}),
                    peer_environ(peer.key),
                    limit_s=dues[-1] - time.time() + limit_s + 30,
                )
            )
            for _ in range(nodes)
        ]
        if time.time() > due - 1:
            raise NotMeasured(f"{peer.name}: putting in {seconds * count} tasks took longer than was allowed for")
        _sleep_until(due - 0.5)
        began, until = server.log_bytes(), dues[-1] + limit_s
        with server.connected(address) as connection:
            while True:
                row = connection.execute(str(asked["ended"]).encode()).fetchone()
                assert row is not None
                if row[0] >= seconds * count or time.time() > until:
                    break
                time.sleep(0.25)
        starts = [tuple(start) for worker in workers for start in worker.report()["starts"]]
        return _outcome(starts, row[1], dues, count, int(row[0]), server.log_bytes() - began)


def bursts_of_ours(
    server: BenchServer,
    *,
    count: int,
    every: int,
    bursts: int,
    nodes: int = 1,
    limits: Mapping[str, object] | None = None,
) -> list[Outcome]:
    """Let so many jobs fall due at once, every so many seconds (a part of 60), on so many nodes; return each burst's outcome.

    The first burst, which starts the threads, is not counted.
    """
    _say(f"systemprompt: {count:,} jobs, {bursts} times, on {nodes} nodes")
    with server.database() as address, scratch() as folder, ExitStack() as stack:
        installation = Installation.furnish(folder, JOBS.format(count=count, every=every), limits, database=address)
        running = [stack.enter_context(NodeProcess(installation)) for _ in range(nodes)]
        first = (int(time.time() + 0.5) // every + 1) * every
        due = [float(first + number * every) for number in range(1, bursts + 1)]
        _sleep_until(due[0] - 0.3)
        logs = [server.log_bytes()]
        starts: list[tuple[float, ...]] = []
        ends: list[tuple[float, float]] = []

        def hear() -> None:
            for node in running:
                seen = node.report()
                starts.extend((fire_at, start) for fire_at, start in seen["starts"])
                ends.extend((fire_at / 1_000_000, end) for fire_at, end in seen["closed"])

        for at in due:
            _sleep_until(at + every - 0.3)
            hear()
            logs.append(server.log_bytes())
        # What started late belongs to its own burst, whichever was the next by then.
        until = time.time() + _TAIL_S
        while sum(fire_at in due for fire_at, _ in ends) < bursts * count and time.time() < until:
            time.sleep(0.25)
            hear()
    outcomes = []
    for at, before, after in zip(due, logs[:-1], logs[1:], strict=True):
        own = [end for fire_at, end in ends if fire_at == at]
        last = max(own, default=None)
        outcomes.append(_outcome([one for one in starts if one[0] == at], last, [at], count, len(own), after - before))
    return outcomes


_TAIL_S = 30.0
"""How long what is left of the last burst is waited for."""


def _outcome(
    starts: Sequence[tuple[float, ...]], last: float | None, dues: Sequence[float], count: int, ended: int, grown: int
) -> Outcome:
    return Outcome(
        asked=len(dues) * count,
        ended=ended,
        first_s=min((start - dues[-1] for due, start in starts if due == dues[-1]), default=float("nan")),
        closed_s=float("nan") if last is None else last - dues[-1],
        lateness=[start - due for due, start in starts],
        log_bytes=grown,
    )


def _asked_once(peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
    limit_s = 120.0 + len(question["dues"]) * question["count"] * peer.load_ms / 1000
    try:
        ended = subprocess.run(
            _command(peer, question),
            env=peer_environ(peer.key),
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{peer.name}: putting its tasks in took longer than {limit_s:.0f} s") from None
    if ended.returncode:
        raise NotMeasured(f"{peer.name}: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def _command(peer: Peer, question: dict[str, Any]) -> list[str]:
    script = os.path.join(REPOSITORY, "bench", "cluster", "peers", f"with_{peer.key}.py")
    return [sys.executable, script, json.dumps(question)]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _say(text: str) -> None:
    # A run takes half an hour: whoever waits sees where it is.
    print(f"  {text}", file=sys.stderr, flush=True)
