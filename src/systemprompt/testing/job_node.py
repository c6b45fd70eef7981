"""A node for tests: the real planner, ledger and accounts, on a clock that moves when the test says so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from systemprompt.clock import SECOND, Instant, ManualClock, to_datetime
from systemprompt.errors import UsageError
from systemprompt.jobs.durations import seconds_of
from systemprompt.ledger.records import Change, Claimed, ManualStart
from systemprompt.operations.audit_jobs import AuditParams, audit_jobs
from systemprompt.operations.context import OperationContext
from systemprompt.operations.instants import known_job
from systemprompt.operations.run import Run, run_of
from systemprompt.simulation.simulated_node import SimulatedNode
from systemprompt.simulation.simulated_system import instant_of, simulated_system
from systemprompt.system import System
from systemprompt.testing.run_here import RunHere

__all__ = ["START", "JobNode", "node"]

START = "2026-01-01T00:00:00Z"
"""When a test begins that says nothing of it: a Thursday."""


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
    if profile is None and jobs is None:
        raise UsageError("there is nothing to test", hint="name a profile, or give jobs=[...]")
    with TemporaryDirectory(prefix="systemprompt-test-") as folder:
        clock = ManualClock()
        opened = simulated_system(
            folder, clock, start, opened_by="test", profile=profile, jobs=jobs or (), only=only, time_zone=time_zone
        )
        made = JobNode(opened, clock, raise_errors=raise_errors)
        try:
            made.begin()
            yield made
        finally:
            made.close()


class JobNode:
    """A node that a test drives. Everything it says of runs is in the order in which they began."""

    def __init__(self, system: System, clock: ManualClock, *, raise_errors: bool) -> None:
        self._system = system
        self._clock = clock
        self._zone = system.profile.time_zone
        self._raise_errors = raise_errors
        self._began: list[int] = []
        self._depth = 0
        self._failures: list[tuple[str, Exception]] = []
        self._node = SimulatedNode(
            system, clock, program="systemprompt.testing", carry_out=self._carry_out, on_settled=self._raise
        )
        self._here = RunHere(system, clock, on_ended=self._node.ended, pass_time=self._pass)

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
        return self._run(self._node.run(start, Change(actor=self._system.opened_by)))

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
        self._node.begin()

    def close(self) -> None:
        """Let go of everything."""
        self._here.close()
        self._system.close()

    def _runs_of(self, until: Instant) -> list[Run]:
        before = len(self._began)
        self._node.advance_to(until)
        return [self._run(run_id) for run_id in self._began[before:]]

    def _carry_out(self, claimed: Claimed) -> None:
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
        self._node.advance_to(self._clock.now() + round(seconds * SECOND))

    def _run(self, run_id: int) -> Run:
        view = self._system.ledger.run(run_id)
        assert view is not None, "what began is in the ledger"
        return run_of(view, self._zone)


_EVER = 2**62
