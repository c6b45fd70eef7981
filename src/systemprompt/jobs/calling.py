"""How a job's function is called: with the context, under its name, or with nothing. Decided once, when it is decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from systemprompt.errors import JobDefinitionError

__all__ = ["Calling", "calling_of", "does_no_work"]


class Calling(NamedTuple):
    """How the context is handed over: by its place, as the parameter of this name, or not at all."""

    by_place: bool = False
    by_name: str | None = None

    def call(self, function: Callable[..., Any], context: object) -> Any:
        """Call the function. Raises whatever it raises."""
        if self.by_place:
            return function(context)
        return function(**{self.by_name: context}) if self.by_name else function()


def calling_of(function: object) -> Calling:
    """Return how to call a job's function, or the method of an object, with its context.

    A first parameter without a default takes the context, whatever its name; one with a default only where it is called `ctx` or
    `context`. What takes any arguments (`*args`) hands them on, so it is asked what it wraps, and gets the context where that
    cannot be told.

    Raises:
        JobDefinitionError: it takes what no job gets, cannot be called, or its signature cannot be read.
    """
    if isinstance(function, type):
        raise JobDefinitionError(
            f"@job was put above class {function.__qualname__}: calling it would make an object and do no work",
            hint=f"write class {function.__name__}(Job) with execute(self, ctx), and @submit_job above it",
        )
    takes = _takes(function)
    needed = [name for name in takes.places if name not in takes.defaults]
    if len(needed) > 1:
        raise _takes_more(function, needed[1:])
    if takes.needed_names - _CONTEXT:
        raise _takes_more(function, sorted(takes.needed_names - _CONTEXT))
    if needed or _CONTEXT.intersection(takes.places[:1]):
        return Calling(by_place=True)
    if takes.places:
        raise JobDefinitionError(
            f"the first parameter of {_shown(function)} is {takes.places[0]!r}, with a default: a job is called with its context"
            " or with nothing, never with its parameters",
            hint=f"write def {_name(function)}(ctx), and read it there: ctx.get_parameter({takes.places[0]!r})",
        )
    by_name = sorted(takes.names & _CONTEXT)
    if by_name:
        return Calling(by_name=by_name[0])
    if not takes.any_places:
        return Calling()
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is None:
        return Calling(by_place=True)
    if isinstance(function, MethodType):  # what is wrapped has its `self` still
        wrapped = MethodType(wrapped, function.__self__)
    return calling_of(wrapped)


def does_no_work(value: object) -> str | None:
    """Say what a job returned in place of doing its work, where it did: something that would only begin when it is asked."""
    kind = type(value)
    if kind.__module__ == "builtins" and kind.__name__ in ("generator", "async_generator"):
        return "a generator, which does its work only when somebody goes through it"
    if kind.__module__ == "contextlib":
        return "a context manager, which does its work only when somebody enters it"
    if kind in (map, filter, zip):
        return f"a {kind.__name__} object, which does its work only when somebody goes through it"
    if kind is FunctionType or kind.__module__ == "functools":
        return "a function, which nobody calls: is a decorator above it used without its parentheses?"
    return None


_CONTEXT = frozenset({"ctx", "context"})
_WHAT_A_JOB_TAKES = (
    "a job's function takes its context, def {name}(ctx), or nothing; ctx.get_parameter(NAME) reads a parameter"
)


class _Takes(NamedTuple):
    """What a function takes: parameters by place, those of all that have a default, and those by name alone."""

    places: tuple[str, ...]
    defaults: frozenset[str]
    names: frozenset[str]
    any_places: bool

    @property
    def needed_names(self) -> frozenset[str]:
        return self.names - self.defaults


def _takes(function: object) -> _Takes:
    bound = isinstance(function, MethodType)
    function = function.__func__ if isinstance(function, MethodType) else function
    if isinstance(function, FunctionType):  # without `inspect`: a module has thousands
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        places, by_name = names[: code.co_argcount], names[code.co_argcount :]
        defaults = (*places[len(places) - len(function.__defaults__ or ()) :], *(function.__kwdefaults__ or ()))
        return _Takes(places[int(bound) :], frozenset(defaults), frozenset(by_name), bool(code.co_flags & _VARARGS))
    return _takes_as_told(function, int(bound))


_VARARGS = 0x04


def _takes_as_told(function: object, bound: int) -> _Takes:
    if not callable(function):
        raise JobDefinitionError(
            f"@job was put above {function!r}, which cannot be called", hint=_WHAT_A_JOB_TAKES.format(name="report")
        )
    if hasattr(function, "cache_info"):
        raise JobDefinitionError(
            f"{_shown(function)} keeps its result (functools.cache or lru_cache): it would do its work once, and never again",
            hint="take the cache off the job's function, and put it on one that the job calls",
        )
    try:
        told = inspect.signature(function, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError) as error:
        raise JobDefinitionError(
            f"what {_shown(function)} takes cannot be read: {error}",
            hint=f"write a function that calls it: {_WHAT_A_JOB_TAKES.format(name='report')}",
        ) from error
    places = tuple(one.name for one in told if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))
    return _Takes(
        places[bound:],
        frozenset(one.name for one in told if one.default is not one.empty),
        frozenset(one.name for one in told if one.kind is one.KEYWORD_ONLY),
        any(one.kind is one.VAR_POSITIONAL for one in told),
    )


def _takes_more(function: object, names: list[str]) -> JobDefinitionError:
    more = ", ".join(map(repr, names))
    owner, _, _ = getattr(function, "__qualname__", "").rpartition(".")
    if owner and not owner.endswith("<locals>") and isinstance(function, FunctionType):
        return JobDefinitionError(
            f"{_shown(function)} is a method and takes {more} besides: @job goes above a function outside of classes",
            hint=f"move it out of class {owner}, or write a class for the job: class {owner}(Job) with execute(self, ctx)",
        )
    return JobDefinitionError(
        f"{_shown(function)} takes {more} besides the context, and a job gets nothing else",
        hint=_WHAT_A_JOB_TAKES.format(name=_name(function)),
    )


def _name(function: object) -> str:
    return str(getattr(function, "__name__", "report"))


def _shown(function: object) -> str:
    name = getattr(function, "__qualname__", None)
    return f"{name.replace('<locals>.', '')}()" if isinstance(name, str) else repr(function)
