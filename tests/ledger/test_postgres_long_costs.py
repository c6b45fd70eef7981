"""What a turn reads on PostgreSQL does not grow: not with dead rows, closed accounts, nor the age of a session.

Counted in blocks that the server fetched in the turn's own transaction, with all that triggers look up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.graveyard import graveyard
from support.ledger_stage import EVERY_SECOND, START, at, ending, node, spec
from support.raw_postgres import Connection, raw_connection
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.records import Change
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide
JOBS = 100

pytestmark = pytest.mark.parametrize("postgres_server", [18], indirect=True)

FETCHED = (
    "SELECT coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint AS n FROM pg_class"
    " WHERE relnamespace = 'systemprompt'::regnamespace AND relname !~ 'pg_'"
)


class Measured:
    """A ledger with a hundred jobs of each second; `begins` and `ends` are the blocks that the last two turns fetched."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.fetched = 0
        self._before: int | None = None
        self.ledger = PostgresLedger(Address(address), decides_by="host", on_statement=self._hear)
        self.ledger.migrate()
        self.ledger.join(node("a", START))
        specs = [spec(f"job{n}", EVERY_SECOND) for n in range(JOBS)]
        self.ledger.sync_catalogue(specs, [], START, DECIDE, Change(actor="test"))

    def _hear(self, event: str) -> None:
        transaction = self.ledger._store._transaction()
        if event == "begin" or transaction is None:  # the heartbeat's is another
            self._before = None
            return
        # The server also counts what the session fetched before and has not reported yet.
        fetched = transaction.connection.execute(FETCHED).fetchall()[0]["n"]
        if self._before is None:
            self._before = fetched
        self.fetched = fetched - self._before

    def turn(self, second: int) -> tuple[int, int]:
        """Begin all that is due, and end it; return what each of the two fetched."""
        claimed = self.ledger.turn("a", at(second), DECIDE, room=JOBS).claimed
        assert len(claimed) == JOBS
        begins = self.fetched
        closings = [ending(run, at(second)) for run in claimed]
        assert len(self.ledger.turn("a", at(second), DECIDE, closings=closings, room=JOBS).closed) == JOBS
        return begins, self.fetched

    def settled(self, first: int) -> tuple[int, int]:
        """Return the least that a turn fetches, of some: a page that is pruned, or a new one, costs once."""
        turns = [self.turn(second) for second in range(first, first + 4)]
        return min(begins for begins, _ in turns), min(ends for _, ends in turns)


@pytest.fixture
def measured(postgres: str) -> Iterator[Measured]:
    measured = Measured(postgres)
    with closing(measured.ledger):
        yield measured


def test_a_turn_does_not_read_a_hundred_thousand_dead_rows(measured: Measured) -> None:
    begins, ends = measured.settled(1)
    rounds = 500
    with graveyard(measured.address, rounds=rounds) as raw:
        dead = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname IN ('open_runs', 'job_cursors')"
        raw.execute("SELECT pg_stat_force_next_flush()")
        ((number,),) = raw.execute(dead).fetchall()
        assert number >= 2 * rounds * JOBS
        then_begins, then_ends = measured.settled(5 + rounds)
    assert then_begins <= 2 * begins
    assert then_ends <= 2 * ends


def test_a_look_at_everything_finds_what_lies_before_the_last_one(measured: Measured) -> None:
    """What no node writes, a cursor that is set back, is found in ten seconds all the same."""
    measured.settled(1)
    with raw_connection(measured.address) as raw:
        raw.execute("UPDATE job_cursors SET next_due = next_due - interval '5 s' WHERE job_id = 1")
    assert len(measured.ledger.turn("a", at(5), DECIDE, room=JOBS).claimed) == JOBS - 1
    measured.ledger._store._due._all_at -= 11
    assert len(measured.ledger.turn("a", at(5), DECIDE, room=JOBS).claimed) == 1


def filled(raw: Connection, rows: int) -> None:
    """Write so many closed accounts of two old months."""
    raw.execute("SELECT make_partitions('2025-10-01')")
    for table in ("job_runs", "job_runs_2025_10", "job_runs_2025_11"):
        raw.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    raw.execute(
        "INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence,"
        " started_at, actor, status, finished_at)"
        f" SELECT nextval('run_ids'), 1 + n %% {JOBS}, 1, 'schedule', at, at, at, at, 'a', 1, nextval('fences'), at, 'schedule',"
        " 'success', at"
        f" FROM (SELECT n, '2025-10-01+00'::timestamptz + n / {JOBS} * interval '20 s' AS at FROM generate_series(1, %s) n) t",
        [rows],
    )
    for table in ("job_runs", "job_runs_2025_10", "job_runs_2025_11"):
        raw.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def test_a_turn_costs_the_same_beside_two_hundred_thousand_closed_accounts(measured: Measured) -> None:
    begins, ends = measured.settled(1)
    with raw_connection(measured.address) as raw:
        filled(raw, 200_000)
        raw.execute("ANALYZE")
    then_begins, then_ends = measured.settled(5)
    # An index of many rows is a page or two higher than one of none.
    assert then_begins <= 1.5 * begins
    assert then_ends <= 1.5 * ends


ONE_RUN = """
INSERT INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, actor, node_id, fence, attempt,
                       started_at)
SELECT {n}, 1, 1, 'schedule', at, at, at, at, 'schedule', 'a', {n}, 1, at FROM (SELECT '2026-01-02+00'::timestamptz
                                                                                       + {n} * interval '1 s' AS at) t;
WITH gone AS (DELETE FROM open_runs WHERE run_id = {n} RETURNING *)
INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence,
                      started_at, actor, status, finished_at)
SELECT run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor,
       'success', due_at FROM gone;
INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at)
SELECT 2, 1, at, at, 1, 'missed', 'down', at FROM (SELECT '2026-01-02+00'::timestamptz + {n} * interval '1 s' AS at) t;
"""


def test_the_ten_thousandth_account_of_a_session_costs_at_most_twice_the_tenth(measured: Measured) -> None:
    """The plans of the triggers are made while the tables are small, and kept."""
    with raw_connection(measured.address) as raw:

        def costs(number: int) -> int:
            raw.execute("BEGIN")
            for statement in ONE_RUN.replace("{n}", str(number)).split(";"):
                if statement.strip():
                    raw.execute(statement.encode())
            ((fetched,),) = raw.execute(FETCHED).fetchall()
            raw.execute("COMMIT")
            return int(fetched)

        first = [costs(number) for number in range(1_001, 1_011)][-1]
        body = ONE_RUN.replace("'", "''").replace("{n}", "' || n || '")
        raw.execute(f"DO $$ BEGIN FOR n IN 1011..11000 LOOP EXECUTE '{body}'; END LOOP; END $$".encode())
        last = costs(11_001)
    assert last <= 2 * first
