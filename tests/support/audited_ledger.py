"""A real ledger with a life behind it: on time, late, down, blocked, disabled, lost, rescued, retired and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import AuditReport
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, Instant
from systemprompt.ledger.records import Change, Claimed, Closing, JobSpec, ManualStart, NodeIdentity, QuarantineNotice
from systemprompt.ledger.seals import Seal
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

START = 1_792_756_800 * SECOND
"""2026-10-23T12:00:00Z, the Friday before Berlin's clocks go back."""

HOUR = 3_600


def spec(name: str, schedule: str, *, enabled: bool = True, **policies: object) -> JobSpec:
    return JobSpec(
        name=name, description="", schedule=schedule, time_zone="Europe/Berlin", enabled=enabled, policies=policies
    )


class AuditedLedger:
    """One ledger, one planner, and a clock that moves when told to."""

    def __init__(self, path: Path, *, said: str = "") -> None:
        self.path = path
        self.said = said
        self.ledger = SqliteLedger(str(path))
        self.ledger.migrate()
        self.decide = Planner().decide
        self.now: Instant = START
        self.copies: list[AuditedLedger] = []

    def close(self) -> None:
        """Close its ledger, and those of the copies that were made of it."""
        for audited in (self, *self.copies):
            audited.ledger.close()

    def join(self, node_id: str) -> None:
        self.ledger.join(
            NodeIdentity(
                node_id=node_id,
                kind="serve",
                host="here",
                machine="boot",
                pid=7,
                pid_started_at=1,
                program="sp",
                lease_ms=1,  # the tests say themselves who is lost
                capacity=4,
                started_at=self.now,
            )
        )

    def declare(self, *specs: JobSpec, quarantined: Sequence[QuarantineNotice] = ()) -> None:
        self.ledger.sync_catalogue(list(specs), list(quarantined), self.now, self.decide, self.change("test"))

    def change(self, actor: str) -> Change:
        return Change(actor=actor, why=self.said)

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    def turn(self, *closings: Closing, room: int = 9) -> tuple[Claimed, ...]:
        return self.ledger.turn("node-a", self.now, self.decide, closings=closings, room=room).claimed

    def ended(self, run: Claimed, status: str = "success", reason: str | None = None) -> Closing:
        return Closing(
            run_id=run.run_id,
            attempt=run.attempt,
            fence=run.fence,
            status=status,
            reason=reason,
            started_at=run.started_at,
            finished_at=self.now + 1_000,
            message=self.said or None,
            error=self.said or "no" if status == "failed" else None,
            output=self.said or "well",
        )

    def work(self, turns: int, seconds: float = 10) -> None:
        """Let time pass in steps, and run all that falls due at once."""
        for _ in range(turns):
            self.wait(seconds)
            self.finish(*self.turn())

    def finish(self, *runs: Claimed) -> None:
        self.turn(*map(self.ended, runs), room=0)

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
    audited.join("node-a")
    audited.join("node-b")
    audited.declare(
        spec("tick", "*/10 * * * * *"),
        spec("nightly", "0 30 2 * * *"),
        spec("again", "*/30 * * * * *", on_lost="rerun"),
        spec("every", "@every 40s", catch_up="all"),
        spec("hand", ""),
        spec("gone", "0 * * * * *"),
    )
    audited.work(12)
    (by_hand,) = audited.ledger.start_manual(
        "node-a", audited.now, [ManualStart(job_name="hand")], audited.change("me")
    )
    audited.wait(1)
    audited.turn(audited.ended(by_hand, "failed", "reported"), room=0)
    # tick runs long and blocks itself three times
    audited.wait(10)
    claimed = {run.job_name: run for run in audited.turn()}
    audited.wait(30)
    claimed |= {run.job_name: run for run in audited.turn()}
    audited.finish(*claimed.values())
    audited.ledger.set_enabled("tick", False, audited.now, audited.decide, audited.change("me"))
    audited.wait(HOUR)
    audited.finish(*audited.turn())
    audited.ledger.set_enabled("tick", True, audited.now, audited.decide, audited.change("me"))
    audited.work(3)
    # somebody asks for a run, for its stop, and for that of another that waits
    audited.ledger.ask_for_runs(audited.now, [ManualStart(job_name="hand")], audited.change("me"))
    claimed = {run.job_name: run for run in audited.turn()}
    (waits,) = audited.ledger.ask_for_runs(audited.now, [ManualStart(job_name="hand")], audited.change("me"))
    for run_id in (claimed["hand"].run_id, waits):
        audited.ledger.ask_to_stop(run_id, audited.now, audited.change("me"))
    audited.wait(1)
    asked = audited.ended(claimed.pop("hand"), "cancelled", "requested")
    audited.turn(asked, *map(audited.ended, claimed.values()), room=0)
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
    # node-b takes a run of each job that fires, and dies; again runs a second time
    audited.wait(40)
    lost = audited.ledger.turn("node-b", audited.now, audited.decide, room=9).claimed
    assert {run.job_name for run in lost} >= {"tick", "again", "every"}
    audited.wait(20)
    audited.ledger.rescue("node-b", 0, audited.now, max_attempts=3)
    # its code comes back after all
    audited.wait(40)
    audited.turn(*(audited.ended(run) for run in lost if run.job_name in ("tick", "again")), room=0)
    audited.work(6)
    # a run is given up on; its code comes back later, that of another has not come back yet
    for back in (True, False):
        (stuck,) = audited.ledger.start_manual(
            "node-a", audited.now, [ManualStart(job_name="hand")], audited.change("me")
        )
        audited.wait(5)
        audited.turn(replace(audited.ended(stuck, "failed", "timeout"), abandoned=True), room=0)
        audited.wait(5)
        if back:
            audited.turn(audited.ended(stuck), room=0)
    # one is running now
    audited.wait(10)
    assert audited.turn()
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
    copy = AuditedLedger.__new__(AuditedLedger)
    copy.path, copy.decide, copy.now = path, audited.decide, audited.now
    copy.copies = []
    copy.ledger = SqliteLedger(str(path))
    audited.copies.append(copy)
    return copy


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
