"""A ledger and our tables move to other files, beside tables of a host: the new side is whole or not there, the old one stays."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

from crash_worker import Worker
from scenario_restore import JOBS, context_in, write_installation

from support.ledger_stage import START
from systemprompt.clock import SECOND, ManualClock
from systemprompt.errors import ConflictError
from systemprompt.ledger.sqlite.upkeep import LedgerFile
from systemprompt.ledger.table_rows import digests_of
from systemprompt.ledger.upkeep import DatabaseUpkeep
from systemprompt.operations.move import DbMoveParams, db_move
from systemprompt.system import open_system

MOVED = START + 600 * SECOND


def prepare(folder: str, more: str = "") -> None:
    """Let a node work and leave, and a host have a table where ours are to come."""
    clock = ManualClock(START)
    profile = write_installation(folder, more=more, jobs=JOBS)
    context = context_in(folder, clock)
    with open_system(profile, environ=context.environ, clock=clock) as system:
        system.database.execute("INSERT INTO logs (created_at, level, message) VALUES (1, 'INFO', 'moved')")
        worker = Worker(system.ledger, clock, folder)
        worker.step(20)
        worker.finish()
        worker.step(5)
        worker.finish()
        worker.leave()
    with closing(sqlite3.connect(os.path.join(folder, "there.db"))) as host, host:
        host.execute("CREATE TABLE theirs (id INTEGER)")


def play(folder: str, to: str = "there.db") -> None:
    moved = db_move(context_in(folder, ManualClock(MOVED)), DbMoveParams(to=to))
    assert moved.clean


def recover(folder: str, to: str = "there.db") -> None:
    """Whoever got no answer does it again. Where all is there already, that is said."""
    try:
        play(folder, to)
    except ConflictError as error:
        assert "not empty" in error.message  # noqa: PT017  # no other conflict may come


def check(folder: str, whole: str) -> None:
    check_same(folder, LedgerFile(os.path.join(folder, "there.ledger.db")))
    assert LedgerFile(os.path.join(folder, "there.ledger.db")).schema_state().differences == ()
    with closing(sqlite3.connect(os.path.join(folder, "there.db"))) as host:
        assert host.execute("SELECT message FROM logs").fetchall() == [("moved",)]
        assert host.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def check_same(folder: str, target: DatabaseUpkeep) -> None:
    """Hold the other side against the source, which is as it was."""
    sides: list[Any] = []
    for upkeep in (LedgerFile(os.path.join(folder, "ledger.db")), target):
        with upkeep.hold() as rows:
            sides.append(digests_of(rows, upkeep.shapes()))
    assert sides[0] == sides[1]
