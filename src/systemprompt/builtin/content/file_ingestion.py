"""Keeps a record of the files in the configured folders: path, size, kind, SHA-256, and when they came, changed and went."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from functools import cache
from mimetypes import MimeTypes
from secrets import token_hex
from typing import Any

from systemprompt.builtin.content.account import SHOWN_PROBLEMS, account_of_files, purge_removed
from systemprompt.builtin.content.content_files import LeadsOutside, SourceFolder, shown_path
from systemprompt.clock import SECOND, Clock, Instant, SystemClock
from systemprompt.databases.database import Row
from systemprompt.databases.dialect import Dialect, dialect_named
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import FileSource

__all__ = ["FileIngestion"]


@submit_job
class FileIngestion(Job):
    """Keeps one row for each file. What is in a file is read only where it may have changed since.

    A file that cannot be read fails alone and its last state stays; one that is gone is marked, and its row deleted after
    `retention.content_removed_days`. A folder that cannot be read says nothing about its files, so they stay as they are.
    A link that leads outside its source is followed only where the source says `follow_links: true`.
    Memory grows with the number of folders and the largest of them, not with all files. A batch is a transaction, and what
    a cancelled run has recorded stays.
    """

    name = "file_ingestion"
    description = "Records the files of configured directories with their SHA-256"
    schedule = "0 20 * * * *"
    tags = ("files",)
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        if not ctx.settings.file_sources:
            return JobResult.success().with_message("Recorded 0 files: the profile has no file sources")
        scan = _Scan(ctx=ctx, clock=self.clock, now=self.clock.now(), token=token_hex(8))
        for source in ctx.settings.file_sources:
            scan.walk(source)
        scan.mark_gone(f"source NOT IN {scan.dialect.listed('sources')}", [])
        return scan.result(purge_removed(ctx, "files", scan.now))


@dataclass(slots=True, kw_only=True)
class _Scan:
    """One walk through all sources. `token` marks what it saw: unlike the time, it differs even where the clock stands still."""

    ctx: JobContext
    clock: Clock
    now: Instant
    token: str
    new: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    failed: int = 0
    lost_sources: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> Dialect:
        return dialect_named(self.ctx.db_pool.dialect)

    @property
    def recorded(self) -> int:
        return self.new + self.changed + self.same

    def walk(self, source: FileSource) -> None:
        """Record what lies below one folder, then mark what lay there and does not any more."""
        unreadable: dict[str, OSError] = {}
        batch: list[str] = []
        folder = SourceFolder(self.ctx.path(source.path), source.follow_links)
        for path in folder.walk(source.pattern, unreadable):
            self.ctx.raise_if_cancelled()
            if not _is_text(path):
                self._fail(source, path, "the file's name is not UTF-8")
                continue
            batch.append(path)
            if len(batch) >= max(1, self.ctx.settings.batch_size):
                self._record(source, folder, batch)
                batch.clear()
        self._record(source, folder, batch)
        for place, error in unreadable.items():
            self._fail(source, place, error.strerror or str(error))
            self.lost_sources += not place
        unknown = [place for place, error in unreadable.items() if not isinstance(error, LeadsOutside)]
        self.mark_gone(_OF_SOURCE, [f"{place}/" if place else "" for place in unknown], source.name)

    def mark_gone(self, which: str, unknown: list[str], source: str = "") -> None:
        """Mark the rows that this scan did not see, but for those below the beginnings of which nothing is known."""
        names = json.dumps([one.name for one in self.ctx.settings.file_sources])
        after = 0
        while True:
            self.ctx.raise_if_cancelled()
            values = {"source": source, "sources": names, "token": self.token, "after": after, "batch": self._batch}
            asked = f"{_NOT_SEEN} AND {which} ORDER BY id LIMIT :batch"
            rows = self.ctx.db_pool.fetch(self.dialect.text(asked), values)
            if not rows:
                return
            after = rows[-1]["id"]
            gone = [row for row in rows if not any(row["path"].startswith(folder) for folder in unknown)]
            self.removed += self.ctx.db_pool.execute_many(
                self.dialect.text("UPDATE {files} SET removed_at = :now WHERE id = :id AND removed_at IS NULL"),
                [{"id": row["id"], "now": self.dialect.stored(self.now)} for row in gone],
            )

    def result(self, purged: int) -> JobResult:
        counts = {"new": self.new, "changed": self.changed, "unchanged": self.same, "removed": self.removed}
        lost = self.lost_sources > 0
        return account_of_files("Recorded", counts | {"purged": purged}, self.problems, failed=self.failed, lost=lost)

    @property
    def _batch(self) -> int:
        return max(1, self.ctx.settings.batch_size)

    def _record(self, source: FileSource, folder: SourceFolder, batch: list[str]) -> None:
        known = {"source": source.name, "paths": json.dumps(batch)}
        asked = self.dialect.text(f"{_KNOWN} AND path IN {self.dialect.listed('paths')}")
        rows = {row["path"]: row for row in self.ctx.db_pool.fetch(asked, known)}
        read, same, failed = [], [], []
        for path in batch:
            self.ctx.raise_if_cancelled()
            absolute, row = os.path.join(folder.root, path), rows.get(path)
            try:
                seen = folder.status(path)
                if not stat.S_ISREG(seen.st_mode):
                    continue  # a pipe, a socket, a device: no file
                if row is not None and _is_same(self.dialect, row, seen):
                    same.append(row["id"])
                else:
                    read.append(self._read(source, folder, path))
            except LeadsOutside as error:
                self._fail(source, path, str(error.strerror))  # and what it led to before is no file of this source
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not os.path.islink(absolute):
                    continue  # it went while we walked
                self._fail(source, path, error.strerror or str(error))
                failed.append(path)
        fresh = sum(1 for one in read if one["path"] not in rows)
        with self.ctx.db_pool.transaction() as transaction:
            transaction.execute_many(self.dialect.text(_UPSERT), read)
            mark = {"now": self.dialect.stored(self.now), "token": self.token}
            transaction.execute_many(
                self.dialect.text("UPDATE {files} SET last_seen_at = :now, seen_in = :token WHERE id = :id"),
                [{"id": row_id, **mark} for row_id in same],
            )
            # What could not be read is there all the same.
            there = [{"id": rows[path]["id"], "token": self.token} for path in failed if path in rows]
            transaction.execute_many(self.dialect.text("UPDATE {files} SET seen_in = :token WHERE id = :id"), there)
        self.new += fresh
        self.changed += len(read) - fresh
        self.same += len(same)
        self.ctx.progress(self.recorded, None, source.name)

    def _read(self, source: FileSource, folder: SourceFolder, path: str) -> dict[str, Any]:
        hashed_at = self.clock.now()
        seen, size, sha256 = _digest(self.ctx, folder, path)
        born = getattr(seen, "st_birthtime", None)
        return {
            "source": source.name,
            "path": path,
            "size_bytes": size,
            "media_type": _media_type(path),
            "sha256": sha256,
            "born_at": self.dialect.stored(None if born is None else round(born * SECOND)),
            "modified_at": self.dialect.stored(seen.st_mtime_ns // 1000),
            "stamp": _stamp(seen),
            "hashed_at": self.dialect.stored(hashed_at),
            "now": self.dialect.stored(self.now),
            "token": self.token,
        }

    def _fail(self, source: FileSource, path: str, why: str) -> None:
        problem = f"{shown_path(os.path.normpath(os.path.join(source.path, path)))}: {why}"
        self.failed += 1
        self.ctx.logger.warning("%s", problem)
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)


def _is_same(dialect: Dialect, row: Row, seen: os.stat_result) -> bool:
    """Say whether the content that was read is still the file's.

    A file may change twice within one tick of the file system's clock, the second time after it was read: then its stamp tells
    nothing, so a file that had changed shortly before it was read is read again. Git calls such an entry racily clean.
    """
    settled = dialect.instant(row["modified_at"]) < dialect.instant(row["hashed_at"]) - _COARSEST_TICK
    return settled and row["removed_at"] is None and row["stamp"] == _stamp(seen)


def _stamp(seen: os.stat_result) -> str:
    """Return what the file system says of a file's content. The change time cannot be set back, as `touch -d` does the other."""
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def _digest(ctx: JobContext, folder: SourceFolder, path: str) -> tuple[os.stat_result, int, str]:
    """Read a file whole, a piece at a time; its state is that of after the reading, so that a change meanwhile is seen."""
    digest, size = hashlib.sha256(), 0
    with os.fdopen(folder.open_file(path), "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            ctx.raise_if_cancelled()
            digest.update(piece)
            size += len(piece)
        return os.fstat(file.fileno()), size, digest.hexdigest()


def _media_type(path: str) -> str:
    return _media_types().guess_type(path)[0] or "application/octet-stream"


@cache
def _media_types() -> MimeTypes:
    # Without the machine's own tables, which differ from host to host.
    return MimeTypes(filenames=())


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


_COARSEST_TICK = 2 * SECOND
"""FAT keeps modification times in steps of two seconds; everything else is finer."""

_PIECE = 1 << 20

_KNOWN = """
    SELECT id, path, modified_at, stamp, hashed_at, removed_at FROM {files} WHERE source = :source
"""

_NOT_SEEN = "SELECT id, path FROM {files} WHERE removed_at IS NULL AND seen_in <> :token AND id > :after"
_OF_SOURCE = "source = :source"

_UPSERT = """
    INSERT INTO {files} (
        source, path, size_bytes, media_type, sha256, born_at, modified_at, stamp, hashed_at, first_seen_at, last_seen_at, seen_in
    ) VALUES (
        :source, :path, :size_bytes, :media_type, :sha256, :born_at, :modified_at, :stamp, :hashed_at, :now, :now, :token
    )
    ON CONFLICT (source, path) DO UPDATE SET
        size_bytes = excluded.size_bytes, media_type = excluded.media_type, sha256 = excluded.sha256, born_at = excluded.born_at,
        modified_at = excluded.modified_at, stamp = excluded.stamp, hashed_at = excluded.hashed_at,
        last_seen_at = excluded.last_seen_at, seen_in = excluded.seen_in, removed_at = NULL
"""
