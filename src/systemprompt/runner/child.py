"""One job in a process of its own: `python -m systemprompt.runner.child CHANNEL_FD`, started by a node under a guard.

Reads what to run as JSON on stdin; writes log records, progress and the result as JSON lines to the channel. SIGTERM sets
the context's cancel signal, or cancels the task of an async job.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from systemprompt.databases.address import Address
from systemprompt.databases.database import Database
from systemprompt.discovery.definition import JobSource
from systemprompt.discovery.discovery import load_job
from systemprompt.jobs import settings
from systemprompt.jobs.context import CancelSignal, JobContext
from systemprompt.jobs.job import Job
from systemprompt.jobs.settings import JobSettings
from systemprompt.runner.flight import local_fire_time
from systemprompt.runner.forks import OneProcess, handling
from systemprompt.runner.log_records import RecordHandler, RunLogger, clean, encode_fields
from systemprompt.runner.outcome import is_awaitable, is_cancellation, outcome_of_exception, outcome_of_value

_PROGRESS_EVERY_S = 0.1


def main() -> None:
    started = time.monotonic()
    channel = _Channel(int(sys.argv[1]))
    with open(0, encoding="utf-8") as stdin:
        spec = json.load(stdin)
    _empty_stdin()
    # Lines, not blocks: a job's last words count most when it dies.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # both are text files here
    sys.path += [entry for entry in spec["sys_path"] if entry not in sys.path]
    logging.getLogger().addHandler(RecordHandler(channel.log))
    logging.getLogger().setLevel(logging.INFO)
    asked = _Asked()

    def took_ms() -> int:
        return round((time.monotonic() - started) * 1000)

    cancellation = False
    try:
        job = _load(spec)
        context = _context(spec, channel, asked.signal)
    except BaseException as error:  # noqa: BLE001  # a module may raise or exit with anything while it loads
        outcome = outcome_of_exception(error, took_ms=took_ms(), reason="not_loaded")
    else:
        try:
            with OneProcess():
                value = _execute(job, context, asked)
        except BaseException as error:  # noqa: BLE001  # SystemExit and KeyboardInterrupt are the job's failures
            outcome, cancellation = outcome_of_exception(error, took_ms=took_ms()), is_cancellation(error)
        else:
            outcome = outcome_of_value(value, took_ms=took_ms())
    channel.send(kind="result", outcome=outcome.as_dict(), cancellation=cancellation, stopped=asked.heard)
    _leave_within(spec["exit_grace"])


def _load(spec: dict[str, Any]) -> Job:
    return load_job(JobSource(**spec["source"]), spec["name"])


def _execute(job: Job, context: JobContext, asked: _Asked) -> Any:
    value = job.execute(context)
    if not is_awaitable(value):
        return value

    async def work() -> Any:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        asked.then(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            return await value
        finally:
            asked.then(None)

    return asyncio.run(work())


def _context(spec: dict[str, Any], channel: _Channel, cancel: CancelSignal) -> JobContext:
    return JobContext(
        job_name=spec["name"],
        run_id=spec["run_id"],
        fire_at=local_fire_time(spec["fire_at"], spec["time_zone"]),
        attempt=spec["attempt"],
        fence=spec["fence"],
        parameters=spec["parameters"],
        actor=spec["actor"],
        enforce=spec["enforce"],
        settings=_settings(spec["settings"]),
        database=_database(spec["database"]),
        logger=RunLogger(f"systemprompt.job.{spec['name']}", channel.log),
        cancel=cancel,
        on_progress=channel.progress,
    )


def _settings(sent: dict[str, Any]) -> JobSettings:
    made = {
        "paths": settings.Paths(**sent["paths"]),
        "content_sources": tuple(settings.ContentSource(**source) for source in sent["content_sources"]),
        "file_sources": tuple(settings.FileSource(**source) for source in sent["file_sources"]),
        "publish": None if sent["publish"] is None else settings.PublishTarget(**sent["publish"]),
        "tables": {name: settings.HostTable(**table) for name, table in sent["tables"].items()},
        "retention": settings.Retention(**sent["retention"]),
        "ledger": None if sent["ledger"] is None else Address(sent["ledger"]),
    }
    return settings.JobSettings(**(sent | made))


def _database(sent: list[str] | None) -> Database | None:
    if sent is None:
        return None
    opener, location = sent
    module, _, function = opener.partition(":")
    database: Database = getattr(import_module(module), function)(location)
    atexit.register(database.close)  # after all that the job has registered: it may still use it
    return database


class _Channel:
    """The way back to the node. A node that is gone takes the guard with it, so there is nothing to mend here."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # what the job starts has no business here
        self._fd = fd
        self._lock = threading.Lock()
        self._progress_at = 0.0
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it when the child was made

    def send(self, **message: Any) -> None:
        data = (json.dumps(message, default=repr, skipkeys=True) + "\n").encode()
        with self._lock:
            while data:
                data = data[os.write(self._fd, data) :]

    def log(self, *, message: str, level: str, created: float, fields: dict[str, Any]) -> None:
        plain = json.loads(encode_fields(fields)) if fields else None
        self.send(kind="log", message=clean(message), level=level, created=created, fields=plain)

    def progress(self, done: int, total: int | None, note: str) -> None:
        now = time.monotonic()
        if done != total and now - self._progress_at < _PROGRESS_EVERY_S:
            return
        self._progress_at = now
        # A job may count in numbers of another library.
        self.send(kind="progress", done=int(done), total=None if total is None else int(total), note=clean(note))


class _Asked:
    """SIGTERM, heard by a thread: a handler in the main thread could meet the lock that the job's own wait holds."""

    def __init__(self) -> None:
        self.signal = CancelSignal()
        self.heard = False
        self._action: Callable[[], object] | None = None
        self._lock = threading.Lock()
        heard, speaker = os.pipe()
        os.set_blocking(speaker, False)
        signal.set_wakeup_fd(speaker, warn_on_full_buffer=False)
        # Children of the job that come by fork() have neither: what ends one of them is not said to the job.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        self._handling = handling(self._note, signal.SIGTERM)
        self._handling.__enter__()  # for the process's life
        threading.Thread(target=self._listen, args=(heard,), name="sp-asked", daemon=True).start()

    def then(self, action: Callable[[], object] | None) -> None:
        """Do this too when asked to stop, at once where that was before."""
        with self._lock:
            self._action = action
            if action is not None and self.signal.is_set():
                action()

    def _note(self, _number: int, _frame: object) -> None:
        # Before the main thread goes on: a job that only now sees its child end by the same TERM has been asked.
        self.heard = True

    def _listen(self, heard: int) -> None:
        while signal.SIGTERM not in os.read(heard, 64):
            pass
        self.heard = True
        with self._lock:
            self.signal.set("terminated")
            if self._action is not None:
                self._action()


def _empty_stdin() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    if nothing != 0:
        os.dup2(nothing, 0)
        os.close(nothing)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # open for the process's life


def _leave_within(seconds: float) -> None:
    """The job is over; threads it forgot may keep the interpreter from ending, but not for longer than this."""

    def leave() -> None:
        time.sleep(seconds)
        sys.stderr.write("the job's process did not end by itself after the job: threads that are not daemons?\n")
        sys.stderr.flush()
        os._exit(0)

    threading.Thread(target=leave, name="sp-leave", daemon=True).start()


if __name__ == "__main__":
    main()
