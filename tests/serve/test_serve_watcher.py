"""What a node's watcher promises of changes that come at a bad moment."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.installation import Installation
from support.waiting import Heard
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.errors import DatabaseBusy
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.nodes import watcher as watching
from systemprompt.nodes.events import CatalogueReloaded, Listeners, NodeEvent
from systemprompt.nodes.serving import patience_within
from systemprompt.nodes.watcher import Watcher, pause_after
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
    events: list[Any] = []
    heard = Listeners(events.append)
    watcher = Watcher(system, system.node("serve", heard), heard)
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
    assert [event.added for event in events if isinstance(event, CatalogueReloaded)] == [("late",)]


def test_a_run_of_a_job_that_only_others_can_load_ends_once_the_files_are_seen_to_stand_still(
    installation: Installation, system: System
) -> None:
    # It loads where a variable is set: for the command, and not for the node.
    installation.job_file("picky.py", "import os\nos.environ['ONLY_HERE']\n\n\n@job()\ndef picky(): ...\n")
    system.reload()
    heard_of = Heard()
    heard = Listeners(heard_of)
    node = system.node("serve", heard)
    watcher = Watcher(system, node, heard)
    node.start()
    with open_system(str(installation.profile), environ=installation.environ) as other:
        os.environ["ONLY_HERE"] = "1"
        try:
            other.reload()
        finally:
            del os.environ["ONLY_HERE"]
        (claimed,) = node.start_manual([ManualStart(job_name="picky", parameters={})], Change(actor="me"))
    try:
        for _ in range(9):
            watcher.look()
        heard_of.wait("run_finished")
        run = system.ledger.run(claimed.run_id)
        assert run is not None
        assert (run.status, run.reason) == ("failed", "not_loaded")
    finally:
        node.close()


def test_a_watcher_that_cannot_tell_anybody_goes_on_watching(installation: Installation, system: System) -> None:
    told = threading.Semaphore(0)

    def closed_terminal(event: NodeEvent) -> None:
        told.release()
        raise BrokenPipeError

    watcher = Watcher(system, system.node("serve", Listeners()), Listeners(closed_terminal), every=0.01)
    watcher.start()
    try:
        for number in range(2):
            installation.job_file(f"late{number}.py", LATE.replace("late", f"late{number}"))
            assert told.acquire(timeout=20)
    finally:
        watcher.stop()


@pytest.mark.parametrize("lease", [0.5, 2.0, 30.0, 300.0])
def test_a_serving_node_waits_for_the_database_no_longer_than_its_lease_allows(lease: float) -> None:
    # A beat is due after a fifth of the lease; it must have failed twice before 0.6 of it is over.
    assert 2 * patience_within(lease) + lease / 5 < 0.6 * lease


def test_a_job_file_in_a_watched_folder_is_looked_at_once_and_its_edits_are_still_noticed(
    installation: Installation, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.job_file("one.py", LATE)
    system.reload()
    asked: list[str] = []

    def fingerprint(path: str) -> str:
        asked.append(path)
        return fingerprint_of(path)

    monkeypatch.setattr(watching, "fingerprint_of", fingerprint)
    events: list[Any] = []
    heard = Listeners(events.append)
    watcher = Watcher(system, system.node("serve", heard), heard)
    assert not watcher.look()
    assert str(installation.folder / "jobs") in asked
    assert str(installation.folder / "jobs" / "one.py") not in asked
    installation.job_file("one.py", LATE.replace("late", "later"))
    assert not watcher.look()
    assert watcher.look()
    assert events[-1].added == ("later",)


def test_looking_takes_a_hundredth_of_the_time_while_a_change_is_still_noticed_within_a_second() -> None:
    assert pause_after(0.000_5, every=0.2) == 0.2
    assert pause_after(0.003, every=0.2) == pytest.approx(0.3)
    assert pause_after(0.05, every=0.2) == 0.4
