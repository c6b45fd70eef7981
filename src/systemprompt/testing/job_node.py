"""A node for tests: the real planner, ledger and accounts, on a clock that moves when the test says so."""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from systemprompt.clock import SECOND, ManualClock, to_datetime
from systemprompt.embedding.run import run_of
from systemprompt.errors import UsageError
from systemprompt.jobs.policies import seconds_of
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.identity import this_process
from systemprompt.nodes.loop import Loop
from systemprompt.operations.audit_jobs import AuditParams, audit_jobs
from systemprompt.operations.context import OperationContext
from systemprompt.operations.instants import known_job
from systemprompt.planning.planner import Planner
from systemprompt.testing.bench import START, bench, instant_of
from systemprompt.testing.run_here import RunHere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.embedding.run import Run
    from systemprompt.ledger.records import Claimed, NodeIdentity
    from systemprompt.testing.bench import Bench

__all__ = ["JobNode", "node"]


@contextmanager
def node(
    profile: str | os.PathLike[str] | None = None,
    *,
    jobs: Iterable[object] | None = None,
    only: Iterable[str] | None = None,
    start: str | datetime = START,
    time_zone: str | None = None,
    raise_errors: bool = True,
) -> Iterator[JobNode]:
    """Open a node for the block. Nothing sleeps: jobs run one after another in the calling thread, commands and
    `isolation: process` in their processes. A profile's ledger and database are not touched: both are replaced.

    profile        a profile.yaml or its folder; its jobs and the built-in ones are there too
    jobs           jobs as objects, as `systemprompt.node` takes them; without a profile there are no others
    only           of all these jobs only those with these names
    start          the instant to begin at, ISO 8601; without an offset it is meant in `time_zone`
    time_zone      for jobs that name none; default: the profile's, or UTC
    raise_errors   what a job raises comes out of `advance` and `run`, after it was accounted for; False: it is a failed run only

    Raises:
        UsageError, ProfileNotFound, ProfileInvalid, JobDefinitionError, JobNotFound: what to test is absent or wrong.
    """
    with TemporaryDirectory(prefix="systemprompt-test-") as folder:
        clock = ManualClock()
        opened = bench(folder, clock, start, profile=profile, jobs=jobs, only=only, time_zone=time_zone)
        made = JobNode(opened, clock, raise_errors=raise_errors)
        try:
            made.begin()
            yield made
        finally:
            made.close()


