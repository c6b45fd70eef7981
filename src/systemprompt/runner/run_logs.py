"""What a run says while it works: lines of the table `logs`, written by one thread in batches."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from systemprompt.clock import SECOND, Clock, Instant, SystemClock
from systemprompt.databases.database import Database
from systemprompt.databases.dialect import Dialect, dialect_named
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable
from systemprompt.own_log import own_log
from systemprompt.runner.log_records import RunLogger, clean, encode_fields, instant_of, level_of
from systemprompt.wording import counted

__all__ = ["LINES_PER_RUN", "LogLine", "RunLog", "RunLogs"]

LINES_PER_RUN = 10_000
"""Lines one attempt may leave; one more says that the rest was dropped."""

_TELL_EVERY = 5 * SECOND
_MAX_PENDING_CHARS = 16 * 1024 * 1024
_BATCH = 500
_INSERT = (
    "INSERT INTO {logs} (created_at, level, source, message, fields, job_name, ledger_id, run_id, attempt)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_log = own_log("systemprompt.runner")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One row of `logs`.

    source   `job` (ctx.logger), `stdout`, `stderr`, or `runner` (what we say of the run)
    fields   JSON text of what was passed as `extra`, or None
    """

    created_at: Instant
    level: str
    source: str
    message: str
    fields: str | None
    job_name: str | None
    run_id: int | None
    attempt: int | None


class RunLogs:
    """Keeps lines in a bounded buffer and writes them within about `flush_after_s`, in the order they came.

    A database that is busy or away is tried again while the buffer has room; then lines are dropped, and one line says how
    many. A line that the database refuses is dropped alone, and one line of its run says so. No failure here ever reaches a job.
    Lines still in the buffer when the process is killed are lost.

    ledger_id   whose runs these are; it stands in every line of a run, since a run's number is unique in one ledger only
    """

    def __init__(
        self,
        database: Database | None,
        *,
        ledger_id: str,
        clock: Clock | None = None,
        flush_after_s: float = 0.1,
        max_pending: int = 20_000,
        lines_per_run: int = LINES_PER_RUN,
    ) -> None:
        self._database = database
        self.ledger_id = ledger_id
        self.clock = clock or SystemClock()
        self.lines_per_run = lines_per_run
        self._flush_after_s = flush_after_s
        self._max_pending = max_pending
        self._pending: deque[LogLine] = deque()
        self._pending_chars = 0
        self._dropped: dict[_Whose, int] = {}
        self._taken = 0
        self._changed = threading.Condition()
        self._hurry = False
        self._closing = False
        self._give_up_at: float | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is a child that came by fork(): it has no thread that writes, and locks that may be held for ever."""
        return self._pid != os.getpid()

    def open(self, *, job_name: str, run_id: int | None, attempt: int) -> RunLog:
        """Return where one attempt writes its lines."""
        return RunLog(self, job_name=job_name, run_id=run_id, attempt=attempt)

    def write(self, line: LogLine) -> bool:
        """Take a line, or count it as dropped where the buffer is full: then False. Never blocks on the database, never raises."""
        if self._database is None:
            return True
        with self._changed:
            if self._closing:
                return False
            if len(self._pending) >= self._max_pending or self._pending_chars >= _MAX_PENDING_CHARS:
                whose = _whose(line)
                self._dropped[whose] = self._dropped.get(whose, 0) + 1
                return False
            first = not self._pending
            self._pending.append(line)
            self._pending_chars += _chars(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="sp-run-logs", daemon=True)
                self._thread.start()
            elif first:
                self._changed.notify_all()
        return True

    def flush(self, timeout: float = 5.0) -> bool:
        """Write what is in the buffer now; return False where that took longer than `timeout` seconds."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_empty, timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Write what is left, for at most `timeout` seconds, then stop. Return whether all was written. Later lines are dropped."""
        with self._changed:
            self._closing = True
            self._give_up_at = time.monotonic() + timeout
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout + 1)
        lost = len(self._pending) + self._taken + sum(self._dropped.values())
        if lost:
            _log.warning("%d log lines were not written: the database was not available in time", lost)
        return not lost

    def _is_empty(self) -> bool:
        return not self._pending and not self._taken and not self._dropped

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._dropped and not self._closing:
                    self._hurry = False
                    self._changed.wait()
                if self._is_empty() and self._closing:
                    return
                if not self._hurry and not self._closing and len(self._pending) < _BATCH:
                    # Wait for company: a commit costs the same for one line as for hundreds.
                    self._changed.wait_for(lambda: self._hurry or self._closing, self._flush_after_s)
                batch = self._take()
            written = self._insert(batch)
            with self._changed:
                self._taken = 0 if written else self._taken
                self._changed.notify_all()
                if not written:
                    return

    def _take(self) -> list[LogLine]:
        batch = [self._pending.popleft() for _ in range(min(_BATCH, len(self._pending)))]
        self._pending_chars -= sum(map(_chars, batch))
        if not self._pending:
            # The gap is told where it ends, once all that came before it is on its way.
            now = self.clock.now()
            batch += [
                _told(now, whose, f"{counted(number, 'line')} dropped: they came faster than the database took them")
                for whose, number in self._dropped.items()
            ]
            self._dropped.clear()
        self._taken = len(batch)
        return batch

    def _insert(self, batch: list[LogLine]) -> bool:
        """Write a batch however long it takes; False only where the time that `close` gave is over."""
        refused: dict[_Whose, list[Exception]] = {}
        if not self._insert_what_is_taken(batch, refused):
            return False
        if not refused:
            return True
        for whose, errors in refused.items():
            number = counted(len(errors), "log line")
            _log.error("%s of %s dropped: the database refused them", number, whose[0], exc_info=errors[-1])
        now = self.clock.now()
        told = [
            _told(now, whose, f"{counted(len(errors), 'line')} dropped, refused by the database: {errors[-1]}")
            for whose, errors in refused.items()
        ]
        return self._insert_what_is_taken(told, {})

    def _insert_what_is_taken(self, batch: list[LogLine], refused: dict[_Whose, list[Exception]]) -> bool:
        """Write a batch; of one that the database refuses each half, so that a line which it cannot take goes alone."""
        assert self._database is not None
        dialect = dialect_named(self._database.dialect)
        pause = 0.05
        while True:
            try:
                with self._database.transaction() as transaction:
                    transaction.execute_many(dialect.text(_INSERT), [self._row(dialect, line) for line in batch])
                return True
            except (DatabaseBusy, DatabaseUnreachable) as error:
                with self._changed:
                    if self._give_up_at is not None and time.monotonic() + pause > self._give_up_at:
                        return False
                    _log.debug("log lines wait for the database: %s", error)
                    self._changed.wait(pause)
                pause = min(pause * 2, 2.0)
            except Exception as error:  # noqa: BLE001  # a line it cannot take, no table, a closed handle: the jobs go on
                if len(batch) == 1:
                    refused.setdefault(_whose(batch[0]), []).append(error)
                    return True
                half = len(batch) // 2
                return all(self._insert_what_is_taken(part, refused) for part in (batch[:half], batch[half:]))

    def _row(self, dialect: Dialect, line: LogLine) -> tuple[object, ...]:
        whose = None if line.run_id is None else self.ledger_id
        return (
            dialect.stored(line.created_at),
            line.level,
            line.source,
            line.message,
            line.fields,
            line.job_name,
            whose,
            line.run_id,
            line.attempt,
        )


