"""Runs a second: jobs that are due in one second, on 1, 2 and 4 nodes, each with a durable outcome.

A node of ours is the code of `sp serve` in a process of its own, as shipped; its jobs are cron schedules, and each figure is
the median over the bursts. A peer's worker is a process too. Our rate counts from the due instant, a peer's from its first
start, so that how often it looks is not held against its pace. A run is over when its outcome is on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bench._report import NotMeasured, Options, Report
from bench.cluster.contenders import Outcome, Peer, bursts_of_ours, load_of_peer, peers_set_up
from bench.cluster.server import BenchServer

TEN_TIMES = ("procrastinate", "apscheduler4pg")
MUST_TIMES = 10.0
WIDE = {"max_concurrent_runs": 1_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many jobs, every how many seconds, how often; how often a peer is asked; the numbers of nodes."""

    jobs: int
    every: int
    bursts: int
    times: int
    nodes: tuple[int, ...]


LOADS = {
    "smoke": Load(jobs=20, every=2, bursts=1, times=1, nodes=(1,)),
    "quick": Load(jobs=1_000, every=5, bursts=3, times=1, nodes=(1, 2)),
    "normal": Load(jobs=1_000, every=5, bursts=7, times=3, nodes=(1, 2, 4)),
    "full": Load(jobs=2_000, every=10, bursts=15, times=5, nodes=(1, 2, 4)),
}


def measure(server: BenchServer, chosen: Options) -> Report:
    load = LOADS[chosen.scale]
    columns = ("nodes", "", "runs", "closed s", "runs/s", "x of ours", "log bytes a run")
    report = Report(
        name="cluster rates", title="Jobs due in one second, on PostgreSQL", columns=columns, numbers_from=2
    )
    peers = peers_set_up(report, chosen)
    for nodes in load.nodes:
        ours = _ours(server, report, load, nodes, chosen)
        rates = {peer.key: _peer(server, report, peer, load, nodes, ours) for peer in peers}
        if nodes == 1:
            _judge(report, ours, peers, rates)
    report.note(f"medians: ours over {load.bursts} bursts, a peer's over {load.times}")
    report.note("the nodes, the server and this program share the machine's CPUs")
    return report


def _ours(server: BenchServer, report: Report, load: Load, nodes: int, chosen: Options) -> float:
    rate = 0.0
    for name, limits in (("systemprompt", None), ("systemprompt, `max_concurrent_runs: 1000`", WIDE)):
        if limits is not None and chosen.scale == "smoke":
            continue
        try:
            bursts = bursts_of_ours(
                server, count=load.jobs, every=load.every, bursts=load.bursts, nodes=nodes, limits=limits
            )
        except NotMeasured as reason:
            report.row(nodes, name, f"{load.jobs:,}", *[""] * 4)
            report.note(f"{name}, {nodes} nodes: not measured: {reason}")
            continue
        this = _row(report, nodes, name, bursts, rate, from_first_start=False)
        rate = rate or this
    return rate


def _peer(server: BenchServer, report: Report, peer: Peer, load: Load, nodes: int, ours: float) -> float | None:
    count = min(load.jobs, peer.most)
    try:
        loads = [
            load_of_peer(server, peer, seconds=1, count=count, nodes=nodes, limit_s=60.0) for _ in range(load.times)
        ]
    except NotMeasured as reason:
        report.row(nodes, peer.title, f"{count:,}", *["failed"] * 4)
        report.note(f"{peer.title}, {nodes} nodes: failed: {reason}")
        return None
    return _row(report, nodes, peer.title, loads, ours, from_first_start=True)


def _row(
    report: Report, nodes: int, name: str, outcomes: list[Outcome], ours: float, *, from_first_start: bool
) -> float:
    asked, ended = outcomes[0].asked, min(one.ended for one in outcomes)
    took = median(one.closed_s - (min(one.first_s, one.closed_s) if from_first_start else 0.0) for one in outcomes)
    rate = ended / took if took > 0 else float("nan")
    report.row(
        nodes,
        name,
        f"{asked:,}" if ended == asked else f"{ended:,} of {asked:,}",
        f"{median(one.closed_s for one in outcomes):.3f}",
        f"{rate:,.0f}",
        f"{rate / ours:.2f}" if ours else "1.00",
        f"{median(one.log_bytes / max(one.ended, 1) for one in outcomes):,.0f}",
    )
    return rate


def _judge(report: Report, ours: float, peers: list[Peer], rates: dict[str, float | None]) -> None:
    named = {peer.key: peer for peer in peers}
    found = {key: rate for key, rate in rates.items() if rate is not None}
    pure = {key: rate for key, rate in found.items() if not named[key].compiled}
    if pure:
        best = max(pure, key=lambda key: pure[key])
        asked = f"one node: at least the best pure-Python peer ({named[best].title})"
        report.must(asked, f"{ours / pure[best]:.2f}x", ours >= pure[best])
    for key in TEN_TIMES:
        if key in found:
            ratio = ours / found[key]
            report.must(f"one node: {MUST_TIMES:g}x {named[key].title}", f"{ratio:.1f}x", ratio >= MUST_TIMES)
    for key, rate in found.items():
        if named[key].compiled:
            report.aim(f"one node: ahead of {named[key].title}", f"{ours / rate:.2f}x", ours >= rate)
    if not found:
        report.aim("one node: ahead of every peer", "no peer was measured", met=False)
