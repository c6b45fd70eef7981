"""Jobs come, change, leave, come back, break and are mended, are switched off and on; a node works between."""

from __future__ import annotations

from crash_checks import check_ledger
from crash_worker import DECIDE, CrashLedger, Worker, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change, JobSpec, QuarantineNotice

LATER = START + 100 * SECOND

STEADY = spec("steady", "*/10 * * * * *", on_lost="rerun")
EDITED = spec("edited", "*/10 * * * * *")
LEAVES = spec("leaves", "*/5 * * * * *")
RETURNS = spec("returns", "*/5 * * * * *")
BREAKS = spec("breaks", "*/10 * * * * *")
BESIDE = spec("beside", "*/10 * * * * *", source="file:more.py")
SWITCHED = spec("switched", "*/5 * * * * *")
UNBORN = spec("unborn", "*/10 * * * * *", source="file:new.py")

FIRST = (STEADY, EDITED, LEAVES, RETURNS, BREAKS, BESIDE, SWITCHED)
SECOND_STATE = (
    STEADY,
    spec("edited", "*/4 * * * * *", catch_up="all"),
    spec("fresh", "* * * * * *"),
    RETURNS,
    SWITCHED,
)
BROKEN = (
    QuarantineNotice(name="breaks", source="file:jobs.py", error="SyntaxError"),
    QuarantineNotice(name="unborn", source="file:new.py", error="NameError"),
    QuarantineNotice(name=None, source="file:more.py", error="ModuleNotFoundError"),
)
LAST = (
    STEADY,
    spec("edited", "*/4 * * * * *", catch_up="skip", on_lost="rerun"),
    spec("fresh", "* * * * * *"),
    RETURNS,
    BREAKS,
    BESIDE,
    SWITCHED,
    UNBORN,
)


def prepare(folder: str) -> None:
    ledger = ledger_in(folder)
    ledger.migrate()
    sync(ledger, FIRST, START)
    ledger.close()


def play(folder: str) -> None:
    ledger = ledger_in(folder)
    clock = ManualClock(START)
    worker = Worker(ledger, clock, folder)
    worker.step(11)
    ledger.turn(worker.loop.node_id, clock.now() + 5 * SECOND, DECIDE)  # `leaves` gets a run that waits
    clock.advance(5)
    sync(ledger, SECOND_STATE, clock.now(), BROKEN)
    worker.step(5)
    ledger.set_enabled("switched", False, clock.now(), DECIDE, Change(actor="test"))
    worker.finish()
    worker.step(6)
    sync(ledger, [spec for spec in SECOND_STATE if spec is not RETURNS], clock.now(), BROKEN[:1])
    worker.step(5)
    ledger.set_enabled("switched", True, clock.now(), DECIDE, Change(actor="test"))
    sync(ledger, LAST, clock.now())
    worker.finish()
    worker.step(11)
    worker.leave()
    ledger.close()


def recover(folder: str) -> None:
    """The next node finds the last state of the code; whoever switched a job, and got no answer, does it again."""
    ledger = ledger_in(folder)
    sync(ledger, LAST, LATER)
    ledger.set_enabled("switched", True, LATER, DECIDE, Change(actor="test"))
    ledger.close()
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        jobs = {job.name: job for job in ledger.jobs(retired=True)}
        assert {name for name, job in jobs.items() if job.retired_at is None} == {spec.name for spec in LAST}
        assert jobs.keys() <= {spec.name for spec in (*FIRST, *LAST)}
        for spec in LAST:
            seen, now = jobs[spec.name], ledger.versions(jobs[spec.name].job_id)[-1]
            assert (seen.schedule, seen.enabled, seen.quarantine_error) == (spec.schedule, True, None), spec.name
            assert (now.schedule, now.policies, now.valid_until) == (spec.schedule, spec.policies.as_dict(), None)
        assert ledger.quarantined_sources() == []


def sync(
    ledger: CrashLedger,
    specs: list[JobSpec] | tuple[JobSpec, ...],
    now: int,
    broken: tuple[QuarantineNotice, ...] = (),
) -> None:
    ledger.sync_catalogue(specs, broken, now, DECIDE, Change(actor="test"))
