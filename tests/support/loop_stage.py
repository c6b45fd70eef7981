"""A node's clockwork on a real ledger that can be made to fail, and on a clock moved by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.ledger_stage import START, audit_finds_nothing, ending
from support.loop_node import PACE, LoopNode
from support.sqlite_engine import SqliteEngine
from systemprompt.clock import Instant, ManualClock
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable
from systemprompt.ledger.records import Change, Claimed, JobSpec
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.nodes.hooks import Pace
from systemprompt.planning.planner import Planner

LEASE, HEARTBEAT = PACE.lease, PACE.heartbeat

WRITING = ("turn", "start_manual", "join", "beat", "leave", "rescue", "record_clock_event")


class FailingLedger:
    """A ledger that is busy, or fails, when told to; it keeps count of what was asked of it."""

    def __init__(self, inner: SqliteLedger) -> None:
        self._inner = inner
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.loses_answer_of: str | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in WRITING:
            return method

        def ask(*arguments: Any, **more: Any) -> Any:
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            done = method(*arguments, **more)
            if name == self.loses_answer_of:
                self.loses_answer_of = None
                raise DatabaseUnreachable("the connection broke, and the commit's answer with it")
            return done

        return ask

    def busy(self, is_busy: bool = True) -> None:
        self.error = DatabaseBusy("held by another process") if is_busy else None


class LoopStage(LoopNode):
    """One loop. `real` is its ledger as it is, `ledger` as the loop sees it."""

    ledger: FailingLedger

    def __init__(self, path: Path, *, name: str = "one", pace: Pace = PACE, now: Instant = START) -> None:
        self.events: list[str] = []
        self._engine = SqliteEngine(path)
        self.real = self._engine.open_again(patience=0.2, on_statement=self.events.append)
        super().__init__(FailingLedger(self.real), ManualClock(now), name, pace=pace, capacity=4)

    def declare(self, *specs: JobSpec) -> None:
        self.real.sync_catalogue(specs, [], self.clock.now(), Planner().decide, Change(actor="test"))

    def begin(self, *specs: JobSpec) -> None:
        self.declare(*specs)
        self.loop.join()
        self.loop.step()
        self.events.clear()
        self.ledger.asked.clear()

    def take(self) -> list[Claimed]:
        """Return what was claimed since last asked."""
        taken, self.held[:] = list(self.held), []
        return taken

    def end(self, *runs: Claimed, status: str = "success", reason: str | None = None) -> None:
        for run in runs:
            self.loop.ended(ending(run, self.clock.now(), status, reason))

    def other(self) -> SqliteLedger:
        """Return the ledger as another process has it."""
        return self._engine.open_again()

    def statuses(self) -> list[str]:
        return [run.status for run in self.real.runs_between(0, 2**62)]

    def sound(self) -> None:
        audit_finds_nothing(self.real, self.clock.now())

    def close(self) -> None:
        self._engine.close()
