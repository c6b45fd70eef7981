"""What a profile says of jobs: where they are found, and what is different here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Extension", "JobOverride"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One place where a profile's jobs are written.

    kind    `module` (an importable name), `file` or `folder`
    name    the module's dotted name, or an absolute path
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOverride:
    """What one installation says of one job. None leaves the job's own answer; a `command` makes a job of its own.

    schedule      checked cron text; empty for a job that only runs by hand here
    parameters    win over the job's own, one by one
    policies      only those the profile names, by their name in `Policies`; `timeout_s: None` takes a timeout away
    command       the argument list, with `environment` (added to the node's) and an absolute `working_dir`
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
    working_dir: str | None = None
