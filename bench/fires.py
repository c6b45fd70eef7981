"""Thousands of jobs due in one second on SQLite: planned, started, closed, and how late.

Ours is a real node in a process of its own on a ledger as shipped (WAL, `synchronous=FULL`), with `max_concurrent_runs: 64`; the
bursts come from a cron schedule, and each figure is the median over them. `before` is the code of the commit before the ledger's
second edition, measured in the same way. `planned`, `started` and `closed` are seconds from the
due instant until the last of all is so: planned and closed when their commit is on the disk. There are floors: the ledger alone,
which plans, claims and closes the same jobs in as few commits as it can, or in rounds of 64 as a node does, with no thread and no
job; and one bare SQLite transaction that inserts the rows and one that closes them, without an index. All on the same disk in the
same run.

Must: 7 times the rate of the best peer that keeps a durable outcome; at 1,000 jobs the ledger alone in rounds twice that of before,
in one round a tenth of the bare transactions. Aim: 10 times, and three times. More than 1,000 jobs are never one round: a turn
plans no more than these, so that others need not wait longer for the write lock.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import _before, _ledger_alone
from bench._installation import Installation, NodeProcess, scratch
from bench._ledger_alone import JOBS, ledger_alone
from bench._peers import SET_UP, ask_peer, peer_version
from bench._report import NotMeasured, Options, Report, options, percentile
from systemprompt.ledger.stored.clockwork import JOBS_A_TURN

MUST, AIM = 7.0, 10.0
"""Whole nodes, as a multiple of the best peer that keeps a durable outcome."""

ROOM = 64
ALONE_MUST, ALONE_AIM, FLOOR_MUST = 2.0, 3.0, 0.1
"""The ledger alone: in rounds of ROOM as a multiple of the code before; in one round as a share of the bare transactions."""

PEERS = {"huey": "Huey", "apscheduler3": "APScheduler", "apscheduler4": "APScheduler"}
OUTCOME = {"huey": "yes", "apscheduler3": "no", "apscheduler4": "yes"}

NOTES = (
    "all on this disk in WAL with `synchronous=FULL`; medians, ours over the bursts, a peer's over three runs or one",
    "ours: `max_concurrent_runs: 64`, all else as shipped; plain functions in threads, as with every peer",
    "`jobs/s` counts from the due instant for us, from its first start for a peer",
    "APScheduler 3: SQLAlchemy job store, WAL, 20 threads; it keeps the next fire time but no outcome, so the must ignores it",
    "APScheduler 4 (a pre-release): SQLAlchemy store with aiosqlite, WAL, 100 jobs at once, results kept for an hour",
    "Huey: tasks with an `eta`, as its periodic tasks go by the minute; 8 threads, results kept; it looks once a second",
    "Celery is left out: it has no broker that keeps messages on SQLite, and none runs here",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many jobs are due at once, every how many seconds (a part of 60), how often; for each peer how many jobs, how often."""

    jobs: int
    every: int
    bursts: int
    peers: dict[str, tuple[int, int]]


