"""What a job wants done when things do not go to plan.

The record `Policies` is the one list of policies. What `@job`, `Job`, a profile and the ledger know of a policy is made from its
field here, or a test compares it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from systemprompt.errors import JobDefinitionError
from systemprompt.wording import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from systemprompt.jobs.retry import Retry

__all__ = ["POLICIES", "Policies", "Policy", "unknown_policies"]


def _choice(choices: tuple[str, ...], meaning: str) -> Any:
    return field(default=choices[0], metadata={"choices": choices, "meaning": meaning})


def _duration(meaning: str) -> Any:
    return field(default=None, metadata={"choices": (), "meaning": meaning})


def _structure(name: str, default: object, meaning: str) -> Any:
    return field(default=default, metadata={"choices": (), "meaning": meaning, "structure": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """One immutable set of answers; part of a job's version, so the ledger keeps every set that was ever in force.

    A field is a choice, or a duration: its name ends in `_s`, its value is a positive number of seconds, None for no limit.
    `runs_on` is a list of labels, kept sorted; `retry` a `Retry`, or None; `exit_codes` pairs of a code and its meaning.
    `dst_gap` and `dst_fold` are as `systemprompt.cron.Schedule` takes them.

    Raises:
        JobDefinitionError: a value is not allowed.
    """

    timeout_s: float | None = _duration("the work is stopped after this long; none for no limit")
    catch_up: str = _choice(
        ("latest", "skip", "all"),
        "what happens to fire times that nobody could start on time, after a stop for example",
    )
    overlap: str = _choice(("skip",), "what happens when the job is due while it is still running")
    on_lost: str = _choice(
        ("fail", "rerun"),
        "a run whose node died: fail keeps side effects at most once, rerun makes them at least once",
    )
    isolation: str = _choice(
        ("thread", "process"),
        "where a plain function runs: in a thread, or in a process of its own that can be ended for certain",
    )
    runs_on: tuple[str, ...] = _structure(
        "labels", (), "labels that a node must have to run the job, all of them; none for any node"
    )
    dst_gap: str = _choice(
        ("run", "skip"),
        "a fixed time that the spring clock change leaves out: run it at the gap's end, or skip it",
    )
    dst_fold: str = _choice(("first", "second", "both"), "a fixed time that the autumn clock change brings twice")
    retry: Retry | None = _structure(  # noqa: RUF009  # a field, as `field` makes one
        "retry", None, "a failed run is tried again, so often and after such waits; not at all if not given"
    )
    start_deadline_s: float | None = _duration(
        "a fire time that cannot begin within this long is missed; none for no limit"
    )
    exit_codes: tuple[tuple[int, str], ...] = _structure(
        "exit_codes", (), "what a program's exit codes mean that are not 0; a failure each if not given"
    )

    def __post_init__(self) -> None:
        for policy in POLICIES:
            value = getattr(self, policy.name)
            if policy.structure:
                object.__setattr__(self, policy.name, policy.read(value))
                continue
            if not policy.allows(value):
                raise policy.refusal(value)
            if isinstance(value, int):
                # 60 and 60.0 are one duration, so a version writes them alike.
                object.__setattr__(self, policy.name, float(value))

    @classmethod
    def from_version(cls, said: Mapping[str, object]) -> Policies:
        """Return what a version in the ledger says.

        A policy has its default where the version does not name it, or names a value that only a newer program knows: then
        `unknown_policies` names it, and nothing may be decided by what is returned.
        """
        answers: dict[str, Any] = {
            policy.name: said[policy.name]
            for policy in POLICIES
            if policy.name in said and policy.allows(said[policy.name])
        }
        return cls(**answers)

    @property
    def reruns(self) -> bool:
        """Whether others may start a run again when its node is lost."""
        return self.on_lost == "rerun"

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form that a version keeps.

        A policy that came after the first schema is written only where it is not its default, which therefore never changes:
        releases before it go on with every job that does not use it.
        """
        said = {policy.name: policy.in_a_version(getattr(self, policy.name)) for policy in POLICIES}
        return {
            name: value for name, value in said.items() if name in _ALWAYS_SAID or getattr(self, name) != _USUAL[name]
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """One field of `Policies`.

    name      in the record and in a version
    written   as authors and profiles write it: a duration without its `_s`
    choices   the first is the default; empty for a duration and for a structure
    meaning   one line for people
    structure   `labels`, `retry` or `exit_codes`, whose value has a module of its own; empty for a choice and a duration
    """

    name: str
    written: str
    choices: tuple[str, ...]
    meaning: str
    structure: str = ""

    def allows(self, value: object) -> bool:
        """Say whether the record may have this value."""
        if self.structure:
            try:
                self.read(value)
            except JobDefinitionError:
                return False
            return True
        if self.choices:
            return value in self.choices
        return value is None or (isinstance(value, (int, float)) and 0 < value < _MOST)

    def read(self, value: object) -> Any:
        """Return the value of the record for a structure, however it is written.

        Raises:
            JobDefinitionError: it is none.
        """
        return _READ[self.structure](value)

    def in_a_version(self, value: Any) -> object:
        """Return the JSON form of a value of the record."""
        return _TELL[self.structure](value) if self.structure else value

    def refusal(self, value: object) -> JobDefinitionError:
        """Return the error that says why the record may not have this value."""
        if not self.choices:
            return JobDefinitionError(f"{self.written} {value!r} is not a positive number of seconds")
        near = did_you_mean(str(value), self.choices)
        return JobDefinitionError(
            f"{self.written} {value!r} is not one of {', '.join(self.choices)}",
            hint=f"did you mean {near!r}?" if near else None,
        )


POLICIES = tuple(
    Policy(
        one.name,
        one.name.removesuffix("_s"),
        one.metadata["choices"],
        one.metadata["meaning"],
        one.metadata.get("structure", ""),
    )
    for one in fields(Policies)
)
"""Every policy, in the order in which people are shown them."""


_ALWAYS_SAID = frozenset(("timeout_s", "catch_up", "overlap", "on_lost", "isolation", "runs_on", "dst_gap", "dst_fold"))
"""The policies of the first schema. None is ever added here."""

_USUAL = {one.name: one.default for one in fields(Policies)}


def unknown_policies(said: Mapping[str, object]) -> tuple[str, ...]:
    """Return what a version says that only a newer program knows, in order: `hurry`, or `overlap: queue` of a policy known here."""
    known = {policy.name: policy for policy in POLICIES}
    return tuple(
        name if name not in known else f"{name}: {value}"
        for name, value in sorted(said.items())
        if name not in known or not known[name].allows(value)
    )


def _labels(value: object) -> tuple[str, ...]:
    if value in ((), []):
        return ()
    from systemprompt.jobs.labels import check_labels  # nearly no job has any: a command that reads need not load it

    return check_labels(value)


def _retry(value: object) -> Retry | None:
    if value is None:
        return None
    from systemprompt.jobs.retry import retry_of  # as with labels

    return retry_of(value)


def _exit_codes(value: object) -> tuple[tuple[int, str], ...]:
    if value in ((), {}):
        return ()
    from systemprompt.jobs.exit_codes import exit_codes_of  # as with labels

    return exit_codes_of(value)


_READ: dict[str, Callable[[object], Any]] = {"labels": _labels, "retry": _retry, "exit_codes": _exit_codes}
_TELL: dict[str, Callable[[Any], object]] = {
    "labels": list,
    "retry": lambda retry: None if retry is None else retry.as_dict(),
    "exit_codes": lambda codes: {str(code): meaning for code, meaning in codes},
}
_MOST = 1e308
