"""What the runner's tests stand on: a runner with everything around it, and ways to wait for what it says."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.waiting import WAIT_S, Heard
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.databases.database import Database
from systemprompt.discovery.definition import JobDefinition, JobSource
from systemprompt.errors import DatabaseBusy
from systemprompt.jobs.job import FunctionJob, Job
from systemprompt.jobs.policies import Policies
from systemprompt.jobs.settings import JobSettings, Paths
from systemprompt.runner.flight import Assignment, Finished
from systemprompt.runner.run_logs import RunLogs
from systemprompt.runner.runner import ChildDatabase, Runner


class LogDatabase:
    """The profile's database, as far as logs go. `busy` makes every write fail as if another process held it."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self.committed = threading.Condition()
        self.busy = threading.Event()
        self.refused = threading.Event()
        self.commits = 0
        self._connection.execute(
            "CREATE TABLE logs (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL,"
            " message TEXT NOT NULL, fields TEXT CHECK (fields IS NULL OR json_valid(fields)), job_name TEXT, ledger_id TEXT,"
            " run_id INTEGER, attempt INTEGER) STRICT"
        )

    def execute(self, sql: str, parameters: Any = ()) -> int:
        return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Iterable[Any]) -> int:
        return self._connection.executemany(sql, rows).rowcount

    def fetch(self, sql: str, parameters: Any = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def fetch_one(self, sql: str, parameters: Any = ()) -> Any:
        return self.fetch(sql, parameters)[0]

    @contextmanager
    def transaction(self) -> Iterator[LogDatabase]:
        if self.busy.is_set():
            self.refused.set()
            raise DatabaseBusy("held by a test")
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield self
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        with self.committed:
            self.commits += 1
            self.committed.notify_all()

    def close(self) -> None:
        self._connection.close()


class RunnerStage:
    """A runner, its logs, and everything it reported."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        kill_grace: float = 5.0,
        max_output_bytes: int = 1024 * 1024,
        max_threads: int = 16,
        max_abandoned_threads: int = 32,
        settings: JobSettings | None = None,
        child_database: ChildDatabase | None = None,
        jobs_database: Database | None = None,
        lines_per_run: int = 10_000,
    ) -> None:
        self.clock = clock or SystemClock()
        self.database = LogDatabase()
        self.logs = RunLogs(self.database, ledger_id="a_ledger", lines_per_run=lines_per_run, flush_after_s=0.01)
        self._heard = Heard()
        self._runs = 0
        self.runner = Runner(
            clock=self.clock,
            settings=settings or JobSettings(),
            database=jobs_database or self.database,
            logs=self.logs,
            on_finished=self._heard,
            on_progress=lambda *told: self._heard(told),
            kill_grace=kill_grace,
            max_output_bytes=max_output_bytes,
            max_threads=max_threads,
            max_abandoned_threads=max_abandoned_threads,
            child_database=child_database,
        )

    def __enter__(self) -> RunnerStage:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()
        self.logs.close()
        self.database.close()

    def start(self, work: Callable[..., Any] | Job | Sequence[str], **assigned: Any) -> int:
        """Start a function, a job or a command; return its run's id. The rest is as `assignment` takes it."""
        assignment = self.assignment(work, **assigned)
        self.runner.start([assignment])
        return assignment.run_id

    def assignment(
        self,
        work: Callable[..., Any] | Job | Sequence[str],
        *,
        name: str = "work",
        timeout_s: float | None = None,
        isolation: str = "thread",
        source: JobSource | None = None,
        fire_at: Instant | None = None,
        time_zone: str = "UTC",
        environment: dict[str, str] | None = None,
        working_dir: str | None = None,
        defaults: dict[str, Any] | None = None,
        defined: dict[str, Any] | None = None,
        **assigned: Any,
    ) -> Assignment:
        """Return what a runner is told of the next run: of a function, a job or a command. `defined`: more of its definition."""
        self._runs += 1
        job: Job | None = None
        command: tuple[str, ...] | None = None
        if isinstance(work, Job):
            job = work
        elif callable(work):
            job = FunctionJob(work, {"name": name})
        else:
            command = tuple(work)
        definition = JobDefinition(
            name=name,
            time_zone=time_zone,
            policies=Policies(isolation=isolation, timeout_s=timeout_s),
            parameters=defaults or {},
            source=source or JobSource(kind="module", name=__name__),
            command=command,
            environment=environment or {},
            working_dir=working_dir,
            job=job,
            **(defined or {}),
        )
        return Assignment(run_id=self._runs, definition=definition, fire_at=fire_at, **assigned)

    @property
    def heard(self) -> list[Finished]:
        """The ends that were told, in their order."""
        return [one for one in self._heard.events if isinstance(one, Finished)]

    @property
    def progress(self) -> list[tuple[int, int, int | None, str]]:
        """The progress that was told, as (run id, done, total, note)."""
        return [one for one in self._heard.events if isinstance(one, tuple)]

    def finished(self, run_id: int, *, late: bool = False) -> Finished:
        """Wait for a run's end, and return it."""

        def found() -> list[Finished]:
            return [one for one in self.heard if one.run_id == run_id and one.late is late]

        (finished,) = self._heard.until(found, f"run {run_id} ended")
        return finished

    def begun(self, *run_ids: int) -> None:
        """Wait until each of these jobs has told its first progress."""

        def all_did() -> bool:
            return {run_id for run_id, *_ in self.progress} >= set(run_ids)

        self._heard.until(all_did, f"all of {run_ids} began")

    def lines(self, run_id: int, source: str | None = None) -> list[tuple[str, str, str]]:
        """Return what a run left in the log, as (level, source, message)."""
        assert self.logs.flush(WAIT_S)
        rows = self.database.fetch("SELECT level, source, message FROM logs WHERE run_id = ? ORDER BY id", (run_id,))
        return [row for row in rows if source in (None, row[1])]

    def said(self, run_id: int, line: str) -> None:
        """Wait until a run has written this line."""

        def has_said() -> bool:
            rows = self.database.fetch("SELECT message FROM logs WHERE run_id = ?", (run_id,))
            return any(line in message for (message,) in rows)

        with self.database.committed:
            assert self.database.committed.wait_for(has_said, WAIT_S), f"never said {line!r}: {self.lines(run_id)}"


class Lifeline:
    """A named pipe that a test's processes hold open: its end of file proves that the last of them is gone."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "lifeline")
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._fd, True)

    def word(self) -> str:
        """Wait for the next line that a holder writes."""
        data = b""
        while not data.endswith(b"\n"):
            self._wait()
            letter = os.read(self._fd, 1)
            assert letter, f"the last holder ended after {data!r}"
            data += letter
        return data.decode().strip()

    def ended(self) -> None:
        """Wait until nobody holds it."""
        while True:
            self._wait()
            if not os.read(self._fd, 4096):
                return

    def _wait(self) -> None:
        import select

        assert select.select([self._fd], [], [], WAIT_S)[0], "a process is still alive"


def python(code: str, *arguments: str) -> list[str]:
    """Return a command that runs this code, fast."""
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def at_home(folder: Path) -> JobSettings:
    return JobSettings(paths=Paths(home=str(folder), profile=str(folder / "profile.yaml")))
