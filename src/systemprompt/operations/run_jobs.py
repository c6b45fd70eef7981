"""Run jobs now, as a node of its own, each with an account like any other run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from systemprompt.discovery.as_written import as_written
from systemprompt.discovery.given import GIVEN
from systemprompt.errors import (
    ConflictError,
    Interrupted,
    JobAlreadyRunning,
    JobNotFound,
    NotFoundError,
    UsageError,
)
from systemprompt.jobs.labels import lacking
from systemprompt.ledger.records import Change, Claimed, ManualStart
from systemprompt.ledger.views import JobView
from systemprompt.node_errors import LabelsLacking
from systemprompt.nodes.node import Node
from systemprompt.operations.answers import said_once
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.runner.flight import Finished
from systemprompt.runner.forks import end_children, handling
from systemprompt.system import System
from systemprompt.wording import did_you_mean, labels_text

__all__ = ["JobRun", "JobRunResult", "RunJobsParams", "RunJobsResult", "run_jobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJobsParams:
    """Which jobs to run, and how."""

    names: tuple[str, ...] = param("Job name(s) to run", ())
    all: bool = param("Run all enabled jobs", False)
    tag: tuple[str, ...] = param("Run the enabled jobs with this tag; may be repeated", ())
    parameters: dict[str, str] = param("A parameter for the jobs; may be repeated", {})
    sequential: bool = param("Run jobs one at a time (default: parallel)", False)
    detach: bool = param("Only ask for the runs: a node that serves takes them", False)
    why: str = param("The reason, kept with the runs", "")
    enforce: bool = param("Let jobs that act on people do what they otherwise only report", False)
    dry_run: bool = param("Say what would run, and run nothing", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunResult:
    """What the job said of its own work.

    message   null where the run's `error` ends with the same text
    did_nothing   it is a success that had nothing to do
    dry_run   it only said what it would do
    """

    success: bool
    message: str | None
    items_processed: int
    items_failed: int
    did_nothing: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run. `status` is the ledger's (`queued` where it was only asked for), or `would_run` in a dry run.

    run_id       leads to its logs
    parameters   what it would run with, in a dry run: declared, set by the profile, and asked for
    """

    job_name: str
    status: str
    duration_ms: int | None = None
    result: JobRunResult | None = None
    run_id: int | None = None
    reason: str | None = None
    error: str | None = None
    exit_code: int | None = None
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJobsResult:
    """Every run in the order asked for; `failed` counts all that ended and did not succeed."""

    jobs_run: tuple[JobRun, ...]
    total: int
    succeeded: int
    failed: int
    dry_run: bool = False


def run_jobs(context: OperationContext, params: RunJobsParams) -> RunJobsResult:
    """Run the chosen jobs and wait for them; with `detach` only ask for them, all or none, and return at once.

    Every name is checked before anything starts. If this process is killed, its runs are settled by the next node that looks.

    Raises:
        UsageError: nothing was chosen, or names and a choice contradict each other.
        ParameterError: a job does not declare a parameter, or its text does not read as what is declared.
        JobNotFound: a name is unknown. JobAlreadyRunning: a job is running and may not overlap itself.
        LabelsLacking: a job that was named needs labels that the profile does not give its nodes; `detach` asks other nodes.
        Interrupted: the person said stop; what ran was stopped and accounted for.
    """
    change = context.change(params.why)
    with context.open_system() as system:
        chosen = _choose(system.ledger.jobs(), params, [one.error for one in system.ledger.quarantined_sources()])
        if not params.detach:
            chosen = _for_this_node(context, chosen, system.profile.labels, params)
        # What is wrong with a parameter is said before anything is asked for; of a job that does not load, that it does not.
        with_these = {job.name: _asked_with(system, job.name, params) for job in chosen}
        if params.dry_run:
            would = tuple(
                JobRun(job_name=job.name, status="would_run", parameters=with_these[job.name]) for job in chosen
            )
            return RunJobsResult(jobs_run=would, total=len(would), succeeded=0, failed=0, dry_run=True)
        if params.detach:
            return _ask(system, [job.name for job in chosen], params, change)
        node = system.node("run", context.listeners)
        with _signals_as_interrupt() as heard:
            try:
                return _run(system, node, chosen, params, change, heard)
            finally:
                end_children()


