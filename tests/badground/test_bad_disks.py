"""A node whose ledger is locked, or whose disk is full: it goes on by itself once the ground is good again, and owes no account."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from support.campaign import LONG
from support.installation import Installation, NodeProcess, serving

LEASE = 30.0 if LONG else 2.0
LOCKED_FOR = 60.0 if LONG else 3.0
"""Longer than a lease: the node has to stop its runs, and to begin again."""

PROFILE = f"limits: {{lease: {LEASE}s, kill_grace: 0.3s, shutdown_grace: 3s, misfire_grace: 1s}}\nentry_points: false\n"
JOBS = """
import time

@job(schedule="* * * * * *")
async def steady() -> None:
    pass

@job(schedule="* * * * * *", isolation="process", catch_up="skip")
def long_one() -> None:
    time.sleep(60)
"""


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size, which only root may do."""
    folder = tempfile.mkdtemp()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "badground", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        shutil.rmtree(folder)


def can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with suppress(subprocess.CalledProcessError), small_disk(1):
        return True
    return False


def installed(folder: Path) -> Installation:
    made = Installation(folder, PROFILE)
    made.job_file("jobs.py", JOBS)
    return made


def is_whole(installation: Installation) -> None:
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
    with closing(sqlite3.connect(installation.ledger)) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def holds_a_run(node: NodeProcess) -> None:
    """Wait until the node has a run that lasts; it may have begun before the node said that it serves."""
    if not any(event.get("job_name") == "long_one" for event in node.seen):
        node.run_of("long_one")


def fires_on(node: NodeProcess, since: str) -> None:
    """Wait for a fire time of its own, not one that it catches up with."""
    node.wait("run_started", lambda event: event["job_name"] == "steady" and (event["fire_at"] or "") > since)


def stop(node: NodeProcess) -> None:
    node.signal(signal.SIGTERM)
    assert node.ended() == 0


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_node_lives_through_a_lock_that_outlasts_its_lease(tmp_path: Path, kind: str) -> None:
    installation = installed(tmp_path)
    with serving(installation, "--grace", "0") as node:
        holds_a_run(node)
        with closing(sqlite3.connect(installation.ledger, isolation_level=None, timeout=5)) as holder:
            holder.execute(f"BEGIN {kind}")
            node.wait("lease_lost")
            # Whoever only reads is not held up.
            assert installation.sp("jobs", "list")["data"]["total"] > 2
            threading.Event().wait(LOCKED_FOR - 0.6 * LEASE)
            freed = now()
            holder.execute("ROLLBACK")
        fires_on(node, freed)
        stop(node)
    is_whole(installation)


def full_by_size(disk: Path, node: NodeProcess) -> Callable[[], None]:
    """Fill the disk to the last byte; return what frees it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        deque(iter(lambda: file.write(b"f" * 4096), 0), maxlen=0)
    return filler.unlink


def full_by_limit(disk: Path, node: NodeProcess) -> Callable[[], None]:
    """Let the node write no file any longer than a byte; return what lifts that."""
    before = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def lift() -> None:
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, before)

    return lift


DISKS = {"limited": full_by_limit, **({"small": full_by_size} if can_mount() else {})}
"""Without root's rights no disk can be made for the test: the limit then stands in for it."""


@pytest.mark.parametrize("kind", DISKS)
def test_a_node_lives_through_a_full_disk(tmp_path: Path, kind: str) -> None:
    with small_disk(6) if kind == "small" else nullcontext() as disk:
        installation = installed(disk or tmp_path)
        installation.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        with serving(installation, "--grace", "0") as node:
            holds_a_run(node)
            free = DISKS[kind](disk or tmp_path, node)
            node.wait("lease_lost")
            if kind == "small":
                for words in (["jobs", "list"], ["jobs", "history"]):
                    assert installation.sp(*words)["data"]["total"] > 0
                refused = installation.sp("jobs", "run", "steady", code=5)["error"]
                assert str(disk) in refused["message"]
            freed = now()
            free()
            fires_on(node, freed)
            stop(node)
        is_whole(installation)
