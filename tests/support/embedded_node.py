"""What the tests of embedded nodes share: a profile in a folder of its own, jobs that wait for the test, and an audit."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from systemprompt import Job, JobContext, JobResult
from systemprompt.operations.audit_jobs import AuditParams, audit_jobs
from systemprompt.operations.context import OperationContext
from systemprompt.system import open_system


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


def profile_in(folder: Path, extra: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "profile.yaml"
    path.write_text(f"database: sqlite:///app.db\nentry_points: false\n{extra}", encoding="utf-8")
    return path


def audit_is_clean(profile: Path) -> None:
    with open_system(str(profile), environ={}) as system:
        report = audit_jobs(OperationContext.of(system), AuditParams())
    assert report.clean, [finding.sentence for finding in report.findings]


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
