"""Fire times a second, against croniter and cronsim.

Every engine yields the same fire times from the same start, and what it yields is compared. The peers are given naive times,
which is where they are fastest and where both are right; ours come back aware, once in UTC and once in Europe/Berlin. `after` asks
for one fire time at a time, `between` iterates. CPU time, the median of several rounds. Must: more than both peers on every line.
Aim: ten times cronsim with `between`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from statistics import median

from croniter import croniter
from cronsim import CronSim

from bench._report import NotMeasured, Report, options
from systemprompt.cron import Schedule

ROUNDS = {"smoke": 1, "quick": 3, "normal": 5, "full": 11}
AIM = 10.0
START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
EXPRESSIONS = (
    ("* * * * * *", 3000),
    ("*/10 * * * * *", 3000),
    ("0 * * * * *", 3000),
    ("0 */15 * * * *", 2000),
    ("0 5,35 8-18 * * *", 1000),
    ("0 0 */2 * * *", 1000),
    ("0 0 3 * * *", 500),
    ("0 30 9 * * 1-5", 500),
    ("0 0 0 * * 0", 300),
    ("0 0 0 1 * *", 200),
    ("0 0 0 L * *", 200),
    ("0 0 12 * * 5#3", 100),
    ("0 0 0 29 2 *", 20),
)


def main(arguments: list[str]) -> int:
    """Print the table. With --check the status is 1 where a peer is not beaten."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    columns = ("", "croniter", "cronsim", "`after`", "`between`", "Berlin", "`after` x cronsim", "`between` x cronsim")
    report = Report(name="cron", title="Fire times a second of CPU time", columns=columns)
    least, slowest = float("inf"), float("inf")
    for expression, usual in EXPRESSIONS:
        count = max(10, usual // 10) if chosen.scale == "smoke" else usual
        makers = (by_croniter, by_cronsim, by_after, by_between, by_berlin)
        rates = [rate(make(expression), count, ROUNDS[chosen.scale]) for make in makers]
        agree(expression, count)
        iterated, asked = rates[3] / rates[1], rates[2] / rates[1]
        least, slowest = min(least, min(rates[2:]) / max(rates[:2])), min(slowest, iterated)
        report.row(f"`{expression}`", *(f"{figure:,.0f}" for figure in rates), f"{asked:.1f}", f"{iterated:.1f}")
    report.must("more than both peers on every line", f"{least:.1f}x at least", least > 1)
    report.aim(f"{AIM:g}x cronsim with `between` on every line", f"{slowest:.1f}x at least", slowest >= AIM)
    report.note(
        f"croniter {version('croniter')} and cronsim {version('cronsim')}, on naive times; all yield the same fire times"
    )
    return report.finish(chosen, busy)


def rate(run: Callable[[int], object], count: int, rounds: int) -> float:
    """Return fire times a second of CPU time: the median of the rounds."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        run(count)
        took.append(time.process_time() - started)
    return count / max(median(took), 1e-9)


def by_croniter(expression: str) -> Callable[[int], list[datetime]]:
    # croniter wants the seconds last, unless told.
    def run(count: int) -> list[datetime]:
        engine = croniter(expression, START.replace(tzinfo=None), second_at_beginning=True)
        return [engine.get_next(datetime) for _ in range(count)]

    return run


def by_cronsim(expression: str) -> Callable[[int], list[datetime]]:
    return lambda count: list(islice(CronSim(expression, START.replace(tzinfo=None)), count))


def by_after(expression: str) -> Callable[[int], list[datetime]]:
    def run(count: int) -> list[datetime]:
        schedule, at, found = Schedule(expression), START, []
        for _ in range(count):
            at = schedule.after(at)
            found.append(at)
        return found

    return run


def by_between(expression: str) -> Callable[[int], list[datetime]]:
    return lambda count: list(islice(Schedule(expression).between(START, END), count))


def by_berlin(expression: str) -> Callable[[int], list[datetime]]:
    return lambda count: list(islice(Schedule(expression, "Europe/Berlin").between(START, END), count))


def agree(expression: str, count: int) -> None:
    """Stop where the engines do not yield the same."""
    expected = by_cronsim(expression)(count)
    for other in (by_croniter, by_after, by_between):
        found = [at.replace(tzinfo=None) for at in other(expression)(count)]
        if found != expected:
            raise NotMeasured(f"{expression}: {other.__name__} disagrees with cronsim")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
