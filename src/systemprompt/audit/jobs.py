"""Look at a job's own row: its versions, its cursor, what it says is running, and whether the nodes that run it live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from systemprompt.audit.case import JobCase, Setting
from systemprompt.audit.findings import Finding, Findings
from systemprompt.clock import SECOND, iso
from systemprompt.ledger.job_view import JobView
from systemprompt.ledger.records import NodeIdentity

__all__ = ["check_high_water", "check_job", "check_open_runs"]


def check_job(case: JobCase) -> None:
    """Check versions and cursor of one job."""
    _check_versions(case)
    _check_present_version(case)
    _check_cursor(case)
    _check_next_due(case)
    _check_last_start(case)


def check_high_water(setting: Setting, jobs: Sequence[JobView], findings: Findings) -> None:
    """Check that the ledger remembers the furthest instant any job was planned through, and no other."""
    high_water, furthest = setting.ledger.high_water(), max((job.planned_through for job in jobs), default=0)
    # A job that was only added has had no cursor moved yet.
    planned = max((job.planned_through for job in jobs if job.planned_through > job.created_at), default=0)
    if high_water > furthest or high_water < planned:
        reached = furthest if high_water > furthest else planned
        sentence = f"the ledger says it has planned up to {iso(high_water)}, its jobs say {iso(reached)}"
        findings.add(Finding(kind="cursor", job_name=None, sentence=sentence, at=high_water))


def check_open_runs(
    case: JobCase, nodes: Mapping[str, NodeIdentity], alive: Callable[[NodeIdentity], bool | None]
) -> None:
    """Check that what is running has a living node, and that the job's count of it is right."""
    job = case.job
    running = [run for run in case.open_runs if run.status == "running"]
    if job.running != len(running):
        case.found("cursor", f"it counts {job.running} running runs, there are {len(running)}")
    present = case.by_number.get(job.version)
    if len(running) > 1 and (present is None or present.policies.get("overlap", "skip") != "allow"):
        listed = ", ".join(str(run.run_id) for run in running[:10])
        case.found("concurrent", f"{len(running)} runs are running at once: {listed}", run_id=running[-1].run_id)
    for run in running:
        node = nodes.get(run.node_id or "")
        if node is None:
            what = f"on node {run.node_id}, which the ledger does not know"
        elif node.stopped_at is not None:
            what = f"on node {run.node_id}, which {node.fate} at {iso(node.stopped_at)}"
        elif alive(node) is False:
            what = f"on node {run.node_id}, whose process {node.pid} on {node.host} is gone"
        else:
            continue
        case.found(
            "open_without_node",
            f"run {run.run_id} is running {what}",
            at=run.due_at,
            run_id=run.run_id,
            node=run.node_id,
        )


def _check_versions(case: JobCase) -> None:
    for earlier, later in pairwise(case.versions):
        if later.version != earlier.version + 1:
            _version(case, later.version, f"follows version {earlier.version}: one in between is gone")
        if earlier.valid_until is None:
            _version(case, earlier.version, f"has no end, yet version {later.version} follows")
        elif earlier.valid_until > later.valid_from:
            until, start = iso(earlier.valid_until), iso(later.valid_from)
            _version(case, later.version, f"begins at {start}, before version {earlier.version} ended at {until}")
        elif earlier.valid_until < later.valid_from and later.cause != "returned":
            until, start = iso(earlier.valid_until), iso(later.valid_from)
            _version(case, later.version, f"begins at {start}, but version {earlier.version} ended at {until}")
    if case.versions and case.versions[0].version != 1:
        _version(case, case.versions[0].version, "is the first one left: version 1 is gone")
    elif case.versions and case.versions[0].valid_from != case.job.created_at:
        began, created = iso(case.versions[0].valid_from), iso(case.job.created_at)
        _version(case, 1, f"begins at {began}, but the job was added at {created}")
    for version in case.versions:
        if version.valid_until is not None and version.valid_until < version.valid_from:
            _version(case, version.version, f"ends at {iso(version.valid_until)}, before it begins")


