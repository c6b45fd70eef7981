"""Throw-away installations on the disk that the repository is on, and nodes in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from bench._report import REPOSITORY, NotMeasured

__all__ = ["Installation", "NodeProcess", "ReportingProcess", "scratch"]

SCRATCH = os.path.join(REPOSITORY, ".venv", "bench")
"""Not /tmp: that is memory on many machines, where a commit costs nothing."""


@contextmanager
def scratch() -> Iterator[str]:
    """Give a folder that is gone afterwards."""
    os.makedirs(SCRATCH, exist_ok=True)
    folder = tempfile.mkdtemp(dir=SCRATCH)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A profile, a file of jobs and, once something was run, a ledger."""

    folder: str

    @property
    def profile(self) -> str:
        return os.path.join(self.folder, "profile.yaml")

    @property
    def ledger(self) -> str:
        return os.path.join(self.folder, "app.ledger.db")

    @property
    def environ(self) -> dict[str, str]:
        """The surroundings of its processes: its own profile and cache, nothing of the user's."""
        cache = os.path.join(self.folder, "cache")
        return {**os.environ, "SYSTEMPROMPT_PROFILE": self.profile, "XDG_CACHE_HOME": cache, "NO_COLOR": "1"}

    @classmethod
    def furnish(
        cls, folder: str, jobs: str, limits: Mapping[str, object] | None = None, *, database: str = "sqlite:///app.db"
    ) -> Installation:
        """Write profile and jobs. The built-in jobs are switched off, so that only what is measured is due."""
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "jobs.py"), "w", encoding="utf-8") as file:
            file.write(jobs)
        profile = {
            "database": database,
            "extensions": ["jobs.py"],
            "entry_points": False,
            "scheduler": {"jobs": {name: {"enabled": False} for name in _builtin_jobs()}},
            "limits": dict(limits or {}),
        }
        with open(os.path.join(folder, "profile.yaml"), "w", encoding="utf-8") as file:
            json.dump(profile, file)  # JSON is YAML
        return cls(folder=folder)

    def sp(self, *words: str) -> str:
        """Run one command as a user would, as a process of its own; return its answer.

        Raises:
            NotMeasured: it did not end well.
        """
        call = [*sp_command(), *words]
        ended = subprocess.run(call, env=self.environ, capture_output=True, text=True, check=False, cwd=self.folder)
        if ended.returncode:
            raise NotMeasured(
                f"{' '.join(call)} ended with {ended.returncode}:\n{ended.stdout[:2000]}{ended.stderr[-2000:]}"
            )
        return ended.stdout


class ReportingProcess:
    """A process that says a line of JSON when it serves, and another for each line `report` that it hears; `with` ends it.

    limit_s   seconds after which it is killed, whatever it is doing; None: it may take as long as it likes
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, limit_s: float | None = None) -> None:
        self.started_at = time.time()
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed by `close`
        self.process = subprocess.Popen(
            command,
            env=environ,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._limit = threading.Timer(limit_s or 0.0, self.process.kill)
        self._limit.daemon = True
        if limit_s is not None:
            self._limit.start()
        try:
            self.greeting = self._heard()
        except BaseException:
            self.close()
            raise
        self.serving_after_s = time.time() - self.started_at
        """Seconds from the start of the process until it serves."""

    def report(self) -> dict[str, Any]:
        """Ask what happened since the last time; see `bench._child.Seen.take`.

        Raises:
            NotMeasured: the process is gone; what it said last is shown.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # then there is nothing to hear either
            self.process.stdin.write("report\n")
            self.process.stdin.flush()
        return self._heard()

    def close(self) -> None:
        """Ask it to end, and see to it that it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._limit.cancel()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self._errors.seek(0)
            raise NotMeasured(
                f"{self.process.args!r} ended by itself with status {status}: {self._errors.read()[-2000:]}"
            )
        heard: dict[str, Any] = json.loads(line)
        return heard


class NodeProcess(ReportingProcess):
    """One node of an installation; `with` ends it."""

    def __init__(self, installation: Installation) -> None:
        super().__init__([sys.executable, "-m", "bench._child", installation.profile], installation.environ)


def sp_command() -> list[str]:
    """Return how `sp` is called: the console script where the package is installed with one."""
    script = os.path.join(os.path.dirname(sys.executable), "sp")
    return [script] if os.path.exists(script) else [sys.executable, "-m", "systemprompt"]


def _builtin_jobs() -> list[str]:
    from systemprompt.builtin import BUILTIN_MODULES
    from systemprompt.discovery.discovery import discover

    return sorted(
        discover(builtin_modules=BUILTIN_MODULES, extensions=(), entry_points=False, profile_path="bench").jobs
    )