_Whose: TypeAlias = tuple[str | None, int | None, int | None]
"""Job, run and attempt of a line."""


def _whose(line: LogLine) -> _Whose:
    return line.job_name, line.run_id, line.attempt


def _chars(line: LogLine) -> int:
    return len(line.message) + len(line.fields or "")


def _told(at: Instant, whose: _Whose, message: str) -> LogLine:
    """Return a line that the runner says of a run's own lines."""
    job_name, run_id, attempt = whose
    return LogLine(
        created_at=at,
        level="WARNING",
        source="runner",
        message=clean(message),
        fields=None,
        job_name=job_name,
        run_id=run_id,
        attempt=attempt,
    )


class RunLog:
    """Where one attempt writes. Any thread; bounded; never raises."""

    def __init__(self, logs: RunLogs, *, job_name: str, run_id: int | None, attempt: int) -> None:
        self._logs = logs
        self._job_name = job_name
        self._run_id = run_id
        self._attempt = attempt
        self._written = 0
        self._steps = 0
        self._dropped = 0
        self._told_at: Instant = 0
        self._lock = threading.Lock()

    @property
    def ledger_id(self) -> str:
        """Whose run it is."""
        return self._logs.ledger_id

    @property
    def full(self) -> bool:
        """Whether further lines would be dropped: a flood need not even be decoded."""
        return self._written > self._logs.lines_per_run

    @property
    def dropped(self) -> int:
        """How many lines were dropped so far: past the limit of a run, or while the database did not keep up."""
        return self._dropped

    def write(
        self,
        message: str,
        *,
        level: str = "INFO",
        source: str = "job",
        fields: Mapping[str, Any] | None = None,
        at: Instant | None = None,
    ) -> None:
        """Keep one line. In a child that came by fork() it goes to stderr: the run is its parent's."""
        if self._logs.forked:
            if sys.__stderr__ is not None:
                sys.__stderr__.write(f"{level} {self._job_name}: {clean(message)}\n")
            return
        with self._lock:
            if self._written > self._logs.lines_per_run:
                self._dropped += 1
                return
            self._written += 1
            if self._written > self._logs.lines_per_run:
                self._dropped += 1
                message = f"further lines dropped: a run keeps its first {self._logs.lines_per_run}"
                level, source, fields = "WARNING", "runner", None
        self._keep(message, level, source, fields, at)

    def _keep(
        self, message: str, level: str, source: str, fields: Mapping[str, Any] | None, at: Instant | None = None
    ) -> None:
        line = LogLine(
            created_at=self._logs.clock.now() if at is None else at,
            level=level_of(level),
            source=source,
            message=clean(message),
            fields=encode_fields(fields) if fields else None,
            job_name=self._job_name,
            run_id=self._run_id,
            attempt=self._attempt,
        )
        if not self._logs.write(line):
            with self._lock:
                self._dropped += 1

    def progress(self, done: int, total: int | None, note: str) -> None:
        """Keep how far the work is, for those who look from elsewhere: one line in five seconds, and where all is done.

        As many as there may be other lines: a job may say again and again that it is done.
        """
        if self._logs.forked:
            return
        now = self._logs.clock.now()
        with self._lock:
            if (now - self._told_at < _TELL_EVERY and done != total) or self._steps >= self._logs.lines_per_run:
                return
            self._told_at = now
            self._steps += 1
        of = f" of {total}" if total else ""
        self._keep(
            f"{done}{of}" + (f", {note}" if note else ""),
            "DEBUG",
            "progress",
            {"done": done, "total": total, "note": note},
        )

    def logger(self) -> logging.Logger:
        """Return a logger that writes here. It belongs to nobody else, so nothing is left of it after the run."""
        return RunLogger(f"systemprompt.job.{self._job_name}", self._take_record)

    def _take_record(self, *, message: str, level: str, created: float, fields: dict[str, Any]) -> None:
        self.write(message, level=level, fields=fields, at=instant_of(created))
