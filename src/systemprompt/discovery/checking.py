"""From what a module submitted to a job that can run, or to the reason why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from inspect import unwrap
from shlex import quote
from typing import Any, cast

from systemprompt.cron import Schedule
from systemprompt.discovery.as_written import as_written
from systemprompt.discovery.definition import JobDefinition, JobSource
from systemprompt.discovery.names import check_name, check_time_zone
from systemprompt.discovery.overrides import NOTHING_AROUND, Around, JobOverride
from systemprompt.errors import JobDefinitionError, ParameterError
from systemprompt.jobs.calling import calling_of
from systemprompt.jobs.durations import seconds_of
from systemprompt.jobs.job import FunctionJob, Job
from systemprompt.jobs.parameters import ANY, check_variables, laid_over, refuse_unknown
from systemprompt.jobs.policies import POLICIES, Policies, Policy
from systemprompt.jobs.retry import Retry

__all__ = ["define_command", "define_job", "name_of", "place_of", "read_job"]


_YIELDS = 0x20 | 0x200
"""Flags of a code object: a generator, an asynchronous generator (CO_GENERATOR and CO_ASYNC_GENERATOR of `inspect`)."""


def name_of(submitted: object) -> str | None:
    """Return the name a submitted thing goes by, where that much can be read."""
    name = getattr(submitted, "name", None)
    return name if isinstance(name, str) and name else None


def place_of(submitted: object) -> tuple[str, int] | None:
    """Return the file and line where the work of a submitted thing is written; None where that cannot be read."""
    what = submitted if isinstance(submitted, type) else type(submitted)
    work: Any = getattr(submitted, "function", None) or vars(what).get("execute")
    try:
        code = getattr(unwrap(work), "__code__", None)
    except ValueError:  # another decorator's `__wrapped__` goes round
        return None
    return (code.co_filename, code.co_firstlineno) if code is not None else None


def read_job(submitted: object) -> Job:
    """Return the job of a submitted class or instance, its name checked.

    Raises:
        JobDefinitionError: it is neither, cannot be made, has no `execute` that takes the context, one that yields, or a name that
            cannot be used.
    """
    what = submitted if isinstance(submitted, type) else type(submitted)
    if not issubclass(what, Job):
        raise JobDefinitionError(
            f"submit_job was given {submitted!r}, which is not a Job",
            hint="hand it a subclass of Job, or use @job on a function",
        )
    job = submitted
    if isinstance(submitted, type):
        try:
            job = submitted()
        except Exception as error:  # a user's constructor may raise anything; it is reported
            raise JobDefinitionError(
                f"cannot make {what.__qualname__}(): {type(error).__name__}: {error}",
                hint="give the constructor no arguments, or submit an instance",
            ) from error
    job = cast("Job", job)
    _check_attributes(job)
    check_name(job.name)
    if isinstance(job, FunctionJob) and job.refusal is not None:
        raise JobDefinitionError(f"job {job.name!r}: {job.refusal.message}", hint=job.refusal.hint)
    if what.execute is Job.execute and "execute" not in getattr(job, "__dict__", {}):
        raise JobDefinitionError(
            f"job {job.name!r} has no execute(self, ctx)", hint=f"write it in class {what.__qualname__}"
        )
    if not callable(job.execute):
        raise JobDefinitionError(f"job {job.name!r}: execute is {job.execute!r}, which cannot be called")
    if not isinstance(job, FunctionJob):
        _check_execute(job)
    function = job.function if isinstance(job, FunctionJob) else job.execute
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & _YIELDS:
        raise JobDefinitionError(
            f"job {job.name!r}: its function has a yield, so calling it makes a generator and does no work",
            hint="return a JobResult, and tell how far it is with ctx.progress(done, total)",
        )
    return job


def _check_attributes(job: Job) -> None:
    """Refuse what is written as a method: `def name(self)` is another language's way, and reads as text nowhere here."""
    for attribute in _ATTRIBUTES:
        value: object = getattr(job, attribute)
        if callable(value):
            raise JobDefinitionError(
                f"class {type(job).__qualname__}: {attribute} is a method, and an attribute is wanted",
                hint=f"write {attribute} = ... in the class, without def: {attribute} = {_EXAMPLES.get(attribute, '...')}",
            )


