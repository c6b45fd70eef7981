"""Plan, claim, close, beat, rescue, leave: a node's ten turns, the first of them over what a dead node left."""

from __future__ import annotations

import os

from crash_checks import check_ledger, ranges_of, runs_of
from crash_worker import DECIDE, Worker, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change

JOBS = (
    spec("fails", "*/10 * * * * *"),
    spec("reruns", "*/10 * * * * *", on_lost="rerun", retry={"times": 2, "after": 2}),
    spec("every", "*/5 * * * * *", catch_up="all", on_lost="rerun"),
    spec("skips", "*/2 * * * * *", catch_up="skip"),
    spec("long", "*/10 * * * * *"),
)
LATER = START + 100 * SECOND
PERIODS = {"fails": 10, "reruns": 10, "every": 5, "skips": 2, "long": 10}


def prepare(folder: str) -> None:
    """Make a ledger in which a node of another machine died with two runs in its hands."""
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    worker = Worker(ledger, ManualClock(START), folder, machine="elsewhere")
    worker.step(10)
    worker.finish(leave=("fails", "reruns"))
    worker.step(0.5)
    ledger.close()


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(START + round(10.5 * SECOND))
    worker = Worker(ledger, clock, folder)
    worker.step(0)  # nothing is due
    worker.step(4.5)
    worker.step(5)  # the ghost's runs are rescued in here, and one of them is claimed again
    worker.finish(leave=("long",))
    worker.step(4)
    worker.step(6)  # `long` blocks itself
    ledger.set_enabled("skips", False, clock.now(), DECIDE, Change(actor="test"))
    worker.finish()
    worker.step(0.2)
    worker.step(60)  # it was suspended: ranges, and a backlog for `every`
    for _ in range(3):
        worker.finish()
        worker.step(1)
    worker.leave()
    ledger.close()


def recover(folder: str) -> None:
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        jobs = {job.name: job for job in ledger.jobs()}
        runs = runs_of(ledger)
        for name, period in PERIODS.items():
            rows = [run for run in runs if run.job_name == name]
            spans = ranges_of(ledger, name)
            owed = (jobs[name].planned_through - START) // SECOND // period
            assert len(rows) + sum(span.count for span in spans) == owed, name
        for run in runs:
            attempts = list(ledger.attempts(run.run_id))
            lost = [attempt for attempt in attempts if attempt.result == "lost"]
            if attempts and run.job_name in ("reruns", "every"):
                assert run.reason != "node_lost", "it says on_lost: rerun"
                assert run.status in ("success", "failed")
            elif lost:
                assert (run.status, run.reason, run.attempt) == ("failed", "node_lost", 1)
    assert os.path.exists(whole)
