"""A job's function is called by what it takes, whatever stands around it; what no job gets is refused in a sentence."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import pytest

from systemprompt.discovery.checking import read_job
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.calling import calling_of
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, job
from systemprompt.runner.outcome import outcome_of_value

CONTEXT = JobContext(job_name="x")


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as most are written."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Counted:
    """A decorator that is a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


class Bare:
    """One that says nothing of what it wraps."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def takes_ctx(ctx: JobContext) -> object:
    return ctx


def takes_nothing() -> object:
    return None


def by_any_name(anything: JobContext, /) -> object:
    return anything


def by_name(*, ctx: JobContext) -> object:
    return ctx


def perhaps(ctx: JobContext | None = None) -> object:
    return ctx


def perhaps_by_name(*, context: JobContext | None = None, days: int = 3) -> object:
    return context


def with_more(ctx: JobContext, days: int = 3) -> object:
    return ctx


def with_nothing_needed(*, days: int = 3) -> object:
    return None


class Box:
    def method(self, ctx: JobContext) -> object:
        return ctx

    def alone(self) -> object:
        return None

    @passed_on
    def wrapped(self, ctx: JobContext) -> object:
        return ctx

    @passed_on
    def wrapped_alone(self) -> object:
        return None

    @staticmethod
    def static(ctx: JobContext) -> object:
        return ctx


def needs_two(ctx: JobContext, days: int) -> object:
    return ctx, days


FUNCTIONS = [takes_ctx, by_any_name, by_name, perhaps, perhaps_by_name, with_more, Box().method, Box.static]
ALONE = [takes_nothing, with_nothing_needed, Box().alone]


@pytest.mark.parametrize("around", [lambda function: function, passed_on, lambda f: passed_on(passed_on(f)), Counted])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_takes_the_context_gets_it_through_any_decorator(
    function: Callable[..., object], around: Callable[[Any], Callable[..., object]]
) -> None:
    called = around(function)
    assert calling_of(called).call(called, CONTEXT) is CONTEXT


@pytest.mark.parametrize("around", [lambda function: function, passed_on, lambda f: passed_on(passed_on(f)), Counted])
@pytest.mark.parametrize("function", ALONE)
def test_what_takes_nothing_gets_nothing_through_any_decorator(
    function: Callable[..., object], around: Callable[[Any], Callable[..., object]]
) -> None:
    called = around(function)
    assert calling_of(called).call(called, CONTEXT) is None


@pytest.mark.parametrize(
    ("called", "got"),
    [
        (Bare(takes_ctx), CONTEXT),
        (functools.partial(needs_two, days=3), (CONTEXT, 3)),
        (functools.partial(takes_nothing), None),
        (Box().wrapped, CONTEXT),
        (Box().wrapped_alone, None),
        (lambda ctx, at=3: (ctx, at), (CONTEXT, 3)),
    ],
    ids=["unsaid", "partial", "partial alone", "method", "method alone", "closure"],
)
def test_the_call_fits_whatever_can_be_called(called: Callable[..., object], got: object) -> None:
    assert calling_of(called).call(called, CONTEXT) == got


def clean(days: int = 3) -> None: ...
def both(ctx: JobContext, days: int) -> None: ...
def named(*, days: int) -> None: ...
@functools.lru_cache
def cached(ctx: JobContext) -> None: ...


class House:
    def work(self, ctx: JobContext) -> None: ...


def makes_one() -> Callable[..., Any]:
    def inner(days: int = 3) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("function", "message", "way_out"),
    [
        (clean, "the first parameter of clean() is 'days', with a default", "ctx.get_parameter('days')"),
        (passed_on(clean), "the first parameter of clean() is 'days'", "ctx.get_parameter('days')"),
        (makes_one(), "the first parameter of makes_one.inner() is 'days'", "def inner(ctx)"),
        (both, "both() takes 'days' besides the context", "def both(ctx)"),
        (named, "named() takes 'days' besides the context", "def named(ctx)"),
        (cached, "cached() keeps its result", "take the cache off"),
        (House, "@job was put above class House", "@submit_job above it"),
        (House.work, "House.work() is a method and takes 'ctx' besides", "move it out of class House"),
    ],
)
def test_what_no_job_gets_is_refused_with_what_to_write(function: Any, message: str, way_out: str) -> None:
    module: dict[str, Any] = {"job": job, "function": function}
    exec("job(name='x')(function)", module)  # in a module of its own, so that nothing registers here
    (submitted,) = module["__systemprompt_jobs__"]
    with pytest.raises(JobDefinitionError) as refused:
        read_job(submitted)
    assert message in refused.value.message
    assert way_out in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("written", "message", "way_out"),
    [
        ("@job\ndef x(ctx): ...", "@job stands above x without parentheses", "write @job()"),
        ("@job('0 0 * * * *')\ndef x(ctx): ...", "@job('0 0 * * * *') does not say", "@job(schedule='0 0 * * * *')"),
        ("job()(functools.partial(print))", "which has no name", '@job(name="report")'),
        ("job(name='x')(3)", None, ""),
    ],
)
def test_a_decorator_that_is_written_wrong_says_how_it_is_written(
    written: str, message: str | None, way_out: str
) -> None:
    module: dict[str, Any] = {"job": job, "functools": functools}
    if message is None:
        exec(written, module)  # as above
        with pytest.raises(JobDefinitionError, match="3, which cannot be called"):
            read_job(module["__systemprompt_jobs__"][0])
        return
    with pytest.raises(JobDefinitionError) as refused:
        exec(written, module)  # as above
    assert message in refused.value.message
    assert way_out in (refused.value.hint or "")


class WithoutContext(Job):
    name = "x"

    def execute(self) -> None:  # type: ignore[override]  # the mistake
        ...


class AsAMethod(Job):
    name = "x"

    def schedule(self) -> str:  # type: ignore[override]  # the mistake
        return "0 0 3 * * *"

    def execute(self, ctx: JobContext) -> None: ...


class NameAsAMethod(Job):
    def name(self) -> str:  # type: ignore[override]  # the mistake
        return "x"

    def execute(self, ctx: JobContext) -> None: ...


@pytest.mark.parametrize(
    ("written", "message", "way_out"),
    [
        (WithoutContext, "job 'x': its execute takes no context", "execute(self, ctx)"),
        (AsAMethod, "class AsAMethod: schedule is a method, and an attribute is wanted", 'schedule = "0 0 3 * * *"'),
        (NameAsAMethod, "class NameAsAMethod: name is a method", 'name = "nightly_report"'),
    ],
)
def test_a_class_that_is_written_as_in_another_language_says_what_is_wanted(
    written: type[Job], message: str, way_out: str
) -> None:
    with pytest.raises(JobDefinitionError) as refused:
        read_job(written)
    assert message in refused.value.message
    assert way_out in (refused.value.hint or "")


async def agenerator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ((number for number in (1, 2)), "a generator"),
        (agenerator(), "a generator"),
        (map(str, (1, 2)), "a map object"),
        (contextlib.nullcontext(), "a context manager"),
        (takes_ctx, "a function, which nobody calls"),
        (functools.partial(takes_ctx), "a function, which nobody calls"),
    ],
)
def test_a_job_that_returns_work_undone_has_failed(returned: object, what: str) -> None:
    outcome = outcome_of_value(returned, took_ms=1)
    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert (outcome.message or "").startswith(f"the job returned {what}")