_ATTRIBUTES = tuple(Job.__annotations__)
_EXAMPLES = {
    "name": '"nightly_report"',
    "description": '"Writes the nightly report"',
    "schedule": '"0 0 3 * * *"',
    "enabled": "True",
    "tags": '("reports",)',
    "parameters": '{"days": 7}',
}


def _check_execute(job: Job) -> None:
    try:
        calling = calling_of(job.execute)
    except JobDefinitionError as error:
        raise JobDefinitionError(f"job {job.name!r}: {error.message}", hint="write execute(self, ctx)") from error
    if not calling.by_place:
        raise JobDefinitionError(
            f"job {job.name!r}: its execute takes no context, and is called with it", hint="write execute(self, ctx)"
        )


def define_job(
    job: Job,
    source: JobSource,
    override: JobOverride | None,
    time_zone: str,
    around: Around = NOTHING_AROUND,
) -> JobDefinition:
    """Return what the system runs: the job's own answers, then the profile's, then the defaults.

    Raises:
        JobDefinitionError: an attribute is of the wrong type, or names a policy or a time zone that does not exist.
        CronError: the schedule cannot be read, or never fires.
    """
    said = override or _NOTHING_SAID
    zone = said.time_zone or job.time_zone or time_zone
    declared = _parameters(job)
    takes_any = not declared or ANY in declared
    declared.pop(ANY, None)
    answers = {one.name: _answer(job, one) for one in POLICIES if one.name not in said.policies}
    return _checked(
        JobDefinition(
            name=job.name,
            description=_text(job, "description") if said.description is None else said.description,
            schedule=_text(job, "schedule") if said.schedule is None else said.schedule,
            time_zone=zone,
            enabled=_flag(job) if said.enabled is None else said.enabled,
            tags=_tags(job) if said.tags is None else said.tags,
            policies=_policies(job.name, {**answers, **said.policies}),
            parameters=_set_by_profile(job.name, declared, said, takes_any=takes_any),
            takes_any=takes_any,
            enforce=bool(said.enforce),
            owner=said.owner,
            source=source,
            environment=around.environment,
            environment_files=around.environment_files,
            job=job,
            profile_sets=_set_by(said, zone=bool(said.time_zone or not job.time_zone)),
        )
    )


def _set_by_profile(name: str, declared: dict[str, Any], said: JobOverride, *, takes_any: bool) -> dict[str, Any]:
    try:
        if not takes_any:
            refuse_unknown(name, declared, said.parameters)
        return laid_over(name, declared, said.parameters)
    except ParameterError as error:
        raise JobDefinitionError(f"scheduler.jobs.{name}.parameters: {error.message}", hint=error.hint) from error


_NOTHING_SAID = JobOverride(name="")


def _set_by(said: JobOverride, *, zone: bool) -> frozenset[str]:
    """Return what the profile sets of what a version states. `zone`: also where the job names none and has the profile's."""
    if said is _NOTHING_SAID:
        return _ZONE if zone else _NOTHING
    given = {"schedule": said.schedule is not None, "time_zone": zone, "enabled": said.enabled is not None}
    return frozenset((*(name for name, is_set in given.items() if is_set), *said.policies))


_NOTHING: frozenset[str] = frozenset()
_ZONE = frozenset({"time_zone"})
_EVERYTHING = frozenset(("schedule", "time_zone", "enabled", *(one.name for one in POLICIES)))


def define_command(
    said: JobOverride, source: JobSource, time_zone: str, around: Around = NOTHING_AROUND
) -> JobDefinition:
    """Return the job that a profile's `command` makes. Raises as `define_job` does."""
    check_name(said.name)
    command = said.command or ()
    try:
        check_variables(said.parameters)
    except JobDefinitionError as error:
        raise JobDefinitionError(f"job {said.name!r}: {error.message}", hint=error.hint) from error
    return _checked(
        JobDefinition(
            name=said.name,
            description=_described(said),
            schedule=said.schedule or "",
            time_zone=said.time_zone or time_zone,
            enabled=said.enabled is not False,
            tags=said.tags or (),
            policies=_policies(said.name, dict(said.policies)),
            parameters=dict(said.parameters),
            enforce=bool(said.enforce),
            owner=said.owner,
            source=source,
            command=command,
            environment={**around.environment, **said.environment},
            environment_files=(*around.environment_files, *said.environment_files),
            working_dir=said.working_dir,
            user=said.user,
            stdin=said.stdin,
            output=said.output,
            profile_sets=_EVERYTHING,
            filled=said.filled,
        )
    )


