"""Reads the markdown of the configured folders into `markdown_content`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from systemprompt.builtin.content.account import account_of_files, purge_removed
from systemprompt.builtin.content.content_files import LeadsOutside, SourceFolder, shown_path
from systemprompt.builtin.content.markdown_files import (
    MAX_FILE_BYTES,
    PARSER_VERSION,
    BadDocument,
    Document,
    digest,
    read_document,
)
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.databases.database import Row
from systemprompt.databases.dialect import dialect_named
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult

Key: TypeAlias = tuple[str, str]  # source name, path below its folder

__all__ = ["ContentIngestion"]


@submit_job
class ContentIngestion(Job):
    """Keeps one row for each file. A broken file fails alone and its last good state stays.

    A file that did not change is not written again; one that is gone is marked, and deleted after
    `retention.content_removed_days`. A folder that cannot be read says nothing about its files, so they stay as they are.
    A link that leads outside its source is followed only where the source says `follow_links: true`; else it is no file of it.
    """

    name = "content_ingestion"
    description = "Ingests markdown content from configured directories"
    schedule = "0 0 * * * *"
    tags = ("content",)
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        if not ctx.settings.content_sources:
            return JobResult.success().with_message("Ingested 0 files: the profile has no content sources")
        now, dialect = self.clock.now(), dialect_named(ctx.db_pool.dialect)
        rows = {(row["source"], row["path"]): row for row in ctx.db_pool.fetch(dialect.text(_STORED))}
        scan = _scan(ctx, rows)
        _refuse_second_slugs(ctx, scan, rows)
        new = sum(1 for key in scan.changed if key not in rows)
        _write(ctx, scan, rows, now)
        removed = _mark_removed(ctx, scan, rows, now)
        purged = purge_removed(ctx, "markdown_content", now)
        return _result(ctx, scan, new=new, removed=removed, purged=purged)


@dataclass(slots=True, kw_only=True)
class _Scan:
    """What was found on disk, against what is stored.

    seen      every file that is there, broken ones too
    changed   files to write
    same      stored slugs of files that did not change
    broken    key -> what is wrong, with path and line
    unknown   `source/folder/` beginnings below which nothing could be seen
    """

    seen: set[Key] = field(default_factory=set)
    changed: dict[Key, tuple[Document, str]] = field(default_factory=dict)
    same: dict[Key, str] = field(default_factory=dict)
    broken: dict[Key, str] = field(default_factory=dict)
    unknown: list[Key] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lost_sources: int = 0


def _scan(ctx: JobContext, rows: dict[Key, Row]) -> _Scan:
    parsed_as = _parsed_as(ctx)
    scan = _Scan()
    for source in ctx.settings.content_sources:
        unreadable: dict[str, OSError] = {}
        opened = SourceFolder(ctx.path(source.path), source.follow_links)
        files = list(opened.walk(source.pattern, unreadable))
        for folder, error in unreadable.items():
            place = shown_path(os.path.normpath(os.path.join(source.path, folder)))
            if not isinstance(error, LeadsOutside):
                scan.unknown.append((source.name, f"{folder}/" if folder else ""))
            scan.problems.append(f"{place}: {error.strerror or error}")
            scan.lost_sources += not folder
        for number, path in enumerate(files, start=1):
            ctx.raise_if_cancelled()
            ctx.progress(number, len(files), source.name)
            key = (source.name, path)
            scan.seen.add(key)
            try:
                path.encode()
                with os.fdopen(opened.open_file(path), "rb") as file:
                    data = file.read(MAX_FILE_BYTES + 1)
                row = rows.get(key)
                content_hash = digest(data)
                if row is not None and _is_current(row, content_hash, parsed_as):
                    scan.same[key] = row["slug"]
                    continue
                document = read_document(data, path, time_zone=ctx.settings.time_zone)
                scan.changed[key] = (document, content_hash)
            except UnicodeEncodeError:
                _break(scan, key, source.path, "1: the file's name is not UTF-8")
            except BadDocument as error:
                _break(scan, key, source.path, str(error))
            except LeadsOutside as error:
                # Its last good state may be that of a file outside, from before `follow_links` was taken away.
                scan.seen.discard(key)
                scan.problems.append(f"{shown_path(os.path.join(source.path, path))}:1: {error.strerror}")
            except OSError as error:
                _break(scan, key, source.path, f"1: {error.strerror or error}")
    return scan


def _is_current(row: Row, content_hash: str, parsed_as: str) -> bool:
    return row["removed_at"] is None and (row["content_hash"], row["parsed_as"]) == (content_hash, parsed_as)


def _break(scan: _Scan, key: Key, folder: str, reason: str) -> None:
    problem = f"{shown_path(os.path.join(folder, key[1]))}:{reason}"
    scan.broken[key] = problem
    scan.problems.append(problem)


def _refuse_second_slugs(ctx: JobContext, scan: _Scan, rows: dict[Key, Row]) -> None:
    """Let one file have a slug: the one that has it already, else the first in order. The others fail and stay as they were.

    A file that fails keeps its old slug, which may take that from another file in turn; hence the loop.
    """
    folders = {source.name: source.path for source in ctx.settings.content_sources}
    while True:
        holders: dict[Key, Key] = {}  # (source, slug) -> file
        for key, row in rows.items():
            if key in scan.same or (key in scan.broken and row["removed_at"] is None):
                holders[(key[0], row["slug"])] = key
        stayers = [key for key, (document, _) in scan.changed.items() if _keeps_slug(rows.get(key), document)]
        movers = [key for key in scan.changed if key not in set(stayers)]
        refused = {}
        for key in (*stayers, *movers):
            slug = scan.changed[key][0].slug
            holder = holders.setdefault((key[0], slug), key)
            if holder != key:
                refused[key] = holder
        if not refused:
            return
        for key, holder in refused.items():
            document, _ = scan.changed.pop(key)
            reason = f"{document.slug_line}: slug {document.slug!r} is taken by {holder[1]}"
            _break(scan, key, folders[key[0]], reason)


def _keeps_slug(row: Row | None, document: Document) -> bool:
    return row is not None and row["removed_at"] is None and row["slug"] == document.slug


def _write(ctx: JobContext, scan: _Scan, rows: dict[Key, Row], now: Instant) -> None:
    dialect = dialect_named(ctx.db_pool.dialect)
    values: list[dict[str, Any]] = [
        {
            "source": source,
            "path": path,
            "slug": document.slug,
            "title": document.title,
            "description": document.description,
            "body": document.body,
            "tags": json.dumps(document.tags, ensure_ascii=False),
            "front_matter": document.front_matter,
            "draft": document.draft,
            "published_at": dialect.stored(document.published_at),
            "updated_at": dialect.stored(document.updated_at),
            "content_hash": content_hash,
            "parsed_as": _parsed_as(ctx),
            # Reading a file by newer rules, or seeing it again, is no news to those who follow the feed.
            "ingested_at": _ingested_at(rows.get((source, path)), content_hash, dialect.stored(now)),
        }
        for (source, path), (document, content_hash) in scan.changed.items()
    ]
    for batch in _batches(values, ctx.settings.batch_size):
        ctx.raise_if_cancelled()
        ctx.db_pool.execute_many(dialect.text(_UPSERT), batch)


def _ingested_at(row: Row | None, content_hash: str, now: Any) -> Any:
    return row["ingested_at"] if row is not None and row["content_hash"] == content_hash else now


def _mark_removed(ctx: JobContext, scan: _Scan, rows: dict[Key, Row], now: Instant) -> int:
    dialect = dialect_named(ctx.db_pool.dialect)
    gone = [
        {"id": row["id"], "now": dialect.stored(now)}
        for key, row in rows.items()
        if row["removed_at"] is None
        and key not in scan.seen
        and not any(key[0] == name and key[1].startswith(folder) for name, folder in scan.unknown)
    ]
    for batch in _batches(gone, ctx.settings.batch_size):
        ctx.raise_if_cancelled()
        ctx.db_pool.execute_many(
            dialect.text("UPDATE {markdown_content} SET removed_at = :now WHERE id = :id AND removed_at IS NULL"), batch
        )
    return len(gone)


def _result(ctx: JobContext, scan: _Scan, *, new: int, removed: int, purged: int) -> JobResult:
    for problem in scan.problems:
        ctx.logger.warning("%s", problem)
    changed = len(scan.changed) - new
    counts = {"new": new, "changed": changed, "unchanged": len(scan.same), "removed": removed, "purged": purged}
    return account_of_files("Ingested", counts, scan.problems, lost=scan.lost_sources > 0)


def _parsed_as(ctx: JobContext) -> str:
    return f"{PARSER_VERSION} {ctx.settings.time_zone}"


def _batches(values: list[dict[str, Any]], size: int) -> Iterable[list[dict[str, Any]]]:
    size = max(1, size)
    return (values[start : start + size] for start in range(0, len(values), size))


_STORED = """
    SELECT id, source, path, slug, content_hash, parsed_as, ingested_at, removed_at
    FROM {markdown_content} ORDER BY source, path
"""

_UPSERT = """
    INSERT INTO {markdown_content} (
        source, path, slug, title, description, body, tags, front_matter, draft, published_at, updated_at,
        content_hash, parsed_as, ingested_at
    ) VALUES (
        :source, :path, :slug, :title, :description, :body, :tags, :front_matter, :draft, :published_at, :updated_at,
        :content_hash, :parsed_as, :ingested_at
    )
    ON CONFLICT (source, path) DO UPDATE SET
        slug = excluded.slug, title = excluded.title, description = excluded.description, body = excluded.body,
        tags = excluded.tags, front_matter = excluded.front_matter, draft = excluded.draft,
        published_at = excluded.published_at, updated_at = excluded.updated_at, content_hash = excluded.content_hash,
        parsed_as = excluded.parsed_as, ingested_at = excluded.ingested_at, removed_at = NULL
"""
