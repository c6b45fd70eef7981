"""How late jobs start at 1, 10 and 100 fires a second, beside APScheduler 3 in memory.

So many jobs fire every second on the second; ours run in a real node in a process of its own, as shipped, with a durable ledger:
each start is on the disk before the job's first line runs. APScheduler 3 writes nothing anywhere. Lateness is what the job's first
line sees. CPU is the whole node's, of one core. `before` is the code of the commit before the ledger's second edition. A bare
durable commit is one row in a SQLite transaction of its own, in WAL with `synchronous=FULL`, on the same disk, once a second.

Must: at 10 a second p50 and p99 at most 4 times those of the bare commit; at 100 a second p99 at most half of APScheduler 3's. Aim:
p99 below 10 ms.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time

from bench import _before
from bench._installation import Installation, NodeProcess, scratch
from bench._ledger_alone import JOBS
from bench._peers import SET_UP, ask_peer, peer_version
from bench._report import Report, options, percentile

AIM_MS = 10.0
OF_A_COMMIT, OF_APSCHEDULER = 4.0, 0.5

SECONDS = {"smoke": (1, 0), "quick": (6, 3), "normal": (60, 20), "full": (60, 60)}
"""How long ours is watched, and how long the peer."""

RATES = {"smoke": (10,), "quick": (1, 10, 100), "normal": (1, 10, 100), "full": (1, 10, 100)}


def main(arguments: list[str]) -> int:
    """Print the table; with --check the status is 1 where a must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    ours_s, peer_s = SECONDS[chosen.scale]
    columns = ("fires a second", "", "starts", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU %")
    report = Report(name="lateness", title="How late a job starts", columns=columns, numbers_from=2)
    version = peer_version("apscheduler3") if chosen.peers and peer_s else None
    bare = bare_commits(max(ours_s, 2))
    commit = [percentile(bare, share) * 1000 for share in (0.5, 0.99)]
    _row(report, 1, "floor: a bare durable commit", bare, None)
    past = chosen.peers and peer_s > 0 and _before.is_there()
    for rate in RATES[chosen.scale]:
        late, cpu = ours(rate, ours_s)
        p50, p99 = _row(report, rate, "systemprompt", late, cpu)
        report.aim(f"{rate} a second: p99 below {AIM_MS:g} ms", f"{p99:.1f} ms", p99 < AIM_MS)
        if rate == 10:
            for name, found, floor in (("p50", p50, commit[0]), ("p99", p99, commit[1])):
                asked = f"{rate} a second: {name} at most {OF_A_COMMIT:g} times that of a bare durable commit"
                report.must(asked, f"{found / floor:.1f}x", found <= OF_A_COMMIT * floor)
        if past:
            _row(report, rate, _before.NAME, *_before.ask_before(_OURS, rate=rate, seconds=peer_s))
        if version is not None:
            answer = ask_peer("apscheduler3", do="lateness", rate=rate, seconds=peer_s)
            peer = _row(report, rate, f"APScheduler {version}", answer["lateness"], answer["cpu_s"] / peer_s)[1]
            if rate == 100:
                asked = f"{rate} a second: p99 at most half of APScheduler 3's"
                report.must(asked, f"{p99 / peer:.2f} of it", p99 <= OF_APSCHEDULER * peer)
    report.note(f"ours is watched for {ours_s} s, with a durable ledger, as shipped")
    if version is not None:
        report.note(f"APScheduler 3 is watched for {peer_s} s, in memory, with 20 threads")
    elif chosen.peers and peer_s:
        report.note(f"APScheduler 3 was not measured (`{SET_UP}` sets the peers up)")
    report.note("all that is due in a second is one burst on the second, so the last of 100 waits for 99 others")
    return report.finish(chosen, busy)


def ours(rate: int, seconds: int) -> tuple[list[float], float]:
    """Return each start's lateness in seconds, and the share of a core that the node used."""
    with scratch() as folder:
        installation = Installation.furnish(folder, JOBS.format(count=rate, every=1))
        with NodeProcess(installation) as node:
            time.sleep(1.5)  # the first burst starts the threads
            before = node.report()
            time.sleep(seconds)
            after = node.report()
    late = [start - fire_at for fire_at, start in after["starts"]]
    return late, (after["cpu_s"] - before["cpu_s"]) / (after["at"] - before["at"])


def bare_commits(seconds: int) -> list[float]:
    """Return how long a durable commit of one row takes, once a second on the second, as a burst would find the disk."""
    took = []
    with scratch() as folder:
        connection = sqlite3.connect(os.path.join(folder, "bare.db"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE runs (run_id INTEGER PRIMARY KEY, fire_at INTEGER)")
        for _ in range(seconds):
            time.sleep(1.0 - time.time() % 1.0)
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO runs (fire_at) VALUES (?)", (time.time_ns(),))
            connection.execute("COMMIT")
            took.append(time.perf_counter() - began)
        connection.close()
    return took


_OURS = """
from bench.lateness import ours
print(json.dumps(ours(question["rate"], question["seconds"])))
"""


def _row(report: Report, rate: int, name: str, late: list[float], cpu: float | None) -> tuple[float, float]:
    shares = [percentile(late, share) * 1000 for share in (0.5, 0.99, 0.999, 1.0)]
    share = "" if cpu is None else f"{cpu * 100:.1f}"
    report.row(rate, name, f"{len(late):,}", *(f"{share:.1f}" for share in shares), share)
    return shares[0], shares[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
