"""Closed accounts on PostgreSQL lie by month: who makes the partitions, where each account goes, and when a partition goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.ledger_stage import DAY, EVERY_MINUTE, HOUR, Stage, at, node, spec
from support.postgres_engine import PostgresEngine
from support.raw_postgres import Connection, raw_connection
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, SystemClock


class Months(Stage):
    """A stage, and a session that looks at the tables."""

    raw: Connection

    def partitions(self) -> list[str]:
        asked = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'job_runs'::regclass ORDER BY 1"
        return [row[0].removeprefix("job_runs_") for row in self.raw.execute(asked)]

    def places(self) -> dict[str, int]:
        """Return how many accounts each partition holds."""
        asked = "SELECT tableoid::regclass::text, count(*) FROM job_runs GROUP BY 1"
        return {name.removeprefix("job_runs_"): number for name, number in self.raw.execute(asked)}

    def run_through(self, days: int, *, beats: bool = True) -> None:
        """Let days pass, a turn in each, and what falls due end at once."""
        for _ in range(days):
            self.wait(DAY)
            if beats:
                assert self.ledger.beat("a", self.now)
            self.finish(*self.turn().claimed)


@pytest.fixture
def months(emptied_postgres: str) -> Iterator[Months]:
    engine = PostgresEngine(emptied_postgres)
    stage = Months(engine)
    with raw_connection(emptied_postgres) as stage.raw:
        yield stage
    stage.sound()
    engine.close()


def test_a_node_that_joins_makes_the_partitions_of_this_month_and_the_next(months: Months) -> None:
    assert months.partitions() == ["2026_01", "2026_02", "default"]


def test_a_node_that_runs_for_months_makes_each_month_before_it_begins(months: Months) -> None:
    months.declare(spec("daily", "0 0 12 * * *"))
    months.run_through(100)
    assert months.partitions() == ["2026_01", "2026_02", "2026_03", "2026_04", "2026_05", "default"]
    assert months.places() == {"2026_01": 31, "2026_02": 28, "2026_03": 31, "2026_04": 10}


def test_a_node_looks_for_the_partitions_once_a_day(months: Months) -> None:
    heard: list[str] = []
    ledger = months.engine.open_again(on_statement=heard.append)  # type: ignore[call-arg]  # of this engine
    ledger.join(node("c", months.now))
    for _ in range(48):
        months.wait(HOUR)
        ledger.beat("c", months.now)
    assert heard.count("make_partitions") == 3, "as it joined, and on each of two days"


def test_a_month_ends_where_utc_says(months: Months) -> None:
    months.declare(spec("job", EVERY_MINUTE))
    months.now = at(31 * DAY) - 30 * SECOND
    for _ in range(2):
        months.wait(60)
        months.finish(*months.turn().claimed)
    bounds = dict(
        months.raw.execute("SELECT tableoid::regclass::text, min(due_at)::text FROM job_runs GROUP BY 1").fetchall()
    )
    assert bounds["job_runs_2026_02"].startswith("2026-02-01 00:00:00")


def test_a_month_that_the_default_partition_has_rows_of_stays_there_and_can_be_seen(months: Months) -> None:
    months.declare(spec("daily", "0 0 12 * * *"))
    months.run_through(70, beats=False)  # nobody makes March
    assert months.places() == {"2026_01": 31, "2026_02": 28, "default": 11}
    assert months.ledger.beat("a", months.now)
    assert months.partitions() == ["2026_01", "2026_02", "2026_04", "default"]
    assert months.raw.execute("SELECT count(*) FROM job_runs_default").fetchone() == (11,)
    months.run_through(30)
    assert months.places() == {"2026_01": 31, "2026_02": 28, "2026_04": 10, "default": 31}


def test_nobody_waits_for_a_long_reader_and_what_is_missing_is_made_later(
    months: Months, emptied_postgres: str
) -> None:
    months.wait(30 * DAY)
    with raw_connection(emptied_postgres) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM job_runs")
        before = SystemClock().monotonic()
        assert months.ledger.beat("a", months.now)
        assert SystemClock().monotonic() - before < 5, "of a patience of 10 s"
        assert "2026_03" not in months.partitions()
        months.wait(2 * DAY)
        assert months.ledger.beat("a", months.now)
        assert "2026_03" not in months.partitions()
        months.wait(30)
        assert months.ledger.beat("a", months.now)
        reader.execute("ROLLBACK")
    assert months.ledger.beat("a", months.now)
    assert "2026_03" not in months.partitions(), "it is tried again in a minute, not with each beat"
    months.wait(31)
    assert months.ledger.beat("a", months.now)
    assert "2026_03" in months.partitions()


def test_pruning_drops_the_empty_partitions_of_pruned_months_and_nothing_else(months: Months) -> None:
    months.raw.execute("SELECT make_partitions('2025-11-15'), make_partitions('2027-01-01')")
    months.declare(spec("daily", "0 0 12 * * *"))
    months.run_through(65)
    assert seal_closed_days(months.ledger, now=months.now, alive=lambda _: None).sealed
    assert months.ledger.prune(at(40 * DAY), limit=1_000) == 40
    later = ["2026_04", "2027_01", "2027_02", "default"]
    assert months.partitions() == ["2026_02", "2026_03", *later], "those before were empty, that of February is not"
    assert months.places() == {"2026_02": 19, "2026_03": 6}


def test_a_partition_that_somebody_reads_is_dropped_later(months: Months, emptied_postgres: str) -> None:
    months.declare(spec("daily", "0 0 12 * * *"))
    months.run_through(40)
    assert seal_closed_days(months.ledger, now=months.now, alive=lambda _: None).sealed
    with raw_connection(emptied_postgres) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM job_runs")
        assert months.ledger.prune(at(31 * DAY), limit=1_000) == 31
        assert months.partitions() == ["2026_01", "2026_02", "2026_03", "default"]
        reader.execute("ROLLBACK")
    assert months.ledger.prune(at(31 * DAY), limit=1_000) == 0
    assert months.partitions() == ["2026_02", "2026_03", "default"]


def test_two_who_make_partitions_at_once_make_each_once(months: Months, emptied_postgres: str) -> None:
    with raw_connection(emptied_postgres) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT make_partitions('2028-01-01')").fetchone() == (True,)
        assert months.raw.execute("SELECT make_partitions('2028-01-01')").fetchone() == (False,)
        other.execute("COMMIT")
    assert months.raw.execute("SELECT make_partitions('2028-01-01')").fetchone() == (True,)
    assert months.partitions()[-3:] == ["2028_01", "2028_02", "default"]


def test_two_who_drop_partitions_at_once_drop_each_once(months: Months, emptied_postgres: str) -> None:
    months.declare(spec("daily", "0 0 12 * * *"))
    months.run_through(40)
    assert seal_closed_days(months.ledger, now=months.now, alive=lambda _: None).sealed
    months.ledger.prune(at(DAY), limit=1_000)
    months.raw.execute("SELECT make_partitions('2025-11-15')")
    with raw_connection(emptied_postgres) as other:
        other.execute("BEGIN")
        assert len(other.execute("SELECT drop_partitions()").fetchall()) == 2
        assert months.raw.execute("SELECT drop_partitions()").fetchall() == []
        other.execute("COMMIT")
    assert months.raw.execute("SELECT drop_partitions()").fetchall() == []
    assert months.partitions() == ["2026_01", "2026_02", "2026_03", "default"]


# -- plans ------------------------------------------------------------------------------------------------------------------


def touched(raw: Connection, statement: str) -> set[str]:
    """Carry out a statement and return the partitions that its plan read or wrote."""
    (row,) = raw.execute(f"EXPLAIN (ANALYZE, FORMAT json) {statement}".encode()).fetchall()
    found: set[str] = set()

    def walk(plan: dict[str, object]) -> None:
        name = str(plan.get("Relation Name", ""))
        if name.startswith("job_runs_") and plan["Actual Loops"]:
            found.add(name.removeprefix("job_runs_"))
        for below in plan.get("Plans", ()):  # type: ignore[attr-defined]  # as JSON has it
            walk(below)

    walk(row[0][0]["Plan"])
    return found


FRESH = "(VALUES (99::bigint, 1::bigint, '2026-02-03 12:00+00'::timestamptz)) AS n (run_id, job_id, fire_at)"


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT 1 FROM {FRESH} JOIN job_runs r ON r.run_id = n.run_id AND r.due_at = n.fire_at",
        f"SELECT 1 FROM {FRESH} JOIN job_runs r ON r.job_id = n.job_id AND r.due_at = n.fire_at AND r.fire_at = n.fire_at",
        f"SELECT 1 FROM {FRESH} JOIN job_runs r ON r.job_id = n.job_id AND r.due_at BETWEEN n.fire_at AND n.fire_at",
        "DELETE FROM job_runs WHERE due_at >= '2026-02-01+00' AND due_at < '2026-02-02+00'",
    ],
    ids=["is this run closed", "is this fire time closed", "is any of this range closed", "pruning"],
)
def test_what_looks_for_one_account_touches_its_own_partition_alone(months: Months, statement: str) -> None:
    for month in ("2026-03-01", "2026-05-01"):
        months.raw.execute("SELECT make_partitions(%s)", [month])
    months.raw.execute("BEGIN")
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        months.raw.execute(f"SET LOCAL {setting} = off".encode())  # as the triggers do
    try:
        assert touched(months.raw, statement) <= {"2026_02"}
    finally:
        months.raw.execute("ROLLBACK")