def _asked_with(system: System, name: str, params: RunJobsParams) -> Mapping[str, Any]:
    definition = system.catalogue.jobs.get(name)
    if definition is None:
        return params.parameters
    shown: Mapping[str, Any] = as_written(definition.asked_with(params.parameters), definition.filled)
    return shown


def _ask(system: System, names: list[str], params: RunJobsParams, change: Change) -> RunJobsResult:
    run_ids = system.ledger.ask_for_runs(system.clock.now(), _starts(names, params), change)
    asked = tuple(
        JobRun(job_name=name, status="queued", run_id=run_id) for name, run_id in zip(names, run_ids, strict=True)
    )
    return RunJobsResult(jobs_run=asked, total=len(asked), succeeded=0, failed=0)


def _run(
    system: System, node: Node, chosen: list[JobView], params: RunJobsParams, change: Change, heard: list[str]
) -> RunJobsResult:
    node.start()
    try:
        busy = [job for job in system.ledger.jobs() if job.running and job.name in {one.name for one in chosen}]
        if busy:
            raise JobAlreadyRunning(busy[0].name, busy[0].last_run_id or 0)
        return _carry_out(system, node, [job.name for job in chosen], params, change, heard)
    finally:
        node.close()


def _choose(jobs: Iterable[JobView], params: RunJobsParams, not_loaded: list[str]) -> list[JobView]:
    by_name = {job.name: job for job in jobs}
    if params.names and (params.all or params.tag):
        raise UsageError(
            "`names` cannot be combined with `all` or `tag`", hint="name the jobs, or choose them by `tag`"
        )
    for name in params.names:
        if name not in by_name:
            raise JobNotFound(name, by_name, not_loaded)
        if _is_elsewhere(by_name[name]):
            raise ConflictError(
                f"job {name!r} was given to a program as an object, and only that program can run it",
                hint="start it there: node.run(...); or name its module under `extensions`",
                details={"job_name": name, "source": by_name[name].source},
            )
    if params.names:
        return [by_name[name] for name in dict.fromkeys(params.names)]
    if not params.all and not params.tag:
        raise UsageError("no job was named", hint="give `names`, or `all`, or a `tag`")
    startable = [
        job for job in by_name.values() if job.enabled and job.quarantine_error is None and not _is_elsewhere(job)
    ]
    if not params.tag:
        return startable
    tagged = [job for job in startable if set(params.tag) & set(job.tags)]
    if not tagged:
        near = did_you_mean(params.tag[0], {tag for job in by_name.values() for tag in job.tags})
        raise NotFoundError(
            f"no enabled job has the tag {' or '.join(map(repr, params.tag))}",
            hint=f"did you mean {near!r}?" if near else "sp --json jobs list shows the tags of each job",
            details={"tags": list(params.tag), "did_you_mean": near},
        )
    return tagged


def _for_this_node(
    context: OperationContext, chosen: list[JobView], labels: tuple[str, ...], params: RunJobsParams
) -> list[JobView]:
    """Return those that a node of this profile may run. One that was named must be among them; others are left out, with a note."""
    kept = []
    for job in chosen:
        lacks = lacking(job.runs_on, labels)
        if not lacks:
            kept.append(job)
        elif params.names:
            raise LabelsLacking(job.name, job.runs_on, lacks)
        else:
            context.notes.append(f"{job.name} is left out: it runs only on nodes with the {labels_text(job.runs_on)}")
    return kept


def _is_elsewhere(job: JobView) -> bool:
    return job.source.startswith(f"{GIVEN}:")


