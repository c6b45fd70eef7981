"""What the tests of embedded nodes share: a profile in a folder of its own, jobs that wait for the test, and an audit."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from systemprompt import Job, JobContext, JobResult, NodeEvent
from systemprompt.operations.audit_jobs import AuditParams, audit_jobs
from systemprompt.operations.context import OperationContext
from systemprompt.system import open_system

PATIENCE = 20.0
"""No test waits this long unless it is about to fail."""


class Held(Job):
    """A job that runs until the test lets it end, or until it is told to stop."""

    name = "held"

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()

    def execute(self, ctx: JobContext) -> JobResult:
        self.begun.set()
        while not self.gate.is_set():
            ctx.raise_if_cancelled()
            self.gate.wait(0.01)
        return JobResult.success().with_message("let go").with_stats(1, 0)


class Heard:
    """Keeps what a node tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, event: NodeEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def wait(self, kind: str) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: kind in self.kinds(), PATIENCE), (kind, self.events)
        return next(event for event in self.events if event.kind == kind)


def profile_in(folder: Path, extra: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "profile.yaml"
    path.write_text(f"database: sqlite:///app.db\nentry_points: false\n{extra}", encoding="utf-8")
    return path


def audit_is_clean(profile: Path) -> None:
    with open_system(str(profile), environ={}) as system:
        report = audit_jobs(OperationContext.of(system), AuditParams())
    assert report.clean, [finding.sentence for finding in report.findings]


def sp(profile: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "systemprompt", "--json", *arguments],
        env={**os.environ, "SYSTEMPROMPT_PROFILE": str(profile), "XDG_CACHE_HOME": str(profile.parent)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@contextmanager
def nothing_is_left_running() -> Iterator[None]:
    """Hold that the block leaves no thread of ours, and neither folder, environment nor signal handlers changed."""

    def ours() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name.startswith("sp-") and one.name != "sp-embedding"}

    def surroundings() -> tuple[object, ...]:
        handlers = tuple(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))
        return os.getcwd(), dict(os.environ), handlers, tuple(logging.getLogger().handlers)

    before, around = ours(), surroundings()
    yield
    assert ours() <= before
    assert surroundings() == around
