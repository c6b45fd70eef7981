"""A job in a process of its own, from a file that a test writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.runner_stage import RunnerStage
from systemprompt.discovery.definition import JobSource
from systemprompt.jobs.job import Job

__all__ = ["process_job"]

HEAD = "import asyncio, atexit, json, logging, os, signal, sys, threading, time\nfrom systemprompt import JobResult, job\n\n"


@contextmanager
def process_job(folder: Path, body: str, **options: Any) -> Iterator[tuple[RunnerStage, int]]:
    """Start the job `work` of a file with this code; hand over its runner and its run."""
    file = folder / "jobs_of_a_test.py"
    file.write_text(HEAD + body)
    stage_options = {key: options.pop(key) for key in ("kill_grace", "settings", "child_database") if key in options}
    with RunnerStage(**stage_options) as stage:
        source = JobSource(kind="file", name=str(file))
        yield stage, stage.start(_Elsewhere(), isolation="process", source=source, **options)


class _Elsewhere(Job):
    """What the node holds of the job; its process loads the real one."""

    name = "work"
