"""What a node's watcher promises of changes that come at a bad moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Installation

from systemprompt.errors import DatabaseBusy
from systemprompt.node import NodeEvent
from systemprompt.operations.serve import Watcher
from systemprompt.system import System, open_system

LATE = '@job(schedule="")\ndef late() -> None: ...\n'


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path, "limits: {lease: 3s}\n")


@pytest.fixture
def system(installation: Installation) -> Iterator[System]:
    with open_system(str(installation.profile), environ=installation.environ) as system:
        yield system


def test_a_change_seen_while_the_ledger_is_held_is_taken_over_afterwards(
    installation: Installation, system: System
) -> None:
    events: list[NodeEvent] = []
    watcher = Watcher(system, system.node("serve", events.append), events.append)
    system.ledger.be_patient(0.0)
    installation.job_file("late.py", LATE)
    assert not watcher.look(), "it may still be half-written"
    holder = sqlite3.connect(installation.ledger, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        watcher.look()
    assert not watcher.look()
    holder.execute("ROLLBACK")
    holder.close()
    assert watcher.look()
    assert [event.values["added"] for event in events if event.kind == "reloaded"] == [["late"]]


def test_a_watcher_that_cannot_tell_anybody_goes_on_watching(installation: Installation, system: System) -> None:
    told = threading.Semaphore(0)

    def closed_terminal(event: NodeEvent) -> None:
        told.release()
        raise BrokenPipeError

    watcher = Watcher(system, system.node("serve", lambda _: None), closed_terminal, every=0.01)
    watcher.start()
    try:
        for number in range(2):
            installation.job_file(f"late{number}.py", LATE.replace("late", f"late{number}"))
            assert told.acquire(timeout=20)
    finally:
        watcher.stop()


def test_a_serving_node_waits_for_the_database_no_longer_than_its_lease_allows(system: System) -> None:
    # A beat is due after a fifth of the lease; it must have failed twice before 0.6 of it is over.
    system.node("serve", lambda _: None)
    assert 2 * system.ledger._store._patience + system.profile.limits.heartbeat < 0.6 * system.profile.limits.lease
