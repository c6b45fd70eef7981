"""What must hold of a ledger after the next node has taken over, wherever the one before was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from crash_worker import NOTE, CrashLedger, ledger_in, place_of

from support.ledger_stage import audit_finds_nothing
from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND
from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.reader import PostgresReader
from systemprompt.ledger.postgres.reader import open_reading_ledger as open_schema
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.records import NodeIdentity
from systemprompt.ledger.sqlite.reader import SqliteReader
from systemprompt.ledger.sqlite.reader import open_reading_ledger as open_file
from systemprompt.ledger.views import HistoryQuery, RangeView, RunView
from systemprompt.nodes.identity import is_gone, this_machine

EVER = 2**62
_MACHINE = this_machine()


@contextmanager
def check_ledger(folder: str, now: int, *, with_witness: bool = True) -> Iterator[CrashLedger]:
    """Audit the ledger, hold it against the witness, and lend it for what else is to be looked at."""
    ledger = ledger_in(folder)
    try:
        audit_finds_nothing(ledger, now + 100 * SECOND, alive)
        assert ledger.upkeep.faults() == []
        assert ledger.open_runs() == []
        with ledger.snapshot():
            if with_witness:
                _hold_against_witness(ledger, folder)
            yield ledger
    finally:
        ledger.close()


def read_what_is_there(folder: str) -> None:
    """Before anybody repairs anything, a reader sees a sound ledger: nothing but open runs of the dead is found in it."""
    try:
        reader = _reader_in(folder)
        if reader is None:
            return
    except DatabaseUnreachable as error:
        if "has still to be migrated" not in error.message:
            raise
        return
    try:
        assert reader.upkeep.faults() == []
        reader.jobs(retired=True)
        reader.history(HistoryQuery(limit=20))
        found = audit(reader, now=EVER, alive=alive).findings
        assert {finding.kind for finding in found} <= {"open_without_node"}, [finding.sentence for finding in found]
    finally:
        reader.close()


def _reader_in(folder: str) -> SqliteReader | PostgresReader | None:
    path = os.path.join(folder, "ledger.db")
    if os.path.exists(os.path.join(folder, NOTE)):
        address, schema = place_of(folder)
        return open_schema(Address(address), schema=schema)
    return open_file(path) if os.path.exists(path) else None


def runs_of(ledger: LedgerReader) -> list[RunView]:
    return list(ledger.runs_between(0, EVER))


def ranges_of(ledger: LedgerReader, job_name: str) -> list[RangeView]:
    return [span for span in ledger.ranges_between(0, EVER) if span.job_name == job_name]


def alive(node: NodeIdentity) -> bool | None:
    gone = is_gone(node, _MACHINE)
    return None if gone is None else not gone


def _hold_against_witness(ledger: LedgerReader, folder: str) -> None:
    runs = {run.run_id: run for run in runs_of(ledger)}
    floors = {job.name: job.pruned_through for job in ledger.jobs(retired=True)}
    attempts = {attempt.fence: attempt for attempt in ledger.attempts()}
    with open(os.path.join(folder, "witness.txt"), encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    started = [line for line in lines if "fence" in line]
    fences = {line["fence"] for line in started}
    assert len(fences) == len(started), "one start a fence"
    for line in started:
        if line["run_id"] not in runs:
            assert floors[line["job"]], f"{line} left no account"
            continue
        run = runs[line["run_id"]]
        assert attempts[line["fence"]].run_id == run.run_id
        assert (run.job_name, run.fire_at) == (line["job"], line["fire_at"])
    for attempt in attempts.values():
        if attempt.result in ("success", "failed"):
            assert attempt.fence in fences, "an outcome of what never started"
    for line in lines:
        if "closed" in line and line["closed"] in runs:
            run = runs[line["closed"]]
            assert run.finished_at is not None, "what was acknowledged is durable"
            assert run.reason != "node_lost", "what was acknowledged as ended was lost all the same"
