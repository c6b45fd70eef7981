"""A job as the rest of the system sees it: one record, wherever it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from systemprompt.discovery.as_written import as_written
from systemprompt.errors import JobDefinitionError, ParameterError
from systemprompt.jobs.job import FunctionJob, Job
from systemprompt.jobs.parameters import check_variables, laid_over, refuse_unknown
from systemprompt.jobs.policies import Policies

__all__ = ["Catalogue", "JobDefinition", "JobSource", "Quarantined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSource:
    """Where a job comes from, enough to load it again in another process.

    kind    `builtin`, `module` (an importable name), `file` (a path), `entry_point` (its module), `given` (an
            object that a program handed over), or `command` (the profile alone)
    name    the module name or the absolute path; for `command` the profile's path
    is_wary   a file is run only if nobody else may change it
    """

    kind: str
    name: str
    is_wary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """A job that can run, with the profile's overrides already applied.

    schedule     checked cron text, or empty
    owner        who answers for it, from the profile
    parameters   what it declares and the profile sets; `takes_any` where a run may be asked with others too
    enforce      what `ctx.enforce` will be on scheduled runs
    command      the argument list of a shell-command job; then `job` is None
    environment, environment_files   variables for its process, added to the node's; the files are read when it starts
    working_dir  where it runs: absolute, or below `~`, the home of whom it runs as
    user         whom a command runs as; None for the node's own
    stdin        what a command reads; None for nothing
    output       of a command: `keep`, `errors` (stderr alone) or `discard`
    lacks        the key that the profile would have to set for a built-in job to have anything to do
    profile_sets   which of `schedule`, `time_zone`, `enabled` and the policies the profile sets, by name; the code says the rest
    """

    name: str
    description: str = ""
    schedule: str = ""
    time_zone: str = "UTC"
    enabled: bool = True
    tags: tuple[str, ...] = ()
    policies: Policies = field(default_factory=Policies)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    takes_any: bool = True
    enforce: bool = False
    owner: str | None = None
    source: JobSource
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    working_dir: str | None = None
    user: str | None = None
    stdin: str | None = None
    output: str = "keep"
    job: Job | None = None
    lacks: str = ""
    profile_sets: frozenset[str] = frozenset()
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)

    def asked_with(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a run that is asked for with these.

        Raises:
            ParameterError: one is not declared, or its text does not read as what is; or one variable of a command would stand
                for two.
        """
        if not self.takes_any:
            refuse_unknown(self.name, self.parameters, parameters)
        laid = laid_over(self.name, self.parameters, parameters)
        if self.command is not None:
            try:
                check_variables(laid)
            except JobDefinitionError as error:
                raise ParameterError(f"job {self.name!r}: {error.message}", hint=error.hint) from error
        return laid

    def described(self) -> str:
        """Return what the job is, for whoever looks, as JSON text. Of variables only the names: values may be secrets."""
        kind = "command" if self.command is not None else "function" if isinstance(self.job, FunctionJob) else "class"
        said = {
            "kind": kind,
            "command": self.command,
            "working_dir": self.working_dir,
            "environment": sorted(self.environment),
            "parameters": self.parameters,
            "enforce": self.enforce,
            "lacks": self.lacks,
        }
        return json.dumps(as_written(said, self.filled), default=str, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Something that cannot be loaded: kept, shown with its error, never deleted.

    name     the job's, where that much could be read; None where a whole module failed
    source   where it came from: the jobs last seen from there are quarantined with it
    file, line   where the error is, as far as that is known: a file that the source imports may hold it
    """

    name: str | None
    source: JobSource
    error: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None

    def told(self) -> str:
        """Return the error with the place where it is, as far as that is known."""
        if self.line is None or f"line {self.line}" in self.error:
            return self.error
        return f"{self.error} ({self.file}, line {self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every job of an installation at one moment, and everything that could not be loaded.

    files     path -> fingerprint of every file the catalogue was read from: equal fingerprints mean an equal catalogue
    """

    jobs: Mapping[str, JobDefinition]
    quarantined: tuple[Quarantined, ...] = ()
    bootstrap: tuple[str, ...] = ()
    reboot: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
