"""What a long ledger costs its readers: commands on a thousand accounts and on millions.

Each is a command as a user types it, in a process of its own; medians. The rows are written in bulk, as ten jobs of every
minute would have left them, in a partition a month.

Must: with ten million accounts within 1.5 times of a thousand.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median

from bench import history
from bench._installation import Installation, scratch
from bench._report import Options, Report
from bench.cluster.long_ledger import fill
from bench.cluster.server import BenchServer

MUST = 1.5

SIZES = {"smoke": (100, 1_000), "quick": (1_000, 100_000), "normal": (1_000, 1_000_000), "full": (1_000, 10_000_000)}
ROUNDS = {"smoke": 1, "quick": 5, "normal": 11, "full": 11}

READING = {
    **{name: words for name, words in history.READING.items() if "HOUR" not in words},
    "explain": ("jobs", "explain", "report_3"),
}


def measure(server: BenchServer, chosen: Options) -> Report:
    sizes, rounds = SIZES[chosen.scale], ROUNDS[chosen.scale]
    columns = ("ms", *(f"{size:,} accounts" for size in sizes), "x")
    report = Report(name="cluster reading", title="Long ledgers, on PostgreSQL", columns=columns)
    with ExitStack() as stack:
        ledgers: list[Installation] = []
        for size in sizes:
            address, folder = stack.enter_context(server.database()), stack.enter_context(scratch())
            began = time.perf_counter()
            ledgers.append(fill(server, address, folder, size))
            report.note(f"{size:,} accounts: made in {time.perf_counter() - began:,.0f} s")
        worst = 0.0
        for name, words in READING.items():
            few, many = _timed(ledgers, words, rounds)
            worst = max(worst, many / few)
            report.row(name, f"{few * 1000:.0f}", f"{many * 1000:.0f}", f"{many / few:.2f}")
    asked = f"{sizes[-1]:,} accounts: reading within {MUST:g}x of {sizes[0]:,}"
    report.must(asked, f"{worst:.2f}x at most", worst <= MUST)
    return report


def _timed(ledgers: list[Installation], words: tuple[str, ...], rounds: int) -> list[float]:
    """Return the median seconds of a command on each ledger, asked in turn: what else the machine does hits all of them."""
    taken: list[list[float]] = [[] for _ in ledgers]
    for _ in range(rounds + 1):
        for ledger, seconds in zip(ledgers, taken, strict=True):
            began = time.perf_counter()
            ledger.sp("--json", *words)
            seconds.append(time.perf_counter() - began)
    return [median(seconds[1:]) for seconds in taken]  # the first fills the caches
