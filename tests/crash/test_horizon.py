"""Nodes that fire fast while somebody's idle transaction keeps every dead row from being cleaned up.

In `make test` a few seconds, and what must hold at any speed; in `make campaign ONLY=horizon` 200 fires a second for five minutes,
held to 98 % of the rate and to twice the lateness of the minute before.
"""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from fault_storm import own_server
from faults import HORIZON_IS_HELD, Place
from storm_acts import Storm, environment
from storm_checks import check_ledger, read_account
from storm_stage import make_whole

from support.campaign import LONG, chosen_seconds, record
from support.raw_postgres import raw_connection
from systemprompt.clock import SECOND, SystemClock
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.views import RunView
from systemprompt.system import open_system

NODES, JOBS = (3, 200) if LONG else (1, 20)
BEFORE = 60.0 if LONG else 2.0
HELD = chosen_seconds(300.0) if LONG else 3.0
LEFT_OUT = 5.0 if LONG else 0.0
"""Seconds at the beginning that are not measured: nodes start their threads."""

PROFILE = """\
name: horizon
database: {database}
extensions: [jobs.py]
entry_points: false
limits: {{max_concurrent_runs: 200}}
"""
TICKS = """\
from systemprompt import job


async def tick():
    pass


for number in range({jobs}):
    job(name=f"tick_{{number}}", schedule="* * * * * *")(tick)
"""


@pytest.mark.storm
def test_a_transaction_that_holds_the_horizon_costs_no_fire_time(tmp_path: Path) -> None:
    with own_server() as server:
        (tmp_path / "profile.yaml").write_text(PROFILE.format(database=server.address))
        (tmp_path / "jobs.py").write_text(TICKS.format(jobs=JOBS))
        with closing(PostgresLedger(Address(server.address))) as ledger:
            ledger.migrate()
        storm = Storm(tmp_path, environment(tmp_path), NODES)
        try:
            began = storm.carry_out([], LEFT_OUT + BEFORE) + round(LEFT_OUT * SECOND)
            held_at = SystemClock().now()
            over = HORIZON_IS_HELD.begins(Place(server=server, lines=[]), 0)
            threading.Event().wait(HELD)
            with raw_connection(server.address) as connection:
                ((behind,),) = connection.execute(_TRANSACTIONS_SINCE).fetchall()
            over_at = SystemClock().now()
            over()
            storm.end()
        finally:
            storm.close()
        with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
            make_whole(system)
            check_ledger(system.ledger, system.clock.now())
            runs = list(read_account(system.ledger).runs.values())
    before, during = measured(runs, began, held_at), measured(runs, max(held_at, over_at - 60 * SECOND), over_at)
    whole = measured(runs, held_at, over_at)
    print(f"{behind} transactions since the horizon; {before=} {during=} {whole=}")
    assert behind > HELD, "the horizon was held while the nodes wrote"
    assert whole["successes"] > 0
    if LONG:
        assert whole["rate"] >= 0.98
        assert during["p99_s"] <= 2 * before["p99_s"]
    record(campaign="horizon", seconds=round(HELD), fires_a_second=JOBS, before=before, last_minute=during, held=whole)


def measured(runs: list[RunView], since: int, until: int) -> dict[str, float]:
    """Return how many of the fire times between two instants were run well, and how late they started."""
    inside = [run for run in runs if run.fire_at is not None and since <= run.fire_at < until - SECOND]
    late = sorted((run.started_at - run.fire_at) / SECOND for run in inside if run.started_at and run.fire_at)
    successes = sum(run.status == "success" for run in inside)
    owed = JOBS * max(1, (until - SECOND) // SECOND - since // SECOND)
    return {
        "successes": successes,
        "rate": round(successes / owed, 4),
        "p50_s": late[len(late) // 2] if late else 0.0,
        "p99_s": late[int(len(late) * 0.99)] if late else 0.0,
    }


_TRANSACTIONS_SINCE = (
    "SELECT max(age(backend_xid)) FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL"
)
