"""What the conformance suite stands on: an engine to be proved, a clock moved by hand, and short words for what a node does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from systemprompt.audit.auditor import audit
from systemprompt.clock import SECOND, Instant, ManualClock
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.records import (
    Change,
    Claimed,
    Closing,
    JobSpec,
    ManualStart,
    NodeIdentity,
    QuarantineNotice,
    StopAsked,
    SyncReport,
    Turn,
)
from systemprompt.ledger.views import HistoryQuery, JobView, RangeView, RunView
from systemprompt.planning.planner import Planner

if TYPE_CHECKING:
    from systemprompt.ledger.records import Decide

START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""

AUTUMN = 1_792_756_800 * SECOND
"""2026-10-23T12:00:00Z, the Friday before Berlin's clocks go back."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400

EVERY_SECOND, EVERY_MINUTE, HOURLY = "* * * * * *", "0 * * * * *", "0 0 * * * *"

ME = Change(actor="me")


class Engine(Protocol):
    """One database of the engine under proof, migrated, and as many handles on it as a test wants."""

    def open_again(self) -> Ledger:
        """Return another handle, as another process would have it."""
        ...


def spec(name: str, schedule: str = EVERY_MINUTE, *, enabled: bool = True, **more: Any) -> JobSpec:
    """Describe a job. What is not a field of JobSpec is a policy."""
    shown = {
        key: more.pop(key)
        for key in ("description", "tags", "owner", "source", "time_zone", "profile_sets")
        if key in more
    }
    values = {"description": "", "time_zone": "UTC", "source": "file:jobs.py", **shown}
    return JobSpec(name=name, schedule=schedule, enabled=enabled, policies=Policies(**more), **values)


berlin_spec = partial(spec, time_zone="Europe/Berlin")


class Stage:
    """A ledger with a clock and two nodes, a and b. `sound` at the end of a test: the audit must find nothing.

    said    why people do here what they do
    """

    def __init__(self, engine: Engine, *, now: Instant = START, said: str = "") -> None:
        self.engine = engine
        self.ledger = engine.open_again()
        self.clock = ManualClock(now)
        self.decide: Decide = Planner().decide
        self.audited = True
        self.said = said
        self.join("a", "b")

    @property
    def now(self) -> Instant:
        return self.clock.now()

    @now.setter
    def now(self, now: Instant) -> None:
        self.clock.set(now)

    def change(self, actor: str, **more: Any) -> Change:
        return Change(actor=actor, why=self.said, **more)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def join(self, *names: str) -> None:
        for name in names:
            self.ledger.join(node(name, self.now))

    def declare(
        self, *specs: JobSpec, quarantined: Sequence[QuarantineNotice] = (), keep: str | None = None
    ) -> SyncReport:
        change = self.change("test", noticed_by="a test")
        return self.ledger.sync_catalogue(list(specs), list(quarantined), self.now, self.decide, change, keep=keep)

    def enable(self, name: str, enabled: bool, why: str = "", **more: Any) -> None:
        self.ledger.set_enabled(name, enabled, self.now, self.decide, Change(actor="me", why=why or self.said, **more))

    def turn(self, *closings: Closing, node: str = "a", room: int = 99, plan: bool = True, patience: float = 0) -> Turn:
        wait = round(patience * SECOND)
        return self.ledger.turn(node, self.now, self.decide, closings=closings, room=room, plan=plan, patience=wait)

    def claim_one(self, *, node: str = "a") -> Claimed:
        (claimed,) = self.turn(node=node).claimed
        return claimed

    def start(
        self, *names: str, node: str = "a", skip_running: bool = False, change: Change | None = None, **more: Any
    ) -> tuple[Claimed, ...]:
        starts = [ManualStart(job_name=name, **more) for name in names]
        return self.ledger.start_manual(node, self.now, starts, change or self.change("me"), skip_running=skip_running)

    def ask(self, *names: str, change: Change | None = None, **more: Any) -> tuple[int, ...]:
        """Ask for a run of each job."""
        asked = [ManualStart(job_name=name, **more) for name in names]
        return self.ledger.ask_for_runs(self.now, asked, change or self.change("me"))

    def stop(self, run_id: int, change: Change | None = None) -> StopAsked:
        return self.ledger.ask_to_stop(run_id, self.now, change or self.change("me"))

    def lose(self, node: str = "a", *, max_attempts: int = 5) -> None:
        """Let everybody know that this node is lost."""
        assert self.ledger.rescue(node, 0, self.now, max_attempts=max_attempts) is not None

    def end(self, claimed: Claimed, status: str = "success", reason: str | None = None, **more: Any) -> Closing:
        return ending(claimed, self.now, status, reason, **more)

    def finish(self, *claimed: Claimed, node: str = "a") -> Turn:
        return self.turn(*map(self.end, claimed), node=node, room=0, plan=False)

    def run(self, run_id: int) -> RunView:
        run = self.ledger.run(run_id)
        assert run is not None
        return run

    def job(self, name: str) -> JobView:
        job = self.ledger.job(name)
        assert job is not None
        return job

    def runs(self, name: str | None = None) -> list[RunView]:
        """Return runs by due_at."""
        job_id = None if name is None else self.job_id(name)
        return list(self.ledger.runs_between(-(2**62), 2**62, job_id=job_id))

    def ranges(self, name: str | None = None) -> list[RangeView]:
        job_id = None if name is None else self.job_id(name)
        return list(self.ledger.ranges_between(-(2**62), 2**62, job_id=job_id))

    def job_id(self, name: str) -> int:
        return self.job(name).job_id

    def cursor(self, name: str) -> Instant:
        return self.job(name).planned_through

    def accounted(self, name: str) -> int:
        """Return how many fire times have an account."""
        runs = sum(run.fire_at is not None for run in self.runs(name))
        return runs + sum(account.count for account in self.ranges(name))

    def total(self, **query: Any) -> int:
        return self.ledger.history(HistoryQuery(**query)).total

    def sound(self) -> None:
        if self.audited:
            audit_finds_nothing(self.ledger, self.now)
        assert self.ledger.upkeep.faults() == []


def audit_finds_nothing(
    ledger: LedgerReader, now: Instant, alive: Callable[[NodeIdentity], bool | None] = lambda _: None
) -> None:
    report = audit(ledger, now=now, alive=alive)
    assert report.ok, [finding.sentence for finding in report.findings]


def node(name: str, now: Instant, **more: Any) -> NodeIdentity:
    # A lease that is over at once: the tests say themselves who is lost.
    values = {"kind": "serve", "host": "here", "machine": "boot/pid", "lease_ms": 1, "capacity": 4, **more}
    return NodeIdentity(node_id=name, pid=1, pid_started_at=1, program="test", started_at=now, **values)


def ending(claimed: Claimed, now: Instant, status: str = "success", reason: str | None = None, **more: Any) -> Closing:
    return Closing(
        run_id=claimed.run_id,
        attempt=claimed.attempt,
        fence=claimed.fence,
        status=status,
        reason=reason,
        started_at=more.pop("started_at", claimed.started_at),
        finished_at=more.pop("finished_at", now),
        **more,
    )


def at(seconds: float) -> Instant:
    """Return the instant this many seconds after START."""
    return START + round(seconds * SECOND)


def together(*work: Callable[[], None]) -> None:
    """Do these at once in threads of their own, begun as near together as can be; raise what one of them raised."""
    import threading

    gate = threading.Barrier(len(work))
    errors: list[BaseException] = []

    def do(one: Callable[[], None]) -> None:
        try:
            gate.wait(10)
            one()
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    threads = [threading.Thread(target=do, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
