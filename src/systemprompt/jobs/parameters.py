"""A job's parameters: declared, set by the profile and asked for; and how text becomes what was declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import isfinite
from typing import Any

from systemprompt.errors import JobDefinitionError, ParameterError
from systemprompt.jobs.durations import seconds_of
from systemprompt.wording import did_you_mean

__all__ = ["ANY", "EXPECTED", "check_variables", "laid_over", "read_as", "refuse_unknown", "variable_of"]

ANY = "*"
"""Declared by a job that also takes parameters which it does not name."""

EXPECTED: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    timedelta: "a duration such as 90s or 1h30m",
    list: "a list",
    str: "text",
}
"""The kinds that a parameter is read as, in words."""

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def laid_over(job_name: str, declared: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run: the declared ones, with what was asked for in their place, read as the declared value's kind.

    Raises:
        ParameterError: a text does not read as that kind.
    """
    return {**declared, **{name: _like(job_name, name, value, declared.get(name)) for name, value in asked.items()}}


def refuse_unknown(job_name: str, declared: Iterable[str], asked: Iterable[str]) -> None:
    """Refuse the first parameter that a job does not declare.

    Raises:
        ParameterError: the message names it, the hint the nearest that there is.
    """
    known = sorted(declared)
    for name in asked:
        if name not in known:
            near = did_you_mean(name, known)
            has = f"it has {', '.join(known)}"
            raise ParameterError(
                f"job {job_name!r} has no parameter {name!r}",
                hint=f"did you mean {near!r}? {has}" if near else has,
                details={"job_name": job_name, "parameter": name, "did_you_mean": near, "known": known},
            )


def read_as(value: Any, kind: type) -> Any:
    """Return a value as a kind of `EXPECTED`. Raises ValueError where it does not parse."""
    if kind is bool:
        if isinstance(value, bool):
            return value
        truth = _TRUTH.get(str(value).strip().lower())
        if truth is None:
            raise ValueError(value)
        return truth
    if kind is timedelta:
        try:
            return timedelta(seconds=seconds_of(value) or 0)
        except JobDefinitionError as error:
            raise ValueError(value) from error
    if kind is list:
        if isinstance(value, (list, tuple)):
            return list(value)
        return [part.strip() for part in str(value).split(",") if part.strip()]
    if isinstance(value, bool) and kind in (int, float):
        raise ValueError(value)
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    read = kind(value)
    if kind is float and not isfinite(read):
        raise ValueError(value)
    return read


def variable_of(parameter: str) -> str:
    """Return the variable by which a command gets a parameter: `SP_PARAM_BATCH_SIZE`."""
    spelled = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in parameter.upper())
    return f"SP_PARAM_{spelled}"


def check_variables(parameters: Iterable[str]) -> None:
    """Refuse parameters of a command that one variable would stand for.

    Raises:
        JobDefinitionError: two of them are spelled alike there.
    """
    seen: dict[str, str] = {}
    for name in parameters:
        other = seen.setdefault(variable_of(name), name)
        if other != name:
            raise JobDefinitionError(
                f"parameters {other!r} and {name!r} would both be {variable_of(name)}", hint="rename one of them"
            )


def _like(job_name: str, name: str, value: Any, declared: Any) -> Any:
    kind = type(declared)
    if not isinstance(value, str) or kind not in EXPECTED or kind is str:
        return value
    kind = float if kind is int else kind  # of a declared 5, 0.5 may be meant as well
    try:
        read = read_as(value, kind)
        return int(read) if kind is float and read.is_integer() and isinstance(declared, int) else read
    except ValueError as error:
        raise ParameterError(
            f"job {job_name!r}: parameter {name}={value!r} is not {EXPECTED[kind]}",
            details={"job_name": job_name, "parameter": name, "value": value},
        ) from error
