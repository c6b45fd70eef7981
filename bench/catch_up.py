"""What a node does after a month down with jobs that fire every second.

The ledger was last planned a month ago; a real node starts. `skip` is settled when the month is accounted for, `latest` when
the newest run is closed too: one range a job, whatever the month held. `all` owes 2.6 million runs a job. The node works them
off in a pace that leaves other jobs alone, so its rate stands beside the lateness of ten every-second jobs, without the backlog
and with it.

Must: `skip` and `latest` below a second.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from bench._installation import Installation, NodeProcess, scratch
from bench._report import NotMeasured, Report, options, percentile
from systemprompt.clock import ManualClock, SystemClock
from systemprompt.system import open_system

MUST_S = 1.0
MONTH_S = 30 * 86_400

SIZES = {"smoke": (5, 1), "quick": (100, 5), "normal": (100, 30), "full": (1_000, 60)}
"""How many jobs slept for a month, and how many seconds `all` is watched."""

OTHERS = 10
"""Every-second jobs whose lateness is looked at while one other works off its month."""

JOBS = """\
from bench._marks import start
from systemprompt import job

for number in range({count}):
    job(name=f"slept_{{number}}", schedule="* * * * * *", catch_up="{catch_up}")(start)
for number in range({others}):
    job(name=f"other_{{number}}", schedule="* * * * * *", catch_up="skip")(start)
"""


def main(arguments: list[str]) -> int:
    """Print the table; with --check the status is 1 where the must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    count, watched_s = SIZES[chosen.scale]
    columns = (
        "catch_up",
        "jobs",
        "fire times owed",
        "accounted for s",
        "closed s",
        "runs/s",
        "others' p50 ms",
        "p99 ms",
        "max ms",
    )
    report = Report(name="catch_up", title="After a month down", columns=columns)
    for catch_up in ("skip", "latest"):
        planned_s, closed_s = settled(catch_up, count)
        report.row(catch_up, count, f"{count * MONTH_S:,}", f"{planned_s:.2f}", f"{closed_s:.2f}", *[""] * 4)
        report.must(f"{catch_up}, {count} jobs: below {MUST_S:g} s", f"{closed_s:.2f} s", closed_s < MUST_S)
    rates = {}
    for slept in (0, 1):
        rates[slept], late = paced(slept, watched_s)
        shares = [f"{percentile(late, share) * 1000:.1f}" for share in (0.5, 0.99, 1.0)]
        name = "all" if slept else "(no backlog)"
        report.row(name, slept, f"{slept * MONTH_S:,}", "", "", f"{rates[slept]:,.0f}" if slept else "", *shares)
    hours = MONTH_S / max(rates[1], 0.001) / 3600
    report.note(
        "seconds count from when profile, jobs and ledger are read; what that takes is in the table of `bench idle`"
    )
    report.note(
        f"`all` was watched for {watched_s} s; at this rate a month of one every-second job takes {hours:,.1f} h"
    )
    return report.finish(chosen, busy)


def settled(catch_up: str, count: int) -> tuple[float, float]:
    """Return the seconds until the month is accounted for, and until what was owed of it is closed."""
    with scratch() as folder:
        installation = _asleep(folder, JOBS.format(count=count, catch_up=catch_up, others=0))
        with NodeProcess(installation) as node:
            from_at = node.greeting["synced_at"]
            seen = node.report()
            until = time.monotonic() + 60
            closed: list[Any] = list(seen["closed"])
            planned = list(seen["planned_at"])
            # `skip` owes nothing, but on this schedule every job is due again within the second.
            while len(closed) < count and time.monotonic() < until:
                time.sleep(0.05)
                seen = node.report()
                closed += seen["closed"]
                planned += seen["planned_at"]
    if len(closed) < count:
        raise NotMeasured(f"{catch_up}: only {len(closed)} of {count} jobs got on")
    planned_s = min(planned) - from_at
    return max(0.0, planned_s), (closed[count - 1][1] - from_at if catch_up == "latest" else max(0.0, planned_s))


def paced(slept: int, seconds: int) -> tuple[float, list[float]]:
    """Return the rate at which a job works off its month, and the lateness of the others meanwhile."""
    with scratch() as folder:
        installation = _asleep(folder, JOBS.format(count=slept, catch_up="all", others=OTHERS))
        with NodeProcess(installation) as node:
            time.sleep(min(2.0, seconds))  # the first burst starts the threads
            before = node.report()
            time.sleep(seconds)
            after = node.report()
    # What the others owe is from now on; what the backlog owes is from long ago.
    old = [start for fire_at, start in after["starts"] if start - fire_at > 3_600]
    late = [start - fire_at for fire_at, start in after["starts"] if start - fire_at <= 3_600]
    return len(old) / (after["at"] - before["at"]), late


def _asleep(folder: str, jobs: str) -> Installation:
    """Make an installation whose ledger was last planned a month ago."""
    installation = Installation.furnish(folder, jobs)
    month_ago = SystemClock().now() - MONTH_S * 1_000_000
    open_system(installation.profile, environ=installation.environ, clock=ManualClock(month_ago)).close()
    return installation


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