def _described(said: JobOverride) -> str:
    if said.description is not None:
        return str(as_written(said.description, said.filled))
    # Word by word, for quoting changes what a variable held.
    words = as_written(list(said.command or ()), said.filled)
    return " ".join(word if "${" in word else quote(word) for word in words)


def _checked(definition: JobDefinition) -> JobDefinition:
    policies = definition.policies
    zone: object = definition.time_zone
    try:
        # What is no text is refused before it is looked up: it may not be hashable.
        known = zone if isinstance(zone, str) else check_time_zone(zone)
        _check_times(definition.schedule, known, policies.dst_gap, policies.dst_fold)
    except JobDefinitionError as error:
        raise JobDefinitionError(f"job {definition.name!r}: {error.message}", hint=error.hint) from error
    return definition


# Many jobs share a schedule, and each reload asks of all of them again. What is wrong is not kept.
@lru_cache(maxsize=65_536)
def _check_times(schedule: str, time_zone: str, dst_gap: str, dst_fold: str) -> None:
    check_time_zone(time_zone)
    if schedule:
        Schedule(schedule, time_zone, dst_gap=dst_gap, dst_fold=dst_fold)


def _policies(name: str, answers: dict[str, Any]) -> Policies:
    try:
        return _shared(**answers) if _PLAIN.issuperset(map(type, answers.values())) else Policies(**answers)
    except JobDefinitionError as error:
        raise JobDefinitionError(f"job {name!r}: {error.message}", hint=error.hint) from error


_PLAIN = frozenset({str, int, float, bool, tuple, Retry, type(None)})
"""What a good answer may be; a tuple holds labels that were checked. All can be looked up by, which a wrong one need not be."""


# Thousands of jobs give the same answers. `typed`, since 60 and 60.0 are equal and written differently in a version.
@lru_cache(maxsize=1024, typed=True)
def _shared(**answers: Any) -> Policies:
    return Policies(**answers)


def _answer(job: Job, policy: Policy) -> Any:
    value = getattr(job, policy.written)
    if policy.choices:
        return value
    if policy.structure:
        return _structure(job, policy, value)
    try:
        return seconds_of(value)
    except JobDefinitionError as error:
        if error.__cause__ is not None:  # no text and no number
            raise _wrong(job, policy.written, "seconds, a timedelta, or text such as 5m") from error
        raise JobDefinitionError(f"job {job.name!r}: {policy.written}: {error.message}", hint=error.hint) from error


def _structure(job: Job, policy: Policy, value: Any) -> Any:
    try:
        return policy.read(value)
    except JobDefinitionError as error:
        said = error.message if error.message.startswith(policy.written) else f"{policy.written}: {error.message}"
        raise JobDefinitionError(f"job {job.name!r}: {said}", hint=error.hint) from error


def _text(job: Job, attribute: str) -> str:
    value = getattr(job, attribute)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(job, attribute, "text")
    return value.strip()


def _flag(job: Job) -> bool:
    if not isinstance(job.enabled, bool):
        raise _wrong(job, "enabled", "True or False")
    return job.enabled


def _tags(job: Job) -> tuple[str, ...]:
    tags: object = job.tags
    if isinstance(tags, (str, bytes)):
        raise _wrong(job, "tags", f"a sequence of texts: ({tags!r},)")
    if not isinstance(tags, (list, tuple, set, frozenset)) or not all(isinstance(tag, str) and tag for tag in tags):
        raise _wrong(job, "tags", "a sequence of texts")
    return tuple(tags) if isinstance(tags, (list, tuple)) else tuple(sorted(tags))


def _parameters(job: Job) -> dict[str, Any]:
    parameters: object = job.parameters
    if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in parameters):
        raise _wrong(job, "parameters", "a mapping from names to values")
    return dict(parameters)


def _wrong(job: Job, attribute: str, expected: str) -> JobDefinitionError:
    return JobDefinitionError(f"job {job.name!r}: {attribute} is {getattr(job, attribute)!r}; it should be {expected}")
