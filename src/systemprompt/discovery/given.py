"""Jobs that a program hands over as Python objects, instead of naming where they are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import ModuleType

from systemprompt.discovery.definition import JobSource
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.job import MODULE_JOBS, FunctionJob, Job

__all__ = ["GIVEN", "given_jobs"]

GIVEN = "given"
"""The kind of a source that only the program has which was given the job."""


def given_jobs(things: Iterable[object]) -> list[tuple[object, JobSource]]:
    """Return each job with its source. A thing is a `Job` class or instance, a function under `@job`, or a module that has some.

    Raises:
        JobDefinitionError: a thing is none of these.
    """
    found: dict[int, tuple[object, JobSource]] = {}
    for thing in things:
        for submitted in _submitted(thing):
            found.setdefault(id(submitted), (submitted, _source_of(submitted)))
    return list(found.values())


def _submitted(thing: object) -> list[object]:
    if isinstance(thing, Job) or (isinstance(thing, type) and issubclass(thing, Job)):
        return [thing]
    if isinstance(thing, ModuleType):
        jobs: list[object] = list(getattr(thing, MODULE_JOBS, ()))
        if jobs:
            return jobs
        raise JobDefinitionError(
            f"module {thing.__name__!r} was given for its jobs and has none",
            hint="put @job above a function of it, or submit_job above a class",
        )
    jobs = [one for one in _registered(thing) if isinstance(one, FunctionJob) and one.function is thing]
    if jobs:
        return jobs[-1:]
    raise JobDefinitionError(
        f"{thing!r} was given as a job and is none",
        hint="give a function that has @job above it, a Job class, or a module that has some",
    )


def _registered(function: object) -> list[object]:
    # `@job` registers with the module that calls it: that of the function, but for one that another decorator has replaced.
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    places = (getattr(function, "__globals__", {}), vars(module) if module is not None else {})
    return [one for place in places for one in place.get(MODULE_JOBS, ())]


def _source_of(submitted: object) -> JobSource:
    what = submitted.function if isinstance(submitted, FunctionJob) else submitted
    what = what if hasattr(what, "__module__") else type(what)
    module: str = getattr(what, "__module__", None) or type(submitted).__module__
    if module != "__main__":
        return JobSource(kind=GIVEN, name=module)
    # A process of its own reads a script again by its path: its own `__main__` is another.
    script = getattr(sys.modules["__main__"], "__file__", None)
    return JobSource(kind=GIVEN, name=os.path.abspath(script) if script else module)
