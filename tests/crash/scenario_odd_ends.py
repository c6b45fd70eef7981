"""Runs that do not end as they should: code that goes on after its account is closed, and ends that the ledger refuses."""

from __future__ import annotations

from dataclasses import replace

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, CrashLedger, Worker, end_of, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change, Claimed, Closing

LATER = START + 300 * SECOND

JOBS = (
    spec("deaf", "*/10 * * * * *"),
    spec("numb", "*/10 * * * * *", on_lost="rerun"),
    spec("odd", "*/10 * * * * *", on_lost="rerun"),
    spec("well", "*/10 * * * * *"),
)


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    ledger.close()


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(START)
    worker = Worker(ledger, clock, folder)
    worker.step(10)
    code = [run for run in worker.held if run.job_name in ("deaf", "numb")]
    # The code of two jobs goes on, and the ledger refuses how `odd` ended: each of the others is closed by itself.
    worker.finish(how=badly)
    worker.step(1)
    worker.step(9)
    worker.finish()
    (deaf, numb) = code
    worker.loop.ended(end_of(deaf, clock.now()))  # one comes back at last
    worker.step(1)
    release(ledger, clock.now())
    worker.step(9)
    worker.finish(how=badly)
    worker.step(1)
    release(ledger, clock.now())
    other = Worker(ledger, clock, folder)
    for _ in range(3):
        other.step(4)  # the first node is taken for lost, and its codes with it
    other.finish(how=badly)
    other.step(1)
    worker.loop.ended(end_of(numb, clock.now()))  # they had been at work all the same
    worker.step(1)
    other.leave()  # it takes its own codes with it
    worker.leave()
    ledger.close()


def recover(folder: str) -> None:
    """Somebody has looked, and releases the job; the next node goes on."""
    ledger = ledger_in(folder)
    release(ledger, LATER)
    ledger.close()
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        assert list(ledger.abandoned_runs()) == [], "code ends with its process"
        assert [job.quarantine_error for job in ledger.jobs()] == [None] * len(JOBS)
        for run in runs_of(ledger):
            if run.job_name == "well" and run.attempt:
                assert run.status == "success" or run.reason == "node_lost", "the odd one holds up nobody else"
            assert run.message != "refused", "an end that the ledger refuses is kept nowhere"
            if run.abandoned:
                assert (run.job_name in ("deaf", "numb"), run.reason) == (True, "timeout")


def badly(run: Claimed, now: int) -> Closing:
    end = end_of(run, now)
    if run.job_name == "odd":
        return replace(end, status="success", reason="timeout", message="refused")
    if run.job_name in ("deaf", "numb"):
        return replace(end, status="failed", reason="timeout", error="it took too long", abandoned=True)
    return end


def release(ledger: CrashLedger, now: int) -> None:
    """Enable the job again: no version changes, its quarantine ends."""
    ledger.set_enabled("odd", True, now, DECIDE, Change(actor="me", request_id=f"release at {now}"))
