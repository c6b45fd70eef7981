"""Runs are asked for and asked to stop, and a node to drain, each request under an id of its own.

Whoever got no answer asks again with the same id.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from crash_checks import check_ledger, runs_of
from crash_worker import DECIDE, CrashLedger, Worker, end_of, ledger_in, take_over, tell

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.errors import RequestMismatch, RunClosed
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.seals import DAY

BEGIN = START + 8 * DAY
"""By then the request ids of START may be used for something else."""

LATER = BEGIN + 200 * SECOND

JOBS = (
    spec("hand", "", on_lost="rerun"),
    spec("other", ""),
    spec("slow", "", on_lost="rerun"),
    spec("tick", "*/30 * * * * *", catch_up="skip"),
)

ASKED: dict[str, Sequence[str]] = {
    "two": ("hand", "other"),
    "behind": ("hand",),
    "slow": ("slow",),
    "third": ("other",),
    "used": ("other", "slow"),
    "last": ("hand",),
}
"""What is asked for, by request id. `used` was the id of another request more than a week ago."""

STOPPED = ("behind", "slow", "third")


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    first = ledger.ask_for_runs(START, [ManualStart(job_name="hand")], Change(actor="me", request_id="used"))
    clock = ManualClock(START)
    worker = Worker(ledger, clock, folder)
    worker.step(1)
    worker.finish()
    clock.set(BEGIN)
    worker.step(0.1)
    worker.leave()
    assert len(first) == 1
    ledger.close()


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(BEGIN)
    worker = Worker(ledger, clock, folder)
    slow = Worker(ledger, clock, folder)
    worker.step(0.1)
    ask(folder, ledger, "two", clock.now())
    worker.step(1)
    ask(folder, ledger, "two", clock.now())  # again: nothing new comes of it
    ask(folder, ledger, "behind", clock.now())
    ask_to_stop(folder, ledger, "behind", clock.now())  # it waits behind the first one
    ask(folder, ledger, "slow", clock.now())
    slow.step(1)
    # It runs, on a node that then hears nothing for a whole lease: closed as asked.
    ask_to_stop(folder, ledger, "slow", clock.now())
    ask(folder, ledger, "third", clock.now())
    ask_to_stop(folder, ledger, "third", clock.now())
    ledger.ask_to_stop(asked_before(folder, "slow"), clock.now(), Change(actor="else", why="too"))  # the first stands
    with suppress(RunClosed):
        ledger.ask_to_stop(asked_before(folder, "third"), clock.now(), Change(actor="else"))
    with suppress(RequestMismatch):
        ledger.ask_for_runs(clock.now(), [ManualStart(job_name="tick")], Change(actor="me", request_id="two"))
    for _ in range(4):
        worker.step(4)
    worker.finish()
    ask(folder, ledger, "used", clock.now())
    worker.step(1)
    stop_what_is_held(ledger, worker, clock.now())
    worker.step(1)
    slow.finish()
    slow.step(0.1)
    ask(folder, ledger, "last", clock.now())
    for _ in range(2):  # the second time nothing comes of it
        ledger.drain(worker.loop.node_id, clock.now(), Change(actor="me", why="new kernel", request_id="drain"))
        tell(folder, {"drained": worker.loop.node_id})
    worker.loop.look()
    worker.step(1)
    assert worker.drained == [("me", "new kernel")]
    worker.leave()
    slow.leave()
    ledger.close()


def recover(folder: str) -> None:
    """Ask again for all, each with its id; then the next node works it off."""
    ledger = ledger_in(folder)
    for request_id in ASKED:
        ask(folder, ledger, request_id, LATER)
        if request_id in STOPPED:
            ask_to_stop(folder, ledger, request_id, LATER)
    ledger.close()
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        runs = {run.run_id: run for run in runs_of(ledger) if run.due_at >= BEGIN}
        answers = _answers(folder)
        for request_id, names in ASKED.items():
            (run_ids,) = answers[request_id]
            assert [runs[run_id].job_name for run_id in run_ids] == list(names), request_id
        by_hand = [run.run_id for run in runs.values() if run.origin == "manual"]
        assert len(by_hand) == sum(map(len, ASKED.values())), "each request is done once"
        assert answers.keys() <= {*ASKED, *(f"stop {request_id}" for request_id in STOPPED)}
        drained = {
            node.node_id for node in ledger.nodes() if (node.draining_by, node.draining_why) == ("me", "new kernel")
        }
        assert drained >= _drained(folder), "what was answered is written"
        for request_id in STOPPED:
            assert len(answers.get(f"stop {request_id}", ())) <= 1, "the same id gets the same answer"
            run = runs[answers[request_id][0][0]]
            assert (run.stop_by, run.stop_why) == ("me", "enough"), "the first request stands"
            assert (run.status, run.reason) == ("cancelled", "requested")
            assert run.attempt <= 1, "what was asked to stop is never started again"


def ask(folder: str, ledger: CrashLedger, request_id: str, now: int) -> None:
    starts = [ManualStart(job_name=name, parameters={"for": request_id}) for name in ASKED[request_id]]
    run_ids = ledger.ask_for_runs(now, starts, Change(actor="me", request_id=request_id))
    tell(folder, {"asked": request_id, "answer": run_ids})


def ask_to_stop(folder: str, ledger: CrashLedger, request_id: str, now: int) -> None:
    change = Change(actor="me", why="enough", request_id=f"stop {request_id}")
    answer = ledger.ask_to_stop(asked_before(folder, request_id), now, change)
    tell(folder, {"asked": change.request_id, "answer": [answer.run_id, answer.status]})


def stop_what_is_held(ledger: CrashLedger, worker: Worker, now: int) -> None:
    """Somebody asks for the end of what runs, and the node does as it is told."""
    for run in worker.held:
        ledger.ask_to_stop(run.run_id, now, Change(actor="me"))
    asked = dict(ledger.stops_asked(worker.loop.node_id))
    assert asked == {run.run_id: run.fence for run in worker.held}
    worker.finish(how=lambda run, now: replace(end_of(run, now), status="cancelled", reason="requested"))


def asked_before(folder: str, request_id: str) -> int:
    run_id: int = _answers(folder)[request_id][0][0]
    return run_id


def _drained(folder: str) -> set[str]:
    with open(os.path.join(folder, "witness.txt"), encoding="utf-8") as stream:
        return {line["drained"] for line in map(json.loads, stream) if "drained" in line}


def _answers(folder: str) -> dict[str, list[list[int]]]:
    """Return the different answers that each request id got."""
    answers: dict[str, list[list[int]]] = {}
    with open(os.path.join(folder, "witness.txt"), encoding="utf-8") as stream:
        for line in map(json.loads, stream):
            if "asked" in line and line["answer"] not in answers.setdefault(line["asked"], []):
                answers[line["asked"]].append(line["answer"])
    return answers
