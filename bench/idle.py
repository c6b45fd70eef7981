"""What a node costs while nothing is due: 100, 10,000 and 100,000 enabled jobs.

Jobs of one module, daily and monthly, none due while we look. A real node in a process of its own, with all that `sp serve`
does: it looks for changes by other processes and to files, and it beats. CPU is of one core; statements are the ledger's, with
BEGIN and COMMIT. Cold is the first start ever, which enters every job into the ledger; warm is the second.

Must: 100,000 jobs below 2 % of a core, and no cost that grows with jobs that are not due. Aim: 1 %.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from bench._installation import Installation, NodeProcess, scratch
from bench._report import NotMeasured, Report, options

MUST, AIM = 2.0, 1.0
GROWTH, GRAIN = 1.5, 0.1
"""The largest may cost so many times the smallest; below the grain, in % of a core, two costs are the same."""

COUNTS = {
    "smoke": (10, 100),
    "quick": (100, 10_000),
    "normal": (100, 10_000, 100_000),
    "full": (100, 10_000, 100_000),
}
SECONDS = {"smoke": 0.3, "quick": 10, "normal": 30, "full": 120}

JOBS = """\
from bench._marks import start
from systemprompt import job

for number in range({count}):
    hour = ({hour} + 3 + number % 18) % 24
    day = {day} if number % 10 == 0 else "*"
    job(name=f"job_{{number}}", schedule=f"{{number % 60}} {{number // 60 % 60}} {{hour}} {{day}} * *")(start)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idling:
    """One size's figures: seconds to start, bytes resident, share of a core in percent, statements a minute."""

    cold_s: float
    warm_s: float
    resident: int
    cpu: float
    statements: float


def main(arguments: list[str]) -> int:
    """Print the table; with --check the status is 1 where a must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    columns = ("jobs", "CPU %", "memory MB", "statements a minute", "cold start s", "warm start s")
    report = Report(name="idle", title="A node with nothing to do", columns=columns, numbers_from=0)
    found = {count: idling(count, SECONDS[chosen.scale]) for count in COUNTS[chosen.scale]}
    for count, one in found.items():
        report.row(
            f"{count:,}",
            f"{one.cpu:.2f}",
            f"{one.resident / 1e6:.0f}",
            f"{one.statements:,.0f}",
            f"{one.cold_s:.1f}",
            f"{one.warm_s:.1f}",
        )
    least, most = found[min(found)], found[max(found)]
    report.must(f"{max(found):,} jobs below {MUST:g} % of a core", f"{most.cpu:.2f} %", most.cpu < MUST)
    grown = max(most.cpu, GRAIN) / max(least.cpu, GRAIN)
    asked = f"{max(found):,} jobs within {GROWTH:g}x of {min(found):,}"
    report.must(asked, f"{grown:.2f}x", grown <= GROWTH)
    report.aim(f"{max(found):,} jobs below {AIM:g} % of a core", f"{most.cpu:.2f} %", most.cpu < AIM)
    report.note(
        f"each node is watched for {SECONDS[chosen.scale]} s; one start of each kind, with the built-in jobs switched off"
    )
    return report.finish(chosen, busy)


def jobs_not_due(count: int) -> str:
    """Return a file of so many jobs, daily and monthly, of which none falls due within two hours."""
    now = datetime.now(UTC)
    return JOBS.format(count=count, hour=now.hour, day=now.day % 28 + 2 if now.day < 27 else 12)


def idling(count: int, seconds: float) -> Idling:
    """Start a node twice, and watch the second."""
    with scratch() as folder:
        installation = Installation.furnish(folder, jobs_not_due(count))
        with NodeProcess(installation) as node:
            cold_s = node.serving_after_s
        with NodeProcess(installation) as node:
            time.sleep(min(2.0, seconds))  # what a start leaves behind is over by then
            before = node.report()
            time.sleep(seconds)
            after = node.report()
            if after["starts"]:
                raise NotMeasured(f"{len(after['starts'])} jobs were due while nothing should have been")
        passed = after["at"] - before["at"]
        said = sum(after["statements"].values()) - sum(before["statements"].values())
        # `committed` only says that a commit is over.
        said -= after["statements"].get("committed", 0) - before["statements"].get("committed", 0)
    return Idling(
        cold_s=cold_s,
        warm_s=node.serving_after_s,
        resident=after["rss"],
        cpu=(after["cpu_s"] - before["cpu_s"]) / passed * 100,
        statements=said / passed * 60,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
