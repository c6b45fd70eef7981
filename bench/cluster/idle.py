"""What nodes cost while nothing is due: one and four nodes with 100,000 schedules, and one with a million.

Jobs of one module, daily and monthly, none due while we look. Real nodes in processes of their own, with all that `sp serve`
does: they beat, look at one another, listen for hints, and look for changes to files. CPU is of one core; statements are the
ledger's, with BEGIN and COMMIT; transactions are what the server counted for the database, all nodes together.

Must: 100,000 schedules below 2 % of a core and 60 statements a minute for each node. Aim: the same with a million.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench._installation import Installation, NodeProcess, scratch
from bench._report import NotMeasured, Options, Report
from bench.cluster.server import BenchServer
from bench.idle import jobs_not_due

CPU, STATEMENTS = 2.0, 60.0

CASES = {
    "smoke": ((1, 50),),
    "quick": ((1, 10_000), (2, 10_000)),
    "normal": ((1, 100_000), (4, 100_000)),
    "full": ((1, 100_000), (4, 100_000), (1, 1_000_000)),
}
"""How many nodes, with how many schedules."""

SECONDS = {"smoke": 0.5, "quick": 10.0, "normal": 60.0, "full": 120.0}
MUST_SCHEDULES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Idling:
    """What the node cost that cost most: seconds to start, bytes resident, % of a core, statements a minute."""

    started_s: float
    resident: int
    cpu: float
    statements: float
    transactions: float


def measure(server: BenchServer, chosen: Options) -> Report:
    columns = (
        "nodes",
        "schedules",
        "CPU % a node",
        "statements a minute a node",
        "transactions a minute",
        "MB",
        "start s",
    )
    report = Report(
        name="cluster idle", title="Nodes with nothing to do, on PostgreSQL", columns=columns, numbers_from=0
    )
    for nodes, count in CASES[chosen.scale]:
        try:
            one = idling(server, nodes, count, SECONDS[chosen.scale])
        except NotMeasured as reason:
            report.row(nodes, f"{count:,}", *["failed"] * 5)
            report.note(f"{nodes} nodes, {count:,} schedules: failed: {reason}")
            continue
        report.row(
            nodes,
            f"{count:,}",
            f"{one.cpu:.2f}",
            f"{one.statements:,.0f}",
            f"{one.transactions:,.0f}",
            f"{one.resident / 1e6:,.0f}",
            f"{one.started_s:.1f}",
        )
        judge = report.must if count <= MUST_SCHEDULES else report.aim
        case = f"{nodes} node{'s' * (nodes > 1)}, {count:,} schedules"
        judge(f"{case}: below {CPU:g} % of a core a node", f"{one.cpu:.2f} %", one.cpu < CPU)
        asked = f"{case}: below {STATEMENTS:g} statements a minute a node"
        # Each transaction is a statement at least, whether the store told of it or not.
        found = max(one.statements, one.transactions / nodes)
        judge(asked, f"{found:.0f}", found < STATEMENTS)
    report.note(
        f"watched for {SECONDS[chosen.scale]:g} s; of several nodes the one that cost most; the warm start of it"
    )
    return report


def idling(server: BenchServer, nodes: int, count: int, seconds: float) -> Idling:
    """Enter the schedules into the ledger, then start the nodes and watch them."""
    with server.database() as address, scratch() as folder, ExitStack() as stack:
        installation = Installation.furnish(folder, jobs_not_due(count), database=address)
        with NodeProcess(installation):
            pass
        running = [stack.enter_context(NodeProcess(installation)) for _ in range(nodes)]
        time.sleep(min(5.0, seconds))  # what a start leaves behind is over by then
        ended = server.transactions(address)
        before = [node.report() for node in running]
        time.sleep(seconds)
        after = [node.report() for node in running]
        ended = server.transactions(address) - ended
    due = sum(len(one["starts"]) for one in after)
    if due:
        raise NotMeasured(f"{due} jobs were due while nothing should have been")
    watched = list(zip(before, after, strict=True))
    passed = max(late["at"] - early["at"] for early, late in watched)
    return Idling(
        started_s=max(node.serving_after_s for node in running),
        resident=max(late["rss"] for late in after),
        cpu=max((late["cpu_s"] - early["cpu_s"]) / passed * 100 for early, late in watched),
        statements=max(_said(late) - _said(early) for early, late in watched) / passed * 60,
        transactions=ended / passed * 60,
    )


def _said(report: dict[str, dict[str, int]]) -> int:
    # `committed` only says that a commit is over.
    return sum(number for name, number in report["statements"].items() if name != "committed")
