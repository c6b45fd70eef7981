"""What is read in two statements is one state of the ledger, whatever another process commits between them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.ledger_stage import EVERY_SECOND, START, at, ending, node, spec
from systemprompt.databases.sqlite import open_connection
from systemprompt.ledger.records import Change, Claimed
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger(str(tmp_path / "ledger.db"))) as ledger:
        ledger.migrate()
        ledger.join(node("a", START))
        ledger.sync_catalogue([spec("job", EVERY_SECOND)], [], START, DECIDE, Change(actor="test"))
        yield ledger


@pytest.fixture
def in_between(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Do something right before a reading connection runs a statement that names this table or view."""

    def when(name: str, act: Callable[[], object]) -> None:
        left = [act]

        def watched(path: str, **more: Any) -> sqlite3.Connection:
            connection = open_connection(path, **more)
            connection.set_trace_callback(lambda text: left.pop()() if left and name in text else None)
            return connection

        monkeypatch.setattr("systemprompt.ledger.sqlite.store.open_connection", watched)

    return when


def begun(ledger: SqliteLedger) -> Claimed:
    (claimed,) = ledger.turn("a", at(1), DECIDE, room=1).claimed
    return claimed


@pytest.mark.parametrize("job_id", [None, 1])
@pytest.mark.parametrize("attempts", [False, True])
def test_a_run_that_closes_in_mid_read_is_seen_once(
    ledger: SqliteLedger,
    in_between: Callable[[str, Callable[[], object]], None],
    job_id: int | None,
    attempts: bool,
) -> None:
    claimed, done = begun(ledger), []

    def close() -> None:
        ledger.turn("a", at(2), DECIDE, closings=[ending(claimed, at(2))], plan=False)
        done.append(claimed.run_id)

    in_between("open_run_views", close)
    if attempts:
        seen = [run.status for run, _ in ledger.tried_runs_between(0, 2**62, job_id=job_id)]
    else:
        seen = [run.status for run in ledger.runs_between(0, 2**62, job_id=job_id)]
    assert done == [claimed.run_id]
    assert seen == ["running"]


@pytest.mark.parametrize("job_id", [None, 1])
def test_what_is_folded_in_mid_read_counts_once(
    ledger: SqliteLedger, in_between: Callable[[str, Callable[[], object]], None], job_id: int | None
) -> None:
    claimed, done = begun(ledger), []
    ledger.turn("a", at(2), DECIDE, closings=[ending(claimed, at(2))], plan=False)
    before = list(ledger.counts_between(0, 2**40, job_id=job_id))

    def fold() -> None:
        done.append(ledger.fold())

    in_between("job_tally_sums", fold)
    assert list(ledger.counts_between(0, 2**40, job_id=job_id)) == before
    assert done == [False]
