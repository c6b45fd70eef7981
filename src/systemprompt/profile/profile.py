"""A checked profile, as records."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from systemprompt.databases.address import Address
from systemprompt.discovery.as_written import as_written
from systemprompt.discovery.overrides import NOTHING_AROUND, Around, Extension, JobOverride
from systemprompt.jobs.settings import (
    ContentSource,
    FileSource,
    HostTable,
    JobSettings,
    Paths,
    PublishTarget,
    Retention,
)

__all__ = ["SCHEMA", "Limits", "Profile"]

SCHEMA = "systemprompt"
"""The schema of the ledger on PostgreSQL, if the profile names no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one node may take, and how long it is patient. Seconds, runs, rows, bytes.

    lease           a node that is silent for this long may have its runs taken over
    misfire_grace   a fire time that starts no later than this is on time
    shutdown_grace  what running work gets to finish when the node is told to stop
    kill_grace      what a stopped process gets between TERM and KILL
    load_timeout    what a job file or module may take to load
    """

    max_concurrent_runs: int = 128
    shutdown_grace: float = 30.0
    lease: float = 30.0
    misfire_grace: float = 10.0
    batch_size: int = 500
    kill_grace: float = 5.0
    max_output_bytes: int = 1_048_576
    load_timeout: float = 30.0
    max_abandoned_threads: int = 32

    @property
    def heartbeat(self) -> float:
        """Seconds between two heartbeats: a fifth of the lease, so that four may be lost."""
        return self.lease / 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The settings of one installation. Every path is absolute; every schedule and time zone was checked.

    fingerprint       of the file, from before it was read
    jobs              job name -> what this installation says of it
    database          where the application's tables are; `ledger` is where ours are, on SQLite a file of its own
    ledger_schema     the schema that ours are in on PostgreSQL
    listen            where the ledger's server is reached without a pooler in between; None where `ledger` leads to it
    group             the group that may read databases that are made here; None for this user alone
    labels            what nodes of this profile have: jobs with `runs_on` ask for them
    around            variables for every command and every job in a process of its own
    environment_read  every variable the file asked for, with its value then (not shown); None where it was unset
    filled            what came out of them, as in `systemprompt.discovery.as_written` (not shown)
    """

    path: str
    fingerprint: str
    name: str
    database: Address
    ledger: Address
    ledger_schema: str = SCHEMA
    listen: Address | None = None
    group: str | None = None
    labels: tuple[str, ...] = ()
    around: Around = NOTHING_AROUND
    time_zone: str = "UTC"
    extensions: tuple[Extension, ...] = ()
    entry_points: bool = True
    jobs: Mapping[str, JobOverride] = field(default_factory=dict)
    bootstrap_jobs: tuple[str, ...] = ()
    reboot_jobs: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    content_sources: tuple[ContentSource, ...] = ()
    file_sources: tuple[FileSource, ...] = ()
    publish: PublishTarget | None = None
    tables: Mapping[str, HostTable] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)
    environment_read: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def home(self) -> str:
        """The profile's folder: what its relative paths are relative to."""
        return os.path.dirname(self.path)

    @property
    def job_settings(self) -> JobSettings:
        """What jobs are told of the installation."""
        return JobSettings(
            paths=Paths(home=self.home, profile=self.path),
            time_zone=self.time_zone,
            content_sources=self.content_sources,
            file_sources=self.file_sources,
            publish=self.publish,
            tables=self.tables,
            retention=self.retention,
            batch_size=self.limits.batch_size,
            ledger=self.ledger,
            ledger_schema=self.ledger_schema,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `sp profile show`, without passwords and the values of environment variables."""
        shown = asdict(self) | {"database": str(self.database), "ledger": str(self.ledger)}
        shown["listen"] = None if self.listen is None else str(self.listen)
        shown["environment_read"] = sorted(self.environment_read)
        for held in (shown, *shown["jobs"].values()):
            del held["filled"]
        written: dict[str, Any] = as_written(shown, self.filled)
        return written | {name: shown[name] for name in ("path", "name", "fingerprint")}
