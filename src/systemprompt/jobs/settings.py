"""What an installation tells its jobs: folders, content, the host application's tables, retention.

The profile builds these records; jobs read them from their context. Plain values, so that a job in a process of its own
gets the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from systemprompt.databases.address import Address

__all__ = ["ContentSource", "FileSource", "HostTable", "JobSettings", "Paths", "PublishTarget", "Retention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Absolute folders. `home` is what relative paths of the profile are relative to: the profile's own folder."""

    home: str = "."
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSource:
    """One folder of markdown. `pattern` is a glob below `path`; `name` is the content's collection.

    follow_links   whether links may lead outside `path`
    """

    name: str
    path: str
    pattern: str = "**/*.md"
    follow_links: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """One folder whose files are recorded. `pattern` is a glob below `path`; hidden files are left out.

    follow_links   whether links may lead outside `path`
    """

    name: str
    path: str
    pattern: str = "**/*"
    follow_links: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishTarget:
    """Where the site goes, and what it says of itself. `base_url` makes feed and sitemap links absolute."""

    path: str
    title: str = "Notes"
    base_url: str = "http://localhost"
    description: str = ""
    author: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTable:
    """A table of the host application that stands in for one of ours.

    columns      our column name -> theirs, for those that differ
    time_format  how theirs keeps instants: `micros`, `seconds`, or `iso` text in UTC
    clean        whether the clean-up jobs may change its rows; else they only say what they would do
    """

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    time_format: str = "micros"
    clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the clean-up jobs keep things."""

    logs_days: int = 30
    runs_days: int = 400
    session_idle_hours: int = 1
    empty_context_hours: int = 24
    content_removed_days: int = 30
    anonymous_user_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """All of it. Defaults make a usable value for tests: `JobSettings()`.

    ledger          where the ledger is, for the jobs that look after it; in a process of its own no other job gets its password
    ledger_schema   the schema that it is in on PostgreSQL
    """

    paths: Paths = field(default_factory=Paths)
    time_zone: str = "UTC"
    content_sources: tuple[ContentSource, ...] = ()
    file_sources: tuple[FileSource, ...] = ()
    publish: PublishTarget | None = None
    tables: Mapping[str, HostTable] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)
    batch_size: int = 500
    ledger: Address | None = None
    ledger_schema: str = "systemprompt"
