"""How a user writes a job: a class with `execute`, or a decorated function."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.calling import Calling, calling_of
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.policies import Policies
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.retry import Retry

F = TypeVar("F", bound=Callable[..., Any])
J = TypeVar("J")

__all__ = ["MODULE_JOBS", "FunctionJob", "Job", "job", "submit_job"]

MODULE_JOBS = "__systemprompt_jobs__"
"""The module attribute that holds the jobs a module submitted. Discovery reads it; there is no global registry."""

_USUAL = Policies()


class Job:
    """Base class of jobs. Set the class attributes, write `execute`, hand the class to `submit_job`.

    name         unique in an installation: lower case letters, digits and `_`
    schedule     six-field cron, `@every 90s`, a macro; empty for a job that only runs by hand
    time_zone    IANA name; None takes the profile's
    timeout      seconds, a timedelta, or text such as `5m`
    parameters   defaults that the profile and `-p` may override
    The rest are policies: see `systemprompt.jobs.policies.Policies`.
    """

    name: str = ""
    description: str = ""
    schedule: str = ""
    enabled: bool = True
    tags: Sequence[str] = ()
    time_zone: str | None = None
    parameters: dict[str, Any] = {}  # noqa: RUF012  # a default to be overridden whole, never changed in place
    timeout: float | timedelta | str | None = _USUAL.timeout_s
    catch_up: str = _USUAL.catch_up
    overlap: str = _USUAL.overlap
    on_lost: str = _USUAL.on_lost
    isolation: str = _USUAL.isolation
    runs_on: Sequence[str] = _USUAL.runs_on
    dst_gap: str = _USUAL.dst_gap
    dst_fold: str = _USUAL.dst_fold
    retry: Retry | dict[str, Any] | int | None = _USUAL.retry
    start_deadline: float | timedelta | str | None = _USUAL.start_deadline_s
    exit_codes: Mapping[int, str] | tuple[tuple[int, str], ...] = _USUAL.exit_codes

    def execute(self, ctx: JobContext) -> JobResult | Awaitable[JobResult | None] | None:
        """Do the work, plain or async. Return a `JobResult`, or nothing for a success; raise for a failure."""
        raise NotImplementedError(f"{type(self).__name__} has no execute(self, ctx)")


class FunctionJob(Job):
    """A job made from a function by `@job`. The function may take the context, or nothing.

    refusal   why it cannot be called, where it takes what no job gets; whoever reads the job raises it
    """

    def __init__(self, function: Callable[..., Any], attributes: dict[str, Any]) -> None:
        self.function = function
        self.refusal: JobDefinitionError | None = None
        self._calling = Calling()
        try:
            self._calling = calling_of(function)
        except JobDefinitionError as error:
            self.refusal = error
        for name, value in attributes.items():
            setattr(self, name, value)

    def execute(self, ctx: JobContext) -> Any:
        return self._calling.call(self.function, ctx)


def submit_job(submitted: J) -> J:
    """Register a `Job` class or instance with the module that calls this. Usable as a class decorator; returns its argument."""
    _submit(submitted, sys._getframe(1).f_globals)  # noqa: SLF001  # the calling module is the registry
    return submitted


def job(
    *misplaced: object,
    name: str | None = None,
    schedule: str = "",
    description: str | None = None,
    enabled: bool = True,
    tags: Sequence[str] = (),
    time_zone: str | None = None,
    parameters: dict[str, Any] | None = None,
    timeout: float | timedelta | str | None = _USUAL.timeout_s,
    catch_up: str = _USUAL.catch_up,
    overlap: str = _USUAL.overlap,
    on_lost: str = _USUAL.on_lost,
    isolation: str = _USUAL.isolation,
    runs_on: Sequence[str] = _USUAL.runs_on,
    dst_gap: str = _USUAL.dst_gap,
    dst_fold: str = _USUAL.dst_fold,
    retry: Retry | dict[str, Any] | int | None = _USUAL.retry,
    start_deadline: float | timedelta | str | None = _USUAL.start_deadline_s,
    exit_codes: Mapping[int, str] | tuple[tuple[int, str], ...] = _USUAL.exit_codes,
) -> Callable[[F], F]:
    """Make a job of a function, async or plain, and register it with the calling module.

    The name defaults to the function's, the description to its docstring's first line. The function itself is returned
    unchanged, so it can be called and tested as it is.

    Raises:
        JobDefinitionError: it is written without parentheses or with an argument that is not named, or what it stands above has
            no name and gets none.
    """
    said = {key: value for key, value in locals().items() if key != "misplaced"}  # each is an attribute of the job
    caller = sys._getframe(1).f_globals  # noqa: SLF001  # the calling module is the registry
    if misplaced:
        raise _misplaced(misplaced[0])

    def register(function: F) -> F:
        doc = description
        if doc is None:
            # What is no function, such as a partial, has the text of its class, which says nothing of the job.
            doc = (function.__doc__ or "").strip().split("\n")[0] if hasattr(function, "__name__") else ""
        attributes = {
            "name": name or _name_of(function),
            "description": doc,
            "tags": tuple(tags),
            "parameters": dict(parameters or {}),
        }
        _submit(FunctionJob(function, said | attributes), caller)
        return function

    return register


def _misplaced(argument: object) -> JobDefinitionError:
    if isinstance(argument, str):
        return JobDefinitionError(
            f"@job({argument!r}) does not say what that is", hint=f"write @job(schedule={argument!r})"
        )
    return JobDefinitionError(
        f"@job stands above {getattr(argument, '__name__', repr(argument))} without parentheses",
        hint='write @job(), or @job(schedule="0 0 3 * * *")',
    )


def _name_of(function: object) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise JobDefinitionError(
            f"@job was put above {function!r}, which has no name", hint='give it one: @job(name="report")'
        )
    return name


def _submit(submitted: object, module_globals: dict[str, Any]) -> None:
    module_globals.setdefault(MODULE_JOBS, []).append(submitted)
