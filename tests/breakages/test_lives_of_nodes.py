"""Any life that nodes and an operator may lead together, in any order, and everything that must hold after each step.

short form   a part of `make test`: always the same lives
long form    SP_CAMPAIGN=long .venv/bin/python -m pytest tests/breakages/test_lives_of_nodes.py --hypothesis-seed=N
             which `make campaign ONLY=stateful` calls; SP_EXAMPLES says how many lives, 400 where it does not

A failure prints its steps, and the line that repeats it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from engine_sqlite import SQLITE
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from troubles import Node, Troubles
from worker import Worker

from support.campaign import LONG
from support.ledger_stage import AUTUMN, DAY, HOUR, audit_finds_nothing, spec
from support.loop_node import PACE
from systemprompt.audit.case import oracle_of
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND, ManualClock
from systemprompt.errors import ConflictError
from systemprompt.ledger.records import Change, JobSpec, ManualStart, QuarantineNotice
from systemprompt.ledger.views import RunView
from systemprompt.planning.planner import Planner

EXAMPLES = int(os.environ.get("SP_EXAMPLES", "400" if LONG else "12"))
STEPS = 60 if LONG else 30

EVER = 2**62
NAMES = ("one", "two", "three")
SCHEDULES = ("*/10 * * * * *", "0 * * * * *", "@every 90s", "0 30 2 * * *", "0 0 */6 * * *", "0 15 1-3 * * *", "")
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
PAUSES = (0.1, 0.1, 1, 1, 7, 10, 31, 100, HOUR, 9 * HOUR, DAY, 3 * DAY, 40 * DAY)
STEPS_OF_THE_CLOCK = (-3 * DAY, -HOUR, -61, -3, -1, 1, 5, 61, HOUR, 3 * DAY)
ENDS = (("success", None), ("failed", "reported"), ("cancelled", "interrupted"))


class Lives(Troubles):
    """Two nodes that plan and run, and an operator. A node may stand still (and be a zombie when it goes on), or be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        SQLITE.create(self.path)
        self.ledger = SQLITE.open(self.path)
        self.clock = ManualClock(AUTUMN)
        self.born = 0
        self.workers = [self.worker(), self.worker()]
        self.still: set[Worker] = set()
        self.specs: dict[str, JobSpec] = {}
        self.broken: dict[str, QuarantineNotice] = {}
        self.closed: dict[int, RunView] = {}
        self.fence = 0

    def worker(self) -> Node:
        self.born += 1
        worker = Node(self.path, f"node{self.born}", self.clock)
        worker.loop.join()
        worker.loop.look()
        return worker

    def teardown(self) -> None:
        faults = self.ledger.upkeep.faults()
        for worker in self.workers:
            worker.ledger.close()
        self.ledger.close()
        self.folder.cleanup()
        assert faults == []

    @property
    def working(self) -> list[Worker]:
        return [worker for worker in self.workers if worker not in self.still]

    def go_round(self) -> None:
        for worker in self.working:
            self.step(worker)

    def step(self, worker: Worker) -> None:
        known = {run.fence for run in worker.held}
        worker.loop.step()
        for fence in sorted({run.fence for run in worker.held} - known):
            assert fence > self.fence, "a fence is handed out once, and they only rise"
            self.fence = fence

    def sync(self) -> None:
        specs = [one for name, one in self.specs.items() if name not in self.broken]
        notices = list(self.broken.values())
        self.ledger.sync_catalogue(specs, notices, self.clock.now(), Planner().decide, Change(actor="life"))

    def is_known(self, name: str) -> bool:
        return any(job.name == name for job in self.ledger.jobs())

    # -- time -----------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(PAUSES))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.go_round()

    @rule(turns=st.integers(2, 8), seconds=st.sampled_from((0.5, 5, 10, 31)))
    def nodes_work(self, turns: int, seconds: float) -> None:
        for turn in range(turns):
            self.clock.advance(seconds)
            self.end_all(turn)

    @rule(turns=st.integers(1, 6))
    def nodes_work_at_what_falls_due(self, turns: int) -> None:
        for turn in range(turns):
            self.wait_until_due()
            self.go_round()
            self.clock.advance(1)
            self.end_all(turn)

    @rule(days=st.integers(2, 4), limit=st.sampled_from((1, 7, 1_000)), all_of_it=st.booleans())
    def days_go_by_and_are_pruned(self, days: int, limit: int, all_of_it: bool) -> None:
        for turn in range(days):
            self.clock.advance(DAY)
            self.go_round()
            self.end_all(turn)
        self.what_is_old_goes(0 if all_of_it else DAY, limit)

    def wait_until_due(self) -> None:
        due = [job.next_due for job in self.ledger.jobs() if job.next_due is not None]
        if due:
            self.clock.advance(min(max(0, min(due) - self.clock.now()) / SECOND, 2 * DAY))

    def end_all(self, turn: int) -> None:
        for worker in self.working:
            for number, run in enumerate(list(worker.held)):
                worker.end(run, *ENDS[(turn + number) % 4 % 3])
        self.go_round()

    @precondition(lambda self: self.working)
    @rule(seconds=st.sampled_from(STEPS_OF_THE_CLOCK))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.step(seconds)
        self.go_round()

    # -- nodes ----------------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), run=st.integers(0, 8), end=st.sampled_from(ENDS))
    def a_run_ends(self, which: int, run: int, end: tuple[str, str | None]) -> None:
        worker = self.workers[which]
        if worker.held:
            worker.end(worker.held[run % len(worker.held)], *end)
        self.go_round()

    @rule(which=st.integers(0, 1))
    def a_node_stands_still(self, which: int) -> None:
        self.still.add(self.workers[which])

    @precondition(lambda self: self.still)
    @rule(which=st.integers(0, 1))
    def a_node_goes_on(self, which: int) -> None:
        self.still.discard(self.workers[which])
        self.go_round()

    @rule(which=st.integers(0, 1))
    def a_node_is_killed_and_another_comes(self, which: int) -> None:
        dead = self.workers[which]
        self.still.discard(dead)
        dead.ledger.close()
        self.workers[which] = self.worker()

    @rule(which=st.integers(0, 1))
    def nobody_beats_for_a_lease_but_one(self, which: int) -> None:
        other = self.workers[1 - which]
        was_still = other in self.still
        self.still.add(other)
        for _ in range(8):
            self.clock.advance(PACE.heartbeat)
            self.go_round()
        if not was_still:
            self.still.discard(other)

    @rule(which=st.integers(0, 1), end=st.sampled_from(ENDS), comes_back=st.booleans())
    def a_node_is_lost_in_mid_run(self, which: int, end: tuple[str, str | None], comes_back: bool) -> None:
        lost, other = self.workers[which], self.workers[1 - which]
        self.still.difference_update((lost, other))
        for _ in range(3):
            self.wait_until_due()
            lost.loop.step()
        self.fence = max([self.fence, *(run.fence for run in lost.held)])
        held = list(lost.held)
        self.nobody_beats_for_a_lease_but_one(1 - which)
        if not comes_back:
            self.a_node_is_killed_and_another_comes(which)
            return
        for run in held:
            if run in lost.held:
                lost.end(run, *end)
        self.go_round()

    # -- the operator ---------------------------------------------------------------------------------------------------

    @initialize(first=st.sampled_from(SCHEDULES), catch_up=st.sampled_from(("latest", "skip", "all")))
    def there_is_a_job(self, first: str, catch_up: str) -> None:
        self.a_job_is_declared("one", first, True, "Europe/Berlin", catch_up=catch_up, on_lost="rerun")

    @rule(
        name=st.sampled_from(NAMES),
        schedule=st.sampled_from(SCHEDULES),
        enabled=st.sampled_from((True, True, False)),
        zone=st.sampled_from(ZONES),
        catch_up=st.sampled_from(("latest", "skip", "all")),
        on_lost=st.sampled_from(("fail", "rerun")),
        dst_gap=st.sampled_from(("run", "skip")),
        dst_fold=st.sampled_from(("first", "second", "both")),
    )
    def a_job_is_declared(self, name: str, schedule: str, enabled: bool, zone: str, **policies: str) -> None:
        self.specs[name] = spec(name, schedule, enabled=enabled, time_zone=zone, **policies)
        self.broken.pop(name, None)
        self.sync()

    @rule(name=st.sampled_from(NAMES))
    def a_job_breaks(self, name: str) -> None:
        self.broken[name] = QuarantineNotice(name=name, source="", error="it does not import")
        self.sync()

    @precondition(lambda self: self.broken)
    @rule()
    def all_is_mended(self) -> None:
        self.broken.clear()
        self.sync()

    @rule(name=st.sampled_from(NAMES))
    def a_job_leaves(self, name: str) -> None:
        self.specs.pop(name, None)
        self.broken.pop(name, None)
        self.sync()

    @rule(name=st.sampled_from(NAMES), enabled=st.booleans())
    def a_job_is_switched(self, name: str, enabled: bool) -> None:
        if self.is_known(name):
            self.ledger.set_enabled(name, enabled, self.clock.now(), Planner().decide, Change(actor="life"))

    @rule(which=st.integers(0, 1), times=st.integers(1, 2))
    def code_is_given_up_on(self, which: int, times: int) -> None:
        worker = self.workers[which]
        if worker.held and worker not in self.still:
            worker.give_up(worker.held[0], times=times)
        self.go_round()

    @rule(which=st.integers(0, 1))
    def code_comes_back(self, which: int) -> None:
        worker = self.workers[which]
        if worker.given_up and worker not in self.still:
            worker.comes_back(worker.given_up[0])
        self.go_round()

    @precondition(lambda self: self.working)
    @rule(name=st.sampled_from(NAMES), skip=st.booleans())
    def a_job_is_started_by_hand(self, name: str, skip: bool) -> None:
        worker = self.working[0]
        if not self.is_known(name):
            return
        with suppress(
            ConflictError
        ):  # it runs, is quarantined, its day is sealed, or others have declared the node lost
            starts = [ManualStart(job_name=name)]
            claimed = self.ledger.start_manual(
                worker.loop.node_id, self.clock.now(), starts, Change(actor="me"), skip_running=skip
            )
            worker.held += claimed
            worker.loop.hold(claimed)
            self.fence = max([self.fence, *(run.fence for run in claimed)])

    @rule(age=st.sampled_from((0, 2 * DAY, 30 * DAY)), limit=st.sampled_from((1, 7, 1_000)))
    def what_is_old_goes(self, age: int, limit: int) -> None:
        made = seal_closed_days(self.ledger, now=self.clock.now(), alive=lambda _: None)
        assert made.report.ok, made.report.findings
        self.ledger.prune(self.clock.now() - age * SECOND, limit=limit)

    # -- what holds -----------------------------------------------------------------------------------------------------

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        audit_finds_nothing(self.ledger, self.clock.now())

    @invariant()
    def every_fire_time_has_one_account(self) -> None:
        for job in self.ledger.jobs(retired=True):
            low, high = job.pruned_through, job.planned_through
            owed = sum(
                oracle_of(one).count(
                    max(one.valid_from, low), min(high if one.valid_until is None else one.valid_until, high)
                )
                for one in self.ledger.versions(job.job_id)
            )
            runs = [
                run.fire_at
                for run in self.ledger.runs_between(-EVER, EVER, job_id=job.job_id)
                if run.fire_at is not None
            ]
            spans = list(self.ledger.ranges_between(-EVER, EVER, job_id=job.job_id))
            assert len(set(runs)) == len(runs)
            assert len(runs) + sum(span.count for span in spans) == owed, job.name
            assert all(low < at <= high for at in [*runs, *(span.last_at for span in spans)])

    @invariant()
    def what_is_closed_never_changes(self) -> None:
        gone_until = self.ledger.seal_state().pruned_until
        seen = {run.run_id: run for run in self.ledger.runs_between(-EVER, EVER)}
        for run_id, run in self.closed.items():
            assert seen.get(run_id, run) == run
            assert run_id in seen or run.due_at < gone_until
        self.closed = {run_id: run for run_id, run in seen.items() if run.finished_at is not None}


TestLivesOfNodes = Lives.TestCase
TestLivesOfNodes.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not LONG,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
