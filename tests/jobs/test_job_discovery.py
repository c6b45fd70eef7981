"""What is found where, and that nothing bad keeps the rest from running."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.definition import Catalogue, JobSource, Quarantined
from systemprompt.jobs.discovery import discover, load_job
from systemprompt.jobs.fingerprint import fingerprint_of
from systemprompt.jobs.job import FunctionJob
from systemprompt.jobs.overrides import Extension, JobOverride
from systemprompt.jobs.policies import Policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SPAN = "seconds, a timedelta, or text such as 5m"
NAME = "a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit"
HEAD = "from systemprompt import Job, JobResult, job, submit_job\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    def write_file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(text))
        return str(path)

    return write_file


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(tmp_path / "lib"), *sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def files(*paths: str, **more: object) -> Catalogue:
    extensions = [Extension(kind="file", name=path) for path in paths]
    return discover(extensions=extensions, entry_points=False, **more)  # type: ignore[arg-type]  # keywords of discover


def only(catalogue: Catalogue) -> Quarantined:
    assert dict(catalogue.jobs) == {}
    [quarantined] = catalogue.quarantined
    return quarantined


def test_a_job_file_gives_its_classes_and_functions(write: Callable[[str, str], str]) -> None:
    path = write(
        "feeds.py",
        '''
        @job(schedule="0 0 * * * *", tags=["a", "b"], timeout="5m", parameters={"n": 1}, isolation="process")
        def fetch(ctx):
            """Fetches feeds.

            More."""
            return ctx.job_name

        @submit_job
        class Send(Job):
            name = "send"
            enabled = False
            time_zone = "Asia/Tokyo"
            async def execute(self, ctx):
                return JobResult.success()
        submit_job(Send)
        ''',
    )
    catalogue = files(path, time_zone="Europe/Berlin")
    assert catalogue.quarantined == ()
    fetch, send = catalogue.jobs["fetch"], catalogue.jobs["send"]
    assert fetch.source == send.source == JobSource(kind="file", name=path)
    assert (fetch.description, fetch.schedule, fetch.time_zone, fetch.enabled) == (
        "Fetches feeds.",
        "0 0 * * * *",
        "Europe/Berlin",
        True,
    )
    assert fetch.tags == ("a", "b")
    assert fetch.parameters == {"n": 1}
    assert fetch.policies == Policies(timeout_s=300.0, isolation="process")
    assert isinstance(fetch.job, FunctionJob)
    assert fetch.job.execute(JobContext(job_name="fetch")) == "fetch"
    assert (send.enabled, send.time_zone) == (False, "Asia/Tokyo")
    assert catalogue.files == {path: fingerprint_of(path)}


def test_the_profile_has_the_last_word_on_a_job(write: Callable[[str, str], str]) -> None:
    path = write(
        "a.py",
        """
        @job(schedule="nonsense", tags=["a"], timeout="5m", parameters={"n": 1, "m": 2}, catch_up="all")
        def one(): pass
        """,
    )
    said = JobOverride(
        name="one",
        enabled=False,
        schedule="@every 90s",
        time_zone="Asia/Tokyo",
        parameters={"m": 3},
        enforce=True,
        owner="ops",
        description="D",
        tags=("x",),
        policies={"on_lost": "rerun", "timeout_s": None},
    )
    one = files(path, overrides={"one": said}).jobs["one"]
    assert (one.enabled, one.schedule, one.time_zone, one.enforce, one.owner) == (
        False,
        "@every 90s",
        "Asia/Tokyo",
        True,
        "ops",
    )
    assert (one.description, one.tags, one.parameters) == ("D", ("x",), {"n": 1, "m": 3})
    assert one.policies == Policies(catch_up="all", on_lost="rerun", timeout_s=None)


def test_a_command_needs_only_the_profile() -> None:
    said = JobOverride(
        name="disk", command=("sh", "-c", "df -h"), environment={"A": "b"}, working_dir="/w", schedule="@daily"
    )
    catalogue = discover(
        entry_points=False, overrides={"disk": said}, profile_path="/p/profile.yaml", bootstrap=["disk", "disk"]
    )
    disk = catalogue.jobs["disk"]
    assert disk.source == JobSource(kind="command", name="/p/profile.yaml")
    assert (disk.command, disk.environment, disk.working_dir) == (("sh", "-c", "df -h"), {"A": "b"}, "/w")
    assert disk.description == "sh -c 'df -h'"
    assert disk.job is None
    assert catalogue.bootstrap == ("disk",)
    assert catalogue.files == {"/p/profile.yaml": "absent"}


def test_a_folder_gives_its_job_files_and_not_tests_or_private_ones(
    write: Callable[[str, str], str], tmp_path: Path
) -> None:
    for name in ("b.py", "a.py", "_private.py", "test_a.py", "deep/c.py"):
        write(f"jobs/{name}", f"@job()\ndef {name[-4]}_{len(name)}(): pass\n")
    write("jobs/notes.txt", "(")
    folder = str(tmp_path / "jobs")
    catalogue = discover(extensions=[Extension(kind="folder", name=folder)], entry_points=False)
    assert list(catalogue.jobs) == ["a_4", "b_4"]
    assert sorted(catalogue.files) == [folder, f"{folder}/a.py", f"{folder}/b.py"]


def test_a_file_reached_twice_is_loaded_once(write: Callable[[str, str], str], tmp_path: Path) -> None:
    path = write("jobs/a.py", "@job()\ndef a(): pass\n")
    extensions = [Extension(kind="file", name=path), Extension(kind="folder", name=str(tmp_path / "jobs"))]
    catalogue = discover(extensions=extensions, entry_points=False)
    assert (list(catalogue.jobs), catalogue.quarantined) == (["a"], ())


def test_a_package_gives_its_own_jobs_and_those_of_its_imported_submodules(write: Callable[[str, str], str]) -> None:
    write("lib/acme1/__init__.py", "")
    init = write("lib/acme1/jobs/__init__.py", "from acme1.jobs import feeds\n@job()\ndef own(): pass\n")
    feeds = write("lib/acme1/jobs/feeds.py", "@job()\ndef fetch(): pass\n")
    write("lib/acme1/jobs/unused.py", "@job()\ndef never(): pass\n")
    catalogue = discover(extensions=[Extension(kind="module", name="acme1.jobs")], entry_points=False)
    assert list(catalogue.jobs) == ["fetch", "own"]
    assert catalogue.jobs["fetch"].source == JobSource(kind="module", name="acme1.jobs")
    assert sorted(catalogue.files) == [init, feeds]


def test_builtin_modules_are_loaded_by_name(write: Callable[[str, str], str]) -> None:
    write("lib/acme2.py", "@job()\ndef own(): pass\n")
    catalogue = discover(builtin_modules=["acme2"], entry_points=False)
    assert catalogue.jobs["own"].source == JobSource(kind="builtin", name="acme2")


def test_installed_distributions_give_jobs_by_entry_points(write: Callable[[str, str], str], tmp_path: Path) -> None:
    write(
        "lib/acme3.py",
        "@submit_job\nclass A(Job):\n  name = 'a'\n  def execute(self, ctx): pass\n\n@job()\ndef b(): pass\n",
    )
    write("lib/acme4.py", "class C(Job):\n  name = 'c'\n  def execute(self, ctx): pass\n")
    info = tmp_path / "lib/acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[systemprompt.jobs]\none = acme3\ntwo = acme4:C\nthree = acme4:Nope\nfour = acme_absent\n"
    )

    catalogue = discover(entry_points=True)

    ours = {name: job.source for name, job in catalogue.jobs.items()}
    assert ours == {
        "a": JobSource(kind="entry_point", name="acme3"),
        "b": JobSource(kind="entry_point", name="acme3"),
        "c": JobSource(kind="entry_point", name="acme4:C"),
    }
    assert [one.error for one in catalogue.quarantined] == [
        "cannot load jobs from 'acme_absent': ModuleNotFoundError: No module named 'acme_absent'",
        "cannot load jobs from 'acme4:Nope': 'acme4' has no 'Nope'",
    ]
    assert any(path.endswith("site-packages") for path in catalogue.files)
    assert load_job(ours["c"], "c").name == "c"
    assert dict(discover(entry_points=False).jobs) == {}


# --- what cannot be loaded


def test_a_module_that_lacks_a_dependency_says_which_and_where(write: Callable[[str, str], str]) -> None:
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
def test_a_file_that_fails_is_quarantined_with_its_line(
    write: Callable[[str, str], str], text: str, reason: str
) -> None:
    path = write("bad.py", text)
    found = only(files(path))
    assert (found.name, found.source) == (None, JobSource(kind="file", name=path))
    assert found.error.startswith(f"cannot load jobs from '{path}': {reason}")
    if "json" in text:
        assert found.error.endswith("(bad.py, line 4)")


def test_an_interrupt_is_not_mistaken_for_a_bad_module(write: Callable[[str, str], str]) -> None:
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


def test_two_jobs_of_one_name_are_both_quarantined(write: Callable[[str, str], str]) -> None:
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
        Quarantined(name="x", source=JobSource(kind="file", name=one), error=error, hint=hint),
        Quarantined(name="x", source=JobSource(kind="file", name=two), error=error, hint=hint),
    )


def test_two_jobs_of_one_name_in_one_file_are_quarantined_once(write: Callable[[str, str], str]) -> None:
    path = write("one.py", "@job(name='x')\ndef a(): pass\n@job(name='x', schedule='bad')\ndef b(): pass\n")
    assert only(files(path)).error == f"two jobs are named 'x', both in '{path}'"


def test_a_command_with_the_name_of_a_job_is_a_duplicate_too(write: Callable[[str, str], str]) -> None:
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
    write: Callable[[str, str], str], text: str, name: str | None, error: str
) -> None:
    path = write("jobs.py", text + "@job()\ndef good(): pass\n")
    catalogue = files(path)
    assert list(catalogue.jobs) == ["good"]
    [found] = catalogue.quarantined
    assert (found.name, found.source.name, found.error) == (name, path, error)


def test_a_bad_cron_expression_is_quarantined_in_the_words_of_cron(write: Callable[[str, str], str]) -> None:
    from systemprompt.cron import CronError, Schedule

    with pytest.raises(CronError) as caught:
        Schedule("0 0 24 * * *")
    path = write("jobs.py", "@job(schedule='0 0 24 * * *')\ndef x(): pass\n")
    found = only(files(path))
    assert (found.name, found.error, found.hint) == ("x", caught.value.message, caught.value.hint)
    assert "24" in found.error


def test_a_name_that_no_job_has_does_not_pass_in_silence(write: Callable[[str, str], str]) -> None:
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


def test_a_name_may_belong_to_what_cannot_be_loaded_and_the_hint_says_so(write: Callable[[str, str], str]) -> None:
    path = write("bad.py", "1/0\n")
    [_, unknown] = files(path, overrides={"x": JobOverride(name="x")}).quarantined
    assert unknown.hint == f"it may be in '{path}', which cannot be loaded"


def test_what_a_module_prints_while_it_loads_stays_off_stdout(
    write: Callable[[str, str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    files(write("loud.py", "print('hello')\n@job()\ndef x(): pass\n"))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_a_job_can_be_loaded_again_from_its_source_alone(write: Callable[[str, str], str]) -> None:
    path = write("a.py", "@job()\ndef x(): return 5\nsubmit_job('odd')\n")
    source = files(path).jobs["x"].source
    assert load_job(source, "x").execute(JobContext(job_name="x")) == 5  # type: ignore[comparison-overlap]  # plain value
    with pytest.raises(JobDefinitionError) as caught:
        load_job(source, "y")
    assert caught.value.message == f"'{path}' holds no job named 'y'; it holds 'odd', x"


def test_a_job_file_may_hold_dataclasses_and_import_its_neighbours(write: Callable[[str, str], str]) -> None:
    write("jobs/_shared_one.py", "VALUE = 7\n")
    path = write(
        "jobs/a.py",
        """
        from dataclasses import dataclass
        import pickle
        import _shared_one

        @dataclass
        class Item:
            n: "int"

        @job()
        def x():
            return pickle.loads(pickle.dumps(Item(_shared_one.VALUE))).n
        """,
    )
    catalogue = files(path)
    job = catalogue.jobs["x"].job
    assert job is not None
    assert job.execute(JobContext(job_name="x")) == 7  # type: ignore[comparison-overlap]  # plain value
    assert sorted(catalogue.files) == [os.path.join(os.path.dirname(path), "_shared_one.py"), path]
