"""What came out of the environment is shown as it is written, wherever a profile is shown."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from support.installation import Installation
from systemprompt.clock import ManualClock
from systemprompt.errors import ProfileInvalid
from systemprompt.profile.load import load_profile
from systemprompt.system import open_system

SECRET = "s3cr3t value's"
HEAD = "database: sqlite:///a.db\nentry_points: false\n"


def test_a_value_from_the_environment_is_in_no_description_no_ledger_and_no_shown_profile(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(
        HEAD
        + "scheduler: {jobs: {a: {command: [curl, '-u', 'me:${SECRET}', '${SECRET}'], parameters: {key: 'x${SECRET}'},"
        " environment: {REGION: '${SECRET}'}}}}\n",
        encoding="utf-8",
    )
    environ = {"SECRET": SECRET, "XDG_CACHE_HOME": str(tmp_path)}
    assert "s3cr3t" not in json.dumps(load_profile(str(path), environ).as_dict(), default=str)
    with open_system(str(path), environ=environ, clock=ManualClock(1_768_386_600_000_000)) as system:
        system.sync()
        job = system.catalogue.jobs["a"]
        assert job.command == ("curl", "-u", f"me:{SECRET}", SECRET), "it is run with its value"
        assert job.description == "curl -u me:${SECRET} ${SECRET}"
    held = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"s3cr3t" not in held


@pytest.mark.parametrize(
    "line",
    [
        "time_zone: ${SECRET}",
        "time_zone: Europe/${SECRET}",
        "entry_points: ${SECRET}",
        "scheduler: {jobs: {a: {command: [x], schedule: '${SECRET}'}}}",
        "scheduler: {jobs: {a: {command: [x], timeout: '${SECRET}'}}}",
        "scheduler: {jobs: {a: {command: 'x ${SECRET}'}}}",
    ],
)
def test_a_fault_shows_the_variable_and_not_its_value(tmp_path: Path, line: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(HEAD.replace("entry_points: false\n", "") + line, encoding="utf-8")

    with pytest.raises(ProfileInvalid) as faulty:
        load_profile(str(path), {"SECRET": "s3cr3t-value"})

    assert "${SECRET}" in str(faulty.value)
    assert "s3cr3t" not in str(faulty.value)


@pytest.mark.parametrize("number", ["1" + ":59" * 200_000, "1" + ":59" * 200_000 + ".5", "0x" + "f" * 600_000])
def test_a_number_of_many_digits_is_a_fault_before_it_is_read(tmp_path: Path, number: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(f"{HEAD}time_zone: {number}\n", encoding="utf-8")
    before = time.process_time()

    with pytest.raises(ProfileInvalid, match="is a number of"):
        load_profile(str(path), {})

    assert time.process_time() - before < 10


def test_a_program_that_cannot_be_started_is_named_as_it_is_written(tmp_path: Path) -> None:
    installation = Installation(
        tmp_path, "scheduler: {jobs: {a: {command: ['${SECRET}'], working_dir: '${SECRET}'}}}\n"
    )
    installation.environ["SECRET"] = SECRET
    assert "s3cr3t" not in json.dumps(installation.sp("jobs", "run", "a", code=1))
