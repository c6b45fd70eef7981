"""A job file is a module like any other for the processes that a job starts, however they are started."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.installation import Installation

SQUARES = """
import multiprocessing, pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass


@dataclass
class Number:
    it: int


def square(number):
    return Number(number.it * number.it)


@job(isolation={isolation!r})
def squares():
    with multiprocessing.get_context({start!r}).Pool(2) as pool:
        return str([one.it for one in pool.map(square, [Number(1), Number(2), Number(3)])])


@job(isolation={isolation!r})
def futures():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({start!r})) as pool:
        return str(pool.submit(square, Number(4)).result().it)
"""


@pytest.mark.parametrize("file", ["math_jobs.py", "email.py", "of-the-night.v2.py"])
@pytest.mark.parametrize(
    ("start", "isolation"), [("spawn", "thread"), ("spawn", "process"), ("forkserver", "thread"), ("fork", "thread")]
)
def test_what_a_job_file_holds_is_known_in_the_processes_of_its_jobs(
    tmp_path: Path, file: str, start: str, isolation: str
) -> None:
    installation = Installation(tmp_path)
    installation.job_file(file, SQUARES.format(start=start, isolation=isolation))
    runs = installation.sp("jobs", "run", "squares", "futures")["data"]["jobs_run"]
    assert {run["job_name"]: run["result"]["message"] for run in runs} == {"squares": "[1, 4, 9]", "futures": "16"}


def test_two_job_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    installation = Installation(tmp_path, "")
    other = tmp_path / "more"
    other.mkdir()
    installation.profile.write_text("name: two\ndatabase: sqlite:///app.db\nextensions: [jobs/, more/]\n")
    text = (
        "import multiprocessing\n\n\ndef who(_):\n    return {name!r}\n\n\n@job(name={name!r})\ndef ask():\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        return pool.map(who, [0])[0]\n"
    )
    installation.job_file("ask.py", text.format(name="first"))
    installation.job_file("../more/ask.py", text.format(name="second"))
    runs = installation.sp("jobs", "run", "first", "second")["data"]["jobs_run"]
    assert [run["result"]["message"] for run in runs] == ["first", "second"]
