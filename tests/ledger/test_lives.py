"""Any life a ledger may lead, in any order, and the audit after each step."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.campaign import LONG
from support.ledger_stage import START, audit_finds_nothing, ending, node, spec
from support.postgres_place import PostgresPlace
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.clock import SECOND
from systemprompt.errors import ConflictError
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, Claimed, Closing, JobSpec, ManualStart, QuarantineNotice
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

NAMES = ("one", "two", "three")
SCHEDULES = ("*/7 * * * * *", "0 * * * * *", "0 */5 * * * *", "0 30 2 * * *", "@every 40s", "")
RETRIES = (
    None,
    {"times": 1, "after": 2},
    {"times": 3, "after": 5, "cap": 12},
    {"times": 2, "after": 30, "over_next": True},
)
PAUSES = (0.001, 1, 6, 9, 10, 11, 40, 300, 3_600, 90_000)


class Life(RuleBasedStateMachine):
    """Two nodes, three jobs, a clock that jumps. What is held is what some process still believes it holds, zombies too."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.opened()
        self.now = START
        self.nodes = 0
        self.node = ""
        self.held: list[Claimed] = []
        self.told: list[Closing] = []
        self.given_up: list[Claimed] = []
        self.specs: dict[str, JobSpec] = {}
        self.broken: dict[str, QuarantineNotice] = {}
        self.decide = Planner().decide
        self.fences: set[int] = set()
        self.join()

    def opened(self) -> Ledger:
        """Return a new ledger."""
        raise NotImplementedError

    def teardown(self) -> None:
        self.ledger.close()

    def join(self) -> None:
        self.nodes += 1
        self.node = f"node{self.nodes}"
        self.ledger.join(node(self.node, self.now))

    def sync(self) -> None:
        specs = [spec for name, spec in self.specs.items() if name not in self.broken]
        self.ledger.sync_catalogue(specs, list(self.broken.values()), self.now, self.decide, Change(actor="life"))

    def take(self, claimed: tuple[Claimed, ...]) -> None:
        for run in claimed:
            assert run.fence not in self.fences
            self.fences.add(run.fence)
        self.held += claimed

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause: float) -> None:
        self.now += round(pause * SECOND)

    @rule(step=st.sampled_from((-4_000, -61, -3, 5, 7_200)))
    def the_clock_is_set(self, step: int) -> None:
        self.now += step * SECOND
        kind = "forward" if step > 0 else "backward"
        from systemprompt.ledger.records import ClockEvent

        event = ClockEvent(seen_at=self.now, kind=kind, delta_us=step * SECOND, action="", node_id=self.node)
        self.ledger.record_clock_event(event)

    @rule(
        name=st.sampled_from(NAMES),
        schedule=st.sampled_from(SCHEDULES),
        catch_up=st.sampled_from(("latest", "skip", "all")),
        on_lost=st.sampled_from(("fail", "rerun")),
        retry=st.sampled_from(RETRIES),
        start_deadline_s=st.sampled_from((None, None, 5.0, 40.0, 4_000.0)),
        enabled=st.booleans(),
        zone=st.sampled_from(("UTC", "Europe/Berlin")),
    )
    def a_job_is_declared(self, name: str, schedule: str, enabled: bool, zone: str, **policies: object) -> None:
        self.broken.pop(name, None)
        self.specs[name] = spec(name, schedule, enabled=enabled, time_zone=zone, **policies)
        self.sync()

    @rule(name=st.sampled_from(NAMES))
    def a_job_leaves(self, name: str) -> None:
        self.specs.pop(name, None)
        self.broken.pop(name, None)
        self.sync()

    @rule(name=st.sampled_from(NAMES))
    def a_job_breaks(self, name: str) -> None:
        self.broken[name] = QuarantineNotice(name=name, source="file:jobs.py", error="SyntaxError")
        self.sync()

    @rule(name=st.sampled_from(NAMES), enabled=st.booleans())
    def somebody_switches_it(self, name: str, enabled: bool) -> None:
        if any(job.name == name for job in self.ledger.jobs()):
            self.ledger.set_enabled(name, enabled, self.now, self.decide, Change(actor="me"))

    @rule(room=st.integers(0, 3), ends=st.lists(st.integers(0, 5), max_size=3))
    def a_node_takes_its_turn(self, room: int, ends: list[int]) -> None:
        closings = []
        for index in ends:
            if index < len(self.held):
                run = self.held.pop(index)
                bad = index % 2
                how = ("failed", "exception") if bad else ("success",)
                closings.append(ending(run, self.now, *how, again=bool(bad)))
        turn = self.ledger.turn(self.node, self.now, self.decide, closings=closings, room=room)
        assert len(turn.claimed) <= room
        assert len(turn.closed) + len(turn.late) == len(closings)
        self.take(turn.claimed)
        self.told += closings

    @precondition(lambda self: self.told)
    @rule(index=st.integers(0, 5))
    def a_closing_is_told_again(self, index: int) -> None:
        said = self.told[-1 - index % len(self.told)]
        turn = self.ledger.turn(self.node, self.now, self.decide, closings=[said], plan=False)
        assert turn.closed + turn.late == (said.run_id,)

    @precondition(lambda self: self.held)
    @rule()
    def a_node_is_stopping(self) -> None:
        run = self.held.pop(0)
        said = ending(run, self.now, "cancelled", "shutdown", again=True)
        self.ledger.turn(self.node, self.now, self.decide, closings=[said], plan=False)
        self.told.append(said)

    @precondition(lambda self: self.held)
    @rule(again=st.booleans())
    def code_cannot_be_stopped(self, again: bool) -> None:
        run = self.held.pop(0)
        said = ending(run, self.now, "failed", "timeout", abandoned=True, again=again)
        closed = self.ledger.turn(self.node, self.now, self.decide, closings=[said], plan=False).closed
        if closed:
            self.given_up.append(run)

    @precondition(lambda self: self.given_up)
    @rule()
    def code_comes_back_at_last(self) -> None:
        run = self.given_up.pop(0)
        said = ending(run, self.now, message="at last")
        assert self.ledger.turn(self.node, self.now, self.decide, closings=[said], plan=False).late == (run.run_id,)

    @rule(name=st.sampled_from(NAMES), request=st.sampled_from((None, "r1", "r2")))
    def somebody_asks_for_it(self, name: str, request: str | None) -> None:
        if any(job.name == name for job in self.ledger.jobs()):
            asked = [ManualStart(job_name=name)]
            with suppress(ConflictError):  # it is quarantined, or the request id was used for another job
                self.ledger.ask_for_runs(self.now, asked, Change(actor="me", request_id=request))

    @precondition(lambda self: self.ledger.open_runs())
    @rule(index=st.integers(0, 5))
    def somebody_asks_for_a_stop(self, index: int) -> None:
        runs = self.ledger.open_runs()
        run = runs[index % len(runs)]
        status = self.ledger.ask_to_stop(run.run_id, self.now, Change(actor="me")).status
        assert status == ("cancelled" if run.status == "queued" else "running")

    @rule(limit=st.integers(1, 9))
    def tallies_are_folded(self, limit: int) -> None:
        self.ledger.fold(limit=limit)

    @rule(name=st.sampled_from(NAMES), skip=st.booleans())
    def somebody_starts_it(self, name: str, skip: bool) -> None:
        if any(job.name == name for job in self.ledger.jobs()):
            start = ManualStart(job_name=name)
            with suppress(ConflictError):  # it runs already, or is quarantined
                self.take(self.ledger.start_manual(self.node, self.now, [start], Change(actor="me"), skip_running=skip))

    @rule(tries=st.integers(2, 3))
    def the_node_dies_and_another_takes_over(self, tries: int) -> None:
        assert self.ledger.rescue(self.node, 0, self.now, max_attempts=tries) is not None
        self.join()

    @precondition(lambda self: self.now > START + 100 * SECOND)
    @rule(age=st.sampled_from((0, 100, 5_000)), limit=st.integers(1, 30))
    def old_accounts_go(self, age: int, limit: int) -> None:
        seal_closed_days(self.ledger, now=self.now, alive=lambda _: None)
        self.ledger.prune(self.now - age * SECOND, limit=limit)

    @invariant()
    def each_run_is_in_one_place(self) -> None:
        assert self.ledger.stray_runs() == []
        assert self.ledger.fences_given_twice() == []

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        audit_finds_nothing(self.ledger, self.now)


class SqliteLife(Life):
    """On SQLite."""

    def opened(self) -> Ledger:
        self.folder = tempfile.TemporaryDirectory()
        ledger = SqliteLedger(str(Path(self.folder.name) / "ledger.db"))
        ledger.migrate()
        ledger._store.connection.execute("PRAGMA synchronous = OFF")  # no power will fail here
        return ledger

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class PostgresLife(Life):
    """On PostgreSQL, each life in a schema of its own."""

    address = ""

    def opened(self) -> Ledger:
        self.place = PostgresPlace(self.address)
        ledger = self.place.open()
        ledger.migrate()
        return ledger

    def teardown(self) -> None:
        super().teardown()
        self.place.drop()


@pytest.fixture(scope="module")
def server(postgres_of_many: str) -> None:
    PostgresLife.address = postgres_of_many


TestLifeOnSqlite = SqliteLife.TestCase
TestLifeOnSqlite.settings = settings(max_examples=400 if LONG else 40, stateful_step_count=30, deadline=None)

TestLifeOnPostgres = pytest.mark.usefixtures("server")(PostgresLife.TestCase)
TestLifeOnPostgres.settings = settings(max_examples=100 if LONG else 8, stateful_step_count=30, deadline=None)