LOADS = {
    "smoke": (Load(jobs=20, every=2, bursts=1, peers={}),),
    "quick": (
        Load(
            jobs=1_000, every=4, bursts=3, peers={"huey": (300, 1), "apscheduler3": (300, 1), "apscheduler4": (100, 1)}
        ),
    ),
    "normal": (
        Load(
            jobs=1_000,
            every=4,
            bursts=7,
            peers={"huey": (1_000, 3), "apscheduler3": (1_000, 3), "apscheduler4": (1_000, 1)},
        ),
        Load(jobs=10_000, every=10, bursts=3, peers={"huey": (10_000, 1), "apscheduler3": (10_000, 1)}),
    ),
    "full": (
        Load(jobs=1_000, every=4, bursts=15, peers=dict.fromkeys(PEERS, (1_000, 3))),
        Load(jobs=10_000, every=10, bursts=7, peers=dict.fromkeys(PEERS, (10_000, 1))),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One contender's seconds from the due instant, and each start's lateness. `first_s` is when the first one started."""

    planned_s: float
    started_s: float
    closed_s: float
    first_s: float
    lateness: list[float]


def main(arguments: list[str]) -> int:
    """Print the table; with --check the status is 1 where the must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    report = Report(
        name="fires",
        title="Jobs due in one second, on SQLite",
        columns=(
            "jobs",
            "",
            "durable outcome",
            "planned s",
            "started s",
            "closed s",
            "jobs/s",
            "late p50 ms",
            "p99",
            "p99.9",
            "max",
        ),
        numbers_from=3,
    )
    for load in LOADS[chosen.scale]:
        _measure(report, load, chosen)
    report.notes += notes(chosen)
    return report.finish(chosen, busy)


def _measure(report: Report, load: Load, chosen: Options) -> None:
    ours = our_bursts(load)
    rate = load.jobs / median(burst.closed_s for burst in ours)
    _row(report, load.jobs, "systemprompt", "yes", ours, rate)
    times = 5 if load.jobs <= 1_000 else 3
    alone = {
        "floor: the ledger alone": median(ledger_alone(load.jobs, room=load.jobs) for _ in range(times)),
        f"the ledger alone, rounds of {ROOM}": median(ledger_alone(load.jobs, room=ROOM) for _ in range(times)),
        "floor: bare SQLite": median(floor(load.jobs) for _ in range(times)),
    }
    for name, seconds in alone.items():
        _floor_row(report, load.jobs, name, seconds)
    one_round, rounds, bare = alone.values()
    if chosen.peers and _before.is_there():
        past = [Figures(**burst) for burst in _before.ask_before(_BURSTS, load=asdict(load))]
        _row(report, load.jobs, _before.NAME, "", past, load.jobs / median(burst.closed_s for burst in past))
        past_rounds = median(
            _before.ask_before(_ROUNDS, path=_ledger_alone.__file__, count=load.jobs, room=ROOM, times=times)
        )
        _floor_row(report, load.jobs, f"{_before.NAME}, the ledger alone, rounds of {ROOM}", past_rounds)
        if load.jobs == 1_000:
            asked, found = f"{load.jobs:,} jobs: the ledger alone in rounds of {ROOM}", past_rounds / rounds
            report.must(f"{asked}, {ALONE_MUST:g}x before", f"{found:.1f}x", found >= ALONE_MUST)
            report.aim(f"{asked}, {ALONE_AIM:g}x before", f"{found:.1f}x", found >= ALONE_AIM)
    if load.jobs <= JOBS_A_TURN:
        share = bare / one_round
        asked = f"{load.jobs:,} jobs: the ledger alone in one round, a tenth of bare SQLite"
        report.must(asked, f"{share:.3f} of it", share >= FLOOR_MUST)
    durable: dict[str, float] = {}
    for peer, (count, times) in load.peers.items() if chosen.peers else ():
        version = peer_version(peer)
        if version is None:
            continue
        answers = [Figures(**ask_peer(peer, do="fires", count=count, folder="")) for _ in range(times)]
        name = f"{PEERS[peer]} {version}"
        # From its first start, not from the due instant: Huey's scheduler sleeps for up to a second, which is lateness, not pace.
        pace = count / median(answer.closed_s - min(answer.first_s, answer.planned_s) for answer in answers)
        _row(report, count, name, OUTCOME[peer], answers, pace)
        if OUTCOME[peer] == "yes":
            durable[name] = pace
    if durable:
        best = max(durable, key=lambda name: durable[name])
        ratio = rate / durable[best]
        asked = f"{load.jobs:,} jobs: {MUST:g}x the best peer with a durable outcome ({best})"
        report.must(asked, f"{ratio:.1f}x", ratio >= MUST)
        report.aim(f"{load.jobs:,} jobs: {AIM:g}x of it", f"{ratio:.1f}x", ratio >= AIM)


_BURSTS = """
from bench.fires import Load, our_bursts
from dataclasses import asdict
print(json.dumps([asdict(burst) for burst in our_bursts(Load(**question["load"]))]))
"""

_ROUNDS = """
import runpy
ledger_alone = runpy.run_path(question["path"])["ledger_alone"]
print(json.dumps([ledger_alone(question["count"], room=question["room"]) for _ in range(question["times"])]))
"""


def _floor_row(report: Report, jobs: int, name: str, seconds: float) -> None:
    report.row(f"{jobs:,}", name, *[""] * 3, f"{seconds:.3f}", f"{jobs / seconds:,.0f}", *[""] * 4)


def our_bursts(load: Load) -> list[Figures]:
    """Let a node serve until so many bursts are over; the first, which starts the threads, is not counted."""
    for every in (load.every, *(slower for slower in (12, 30) if slower > load.every)):
        try:
            return _bursts(load, every)
        except _Unfinished as reason:
            unfinished = reason  # on a busy machine: leave more time between the bursts
    raise unfinished


class _Unfinished(NotMeasured):
    """A burst was not over before the next."""


def _bursts(load: Load, every: int) -> list[Figures]:
    with scratch() as folder:
        jobs = JOBS.format(count=load.jobs, every=every)
        installation = Installation.furnish(folder, jobs, {"max_concurrent_runs": ROOM})
        with NodeProcess(installation) as node:
            # On the grid of the schedule.
            first = (int(time.time() + 0.2) // every + 1) * every
            last = first + load.bursts * every
            time.sleep(max(0.0, last + every - 0.3 - time.time()))
            seen = node.report()
    return [_burst(seen, float(at), load.jobs, every) for at in range(first, last + 1, every)][1:]


def _burst(seen: dict[str, Any], at: float, jobs: int, every: int) -> Figures:
    starts = [start - at for fire_at, start in seen["starts"] if fire_at == at]
    closed = [end - at for fire_at, end in seen["closed"] if fire_at == at * 1_000_000]
    planned = [moment - at for moment in seen["planned_at"] if at <= moment < at + every]
    if len(closed) != jobs:
        raise _Unfinished(f"only {len(closed)} of {jobs} jobs were closed within {every} s: {seen['statuses']}")
    return Figures(
        planned_s=max(planned), started_s=max(starts), closed_s=max(closed), first_s=min(starts), lateness=starts
    )


def floor(count: int) -> float:
    """Return the seconds that two bare transactions take: insert so many rows, close so many rows."""
    with scratch() as folder:
        connection = sqlite3.connect(os.path.join(folder, "floor.db"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE runs (run_id INTEGER PRIMARY KEY, job TEXT, fire_at INTEGER, status TEXT, finished_at INTEGER)"
        )
        now = time.time_ns() // 1_000
        rows = [(number, f"job_{number}", now) for number in range(count)]
        ends = [("success", now, number) for number in range(count)]
        began = time.perf_counter()
        for statement, values in (
            ("INSERT INTO runs VALUES (?, ?, ?, 'running', NULL)", rows),
            ("UPDATE runs SET status = ?, finished_at = ? WHERE run_id = ?", ends),
        ):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, values)
            connection.execute("COMMIT")
        took = time.perf_counter() - began
        connection.close()
    return took


def _row(report: Report, jobs: int, name: str, outcome: str, bursts: list[Figures], rate: float) -> None:
    late = [value for burst in bursts for value in burst.lateness]
    report.row(
        f"{jobs:,}",
        name,
        outcome,
        *(f"{median(getattr(burst, key) for burst in bursts):.3f}" for key in ("planned_s", "started_s", "closed_s")),
        f"{rate:,.0f}",
        *(f"{percentile(late, share) * 1000:,.0f}" for share in (0.5, 0.99, 0.999, 1.0)),
    )


def notes(chosen: Options) -> list[str]:
    """Return what has to be known to read the table, and which peers are absent from it."""
    absent = [peer for peer in PEERS if peer_version(peer) is None]
    if not (absent and chosen.peers):
        return list(NOTES)
    return [*NOTES, f"not set up, so not measured: {', '.join(absent)} (`{SET_UP}` sets the peers up)"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
