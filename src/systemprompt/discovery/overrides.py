"""What a profile says of jobs: where they are found, and what is different here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NOTHING_AROUND", "Around", "Extension", "JobOverride"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One place where a profile's jobs are written.

    kind    `module` (an importable name), `file` or `folder`
    name    the module's dotted name, or an absolute path
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Variables for all jobs that run in a process: files that are read at each start, and values that win over them."""

    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()


NOTHING_AROUND = Around()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOverride:
    """What one installation says of one job. None leaves the job's own answer; a `command` makes a job of its own.

    schedule      checked cron text; empty for a job that only runs by hand here
    parameters    win over the job's own, one by one
    policies      only those the profile names, by their name in `Policies`; `timeout_s: None` takes a timeout away
    command       the argument list; a line for a shell is `(SHELL, "-c", LINE)`
    environment, environment_files   variables for the command; the files are read when it starts
    filled        what came out of the environment, as in `as_written`
    working_dir   absolute, or below `~`: the home of whom the command runs as
    user, stdin, output   whom it runs as, what it reads, and how much of its output is kept
    """

    name: str
    enabled: bool | None = None
    schedule: str | None = None
    time_zone: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    enforce: bool | None = None
    owner: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    policies: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_dir: str | None = None
    user: str | None = None
    stdin: str | None = None
    output: str = "keep"
