"""What every storm begins and ends with: the files of an installation, and a ledger in which nothing is open any more."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from storm_acts import SQLITE, edited, profile

from systemprompt.ledger.records import Change
from systemprompt.nodes.events import Listeners
from systemprompt.nodes.rescue import Rescue
from systemprompt.system import System

HERE = Path(__file__).parent


def install(folder: Path, seed: int, *, database: str = SQLITE) -> None:
    (folder / "witness_lines.py").write_text((HERE / "storm_witness.py.txt").read_text())
    (folder / "jobs.py").write_text((HERE / "storm_jobs.py.txt").read_text())
    (folder / "edited.py").write_text(edited(random.Random(seed)))
    (folder / "profile.yaml").write_text(profile(database=database))
    (folder / "witness.jsonl").touch()  # the storm may look for a running job before any has run


def make_whole(system: System) -> None:
    """Settle what the last ones left, stop the schedules, and let one node work off what is queued."""
    ledger = system.ledger
    Rescue(ledger=ledger, clock=system.clock).step("nobody")
    assert ledger.living_nodes() == []
    assert [run for run in ledger.open_runs() if run.status == "running"] == []
    for job in ledger.jobs():
        ledger.set_enabled(job.name, False, system.clock.now(), system.decide, Change(actor="test"))
    ended = threading.Semaphore(0)
    node = system.node("serve", Listeners(lambda event: ended.release() if event.kind == "run_finished" else None))
    node.start()
    while ledger.open_runs():
        assert ended.acquire(timeout=20), "a queued run is never worked off"
    node.drain(5)
    assert node.error is None
