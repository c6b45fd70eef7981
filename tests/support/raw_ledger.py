"""A ledger on SQLite that has a row in each of its tables, and raw SQL to break it with."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.ledger_stage import DAY, EVERY_SECOND, ME, START, at, ending, node, spec
from systemprompt.clock import SECOND
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, ClockEvent, ManualStart, QuarantineNotice
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide


@contextmanager
def raw_ledger(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger with a closed run (1) of `job`, a running one (2), a waiting one (3), a range and three versions; with a lost
    attempt and its late result; and with the day before START sealed.
    """
    path = str(folder / "ledger.db")
    with closing(SqliteLedger(path)) as ledger:
        ledger.migrate()
        live(ledger)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("INSERT INTO run_marks (run_id, mark, actor, marked_at) VALUES (1, 'done', 'me', 1)")
        connection.execute(
            "INSERT INTO ledger_seals VALUES (1, 1, '2025-12-31', ?, ?, 0, 0, 0, 0, '{}', ?, 1, ?, ?)",
            [START - DAY * SECOND, START, "0" * 64, "1" * 64, "2" * 64],
        )
        connection.execute("UPDATE ledger_state SET seals = 1, sealed_until = ?", [START])
        connection.execute("INSERT INTO ledger_epochs VALUES (0, 'a server', 1, ?)", [START])
        connection.execute("INSERT INTO lost_runs VALUES (1, 1, '{}')")
        yield connection


def live(ledger: Ledger) -> None:
    """Let a new ledger live through what `raw_ledger` tells, but for the mark and the seal."""
    for name in ("a", "gone", "dead"):
        ledger.join(node(name, START))
    ledger.leave("gone", START)
    ledger.join(node("newest", START, zone_data="2026b"))
    assert ledger.plan_by_zone_data("newest", START).may_plan
    ledger.leave("newest", START)
    assert ledger.plan_by_zone_data("a", START).may_plan
    ledger.record_clock_event(ClockEvent(seen_at=START, kind="forward", delta_us=1, action="", node_id="a"))
    module = QuarantineNotice(name=None, source="file:broken.py", error="SyntaxError")
    jobs = [spec("job", EVERY_SECOND, catch_up="all"), spec("again", "", on_lost="rerun"), spec("stuck", "")]
    ledger.sync_catalogue(jobs, [module], START, DECIDE, Change(actor="test"))
    ledger.set_enabled("job", False, START, DECIDE, Change(actor="test", request_id="r1"))
    ledger.set_enabled("job", True, at(10), DECIDE, Change(actor="test"))
    (first,) = ledger.turn("a", at(13), DECIDE, room=1).claimed
    said = ending(first, at(13), output="words")
    ledger.turn("a", at(13), DECIDE, closings=[said], room=1)
    (lost,) = ledger.start_manual("dead", at(13), [ManualStart(job_name="again")], ME)
    ledger.rescue("dead", 0, at(13), max_attempts=5)
    (stuck,) = ledger.start_manual("a", at(13), [ManualStart(job_name="stuck")], ME)
    given_up = ending(stuck, at(13), "failed", "timeout", abandoned=True)
    ledger.turn("a", at(13), DECIDE, closings=[ending(lost, at(13)), given_up], plan=False)
    ledger.fold(limit=2)


def constraints(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return every CHECK of the schema: its table, and its name or else its text."""
    found = set()
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    for table, sql in tables:
        text = re.sub(r"--.*", "", sql)
        for check in re.finditer(r"(?:CONSTRAINT (\w+)\s+)?CHECK \(", text):
            depth, end = 1, check.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            found.add((table, check[1] or text[check.end() : end - 1]))
    return found


def refusals(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return every trigger of the schema with each of the sentences with which it refuses."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return {(name, said) for name, sql in triggers for said in re.findall(r"RAISE\(ROLLBACK, '([^']*)'\)", sql)}


def copied(into: str, source: str, where: str, connection: sqlite3.Connection, **changes: str) -> str:
    """Return SQL that inserts a row like one of another table, with these columns changed (SQL expressions)."""
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({source})")}
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({into})")]
    columns = [column for column in columns if column in there or column in changes]
    values = ", ".join(changes.get(column, column) for column in columns)
    return f"INSERT INTO {into} ({', '.join(columns)}) SELECT {values} FROM {source} WHERE {where}"  # the test's own
