"""A real `sp serve` in a process of its own, followed through the events it writes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.waiting import WAIT_S

SP = [sys.executable, "-m", "systemprompt"]


def environ_of(profile: Path) -> dict[str, str]:
    return {**os.environ, "SYSTEMPROMPT_PROFILE": str(profile), "XDG_CACHE_HOME": str(profile.parent / "cache")}


def sp(environ: dict[str, str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """Return the answer of `sp --json` in a process of its own. It must end with this exit code."""
    command = [*SP, "--json", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class Installation:
    """A profile with job files in a folder of its own. `ledger` is where it is on SQLite."""

    def __init__(self, folder: Path, extra: str = "", *, database: str = "sqlite:///app.db") -> None:
        self.folder = folder
        self.profile = folder / "profile.yaml"
        self.database = database
        self.ledger = folder / "app.ledger.db"
        self.environ = environ_of(self.profile)
        (folder / "jobs").mkdir()
        self.write_profile(extra)

    def write_profile(self, extra: str = "") -> None:
        self.profile.write_text(
            f"name: served\ndatabase: {self.database}\nextensions: [jobs/]\n{extra}", encoding="utf-8"
        )

    def job_file(self, name: str, text: str) -> None:
        (self.folder / "jobs" / name).write_text(f"from systemprompt import job\n\n\n{text}", encoding="utf-8")

    def sp(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return sp(self.environ, *arguments, code=code)


class NodeProcess:
    """One running node. `wait` returns the first event that fits, in the order they came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while True:
            event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            assert event is not None, f"the node ended before {kind}: {self.seen[-10:]}"
            self.seen.append(event)
            if event["event"] == kind and fits(event):
                return event

    def run_of(self, job: str) -> dict[str, Any]:
        return self.wait("run_started", lambda event: event["job_name"] == job)

    def end_of(self, job: str) -> dict[str, Any]:
        """The next end of a run of this job: built-in jobs end in between, whenever their minute has come."""
        return self.wait("run_finished", lambda event: event["job_name"] == job)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(WAIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            for line in self.process.stderr:
                if line.startswith("{"):
                    self._events.put(json.loads(line))
        self._events.put(None)


@contextmanager
def serving(installation: Installation, *arguments: str) -> Iterator[NodeProcess]:
    process = subprocess.Popen(
        [*SP, "--json", "serve", *arguments],
        env=installation.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",  # what jobs print in threads ends up there too, whatever it is
    )
    served = NodeProcess(process)
    try:
        served.wait("serving")
        yield served
    finally:
        served.close()
        assert process.stdout is not None
        process.stdout.close()