class JobNode:
    """A node that a test drives. Everything it says of runs is in the order in which they began."""

    def __init__(self, system: Bench, clock: ManualClock, *, raise_errors: bool) -> None:
        self._system = system
        self._clock = clock
        self._zone = system.profile.time_zone
        self._raise_errors = raise_errors
        self._claimed: deque[Claimed] = deque()
        self._began: list[int] = []
        self._depth = 0
        self._failures: list[tuple[str, Exception]] = []
        self._loop = Loop(
            ledger=system.ledger,
            clock=clock,
            planner=Planner(grace=round(system.profile.limits.misfire_grace * SECOND)),
            identity=self._identity(),
            hooks=Hooks(
                claimed=self._claimed.extend,
                closed=lambda _closed, _late: None,
                rescued=lambda _rescued: None,
                lease_lost=lambda _why, _run_ids: self._identity(),
                asked_to_stop=lambda _run_ids: None,
                failed=self._failed,
                watch=lambda _own: [],
            ),
            pace=Pace(poll=_FAR_S, heartbeat=_FAR_S, lease=_FAR_S),
            plans=True,
        )
        self._here = RunHere(system, clock, on_ended=self._loop.ended, pass_time=self._pass)

    @property
    def now(self) -> datetime:
        """What time it is, in the installation's zone."""
        return to_datetime(self._clock.now()).astimezone(ZoneInfo(self._zone))

    def advance(self, by: str | float | timedelta) -> list[Run]:
        """Let time pass: `90s`, `12h`, `1d`, seconds, or a timedelta. Fire what is due in it, and return the runs that began.

        Each job runs at its fire time, and takes no time but what it spends in `ctx.cancel.wait()`. Where it raises, time
        stands still at that moment; call again to go on.
        """
        return self._runs_of(self._clock.now() + round((seconds_of(by) or 0) * SECOND))

    def advance_to(self, when: str | datetime) -> list[Run]:
        """Let time pass up to and including an instant; otherwise as `advance`. Raises UsageError where it is past."""
        until = instant_of(when, self._zone)
        if until < self._clock.now():
            raise UsageError(
                f"it is {self.now.isoformat()}: {when} is past", hint="time does not go backwards in a test"
            )
        return self._runs_of(until)

    def down(self, by: str | float | timedelta) -> list[Run]:
        """Let time pass while no node runs, then come back: `catch_up` decides what becomes of what was due. Return what began."""
        self._clock.advance(seconds_of(by) or 0)
        return self._runs_of(self._clock.now())

    def run(self, name: str, parameters: Mapping[str, Any] | None = None, *, enforce: bool | None = None) -> Run:
        """Start a job by hand, and return its account when it has ended. Raises JobNotFound, and what the job raises."""
        start = ManualStart(job_name=name, parameters=dict(parameters or {}), enforce=enforce)
        change = Change(actor="test")
        (claimed,) = self._system.ledger.start_manual(self._loop.node_id, self._clock.now(), [start], change)
        self._loop.hold([claimed])
        self._claimed.append(claimed)
        self._work()
        self._settle()
        return self._run(claimed.run_id)

    def runs(self, name: str | None = None) -> list[Run]:
        """Return every run so far, of one job or of all, oldest first: those that were skipped or missed singly too."""
        ledger = self._system.ledger
        job_id = None if name is None else known_job(ledger, name).job_id
        with ledger.snapshot():
            views = sorted(ledger.runs_between(-_EVER, _EVER, job_id=job_id), key=lambda run: (run.due_at, run.run_id))
        return [run_of(view, self._zone) for view in views]

    def audit(self) -> None:
        """Hold every account against an engine of its own. Raises AssertionError with what is wrong."""
        report = audit_jobs(OperationContext.of(self._system), AuditParams())
        if not report.clean:
            raise AssertionError("\n".join([report.verdict, *(finding.sentence for finding in report.findings)]))

    def begin(self) -> None:
        """Join the ledger and start the bootstrap jobs, as a node does."""
        self._loop.join()
        for name in self._system.catalogue.bootstrap:
            self._loop.ask(ManualStart(job_name=name, origin="bootstrap"))
        self._settle()

    def close(self) -> None:
        """Let go of everything."""
        self._here.close()
        self._system.close()

    # -- time and work ---------------------------------------------------------------------------------------------------

    def _runs_of(self, until: Instant) -> list[Run]:
        before = len(self._began)
        self._go(until)
        return [self._run(run_id) for run_id in self._began[before:]]

    def _go(self, until: Instant) -> None:
        pause = self._settle()
        while (due := self._clock.now() + max(1, round(pause * SECOND))) <= until:
            self._clock.advance(timedelta(microseconds=due - self._clock.now()))
            pause = self._settle()
        if until > self._clock.now():
            self._clock.advance(timedelta(microseconds=until - self._clock.now()))

    def _settle(self) -> float:
        """Work until nothing more is due at this moment; return the seconds until something is."""
        while True:
            pause = self._loop.step()
            if self._claimed:
                self._work()
            elif pause > 0:
                self._raise()
                return pause

    def _work(self) -> None:
        while self._claimed:
            claimed = self._claimed.popleft()
            self._began.append(claimed.run_id)
            self._depth += 1
            try:
                error = self._here.run(claimed)
            finally:
                self._depth -= 1
            if error is not None:
                self._failures.append((claimed.job_name, error))

    def _raise(self) -> None:
        # A job that lets time pass lets others run meanwhile: their errors are not its own.
        if self._depth or not self._failures:
            return
        (_, first), *others = self._failures
        self._failures.clear()
        for name, error in others:
            first.add_note(f"at the same time job {name!r} raised {error!r}")
        if self._raise_errors:
            raise first

    def _pass(self, seconds: float) -> None:
        self._go(self._clock.now() + round(seconds * SECOND))

    def _run(self, run_id: int) -> Run:
        view = self._system.ledger.run(run_id)
        assert view is not None, "what began is in the ledger"
        return run_of(view, self._zone)

    def _failed(self, error: Exception) -> None:
        raise error

    def _identity(self) -> NodeIdentity:
        now = self._clock.now()
        return this_process(kind="serve", program="systemprompt.testing", lease_s=_FAR_S, capacity=_ROOM, now=now)


_FAR_S = 1e9
_EVER = 2**62
_ROOM = 10_000
