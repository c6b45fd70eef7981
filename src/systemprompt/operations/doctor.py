"""Check the whole installation, and say how to mend what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

from systemprompt.builtin.tables.table import find_table
from systemprompt.clock import SECOND, Instant, iso
from systemprompt.errors import ConfigurationError, DatabaseError, SystempromptError
from systemprompt.jobs.context import JobContext
from systemprompt.ledger.reader import LedgerReader
from systemprompt.nodes.identity import this_machine
from systemprompt.operations.context import OperationContext
from systemprompt.operations.database import DatabaseState, database_states
from systemprompt.operations.doctor_check import Check
from systemprompt.operations.doctor_databases import database_checks, schema_checks, server_checks, space_checks
from systemprompt.operations.files_others_may_change import exposed_files
from systemprompt.operations.node_checks import newer_findings, node_findings
from systemprompt.operations.parameters import FIELDS, param
from systemprompt.operations.serving import condition, last_served, node_state, overdue_since
from systemprompt.profile.profile import Limits, Profile
from systemprompt.system import System

__all__ = ["Check", "Diagnosis", "DoctorParams", "doctor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorParams:
    """How to show it."""

    serving: bool = param("only whether a node serves and keeps up: a health check for containers and systemd", False)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Every check, in the order they were made; `healthy` means that none failed."""

    checks: tuple[Check, ...]
    total: int
    warnings: int
    failures: int
    healthy: bool


def doctor(context: OperationContext, params: DoctorParams) -> Diagnosis:
    """Look at everything a node needs. A check that fails never keeps the others from being made, where they can be.

    Not finding a profile is a finding too. Nothing is changed but what any command would bring up to date: pending migrations
    are reported, not applied.
    """
    checks = tuple(_serving(context) if params.serving else _checks(context))
    failures = sum(check.status == "fail" for check in checks)
    return Diagnosis(
        checks=checks,
        total=len(checks),
        warnings=sum(check.status == "warn" for check in checks),
        failures=failures,
        healthy=not failures,
    )


def _checks(context: OperationContext) -> Iterator[Check]:
    try:
        profile = context.load_profile()
    except SystempromptError as error:
        yield Check(name="profile", status="fail", message=error.message, mend=error.hint)
        return
    yield Check(name="profile", status="ok", message=profile.path)
    states: list[DatabaseState] = []
    try:
        states = list(database_states(profile))
        databases = list(database_checks(profile, states))
    except (ConfigurationError, DatabaseError) as error:
        databases = [Check(name="databases", status="fail", message=error.message, mend=error.hint)]
    yield from databases
    yield from schema_checks(states)
    yield from server_checks(profile, {check.message for check in databases})
    yield from space_checks(profile)
    yield _zone_data(profile)
    with System(profile, environ=context.environ, clock=context.clock, is_wary=context.is_wary) as system:
        if all(check.status == "ok" for check in databases):
            yield from _host_tables(system)
        yield from _jobs(system)
        for one in exposed_files(system, context.environ):
            yield Check(name="other users", status="warn", message=one.message, mend=one.mend)
        if any(check.name == "ledger database" and check.status == "ok" for check in databases):
            try:
                yield from _ledger(system)
            except DatabaseError as error:
                yield Check(name="ledger", status="fail", message=error.message, mend=error.hint)
        elif any(state.name == "ledger" and state.state == "absent" for state in states):  # opening it would make it
            yield Check(name="nodes", status="warn", message="no node has served yet", mend="sp serve")


def _serving(context: OperationContext) -> Iterator[Check]:
    """Look at the nodes alone. It opens an existing ledger and changes nothing in it."""
    try:
        limits = context.load_profile().limits
        with context.open_ledger() as ledger:
            yield from _nodes(ledger, context.now(), limits, must_serve=True)
    except SystempromptError as error:
        yield Check(name="nodes", status="fail", message=error.message, mend=error.hint)


def _host_tables(system: System) -> Iterator[Check]:
    context = JobContext(job_name="doctor", settings=system.settings, database=system.database)
    for logical, host in system.profile.tables.items():
        name = f"table for {logical}"
        try:
            find_table(context, logical, needs=host.columns)
        except (ConfigurationError, DatabaseError) as error:
            yield Check(name=name, status="fail", message=error.message, mend=error.hint)
        else:
            yield Check(name=name, status="ok", message=f"{host.table}, with the columns that the profile names")