def _check_present_version(case: JobCase) -> None:
    job = case.job
    present = case.by_number.get(job.version)
    if present is None:
        case.found("versions", f"it is at version {job.version}, which does not exist")
        return
    if case.versions[-1].version != job.version:
        case.found("versions", f"it is at version {job.version}, but has version {case.versions[-1].version}")
    if (present.valid_until is None) == (job.retired_at is not None):
        state = "is retired, yet version {} is open" if job.retired_at is not None else "has no open version after {}"
        case.found("versions", f"it {state.format(job.version)}")
    shown = (job.schedule, job.time_zone, job.enabled)
    stated = (present.schedule, present.time_zone, present.enabled)
    for name, here, there in zip(("schedule", "time_zone", "enabled"), shown, stated, strict=True):
        if here != there:
            case.found("versions", f"it shows {name} {here!r}, but version {job.version} says {there!r}")


def _check_cursor(case: JobCase) -> None:
    job, setting = case.job, case.setting
    # A job that was added just before the clock went back has had no other decision yet.
    latest = max(setting.latest, *(version.valid_from for version in case.versions[-1:]), job.created_at)
    if job.planned_through > latest + setting.slack:
        case.found("cursor", f"its cursor is at {iso(job.planned_through)}, past {iso(latest)}", at=job.planned_through)
    if job.pruned_through > job.planned_through:
        pruned, planned = iso(job.pruned_through), iso(job.planned_through)
        case.found("cursor", f"it was pruned through {pruned}, past its cursor at {planned}", at=job.pruned_through)
    if case.versions and job.planned_through < case.versions[-1].valid_from:
        last = case.versions[-1]
        sentence = (
            f"its cursor is at {iso(job.planned_through)}, before version {last.version} from {iso(last.valid_from)} on"
        )
        case.found("cursor", sentence, at=job.planned_through)


def _check_next_due(case: JobCase) -> None:
    """A fire time after the cursor must not come before the planner looks again, or it would be late or forgotten."""
    job = case.job
    present = case.by_number.get(job.version)
    if job.retired_at is not None or present is None or not present.schedule:
        return
    oracle = case.oracle(present)
    if oracle is None:
        return
    following = oracle.first_after(job.planned_through)
    idle = not present.enabled or job.quarantine is not None
    shown = None if idle else following
    if job.next_run != shown:
        says, there = ("none" if at is None else iso(at) for at in (job.next_run, shown))
        case.found("cursor", f"it shows {says} as its next run, where there is {there}", at=job.next_run or shown)
    if following is None:
        return
    if job.next_due is None:
        sentence = f"nobody will look at it again, though it fires at {iso(following)}"
        case.found("cursor", sentence, at=following)
        return
    # A backlog is looked at again a second after the last look; when that was is written nowhere, and clocks go back.
    backlog = present.policies.get("catch_up") == "all" and bool(case.open_runs)
    # What is disabled or quarantined starts nothing; it is accounted for once a day.
    if not backlog and job.next_due > (job.planned_through + _DAY if idle else following):
        sentence = f"it will be looked at again at {iso(job.next_due)}, though it fires at {iso(following)}"
        case.found("cursor", sentence, at=following)


def _check_last_start(case: JobCase) -> None:
    """What is quarantined starts nothing. Its row changed last when it became so, or later."""
    job = case.job
    if job.quarantine is not None and job.last_run is not None and job.last_run > job.updated_at + case.setting.stall:
        held = f"though the job is quarantined since {iso(job.updated_at)} at the latest"
        sentence = f"run {job.last_run_id} was begun at {iso(job.last_run)}, {held}"
        case.found("unexplained", sentence, at=job.last_run, run_id=job.last_run_id)


_DAY = 86_400 * SECOND


def _version(case: JobCase, number: int, what: str) -> None:
    case.found("versions", f"version {number} {what}", version=number)
