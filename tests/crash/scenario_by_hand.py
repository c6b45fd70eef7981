"""Starts by hand, refused and granted; a node declared lost while it lives, and its late results; clocks that jump; a last try."""

from __future__ import annotations

from contextlib import suppress

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, Worker, end_of, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.errors import JobAlreadyRunning
from systemprompt.ledger.records import Change, ManualStart

LATER = START + 2 * 3_600 * SECOND

JOBS = (
    spec("once", "*/10 * * * * *"),
    spec("reruns", "*/10 * * * * *", on_lost="rerun"),
    spec("hand", ""),
    spec("other", "", on_lost="rerun"),
    spec("first", ""),
)


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    ledger.close()


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(START)
    slow, quick = Worker(ledger, clock, folder), Worker(ledger, clock, folder)
    slow.loop.ask(ManualStart(job_name="first", origin="bootstrap"))
    slow.step(10)
    person = Worker(ledger, clock, folder)  # `sp run`: it starts by hand and plans nothing
    me = person.loop.node_id
    starts = [ManualStart(job_name=name, parameters={"a": 1}) for name in ("hand", "other")]
    person.hold(ledger.start_manual(me, clock.now(), starts, Change(actor="me")))
    with suppress(JobAlreadyRunning):
        ledger.start_manual(me, clock.now(), starts, Change(actor="me"))
    person.hold(
        ledger.start_manual(
            me, clock.now(), [starts[0], ManualStart(job_name="once")], Change(actor="me"), skip_running=True
        )
    )
    ledger.turn(me, clock.now(), DECIDE, closings=[end_of(run, clock.now()) for run in person.held], plan=False)
    ledger.leave(me, clock.now())
    clock.step(-30)  # set back by half a minute
    for _ in range(4):
        quick.step(4)  # the other is silent for longer than its lease, and taken for lost
    quick.step(40)
    slow.finish()  # too late: others have settled it
    slow.step(1)
    quick.finish()
    clock.step(3_600)
    quick.step(1)
    for _ in range(4):
        slow.step(4)
    for worker in (slow, quick):
        worker.finish()
        worker.step(1)
        worker.leave()
    ledger.close()


def recover(folder: str) -> None:
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        for run in runs_of(ledger):
            tries = [attempt.result for attempt in ledger.attempts(run.run_id)]
            assert tries[:-1] == ["lost"] * (len(tries) - 1), "tried again with no account of why"
            if run.job_name not in ("reruns", "other"):
                assert len(tries) <= 1, "on_lost: fail starts once"
            if run.reason == "overlap" and run.origin == "manual":
                assert run.blocked_by is not None
