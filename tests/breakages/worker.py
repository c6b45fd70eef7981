"""One process at work on a ledger, on a clock moved by hand: its loop, and in place of a runner the runs it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine_sqlite import SQLITE

from support.ledger_stage import ending
from support.loop_node import LoopNode
from systemprompt.clock import ManualClock
from systemprompt.ledger.records import Claimed, Closing, Turn

if TYPE_CHECKING:
    from breaking import Engine, Place

Prepare = Callable[[Any], None]

FAILING = ("frail", "brittle")
"""The jobs that always fail, and are tried again where their policy says so."""


def odd_runs_of(ledger: Any) -> list[int]:
    """Return a list into which the runs will come that this ledger refuses to close: their node goes on without a word."""
    odd: list[int] = []
    turn = ledger.turn

    def noted(*arguments: Any, **more: Any) -> Turn:
        done: Turn = turn(*arguments, **more)
        odd.extend(done.odd)
        return done

    ledger.turn = noted
    return odd


class Worker(LoopNode):
    """One process. It stops what somebody asked for when it is told to end it, and goes on otherwise."""

    def __init__(self, place: Place, name: str, clock: ManualClock, prepare: Prepare, engine: Engine = SQLITE) -> None:
        ledger = engine.open(place)
        prepare(ledger)
        self.given_up: list[Claimed] = []
        self.odd = odd_runs_of(ledger)
        super().__init__(ledger, clock, name)

    def end(self, run: Claimed, status: str = "success", reason: str | None = None) -> None:
        self.held.remove(run)
        if run.job_name in FAILING:
            status, reason = "failed", "exception"
        if run.run_id in self.asked_to_stop:
            status, reason = "cancelled", "requested"
        self.loop.ended(self.ending(run, status, reason))

    def give_up(self, run: Claimed, *, times: int = 1) -> None:
        """Close a run whose code cannot be stopped. The closing may be told again: the answer to it was lost."""
        self.held.remove(run)
        self.given_up.append(run)
        for _ in range(times):
            self.loop.ended(replace(self.ending(run, "failed", "timeout"), abandoned=True))
            self.loop.step()

    def comes_back(self, run: Claimed) -> None:
        """Let code end that was given up on."""
        self.given_up.remove(run)
        self.loop.ended(self.ending(run, "success", None))

    def ending(self, run: Claimed, status: str = "success", reason: str | None = None) -> Closing:
        bad: dict[str, Any] = {"message": "no", "error": "no", "exit_code": 3} if status == "failed" else {}
        bad["again"] = status == "failed" and run.job_name in FAILING
        return ending(run, self.clock.now(), status, reason, **bad)
