"""Days are sealed, and what is sealed goes in small batches with all that is kept of it, while a node works.

Texts, marks, attempts, late results, nodes and requests go; tallies are folded, and those of pruned accounts taken away again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, CrashLedger, Worker, end_of, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.postgres.store import PostgresStore
from systemprompt.ledger.records import Change, Claimed, Closing, ManualStart
from systemprompt.ledger.seals import DAY

DAYS = 4
NOW = START + DAYS * DAY + 3_600 * SECOND
LATER = NOW + 100 * SECOND
BEFORE = START + (DAYS - 1) * DAY

JOBS = (
    spec("often", "0 0 */4 * * *", catch_up="all"),
    spec("seldom", "0 30 12 * * *"),
    spec("ranged", "0 */20 * * * *", catch_up="skip"),
    spec("hand", ""),
    spec("lost", "0 15 */8 * * *", on_lost="rerun"),
)


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    ledger.set_enabled("hand", True, START - 8 * DAY, DECIDE, Change(actor="me", request_id="a week before"))
    assert _old_requests(ledger) == 1
    clock = ManualClock(START)
    while clock.now() < NOW - DAY // 4:
        worker = Worker(ledger, clock, folder)
        worker.step(6 * 3_600)
        request = Change(actor="me", request_id=f"at {clock.now()}")
        worker.hold(ledger.start_manual(worker.loop.node_id, clock.now(), [ManualStart(job_name="hand")], request))
        for _ in range(3):
            worker.finish(leave=("lost",), how=badly)
            worker.step(1)
        _lose(ledger, worker, clock, folder)
    with ledger._store.write():  # no method declares a mark yet
        _connection(ledger).execute(
            "INSERT INTO run_marks (run_id, mark, actor, marked_at) SELECT run_id, 'done', 'me', finished_at FROM job_runs"
            " WHERE reason = 'exception'"
        )
    ledger.close()


def _lose(ledger: CrashLedger, worker: Worker, clock: ManualClock, folder: str) -> None:
    """Let the node be taken for lost by another, which tries its run again, and let it bring its result all the same."""
    other = Worker(ledger, clock, folder)
    for _ in range(3):
        other.step(4)
    worker.finish()
    worker.step(1)
    other.finish()
    other.step(1)
    worker.leave()
    other.leave()


def badly(run: Claimed, now: int) -> Closing:
    """End it so that it leaves words."""
    end = end_of(run, now)
    if run.job_name == "seldom":
        return replace(end, status="failed", reason="exception", error=f"run {run.run_id} raised", output="a line")
    return end


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    worker = Worker(ledger, ManualClock(NOW), folder)
    worker.step(10)
    seal(ledger, START + 2 * DAY)
    ledger.prune(BEFORE, limit=9)
    worker.step(2)
    worker.finish()
    ledger.fold(limit=40)
    ledger.give_back()
    ledger.prune(BEFORE, limit=20)
    ledger.fold(limit=1_000)
    ledger.prune(BEFORE, limit=200)
    seal(ledger, BEFORE + DAY)
    ledger.prune(BEFORE, limit=40)
    worker.step(2)
    worker.finish()
    prune(ledger)
    worker.step(3)
    worker.leave()
    ledger.close()


def recover(folder: str) -> None:
    ledger = ledger_in(folder)
    seal(ledger, BEFORE + DAY)
    prune(ledger)
    ledger.close()
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    """Every old day is sealed, everything in it is gone, and nothing younger."""
    with check_ledger(folder, LATER) as ledger:
        assert [seal.day for seal in ledger.seals()] == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
        left, there = runs_of(ledger), ledger_in(whole)
        with there.snapshot():
            assert [run.due_at for run in left if run.due_at < NOW] == [
                run.due_at for run in runs_of(there) if run.due_at < NOW
            ]
            assert [(one.runs, one.counts) for one in ledger.seals()] == [
                (one.runs, one.counts) for one in there.seals()
            ]
        there.close()
        assert BEFORE <= min(run.due_at for run in left) < BEFORE + DAY
        assert [_of_pruned(ledger, what) for what in KEPT_OF_RUNS] == [0] * len(KEPT_OF_RUNS)
        assert all(_number(ledger, f"SELECT count(*) FROM {what}") for what in KEPT_OF_RUNS), "younger ones stay"
        assert _old_requests(ledger) == 0


KEPT_OF_RUNS = ("run_texts", "run_marks", "job_attempts")


def _old_requests(ledger: CrashLedger) -> int:
    return _number(
        ledger, f"SELECT count(*) FROM requests WHERE until_at < {ledger._store.at('before')}", before=BEFORE
    )


def _of_pruned(ledger: CrashLedger, table: str) -> int:
    return _number(ledger, f"SELECT count(*) FROM {table} WHERE run_id NOT IN (SELECT run_id FROM job_runs)")


def _number(ledger: CrashLedger, sql: str, **values: object) -> int:
    number: int = ledger._store.select(sql, values)[0][0]
    return number


def _connection(ledger: CrashLedger) -> Any:
    """The connection of the transaction that is open."""
    store = ledger._store
    return store._current().connection if isinstance(store, PostgresStore) else store.connection


def seal(ledger: CrashLedger, until: int) -> None:
    """Seal every day up to then that holds anything and is not sealed yet."""
    sealed = ledger.seal_state().sealed_until
    while (at := ledger.next_account_at(sealed)) is not None and (end := at - at % DAY + DAY) <= until:
        made = ledger.seal(ledger.draft_seal(sealed, end), NOW)
        assert made is not None
        sealed = made.until_at


def prune(ledger: CrashLedger) -> None:
    while ledger.prune(BEFORE, limit=40):
        pass
    while ledger.give_back():
        pass
    ledger.checkpoint()
