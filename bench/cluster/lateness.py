"""How late jobs start: 10, 100 and 1,000 fires a second, every second on the second, and 10,000 at once as at a minute's zero.

One node of ours, as shipped, one worker of each peer. Lateness is what the job's first line sees. The floor is a bare durable
commit: one row in a transaction of its own on the same server, ten times a second.

Must: p99 better than every pure-Python peer's at each load, and at 100 a second at most 8 times that of the bare commit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench._report import NotMeasured, Options, Report, percentile
from bench.cluster.contenders import Peer, bursts_of_ours, load_of_peer, peers_set_up
from bench.cluster.server import BenchServer

OF_A_COMMIT = 8.0

RATES = {"smoke": (10,), "quick": (10, 100), "normal": (10, 100, 1_000), "full": (10, 100, 1_000)}
SECONDS = {"smoke": 1, "quick": 5, "normal": 30, "full": 60}
BURST = {"smoke": 0, "quick": 2_000, "normal": 10_000, "full": 10_000}
BURSTS = {"smoke": 0, "quick": 1, "normal": 2, "full": 5}
EVERY = {"smoke": 10, "quick": 10, "normal": 30, "full": 30}
"""Seconds between two bursts: what is left of one must not be in the way of the next."""


def measure(server: BenchServer, chosen: Options) -> Report:
    columns = ("load", "", "starts", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
    report = Report(
        name="cluster lateness", title="How late a job starts, on PostgreSQL", columns=columns, numbers_from=2
    )
    peers, seconds = peers_set_up(report, chosen), SECONDS[chosen.scale]
    bare = bare_commits(server, max(seconds, 2) * 10)
    commit = _row(report, "", "floor: a bare durable commit", bare, len(bare))
    for rate in RATES[chosen.scale]:
        load = f"{rate:,} a second"
        ours = [late for one in bursts_of_ours(server, count=rate, every=1, bursts=seconds) for late in one.lateness]
        p99 = _row(report, load, "systemprompt", ours, rate * seconds)
        if rate == 100:
            asked = f"{load}: p99 at most {OF_A_COMMIT:g} times that of a bare durable commit"
            report.must(asked, f"{p99 / commit:.1f}x", p99 <= OF_A_COMMIT * commit)
        _peers(server, report, peers, load, seconds=seconds, count=rate, ours=p99)
    if BURST[chosen.scale]:
        count, bursts = BURST[chosen.scale], BURSTS[chosen.scale]
        load = f"{count:,} at once"
        ours = [
            late
            for one in bursts_of_ours(server, count=count, every=EVERY[chosen.scale], bursts=bursts)
            for late in one.lateness
        ]
        p99 = _row(report, load, "systemprompt", ours, count * bursts)
        _peers(server, report, peers, load, seconds=1, count=count, ours=p99)
    else:
        report.aim("p99 better than every peer", "no peer was measured", met=False)
    report.note(f"each second of {seconds}; all that is due in a second is one burst, so the last waits for the others")
    report.note("where not all have started, the percentiles are of those that have: a limit of 60 s after the last")
    return report


def bare_commits(server: BenchServer, times: int) -> list[float]:
    """Return how long a durable commit of one row takes, ten times a second."""
    took = []
    with server.database() as address, server.connected(address) as connection:
        connection.execute("CREATE TABLE runs (run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fire_at bigint)")
        for _ in range(times):
            time.sleep(0.1 - time.time() % 0.1)
            began = time.perf_counter()
            connection.execute("INSERT INTO runs (fire_at) VALUES (%s)", [time.time_ns()])
            took.append(time.perf_counter() - began)
    return took


def _peers(
    server: BenchServer, report: Report, peers: Sequence[Peer], load: str, *, seconds: int, count: int, ours: float
) -> None:
    for peer in peers:
        asked = min(count, peer.most)
        label = load if asked == count else f"{asked:,} at once"
        try:
            outcome = load_of_peer(server, peer, seconds=seconds, count=asked, nodes=1, limit_s=60.0)
        except NotMeasured as reason:
            report.row(label, peer.title, *["failed"] * 5)
            report.note(f"{label}: {peer.title}: failed: {reason}")
            continue
        p99 = _row(report, label, peer.title, outcome.lateness, outcome.asked)
        judge = report.aim if peer.compiled else report.must
        judge(f"{load}: p99 better than {peer.title}", f"{ours / p99:.2f} of it", ours < p99)


def _row(report: Report, load: str, name: str, late: Sequence[float], asked: int) -> float:
    shares = [percentile(late, share) * 1000 for share in (0.5, 0.99, 0.999, 1.0)]
    starts = f"{len(late):,}" if len(late) == asked else f"{len(late):,} of {asked:,}"
    report.row(load, name, starts, *(f"{share:,.1f}" for share in shares))
    return shares[1]
