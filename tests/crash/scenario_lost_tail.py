"""A server has lost what a node did; the next node on its machine finds that in the journal and puts it back."""

from __future__ import annotations

import json
import os

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, CrashLedger, Worker, ledger_in, take_over, tell

from support.ledger_stage import START, at, ending, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change, Claimed
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.nodes.journal import Journal

LATER = START + 300 * SECOND

JOBS = (spec("once", "*/10 * * * * *"), spec("again", "*/10 * * * * *", on_lost="rerun"))


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    clock = ManualClock(START)
    worker = Worker(ledger, clock, folder)
    worker.step(10)
    worker.finish()
    worker.step(1)
    worker.leave()
    _lose(ledger, folder)
    ledger.close()


def _lose(ledger: CrashLedger, folder: str) -> None:
    """Let a node have begun and ended what the ledger knows nothing of, but that the numbers are taken."""
    with ledger._store.write():
        numbers = ledger._store.take_numbers({"fences": 3, "runs": 3, "through": 0, "node_id": None})
        taken = [(next(numbers.run_ids), next(numbers.fences)) for _ in range(3)]
    if isinstance(ledger, SqliteLedger):  # which counts its numbers, and loses nothing
        ledger._store.connection.execute("UPDATE ledger_state SET runs_left_out = runs_left_out + 3")
    (ended, waits, died) = (
        Claimed(run_id, name, 1, "schedule", at(due), 1, fence, at(due), "schedule", {}, None, name == "again")
        for (run_id, fence), name, due in zip(taken, ("once", "again", "once"), (20, 20, 30), strict=True)
    )
    journal = Journal(os.path.join(folder, "journal"))
    journal.begin("the-one-before")
    journal.claimed([ended, waits, died])
    journal.closed([ending(ended, at(21))])
    journal.close()
    for run in (ended, waits, died):
        tell(folder, {"run_id": run.run_id, "job": run.job_name, "fire_at": run.fire_at, "fence": run.fence})
    with open(os.path.join(folder, "lost.json"), "w", encoding="utf-8") as stream:
        json.dump([ended.run_id, waits.run_id, died.run_id], stream)


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(at(35))
    journal = Journal(os.path.join(folder, "journal"))
    worker = Worker(ledger, clock, folder, journal=journal)
    worker.step(1)
    ledger.enter_node(worker.identity(worker.loop.node_id), 1)
    assert len(ledger.held(worker.loop.node_id)) == len(worker.held)
    worker.finish()
    worker.step(1)
    worker.step(4)
    worker.leave()
    journal.close()
    ledger.close()


def recover(folder: str) -> None:
    journal = Journal(os.path.join(folder, "journal"))
    take_over(folder, LATER, journal=journal)
    journal.close()


def check(folder: str, whole: str) -> None:
    with open(os.path.join(folder, "lost.json"), encoding="utf-8") as stream:
        ended, waits, died = json.load(stream)
    with check_ledger(folder, LATER) as ledger:
        runs = {run.run_id: run for run in runs_of(ledger)}
        assert (runs[ended].status, runs[ended].fire_at) == ("success", at(20))
        assert (runs[died].status, runs[died].reason, runs[died].fire_at) == ("failed", "node_lost", at(30))
        assert waits not in runs, "it waits under a number of its own, and is begun again"
        (again,) = [run for run in runs.values() if run.job_name == "again" and run.fire_at == at(20)]
        brought_back = {(attempt.run_id, attempt.result) for attempt in ledger.attempts() if attempt.recovered}
        assert brought_back == {(ended, "success"), (again.run_id, "interrupted"), (died, "interrupted")}
