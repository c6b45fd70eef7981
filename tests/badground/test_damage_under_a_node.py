"""The ledger's file is damaged while a node runs: the node ends and says so, and a backup brings everything back."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.installation import Installation, NodeProcess, serving

UNUSABLE = 5
STEADY = '@job(schedule="* * * * * *")\nasync def steady() -> None:\n    pass\n'


def header(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(100) + path.read_bytes()[100:])


def pages(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + random.Random(2).randbytes(len(data) - 4096))


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


def stop_with_an_empty_log(node: NodeProcess, ledger: Path) -> None:
    """Stop a node between two commits, its log emptied: what stood there would be read in place of a damaged page."""
    with closing(sqlite3.connect(ledger, timeout=0)) as other:
        while True:
            node.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, node.process.pid, os.WSTOPPED)
            (busy, *_) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            node.signal(signal.SIGCONT)


@pytest.mark.parametrize("damage", [header, pages, cut_off], ids=lambda damage: damage.__name__)
def test_a_node_ends_with_its_damaged_ledger_and_goes_on_after_a_restore(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    installation = Installation(tmp_path)
    installation.job_file("steady.py", STEADY)
    with serving(installation) as node:
        node.run_of("steady")
        installation.sp("db", "backup", str(tmp_path / "copy.db"))
        stop_with_an_empty_log(node, installation.ledger)
        damage(installation.ledger)
        node.signal(signal.SIGCONT)

        assert str(installation.ledger) in node.wait("failed")["error"]
        assert node.ended() == UNUSABLE

    installation.sp("db", "restore", str(tmp_path / "copy.db"), "--replace")
    with serving(installation) as node:
        node.run_of("steady")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