def _zone_data(profile: Profile) -> Check:
    try:
        ZoneInfo(profile.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        return Check(
            name="time zones",
            status="fail",
            message=f"no data for {profile.time_zone}: {error}",
            mend="install the system's tzdata, or the tzdata package beside systemprompt",
        )
    source = next((folder for folder in TZPATH if os.path.exists(os.path.join(folder, profile.time_zone))), None)
    return Check(name="time zones", status="ok", message=f"{profile.time_zone} from {source or 'the tzdata package'}")


def _jobs(system: System) -> Iterator[Check]:
    catalogue = system.catalogue
    # Two jobs of one name are one fault in two places.
    for name, error, hint in dict.fromkeys((one.name, one.told(), one.hint) for one in catalogue.quarantined):
        yield Check(
            name=f"job {name}" if name else "job module",
            status="fail",
            message=error,
            mend=hint or "change what the error names; until then it is quarantined and everything else runs on",
        )
    if not catalogue.quarantined:
        scheduled = sum(bool(job.schedule) for job in catalogue.jobs.values())
        yield Check(name="jobs", status="ok", message=f"{len(catalogue.jobs)} load, {scheduled} with a schedule")


def _ledger(system: System) -> Iterator[Check]:
    now = system.ledger.clock(system.clock).now()
    if system.ledger.decides_by == "host":  # else the server's clock decides, of which `server_checks` has told
        yield _clock(system.ledger, now)
    yield from _nodes(system.ledger, now, system.profile.limits)
    for name, message, mend in (*node_findings(system.ledger, now), *newer_findings(system.ledger)):
        yield Check(name=name, status="warn", message=message, mend=mend)
    yield from _abandoned(system.ledger, system.profile.limits)


def _clock(ledger: LedgerReader, now: Instant) -> Check:
    if not condition(ledger, now)["clock_behind_s"]:
        return Check(name="clock", status="ok", message=f"{iso(now)}, not behind the ledger")
    decided = iso(ledger.decided_up_to())
    return Check(
        name="clock",
        status="fail",
        message=f"the clock says {iso(now)}, and the ledger has decided up to {decided}: until then nothing fires",
        mend="where this clock is wrong, set it (timedatectl, chronyc); where it is right now and was ahead, run by hand what"
        " cannot wait (sp jobs run NAME), or restore a backup from before (sp db restore FILE --replace): docs/operating.md,"
        " Clocks",
    )


def _abandoned(ledger: LedgerReader, limits: Limits) -> Iterator[Check]:
    """Name the runs whose code goes on though their account is closed; that there are none goes without saying."""
    runs = [run for run in map(ledger.run, ledger.abandoned_runs()) if run is not None]
    if runs:
        named = ", ".join(f"{run.job_name} (run {run.run_id})" for run in runs[:_NAMED])
        more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
        yield Check(
            name="abandoned runs",
            status="warn",
            message=f"{len(runs)} did not stop when told to, and their code goes on: {named}{more}",
            mend="restart their node, and give their jobs `isolation: process`, which can be ended; a node with"
            f" {limits.max_abandoned_threads} such threads starts no further plain function (limits.max_abandoned_threads)",
        )


_NAMED = 10


def _nodes(ledger: LedgerReader, now: Instant, limits: Limits, *, must_serve: bool = False) -> Iterator[Check]:
    """Look who serves. A new installation, where nobody ever did, is well; `must_serve` asks for more."""
    machine, served = this_machine(), last_served(ledger)
    serving = 0
    for node in ledger.living_nodes():
        state = node_state(node, now, machine)
        where = f"{node.kind} node {node.node_id} on {node.host}, pid {node.pid}"
        if state == "gone":
            yield Check(
                name="nodes",
                status="warn",
                message=f"{where}, is gone and its runs are not settled yet",
                mend="the next node settles them: sp serve",
            )
        elif state == "silent":
            yield Check(
                name="nodes",
                status="fail",
                message=f"{where}, is silent since {iso(node.beat_at)}, for longer than its lease of {node.lease_ms / 1_000:g} s",
                mend=f"see what holds it up (ps {node.pid}), or end it and start another: sp serve",
            )
        else:
            drains = f", drains since {iso(node.draining_at)}" if node.draining_at is not None else ""
            serving += node.kind == "serve" and not drains
            yield Check(name="nodes", status="ok", message=f"{where}, last beat {iso(node.beat_at)}{drains}")
    if not serving:
        since = "no node has served yet" if served is None else f"no node serves since {iso(served)}"
        status = "fail" if must_serve else "warn"
        yield Check(name="nodes", status=status, message=f"{since}: schedules start nothing", mend="sp serve")
    late = overdue_since(ledger, now, round(limits.misfire_grace * SECOND))
    if late is not None and (served is not None or must_serve):
        yield Check(
            name="planning",
            status="fail",
            message=f"the fire time {iso(late)} has passed and has no account yet",
            mend="start a node, which accounts for all that passed: sp serve",
        )
