"""Whatever happens to a ledger in an order that chance chose, every promise holds after each step."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from support.audited_ledger import AuditedLedger
from support.ledger_stage import HOUR
from support.ledger_stage import berlin_spec as spec
from systemprompt.clock import SECOND
from systemprompt.errors import ConflictError
from systemprompt.ledger.records import Change, Claimed, ClockEvent, Closing, JobSpec, ManualStart, QuarantineNotice

SCHEDULES = ["*/10 * * * * *", "0 * * * * *", "@every 7s", "0 30 2 * * *", "* * * * * *", "0 0 */3 * * *", ""]
OUTCOMES = [("success", None), ("failed", "exception"), ("cancelled", "requested")]


class Life:
    """Random ticks, endings, edits, losses, zombies, prunings and clock steps on one ledger."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = Random(seed)
        self.audited = AuditedLedger(path)
        self.nodes = 0
        self.held: list[Claimed] = []
        self.zombies: list[Claimed] = []
        self.specs = {name: self.any_spec(name) for name in ("a", "b", "c", "d")}
        self.new_node()
        self.audited.declare(*self.specs.values())

    def any_spec(self, name: str) -> JobSpec:
        choose = self.random.choice
        catch_up, on_lost = choose(["latest", "skip", "all"]), choose(["fail", "rerun"])
        return spec(name, choose(SCHEDULES), enabled=choose([True, True, False]), catch_up=catch_up, on_lost=on_lost)

    def new_node(self) -> None:
        self.nodes += 1
        self.node = f"node-{self.nodes}"
        self.audited.join(self.node)

    def tick(self) -> None:
        self.audited.wait(self.random.choice([0.5, 1, 5, 30, 300]))
        ended = [run for run in self.held if self.random.random() < 0.6]
        self.held = [run for run in self.held if run not in ended]
        closings: list[Closing] = [self.ended(run, *self.random.choice(OUTCOMES)) for run in ended]
        closings += [self.audited.end(self.zombies.pop()) for _ in self.zombies[:1]]
        room = self.random.choice([0, 1, 9])
        self.held += self.audited.turn(*closings, node=self.node, room=room).claimed

    def ended(self, run: Claimed, status: str, reason: str | None) -> Closing:
        if reason == "requested":
            self.audited.stop(run.run_id)
        return self.audited.end(run, status, reason)

    def ask(self) -> None:
        try:
            asked = self.audited.ask(self.any_name())
        except ConflictError as error:
            if "quarantined" not in error.message and "sealed" not in error.message:
                raise
            return
        if self.random.random() < 0.4:
            self.audited.stop(asked[0])

    def stop(self) -> None:
        """Ask for the end of a run; it may be that its node is lost before it stops."""
        for run in self.held[:1]:
            self.audited.stop(run.run_id)

    def give_up(self) -> None:
        """Close a run whose code cannot be stopped. It comes back later, if its node lives."""
        for run in self.held[:1]:
            self.held.remove(run)
            self.audited.turn(
                replace(self.audited.end(run, "failed", "timeout"), abandoned=True),
                node=self.node,
                room=0,
            )
            self.zombies.append(run)

    def sleep(self) -> None:
        self.audited.wait(self.random.choice([1, 40, 240]) * HOUR)

    def edit(self) -> None:
        name = self.random.choice("abcdef")
        self.specs[name] = self.any_spec(name)
        self.audited.declare(*self.specs.values())

    def switch(self) -> None:
        enabled = self.random.random() < 0.6
        self.audited.enable(self.any_name(), enabled)

    def retire(self) -> None:
        self.specs.pop(self.any_name())
        self.specs = self.specs or {"a": self.any_spec("a")}
        self.audited.declare(*self.specs.values())

    def quarantine(self) -> None:
        name = self.any_name()
        rest = [kept for kept in self.specs.values() if kept.name != name]
        self.audited.declare(*rest, quarantined=[QuarantineNotice(name=name, source="", error="it does not import")])

    def by_hand(self) -> None:
        starts = [ManualStart(job_name=self.any_name())]
        try:
            self.held += self.audited.ledger.start_manual(
                self.node, self.audited.now, starts, Change(actor="me"), skip_running=True
            )
        except ConflictError as error:
            if "quarantined" not in error.message:
                raise

    def lose_node(self) -> None:
        lost = self.node
        self.new_node()
        self.audited.lose(lost, max_attempts=2)
        self.zombies, self.held = self.zombies + self.held, []

    def seal(self) -> None:
        self.audited.seal()

    def prune(self) -> None:
        self.audited.seal()
        before = self.audited.now - self.random.choice([0, 60, HOUR, 24 * HOUR]) * SECOND
        self.audited.ledger.prune(before, limit=self.random.choice([1, 5, 1000]))

    def step_back(self) -> None:
        by = self.random.choice([1, 60, HOUR]) * SECOND
        self.audited.now -= by
        event = ClockEvent(seen_at=self.audited.now, kind="backward", delta_us=-by, action="none", node_id=self.node)
        self.audited.ledger.record_clock_event(event)

    def any_name(self) -> str:
        return self.random.choice(sorted(self.specs))

    def step(self) -> str:
        rare = [self.sleep, self.edit, self.switch, self.retire, self.quarantine, self.by_hand, self.lose_node]
        rare += [self.ask, self.stop, self.give_up]
        chosen = self.random.choice([self.tick] * 8 + [*rare, self.seal, self.prune, self.step_back])
        chosen()
        return chosen.__name__


@pytest.mark.parametrize("seed", range(4))
def test_after_every_step_of_any_life_the_audit_is_clean(seed: int, tmp_path: Path) -> None:
    life = Life(tmp_path / "ledger.db", seed)
    steps = []
    with closing(life.audited):
        for _ in range(40):
            steps.append(life.step())

            report = life.audited.audit()

            assert report.findings == (), steps
