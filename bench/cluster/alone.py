"""The ledger alone: it plans, claims and closes jobs that are due at once, with no thread and no job.

The floor is what any scheduler with durable outcomes has to do at least: a bare batched insert and two updates, a transaction
each, on a table with the same unique keys, by the same driver in the same notation.

Must: at least the rate of the floor, and at most 1,200 bytes of write-ahead log a fire, in batches of 1,000.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench._ledger_alone import ledger_rounds
from bench._report import Options, Report
from bench.cluster.server import BenchServer

LOG_BYTES = 1_200
ROOMS = (1_000, 128)
COUNT = {"smoke": 20, "quick": 1_000, "normal": 1_000, "full": 1_000}
ROUNDS = {"smoke": 2, "quick": 6, "normal": 15, "full": 30}


def measure(server: BenchServer, chosen: Options) -> Report:
    columns = ("", "fires", "a round", "seconds", "fires/s", "x the floor", "log bytes a fire")
    report = Report(name="cluster alone", title="The ledger alone, on PostgreSQL", columns=columns)
    count, rounds = COUNT[chosen.scale], ROUNDS[chosen.scale]
    with server.database() as address:
        floor, _ = _row(
            server, report, "floor: a bare insert and two updates", bare(server, address, count, rounds), count
        )
    for room in ROOMS:
        with server.database() as address:
            made = ledger_rounds(count, room=room, rounds=rounds, database=address)
            rate, log_bytes = _row(server, report, "the ledger alone", made, count, room=room, floor=floor)
        if room == max(ROOMS):
            report.must(f"{count:,} fires in one batch: the rate of the floor", f"{rate / floor:.2f}x", rate >= floor)
            asked = f"{count:,} fires in one batch: at most {LOG_BYTES:,} bytes of write-ahead log a fire"
            report.must(asked, f"{log_bytes:,.0f}", log_bytes <= LOG_BYTES)
    report.note(f"medians over {rounds} rounds without the first, which fills caches and makes full images of pages")
    return report


def bare(server: BenchServer, address: str, count: int, rounds: int) -> Iterator[float]:
    """Give the seconds of one round after the other: insert so many rows, begin them, close them; a commit each."""
    with server.connected(address) as connection:
        connection.execute(
            "CREATE TABLE runs (run_id bigint PRIMARY KEY, job_id bigint, fire_at timestamptz, due_at timestamptz, status text,"
            " node_id text, started_at timestamptz, finished_at timestamptz, UNIQUE (job_id, fire_at))"
        )
        jobs = "{" + ",".join(map(str, range(count))) + "}"
        for number in range(rounds):
            runs = "{" + ",".join(str(number * count + job) for job in range(count)) + "}"
            at = time.time()
            began = time.perf_counter()
            connection.execute(
                "INSERT INTO runs SELECT run_id, job_id, to_timestamp(%(at)s), to_timestamp(%(at)s), 'queued'"
                " FROM unnest(%(runs)s::bigint[], %(jobs)s::bigint[]) n (run_id, job_id)",
                {"at": at, "runs": runs, "jobs": jobs},
            )
            for change in (
                "status = 'running', node_id = 'bench', started_at = clock_timestamp()",
                "status = 'success', finished_at = clock_timestamp()",
            ):
                connection.execute(f"UPDATE runs SET {change} WHERE run_id = ANY (%s::bigint[])".encode(), [runs])
            yield time.perf_counter() - began


def _row(
    server: BenchServer,
    report: Report,
    name: str,
    rounds: Iterator[float],
    count: int,
    *,
    room: int | None = None,
    floor: float | None = None,
) -> tuple[float, float]:
    taken, logs, before = [], [], server.log_bytes()
    for took in rounds:
        after = server.log_bytes()
        taken.append(took)
        logs.append(after - before)
        before = after
    seconds, log_bytes = median(taken[1:]), median(logs[1:]) / count
    rate = count / seconds
    report.row(
        name,
        f"{count:,}",
        f"{min(room or count, count):,}",
        f"{seconds:.4f}",
        f"{rate:,.0f}",
        "1.00" if floor is None else f"{rate / floor:.2f}",
        f"{log_bytes:,.0f}",
    )
    return rate, log_bytes