def _carry_out(
    system: System, node: Node, names: list[str], params: RunJobsParams, change: Change, heard: list[str]
) -> RunJobsResult:
    width = 1 if params.sequential else system.profile.limits.max_concurrent_runs
    claimed: dict[str, Claimed] = {}
    waiting, open_ids = list(names), set[int]()
    try:
        while waiting or open_ids:
            batch, waiting = waiting[: width - len(open_ids)], waiting[max(0, width - len(open_ids)) :]
            if batch:
                started = node.start_manual(_starts(batch, params), change, skip_running=bool(claimed))
                claimed |= {run.job_name: run for run in started}
                open_ids |= {run.run_id for run in started}
            # Never for ever at once: a signal that another thread took is heard when this one wakes.
            open_ids -= node.wait_any(open_ids, timeout=_WAKE_S)
            if node.error is not None:
                raise node.error
    except KeyboardInterrupt:
        node.drain(grace=0.0, reason="interrupted", by=heard[0] if heard else None)
        stopped = sorted(name for name, run in claimed.items() if run.run_id in open_ids)
        raise Interrupted(
            f"stopped while {', '.join(stopped) or 'nothing'} ran; every run is accounted for",
            hint="sp jobs history shows the account",
            details={"stopped": stopped, "not_started": waiting},
        ) from None
    runs = tuple(_as_result(system, name, claimed.get(name), node) for name in names)
    succeeded = sum(run.status == "success" for run in runs)
    return RunJobsResult(jobs_run=runs, total=len(runs), succeeded=succeeded, failed=len(runs) - succeeded)


@contextmanager
def _signals_as_interrupt() -> Iterator[list[str]]:
    """Take a supervisor's SIGTERM and a closed terminal's SIGHUP for Ctrl-C: stop, and account for it. Yield their names."""
    heard: list[str] = []
    if threading.current_thread() is not threading.main_thread():  # only a main thread may say so
        yield heard
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(signal.Signals(number).name)
        if len(heard) == 1:
            raise KeyboardInterrupt

    with handling(interrupt, signal.SIGTERM, signal.SIGHUP):
        yield heard


def _starts(names: Iterable[str], params: RunJobsParams) -> list[Any]:
    parameters: Mapping[str, Any] = params.parameters
    enforce = True if params.enforce else None
    return [ManualStart(job_name=name, parameters=parameters, enforce=enforce) for name in names]


def _as_result(system: System, name: str, run: Claimed | None, node: Node) -> JobRun:
    if run is None:
        return JobRun(
            job_name=name, status="skipped", reason="overlap", error="it was started by somebody else meanwhile"
        )
    finished: Finished | None = node.outcome(run.run_id)
    if finished is None:
        return JobRun(job_name=name, status="failed", run_id=run.run_id, reason="not_loaded")
    outcome = finished.outcome
    account = system.ledger.run(run.run_id)
    if account is not None and (account.fence, account.status) != (run.fence, outcome.status):
        # Others took this process for lost in mid-run. What the ledger says is what counts, and what is told.
        error = f"this process was taken for lost; its {outcome.status} came too late and is kept with attempt {run.attempt}"
        return JobRun(job_name=name, status=account.status, run_id=run.run_id, reason=account.reason, error=error)
    success = outcome.status == "success"
    failure = None if success else outcome.error or outcome.message
    return JobRun(
        job_name=name,
        status=outcome.status,
        duration_ms=outcome.duration_ms,
        result=JobRunResult(
            success=success,
            message=said_once(outcome.message, failure),
            items_processed=outcome.items_processed,
            items_failed=outcome.items_failed,
            did_nothing=outcome.did_nothing,
            dry_run=outcome.dry_run,
        ),
        run_id=run.run_id,
        reason=outcome.reason,
        error=failure,
        exit_code=outcome.exit_code,
    )


_WAKE_S = 0.5
