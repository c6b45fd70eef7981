"""One job: what it is, how it is scheduled, what it last did and when it is next due."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.errors import CronError
from systemprompt.jobs.policies import unknown_policies
from systemprompt.operations.answers import entry_of
from systemprompt.operations.instants import known_job
from systemprompt.operations.parameters import param
from systemprompt.operations.schedules import schedule_of
from systemprompt.operations.serving import ServingNode, condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.cron import Schedule
    from systemprompt.ledger.views import JobView, VersionView
    from systemprompt.operations.context import OperationContext

__all__ = ["JobChange", "JobDetails", "ShowJobParams", "show_job"]

_FIRE_TIMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowJobParams:
    """Which job to show."""

    name: str = param("the job's name")
    versions: bool = param("also what changed in each of its versions, by whom, when and why", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """One version of a job: what opened it. Instants are ISO 8601 in UTC.

    cause     `added`, `changed`, `returned`, `enabled`, `disabled` or `quarantined`
    fields    what it says otherwise than the version before: `schedule`, `time_zone`, `enabled`, or a policy
    actor     whose doing it was: a person, `profile`, `code`; noticed_by   who saw a change of profile or code
    """

    version: int
    cause: str
    fields: tuple[str, ...]
    actor: str
    noticed_by: str
    why: str
    valid_from: str
    valid_until: str | None
    schedule: str
    time_zone: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """One job. Instants are ISO 8601 in UTC.

    schedule_human    the schedule in words; empty for a job that only runs by hand
    next_run          the next fire time that will start a run; null where none will
    last_run, last_status, last_error   of the last run that started
    run_count         runs started so far
    declared_enabled  what code and profile say of `enabled`; `jobs enable` and `jobs disable` win over it
    quarantine_error  why it cannot be loaded, or null
    kind              `function`, `class` or `command`; command, working_dir, names in environment, default parameters are of it
    enforce           what the profile says of it: whether a job that acts on people may; each start by hand can say otherwise
    switched          the version in which somebody last enabled or disabled it by hand, or null
    changes           every version in order, with `versions`; else empty
    policies          what the job wants done when things do not go to plan
    version           the state in force; `versions` is how many there were
    planned_through   up to when every fire time has its account in the ledger
    failed_in_a_row   how many of its last runs failed with no success since, at most 100
    serving, silent, clock_behind_s   whether schedules are kept: see `systemprompt.operations.serving.condition`
    clock_rule        what the schedule does when clocks change; empty where its zone's clocks do not within a year
    remarks           what to look at: nobody can mean this schedule, the job has nothing to do, or it is left to newer nodes
    next_fire_times   the next five of its schedule, whether or not it is enabled
    """

    name: str
    description: str
    schedule: str
    schedule_human: str
    enabled: bool
    last_run: str | None
    next_run: str | None
    last_status: str | None
    last_error: str | None
    run_count: int
    time_zone: str
    tags: tuple[str, ...]
    owner: str | None
    source: str
    declared_enabled: bool
    quarantine_error: str | None
    retired_at: str | None
    running: int
    last_run_id: int | None
    version: int
    versions: int
    kind: str | None
    command: tuple[str, ...] | None
    working_dir: str | None
    environment: tuple[str, ...]
    parameters: Mapping[str, Any]
    enforce: bool
    switched: JobChange | None
    changes: tuple[JobChange, ...]
    policies: Mapping[str, Any]
    planned_through: str
    clock_rule: str
    remarks: tuple[str, ...]
    next_fire_times: tuple[str, ...]
    failed_in_a_row: int
    serving: tuple[ServingNode, ...]
    silent: tuple[ServingNode, ...]
    clock_behind_s: int


def show_job(context: OperationContext, params: ShowJobParams) -> JobDetails:
    """Return everything the ledger knows of one job.

    Raises:
        JobNotFound: there is none of this name.
    """
    from systemprompt.cron.clock_changes import clock_rule
    from systemprompt.cron.remarks import remarks

    with context.open_ledger() as ledger, ledger.snapshot():
        view = known_job(ledger, params.name)
        versions = ledger.versions(view.job_id)
        state = condition(ledger, context.now())
        described = ledger.described(view.job_id)
        failed_in_a_row = ledger.failed_in_a_row(view.job_id)
    policies = versions[-1].policies if versions else {}
    changes = tuple(_change(one, before) for one, before in zip(versions, [None, *versions], strict=False))
    schedule, words = _schedule(view, versions[-1] if versions else None)
    now = context.now()
    return entry_of(
        JobDetails,
        view,
        schedule_human=words,
        versions=len(versions),
        kind=described.get("kind"),
        command=described.get("command"),
        working_dir=described.get("working_dir"),
        environment=tuple(described.get("environment", ())),
        parameters=described.get("parameters", {}),
        enforce=described.get("enforce", False),
        switched=next((one for one in reversed(changes) if one.cause in ("enabled", "disabled")), None),
        changes=changes if params.versions else (),
        policies=policies,
        clock_rule=clock_rule(schedule, now) if schedule else "",
        remarks=(*_for_newer(policies), *_idle(described), *(remarks(schedule.expression) if schedule else ())),
        next_fire_times=_fire_times(view, schedule, now),
        failed_in_a_row=failed_in_a_row,
        **state,
    )


def _for_newer(policies: Mapping[str, Any]) -> tuple[str, ...]:
    unknown = unknown_policies(policies)
    return (f"for nodes of a newer release alone: this one does not know {', '.join(unknown)}",) if unknown else ()


def _idle(described: Mapping[str, Any]) -> tuple[str, ...]:
    lacks = described.get("lacks")
    return (f"nothing to do: the profile has no {lacks}",) if lacks else ()


def _change(version: VersionView, before: VersionView | None) -> JobChange:
    def said(of: VersionView) -> dict[str, Any]:
        return {"schedule": of.schedule, "time_zone": of.time_zone, "enabled": of.enabled, **of.policies}

    now, then = said(version), said(before) if before is not None else {}
    fields = [name for name in now if now[name] != then.get(name)] if before is not None else []
    return entry_of(JobChange, version, fields=tuple(fields))


def _schedule(view: JobView, version: VersionView | None) -> tuple[Schedule | None, str]:
    """Return the schedule and its words; without one none, or what is wrong with it."""
    if not view.schedule:
        return None, ""
    try:
        schedule = schedule_of(view, version)
    except CronError as error:  # a zone that left the machine's data: still worth showing the rest of the job
        return None, str(error)
    return schedule, schedule.describe()


def _fire_times(view: JobView, schedule: Schedule | None, now: Instant) -> tuple[str, ...]:
    if schedule is None or view.retired_at is not None:
        return ()
    times: list[str] = []
    at = schedule.next_after(max(now, view.planned_through))
    while at is not None and len(times) < _FIRE_TIMES:
        times.append(iso(at))
        at = schedule.next_after(at)
    return tuple(times)
