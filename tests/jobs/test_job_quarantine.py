"""What cannot be loaded is quarantined with its error, and keeps nothing else from running."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.job_files import JobFolder, files, own_modules
from systemprompt.discovery.definition import Catalogue, JobSource, Quarantined
from systemprompt.discovery.discovery import discover
from systemprompt.discovery.overrides import Extension, JobOverride

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit"


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path) -> Iterator[None]:
    with own_modules(tmp_path):
        yield


@pytest.fixture
def write(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path)


def only(catalogue: Catalogue) -> Quarantined:
    assert dict(catalogue.jobs) == {}
    [quarantined] = catalogue.quarantined
    return quarantined


def test_a_module_that_lacks_a_dependency_says_which_and_where(write: JobFolder) -> None:
    write("lib/acme5/__init__.py", "")
    write("lib/acme5/jobs/__init__.py", "import acme5.jobs.feeds\n")
    feeds = write("lib/acme5/jobs/feeds.py", "\nimport requests_absent\n")
    good = write("good.py", "@job()\ndef good(): pass\n")
    extensions = [Extension(kind="module", name="acme5.jobs"), Extension(kind="file", name=good)]

    catalogue = discover(extensions=extensions, entry_points=False)

    assert list(catalogue.jobs) == ["good"]
    assert catalogue.quarantined == (
        Quarantined(
            name=None,
            source=JobSource(kind="module", name="acme5.jobs"),
            error=(
                "cannot load jobs from 'acme5.jobs': ModuleNotFoundError: No module named 'requests_absent' "
                "(acme5/jobs/feeds.py, line 3)"
            ),
            hint=f"install 'requests_absent' into {sys.prefix}; the jobs last seen there are quarantined",
            file=feeds,
            line=3,
        ),
    )
    assert feeds in catalogue.files


def test_a_module_that_is_not_there_says_how_to_put_it_there() -> None:
    found = only(discover(extensions=[Extension(kind="module", name="acme_absent.jobs")], entry_points=False))
    assert found.error == "cannot load jobs from 'acme_absent.jobs': ModuleNotFoundError: No module named 'acme_absent'"
    assert found.hint == (
        f"install what holds it into {sys.prefix}, set PYTHONPATH, or name a job file or a folder (with a slash)"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\nx = (\n", "SyntaxError: '(' was never closed (bad.py, line 3)"),
        ("x = 1\n  y = 2\n", "IndentationError: unexpected indent (bad.py, line 3)"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (bad.py, line 4)"),
        ("raise SystemExit(3)\n", "SystemExit: 3 (bad.py, line 2)"),
        ("raise SystemExit\n", "SystemExit (bad.py, line 2)"),
        ("class Odd(BaseException): pass\nraise Odd('x')\n", "Odd: x (bad.py, line 3)"),
        ("import json\ndef f():\n  json.loads('{')\nf()\n", "JSONDecodeError: Expecting property name"),
    ],
)
def test_a_file_that_fails_is_quarantined_with_its_line(write: JobFolder, text: str, reason: str) -> None:
    path = write("bad.py", text)
    found = only(files(path))
    assert (found.name, found.source) == (None, JobSource(kind="file", name=path))
    assert found.error.startswith(f"cannot load jobs from '{path}': {reason}")
    if "json" in text:
        assert found.error.endswith("(bad.py, line 4)")


def test_an_interrupt_is_not_mistaken_for_a_bad_module(write: JobFolder) -> None:
    path = write("bad.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        files(path)


def test_source_in_another_encoding_or_none_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(b"x = '\xff'\n")
    assert "SyntaxError" in only(files(str(path))).error
    path.write_bytes(b"x = 1\0\n")
    assert "null bytes" in only(files(str(path))).error


def test_an_absent_file_or_folder_is_quarantined_and_watched(tmp_path: Path) -> None:
    file, folder = str(tmp_path / "no.py"), str(tmp_path / "none")
    catalogue = discover(
        extensions=[Extension(kind="file", name=file), Extension(kind="folder", name=folder)], entry_points=False
    )
    assert [(one.source.kind, one.error) for one in catalogue.quarantined] == [
        ("file", f"cannot load jobs from '{file}': No such file or directory"),
        ("folder", f"cannot list the job folder '{folder}': No such file or directory"),
    ]
    assert catalogue.files == {file: "absent", folder: "absent"}


def test_two_jobs_of_one_name_are_both_quarantined(write: JobFolder) -> None:
    one, two = (
        write("one.py", "@job()\ndef x(): pass\n@job()\ndef y(): pass\n"),
        write("two.py", "@job()\ndef x(): pass\n"),
    )
    catalogue = files(one, two, overrides={"x": JobOverride(name="x", enabled=False)})
    assert list(catalogue.jobs) == ["y"]
    error, hint = (
        f"two jobs are named 'x', in '{one}' and '{two}'",
        "none of them runs until the others are renamed or removed",
    )
    assert catalogue.quarantined == (
        Quarantined(name="x", source=JobSource(kind="file", name=one), error=error, hint=hint, file=one),
        Quarantined(name="x", source=JobSource(kind="file", name=two), error=error, hint=hint, file=two),
    )


def test_two_jobs_of_one_name_in_one_file_are_quarantined_once(write: JobFolder) -> None:
    path = write("one.py", "@job(name='x')\ndef a(): pass\n@job(name='x', schedule='bad')\ndef b(): pass\n")
    assert only(files(path)).error == f"two jobs are named 'x', both in '{path}'"


def test_a_command_with_the_name_of_a_job_is_a_duplicate_too(write: JobFolder) -> None:
    path = write("one.py", "@job()\ndef x(): pass\n")
    catalogue = files(path, overrides={"x": JobOverride(name="x", command=("ls",))}, profile_path="/p/profile.yaml")
    assert dict(catalogue.jobs) == {}
    assert {one.error for one in catalogue.quarantined} == {
        f"two jobs are named 'x', in '{path}' and '/p/profile.yaml'"
    }


@pytest.mark.parametrize(
    ("text", "name", "error"),
    [
        ("@job(time_zone='Mars')\ndef x(): pass\n", "x", "job 'x': time zone 'Mars' is not known"),
        ("@job(time_zone=['UTC'])\ndef x(): pass\n", "x", "job 'x': time zone ['UTC'] is not text"),
        ("@job(overlap=['skip'])\ndef x(): pass\n", "x", "job 'x': overlap ['skip'] is not one of skip"),
        ("@job(catch_up='lates')\ndef x(): pass\n", "x", "job 'x': catch_up 'lates' is not one of latest, skip, all"),
        ("@job(timeout='soon')\ndef x(): pass\n", "x", "job 'x': timeout: 'soon' is not a duration"),
        ("@job(timeout=-1)\ndef x(): pass\n", "x", "job 'x': timeout: duration -1 is not positive and finite"),
        (
            "@job(timeout=[1])\ndef x(): pass\n",
            "x",
            "job 'x': timeout is [1]; it should be seconds, a timedelta, or text such as 5m",
        ),
        ("@job(enabled='no')\ndef x(): pass\n", "x", "job 'x': enabled is 'no'; it should be True or False"),
        ("@job(schedule=5)\ndef x(): pass\n", "x", "job 'x': schedule is 5; it should be text"),
        (
            "@job(name='Big Job')\ndef x(): pass\n",
            "Big Job",
            f"job name 'Big Job' has ' ', 'B', 'J'; {NAME}",
        ),
        ("submit_job('hello')\n", None, "submit_job was given 'hello', which is not a Job"),
        ("submit_job(int)\n", None, "submit_job was given <class 'int'>, which is not a Job"),
        ("@submit_job\nclass X(Job): pass\n", None, "the job has no name"),
        ("@submit_job\nclass X(Job):\n  name = 'x'\n", "x", "job 'x' has no execute(self, ctx)"),
        (
            "@submit_job\nclass X(Job):\n  name = 'x'\n  execute = 5\n",
            "x",
            "job 'x': execute is 5, which cannot be called",
        ),
        (
            "@submit_job\nclass X(Job):\n  name = 'x'\n  tags = 'ab'\n  def execute(self, ctx): pass\n",
            "x",
            "job 'x': tags is 'ab'; it should be a sequence of texts: ('ab',)",
        ),
        (
            "@submit_job\nclass X(Job):\n  name = 'x'\n  parameters = [1]\n  def execute(self, ctx): pass\n",
            "x",
            "job 'x': parameters is [1]; it should be a mapping from names to values",
        ),
        (
            "@submit_job\nclass X(Job):\n  name = 'x'\n  def __init__(self): raise OSError('no')\n  def execute(self, ctx): pass\n",
            "x",
            "cannot make X(): OSError: no",
        ),
    ],
)
def test_a_job_that_is_wrong_is_quarantined_and_the_others_run(
    write: JobFolder, text: str, name: str | None, error: str
) -> None:
    path = write("jobs.py", text + "@job()\ndef good(): pass\n")
    catalogue = files(path)
    assert list(catalogue.jobs) == ["good"]
    [found] = catalogue.quarantined
    assert (found.name, found.source.name, found.error) == (name, path, error)


def test_a_bad_cron_expression_is_quarantined_in_the_words_of_cron(write: JobFolder) -> None:
    from systemprompt.cron import CronError, Schedule

    with pytest.raises(CronError) as caught:
        Schedule("0 0 24 * * *")
    path = write("jobs.py", "@job(schedule='0 0 24 * * *')\ndef x(): pass\n")
    found = only(files(path))
    assert (found.name, found.error, found.hint) == ("x", caught.value.message, caught.value.hint)
    assert "24" in found.error


def test_a_function_that_says_it_wraps_itself_ends_the_search_for_its_line(write: JobFolder) -> None:
    path = write(
        "jobs.py",
        "@submit_job\nclass X(Job):\n    name = 'x'\n    schedule = 'nonsense'\n    def execute(self, ctx): pass\n"
        "    execute.__wrapped__ = execute\n",
    )
    found = only(files(path))
    assert (found.name, found.source.name) == ("x", path)


def test_a_name_that_no_job_has_does_not_pass_in_silence(write: JobFolder) -> None:
    path = write("jobs.py", "@job()\ndef database_cleanup(): pass\n")
    catalogue = files(
        path, overrides={"databse_cleanup": JobOverride(name="databse_cleanup")}, bootstrap=["zzz", "database_cleanup"]
    )
    source = JobSource(kind="command", name="")
    assert catalogue.quarantined == (
        Quarantined(
            name="databse_cleanup",
            source=source,
            error="scheduler.jobs names 'databse_cleanup', and there is no such job",
            hint="did you mean 'database_cleanup'?",
        ),
        Quarantined(
            name="zzz",
            source=source,
            error="scheduler.bootstrap_jobs names 'zzz', and there is no such job",
            hint="give it a `command`, or take it out of the profile",
        ),
    )
    assert catalogue.bootstrap == ("database_cleanup",)


def test_a_name_may_belong_to_what_cannot_be_loaded_and_the_hint_says_so(write: JobFolder) -> None:
    path = write("bad.py", "1/0\n")
    [_, unknown] = files(path, overrides={"x": JobOverride(name="x")}).quarantined
    assert unknown.hint == (
        f"it may be in what does not load: cannot load jobs from '{path}': "
        "ZeroDivisionError: division by zero (bad.py, line 2)"
    )


def test_a_pipe_in_the_place_of_a_job_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")

    (one,) = files(str(tmp_path / "pipe.py")).quarantined

    assert one.error == f"cannot load jobs from '{tmp_path}/pipe.py': it is not a regular file"
