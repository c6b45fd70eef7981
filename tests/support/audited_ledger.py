"""A real ledger with a life behind it: on time, late, down, blocked, disabled, lost, rescued, retired and back."""

from __future__ import annotations

import sqlite3
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.ledger_stage import AUTUMN, HOUR, Stage
from support.ledger_stage import berlin_spec as spec
from support.sqlite_engine import SqliteEngine
from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import AuditReport
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import Instant, ManualClock
from systemprompt.ledger.records import Claimed, Closing
from systemprompt.ledger.seals import Seal
from systemprompt.ledger.sqlite.ledger import SqliteLedger


class AuditedLedger(Stage):
    """A ledger in a file, from AUTUMN on; node a does its work."""

    ledger: SqliteLedger

    def __init__(self, path: Path, *, now: Instant = AUTUMN, said: str = "") -> None:
        self.path = path
        self.copies: list[AuditedLedger] = []
        super().__init__(SqliteEngine(path), now=now, said=said)

    def close(self) -> None:
        """Close its ledger, and those of the copies that were made of it."""
        for one in (self, *self.copies):
            one.ledger.close()

    def claim(self, *closings: Closing, room: int = 9) -> tuple[Claimed, ...]:
        return self.turn(*closings, room=room).claimed

    def end(self, claimed: Claimed, status: str = "success", reason: str | None = None, **more: Any) -> Closing:
        error = self.said or "no" if status == "failed" else None
        texts = {"message": self.said or None, "error": error, "output": self.said or "well"}
        return super().end(claimed, status, reason, **{"finished_at": self.now + 1_000, **texts, **more})

    def work(self, turns: int, seconds: float = 10) -> None:
        """Let time pass in steps, and run all that falls due at once."""
        for _ in range(turns):
            self.wait(seconds)
            self.finish(*self.claim())

    def seal(self) -> tuple[Seal, ...]:
        """Seal every closed day; the audit must find nothing in what is not sealed."""
        made = seal_closed_days(self.ledger, now=self.now, alive=lambda node: None)
        assert made.report.ok, made.report.findings
        return made.sealed

    def audit(self, **more: Any) -> AuditReport:
        return audit(self.ledger, now=self.now, alive=lambda node: None, **more)


def long_history(path: Path, *, said: str = "") -> AuditedLedger:
    """Build the history that the tests break in many ways. `said` stands wherever somebody may write what they like."""
    audited = AuditedLedger(path, said=said)
    audited.declare(
        spec("tick", "*/10 * * * * *"),
        spec("nightly", "0 30 2 * * *"),
        spec("again", "*/30 * * * * *", on_lost="rerun"),
        spec("every", "@every 40s", catch_up="all"),
        spec("hand", ""),
        spec("gone", "0 * * * * *"),
    )
    audited.work(12)
    (by_hand,) = audited.start("hand")
    audited.wait(1)
    audited.claim(audited.end(by_hand, "failed", "reported"), room=0)
    # tick runs long and blocks itself three times
    audited.wait(10)
    claimed = {run.job_name: run for run in audited.claim()}
    audited.wait(30)
    claimed |= {run.job_name: run for run in audited.claim()}
    audited.finish(*claimed.values())
    audited.enable("tick", False)
    audited.wait(HOUR)
    audited.finish(*audited.claim())
    audited.enable("tick", True)
    audited.work(3)
    # somebody asks for a run, for its stop, and for that of another that waits
    audited.ask("hand")
    claimed = {run.job_name: run for run in audited.claim()}
    (waits,) = audited.ask("hand")
    for run_id in (claimed["hand"].run_id, waits):
        audited.stop(run_id)
    audited.wait(1)
    asked = audited.end(claimed.pop("hand"), "cancelled", "requested")
    audited.claim(asked, *map(audited.end, claimed.values()), room=0)
    # gone leaves, and comes back with another schedule
    stay = [
        spec("tick", "*/10 * * * * *"),
        spec("nightly", "0 30 2 * * *"),
        spec("again", "*/30 * * * * *", on_lost="rerun"),
    ]
    stay += [spec("every", "@every 40s", catch_up="all"), spec("hand", "")]
    audited.declare(*stay)
    audited.work(12)
    audited.declare(*stay, spec("gone", "30 * * * * *"))
    audited.work(12)
    # a night and a day without anybody, over the hour that comes twice
    audited.wait(60 * HOUR)
    for _ in range(100):
        audited.work(1, seconds=1)
    # b takes a run of each job that fires, and dies; again runs a second time
    audited.wait(40)
    lost = audited.turn(node="b", room=9).claimed
    assert {run.job_name for run in lost} >= {"tick", "again", "every"}
    audited.wait(20)
    audited.lose("b", max_attempts=3)
    # its code comes back after all
    audited.wait(40)
    audited.claim(*(audited.end(run) for run in lost if run.job_name in ("tick", "again")), room=0)
    audited.work(6)
    # a run is given up on; its code comes back later, that of another has not come back yet
    for back in (True, False):
        (stuck,) = audited.start("hand")
        audited.wait(5)
        audited.claim(replace(audited.end(stuck, "failed", "timeout"), abandoned=True), room=0)
        audited.wait(5)
        if back:
            audited.claim(audited.end(stuck), room=0)
    # one is running now
    audited.wait(10)
    assert audited.claim()
    return audited


def broken_copy(audited: AuditedLedger, path: Path, *statements: str, recount: bool = True) -> AuditedLedger:
    """Copy such a ledger and change its file behind the ledger's back: without triggers, checks, and the indexes that guard.

    With `recount` the numbers that are kept follow, so that a breakage is told of once.
    """
    with sqlite3.connect(audited.path) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.execute("PRAGMA ignore_check_constraints = ON")
    target.execute("PRAGMA foreign_keys = OFF")
    target.execute("PRAGMA legacy_alter_table = ON")  # a table may be replaced under the views
    rules = target.execute(
        "SELECT type, name FROM sqlite_master WHERE (type = 'trigger' OR (type = 'index' AND sql LIKE '%UNIQUE%'))"
    ).fetchall()
    for kind, name in rules:
        target.execute(f"DROP {kind} {name}")
    for statement in statements:
        changed = target.execute(statement).rowcount
        assert changed != 0, f"the breakage touched nothing: {statement}"
    if recount:
        target.executescript(_RECOUNT)
    target.commit()
    target.close()
    other = copy(audited)
    other.path, other.copies, other.clock = path, [], ManualClock(audited.now)
    other.ledger = SqliteLedger(str(path))
    audited.copies.append(other)
    return other


_RECOUNT = """
DELETE FROM job_tallies;
DELETE FROM job_tally_sums;
CREATE TEMP TABLE counted AS
SELECT job_id, due_at / 3600000000 AS hour, status, origin FROM job_runs
UNION ALL SELECT job_id, last_at / 3600000000, status, 'range' FROM job_run_ranges;
INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
SELECT job_id, hour, status, origin, count(*) FROM counted GROUP BY 1, 2, 3, 4
UNION ALL SELECT 0, hour, status, origin, count(*) FROM counted GROUP BY 2, 3, 4;
UPDATE ledger_state SET last_run = (SELECT count(*) FROM job_runs) + (SELECT count(*) FROM open_runs)
    + (SELECT coalesce(sum(runs), 0) FROM ledger_seals WHERE until_at <= pruned_until)
    - (SELECT count(*) FROM job_runs WHERE due_at < pruned_until);
"""
