"""When a failed run is tried again: the policy `retry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.durations import seconds_of
from systemprompt.jobs.exit_codes import HIGHEST

__all__ = ["Retry", "retry_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a failed run is tried again, and after which wait.

    The wait doubles with each try, up to a limit. Up to a tenth is added, another for each run, so that what failed together is not
    tried again together; it follows from the run's id, so that the audit can work it out again.

    times      tries after the first, at least 1
    after_s    seconds before the first of them
    cap_s      the longest wait, in seconds
    on         names of exceptions, a base class stands for all of them, and exit codes; empty: every failure
    over_next  True: also when the job's next fire time comes first. Otherwise that one takes the run's place

    Raises:
        JobDefinitionError: a value is not allowed.
    """

    times: int
    after_s: float = 10.0
    cap_s: float = 3_600.0
    on: tuple[str | int, ...] = ()
    over_next: bool = False

    def __post_init__(self) -> None:
        if type(self.times) is not int or not 1 <= self.times <= _MOST_TIMES:
            raise JobDefinitionError(f"retry.times {self.times!r} is not a whole number from 1 to {_MOST_TIMES}")
        if type(self.over_next) is not bool:
            raise JobDefinitionError(f"retry.over_next {self.over_next!r} is not true or false")
        for one in self.on:
            if not (type(one) is int and 1 <= one <= HIGHEST) and not (isinstance(one, str) and one.isidentifier()):
                raise JobDefinitionError(
                    f"retry.on {one!r} is neither an exception nor an exit code",
                    hint=f"write the class's name, such as TimeoutError, or a number from 1 to {HIGHEST}",
                )
        for name in ("after", "cap"):
            if not 0 < getattr(self, f"{name}_s") <= _LONGEST_S:
                raise JobDefinitionError(
                    f"retry.{name} of {getattr(self, f'{name}_s'):g} s is too long", hint="a year at most"
                )

    def covers(self, raised: Sequence[str], exit_code: int | None) -> bool:
        """Say whether a failure is one of these: by what was raised, each class by its name, or by how a program ended."""
        return not self.on or exit_code in self.on or any(name in self.on for name in raised)

    def wait_s(self, run_id: int, tried: int) -> float:
        """Return how long a run waits that failed in so many tries."""
        doubled = self.after_s * 2.0 ** min(tried - 1, 64)
        return min(doubled, self.cap_s) * (1 + _share(run_id, tried) / 10)

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form that a version keeps."""
        return {
            "times": self.times,
            "after_s": self.after_s,
            "cap_s": self.cap_s,
            "on": list(self.on),
            "over_next": self.over_next,
        }


def retry_of(value: object) -> Retry | None:
    """Return the policy that somebody wrote: a `Retry`, a number of tries, or a mapping; None, or `none`, for none.

    Durations are `after` and `cap`, as people write them, or `after_s` and `cap_s` in seconds, as a version has them.

    Raises:
        JobDefinitionError: it is none of these, or says something that is not allowed.
    """
    if value is None or value == "none":
        return None
    if isinstance(value, Retry):
        return value
    if type(value) is int:
        return Retry(times=value)
    if not isinstance(value, dict):
        raise JobDefinitionError(f"retry {value!r:.100} is no policy", hint=_FORMS)
    return Retry(**_read(value))


def _read(said: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in said.items():
        name = f"{key}_s" if key in ("after", "cap") else key
        if name not in _NAMES:
            raise JobDefinitionError(f"retry.{key} is not known", hint=_FORMS)
        if name in ("after_s", "cap_s"):
            read[name] = seconds_of(value)
        elif name == "on":
            read[name] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        else:
            read[name] = value
    if "times" not in read:
        raise JobDefinitionError("retry does not say how often to try", hint=_FORMS)
    return {name: value for name, value in read.items() if value is not None}


def _share(run_id: int, tried: int) -> float:
    """Return a number from 0 up to 1, another for each run and try, and always the same for them.

    Source: Knuth, The Art of Computer Programming, volume 3, 6.4: multiplying by a number near the golden ratio scatters keys.
    """
    return ((run_id * 2_654_435_761 + tried * 40_503) % 2**32) / 2**32


_MOST_TIMES = 100
_LONGEST_S = 366 * 86_400.0
_NAMES = frozenset(one.name for one in fields(Retry))
_FORMS = "write times, after, cap, on and over_next: {times: 3, after: 10s, cap: 5m}"
