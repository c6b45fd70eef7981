"""What runs and what waits: since when, how long it usually takes, how far it is, and on which node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from systemprompt.clock import SECOND, Instant
from systemprompt.databases.database import Database
from systemprompt.databases.dialect import dialect_named
from systemprompt.errors import DatabaseError
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.placement import no_node_for, takers
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.views import RunView
from systemprompt.nodes.identity import this_machine
from systemprompt.operations.answers import entry_of
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import FIELDS, param
from systemprompt.operations.serving import ServingNode, condition, node_state

__all__ = ["ActiveRun", "ActiveRuns", "ActiveRunsParams", "active_runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRunsParams:
    """Which runs to show."""

    job: tuple[str, ...] = param("only this job", ())
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """One run that is queued or running. Instants are ISO 8601 in UTC.

    elapsed_s     since it started, or since it was queued where it waits
    usual_s       the median of the job's last 20 successes; null where it never succeeded
    timeout_s     when it will be stopped, counted from its start; null where never
    node_state    `serving`, `silent` (its node was not heard for longer than its lease) or `gone` (the run will be settled by the
                  next node that looks); null where nobody holds it
    waits_for     of a run that waits: that no living node has the labels which its job needs (`runs_on`); else null
    progress      what the job said of how far it is: `done`, `total` or null, `note`; null where it said nothing. A few seconds old
    """

    run_id: int
    job_name: str
    status: str
    origin: str
    due_at: str
    started_at: str | None
    elapsed_s: float
    usual_s: float | None
    timeout_s: float | None
    attempt: int
    node_id: str | None
    node_host: str | None
    node_pid: int | None
    node_state: str | None
    stop_asked_at: str | None
    stop_by: str | None
    waits_for: str | None
    progress: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRuns:
    """What runs, longest first, then what waits, in its order.

    serving, silent, clock_behind_s   whether schedules are kept: see `systemprompt.operations.serving.condition`
    """

    entries: tuple[ActiveRun, ...]
    total: int
    running: int
    serving: tuple[ServingNode, ...]
    silent: tuple[ServingNode, ...]
    clock_behind_s: int


def active_runs(context: OperationContext, params: ActiveRunsParams) -> ActiveRuns:
    """Return every open run, from one state of the ledger; how far each is comes from its log."""
    with context.open_ledger() as ledger, ledger.snapshot():
        now, machine = context.now(), this_machine()
        runs = [run for run in ledger.open_runs() if not params.job or run.job_name in params.job]
        nodes = {node.node_id: node for node in ledger.living_nodes()}
        usual = {job_id: ledger.usual_ms(job_id) for job_id in {run.job_id for run in runs}}
        timeouts = _timeouts(ledger, runs)
        runs_on = {job.job_id: job.runs_on for job in ledger.jobs() if job.runs_on}
        state, ledger_id = condition(ledger, now), ledger.ledger_id()
    progress = _progress(context, ledger_id, runs)
    able = [node for node in takers(nodes.values(), now) if node_state(node, now, machine) == "serving"]
    entries = []
    for run in runs:
        node = nodes.get(run.node_id or "")
        took = usual[run.job_id]
        entries.append(
            entry_of(
                ActiveRun,
                run,
                elapsed_s=round((now - _since(run)) / SECOND, 3),
                usual_s=None if took is None else took / 1_000,
                timeout_s=timeouts.get((run.job_id, run.version)),
                node_host=None if node is None else node.host,
                node_pid=None if node is None else node.pid,
                node_state=None if run.node_id is None else "gone" if node is None else node_state(node, now, machine),
                waits_for=None if run.node_id is not None else no_node_for(runs_on.get(run.job_id, ()), able),
                progress=progress.get(run.run_id),
            )
        )
    entries.sort(key=lambda entry: (entry.status != "running", -entry.elapsed_s, entry.run_id))
    running = sum(entry.status == "running" for entry in entries)
    return ActiveRuns(entries=tuple(entries), total=len(entries), running=running, **state)


def _since(run: RunView) -> Instant:
    return run.queued_at if run.started_at is None else run.started_at


def _timeouts(ledger: LedgerReader, runs: list[RunView]) -> dict[tuple[int, int], float | None]:
    wanted = {(run.job_id, run.version) for run in runs}
    return {
        (one.job_id, one.version): Policies.from_version(one.policies).timeout_s
        for job_id in {job_id for job_id, _ in wanted}
        for one in ledger.versions(job_id)
        if (one.job_id, one.version) in wanted
    }


def _progress(context: OperationContext, ledger_id: str, runs: list[RunView]) -> dict[int, Mapping[str, Any]]:
    """Return the last thing that each run said of how far it is. A log that cannot be read hides no run."""
    if not runs:
        return {}
    found: dict[int, Mapping[str, Any]] = {}
    try:
        with context.open_application() as database:
            for run in runs:
                if run.status == "running" and (said := _last_said(database, ledger_id, run.run_id)) is not None:
                    found[run.run_id] = said
    except DatabaseError as error:
        context.notes.append(f"how far the runs are cannot be read: {error.message}")
    return found


_LAST_SAID = """
    SELECT fields FROM {logs} WHERE ledger_id = ? AND run_id = ? AND source = 'progress' ORDER BY id DESC LIMIT 1
"""


def _last_said(database: Database, ledger_id: str, run_id: int) -> Mapping[str, Any] | None:
    row = database.fetch_one(dialect_named(database.dialect).text(_LAST_SAID), (ledger_id, run_id))
    said: Mapping[str, Any] | None = None if row is None or row["fields"] is None else json.loads(row["fields"])
    return said
