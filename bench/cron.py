"""Fire times a second, against croniter and cronsim.

Every engine yields the same fire times from the same start, and what it yields is compared. The peers are given naive times,
which is where they are fastest and where both are right; ours come back aware, once in UTC and once in Europe/Berlin. `after` asks
for one fire time at a time, `between` iterates. CPU time, the median of several rounds. Must: more than both peers on every line.
Aim: ten times cronsim with `between`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from statistics import median

from croniter import croniter
from cronsim import CronSim

from systemprompt.cron import Schedule

ROUNDS = 5
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
    print(__doc__)
    print(
        f"{'fire times a second':<20}{'croniter':>10}{'cronsim':>10}{'after':>10}{'between':>11}{'Berlin':>11}   vs cronsim"
    )
    print(f"{'':<61}{'between':>11}   after  between")
    beaten = True
    for expression, count in EXPRESSIONS:
        rates = [rate(make(expression), count) for make in (by_croniter, by_cronsim, by_after, by_between, by_berlin)]
        agree(expression, count)
        iterated, asked = rates[3] / rates[1], rates[2] / rates[1]
        beaten = beaten and min(rates[2:]) > max(rates[:2])
        figures = "".join(f"{figure:>{width},.0f}" for figure, width in zip(rates, (10, 10, 10, 11, 11), strict=True))
        print(f"{expression:<20}{figures}  {asked:>5.1f}x {iterated:>7.1f}x")
    print("\nmust (more than both peers, everywhere):", "met" if beaten else "NOT MET")
    return 0 if beaten or "--check" not in arguments else 1


def rate(run: Callable[[int], object], count: int) -> float:
    """Return fire times a second of CPU time: the median of the rounds."""
    took = []
    for _ in range(ROUNDS):
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
            raise SystemExit(f"{expression}: {other.__name__} disagrees with cronsim")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
