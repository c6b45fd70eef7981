"""Days are sealed, and what is sealed goes in small batches and gives its space back, while a node works."""

from __future__ import annotations

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, START, Worker, job, ledger_in, take_over

from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.seals import DAY
from systemprompt.ledger.sqlite.ledger import SqliteLedger

DAYS = 4
NOW = START + DAYS * DAY + 3_600 * SECOND
LATER = NOW + 100 * SECOND
BEFORE = START + (DAYS - 1) * DAY

JOBS = (
    job("often", "0 0 */4 * * *", catch_up="all"),
    job("seldom", "0 30 12 * * *"),
    job("ranged", "0 */20 * * * *", catch_up="skip"),
    job("hand", ""),
)


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    clock = ManualClock(START)
    while clock.now() < NOW - DAY // 4:
        worker = Worker(ledger, clock, folder)
        worker.step(6 * 3_600)
        worker.take(
            ledger.start_manual(worker.loop.node_id, clock.now(), [ManualStart(job_name="hand")], Change(actor="me"))
        )
        for _ in range(3):
            worker.finish()
            worker.step(1)
        worker.leave()
    ledger.close()


def live(folder: str) -> None:
    ledger = ledger_in(folder)
    worker = Worker(ledger, ManualClock(NOW), folder)
    worker.step(10)
    seal(ledger, START + 2 * DAY)
    ledger.prune(BEFORE, limit=9)
    worker.step(2)
    worker.finish()
    ledger.give_back()
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


def seal(ledger: SqliteLedger, until: int) -> None:
    """Seal every day up to then that holds anything and is not sealed yet."""
    sealed = ledger.seal_state().sealed_until
    while (at := ledger.next_account_at(sealed)) is not None and (end := at - at % DAY + DAY) <= until:
        made = ledger.seal(ledger.draft_seal(sealed, end), NOW)
        assert made is not None
        sealed = made.until_at


def prune(ledger: SqliteLedger) -> None:
    while ledger.prune(BEFORE, limit=40):
        pass
    while ledger.give_back():
        pass
    ledger.checkpoint()
