"""What reading costs on long ledgers: a thousand, a million and ten million runs.

Ten jobs, one run a minute each: a million runs are ten weeks, ten million two years. Every figure is a real `sp --json`
process, wall time, the median over rounds in which every ledger has its turn. `audit` recomputes every fire time in its span
with a second cron engine and looks at each run and attempt. The ten million come with `--full`; `--keep FOLDER` keeps the
ledgers for the next time.

Must: the reading commands within 1.5x of the same with a thousand runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median

from bench._installation import scratch
from bench._long_ledger import LongLedger, long_ledger, oldest_day_pruned
from bench._report import Report, options
from systemprompt.clock import SECOND, iso

MUST = 1.5

SIZES = {
    "smoke": (100, 1_000),
    "quick": (1_000, 100_000),
    "normal": (1_000, 1_000_000),
    "full": (1_000, 1_000_000, 10_000_000),
}
ROUNDS = {"smoke": 1, "quick": 5, "normal": 11, "full": 11}
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND

READING = {
    "list": ("jobs", "list"),
    "show": ("jobs", "show", "report_3"),
    "history -n 20": ("jobs", "history", "-n", "20"),
    "history --job": ("jobs", "history", "--job", "report_3"),
    "history --status failed": ("jobs", "history", "--status", "failed"),
    "history --job --status failed": ("jobs", "history", "--job", "report_3", "--status", "failed"),
    "history --since (an hour)": ("jobs", "history", "--since", "HOUR"),
    "audit of an hour": ("jobs", "audit", "--from", "HOUR"),
}
"""What must not grow with the ledger's length."""

LONG = {"audit of a day": ("jobs", "audit", "--from", "DAY")}
"""What a ledger of a thousand runs has no equal of."""


def main(arguments: list[str]) -> int:
    """Print the table; with --check the status is 1 where the must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    sizes = SIZES[chosen.scale]
    columns = ("ms", *(f"{size:,} runs" for size in sizes), *(f"x at {size:,}" for size in sizes[1:]))
    report = Report(name="history", title="Long ledgers", columns=columns)
    with ExitStack() as stack:
        home = chosen.keep or stack.enter_context(scratch())
        ledgers = [_made(home, size, report) for size in sizes]
        taken = _timed(READING, ledgers, ROUNDS[chosen.scale])
        long = _timed(LONG, ledgers[1:], 3)
        pruned = [_pruned(ledger, report) for ledger in ledgers[1:]] if chosen.scale != "smoke" else []
    worst = dict.fromkeys(sizes[1:], 0.0)
    for name, times in taken.items():
        ratios = [took / times[0] for took in times[1:]]
        worst = {size: max(worst[size], ratio) for size, ratio in zip(sizes[1:], ratios, strict=True)}
        report.row(name, *(f"{took * 1000:.0f}" for took in times), *(f"{ratio:.2f}" for ratio in ratios))
    for name, times in long.items():
        report.row(name, "", *(f"{took * 1000:,.0f}" for took in times), *[""] * len(times))
    if pruned:
        report.row("seal and prune of a day", "", *(f"{took * 1000:,.0f}" for took in pruned), *[""] * len(pruned))
    for size, ratio in worst.items():
        report.must(f"{size:,} runs: reading within {MUST:g}x of {sizes[0]:,}", f"{ratio:.2f}x at most", ratio <= MUST)
    return report.finish(chosen, busy)


def _made(home: str, size: int, report: Report) -> LongLedger:
    """Return the ledger of this size, made now or found, and audited: at most its last day where it is long."""
    began = time.perf_counter()
    ledger = long_ledger(os.path.join(home, f"runs-{size}"), size)
    took = time.perf_counter() - began
    # It ends with 1 where it finds anything.
    ledger.installation.sp("--json", *_words(LONG["audit of a day"], ledger))
    megabytes = os.path.getsize(ledger.installation.ledger) / 1e6
    report.note(f"{size:,} runs: {megabytes:,.0f} MB; made in {took:,.0f} s; the audit of its last day finds nothing")
    return ledger


def _pruned(ledger: LongLedger, report: Report) -> float:
    """Return the seconds that the built-in job takes to audit, seal and prune the oldest day."""
    left, took, gone = oldest_day_pruned(ledger)
    left.installation.sp("--json", *_words(LONG["audit of a day"], left))
    report.note(
        f"{ledger.runs:,} runs: `prune_history` audited, sealed and deleted {gone:,} runs; the audit finds nothing after"
    )
    return took


def _timed(commands: Mapping[str, tuple[str, ...]], ledgers: list[LongLedger], rounds: int) -> dict[str, list[float]]:
    """Return the median seconds of each command on each ledger."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in ledgers] for name in commands}
    for number in range(rounds if rounds == 1 else rounds + 1):
        for name, words in commands.items():
            for at, ledger in enumerate(ledgers):
                began = time.perf_counter()
                ledger.installation.sp("--json", *_words(words, ledger))
                if number or rounds == 1:  # the first fills the caches
                    times[name][at].append(time.perf_counter() - began)
    return {name: [median(each) for each in taken] for name, taken in times.items()}


def _words(words: tuple[str, ...], ledger: LongLedger) -> list[str]:
    places = {"HOUR": iso(max(ledger.start, ledger.end - HOUR)), "DAY": iso(max(ledger.start, ledger.end - DAY))}
    return [places.get(word, word) for word in words]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
