"""Two nodes whose processes read different releases of time zone data, on one ledger."""

from __future__ import annotations

import copy
import shutil
import signal
import zoneinfo
from contextlib import closing
from pathlib import Path

import pytest

from support.installation import Installation, serving
from systemprompt.cron.zone_release import zone_release
from systemprompt.ledger.sqlite.reader import open_reading_ledger

JOB = '@job(schedule="* * * * * *", time_zone="Europe/Berlin")\nasync def ticks() -> None:\n    pass\n'
NEWEST = "2999z"


@pytest.fixture
def older(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    made.job_file("ticks.py", JOB)
    return made


@pytest.fixture
def newer(older: Installation, tmp_path: Path) -> Installation:
    """The same installation on a machine with data of a later release."""
    data = tmp_path / "zoneinfo"
    (data / "Europe").mkdir(parents=True)
    source = next(Path(folder, "Europe", "Berlin") for folder in zoneinfo.TZPATH if Path(folder, "Europe").is_dir())
    shutil.copy(source, data / "Europe" / "Berlin")
    shutil.copy(source.parents[1] / "UTC", data / "UTC")
    (data / "tzdata.zi").write_text(f"# version {NEWEST}\n", encoding="ascii")
    same = copy.copy(older)
    same.environ = older.environ | {"PYTHONTZPATH": str(data)}
    return same


def test_the_node_with_newer_zone_data_plans_alone_until_it_is_killed(older: Installation, newer: Installation) -> None:
    with serving(older) as old_node:
        old_node.run_of("ticks")
        with serving(newer) as new_node:
            for _ in range(3):
                new_node.run_of("ticks")
            new_node.signal(signal.SIGKILL)
            new_node.process.wait()
        begun = len([event for event in old_node.seen if event["event"] == "run_started"])
        while len([one for one in old_node.seen if one["event"] == "run_started"]) < begun + 3:
            old_node.run_of("ticks")
        old_node.signal(signal.SIGTERM)
        assert old_node.ended() == 0

    with closing(open_reading_ledger(str(older.ledger))) as ledger:
        changes = ledger.zone_data_changes()
        runs = [run for run in ledger.runs_between(0, 2**62) if run.job_name == "ticks" and run.node_id is not None]
    assert [change.zone_data for change in changes] == [zone_release(), NEWEST, zone_release()]
    by_newer = {run.node_id for run in runs if changes[1].seen_at < run.due_at < changes[2].seen_at - 1_000_000}
    assert by_newer <= {changes[1].node_id, changes[2].node_id}
    planned = [run for run in runs if changes[1].seen_at < (run.started_at or 0) < changes[2].seen_at]
    assert {run.node_id for run in planned} == {changes[1].node_id}
    assert older.sp("jobs", "audit")["data"]["findings"] == []
