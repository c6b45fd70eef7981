"""What is found where, and what a job is made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.job_files import JobFolder, files, own_modules
from systemprompt.discovery.definition import JobSource
from systemprompt.discovery.discovery import discover, load_job
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.discovery.overrides import Extension, JobOverride
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import FunctionJob
from systemprompt.jobs.policies import POLICIES, Policies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path) -> Iterator[None]:
    with own_modules(tmp_path):
        yield


@pytest.fixture
def write(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path)


def test_a_job_file_gives_its_classes_and_functions(write: JobFolder) -> None:
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


def test_the_profile_has_the_last_word_on_a_job(write: JobFolder) -> None:
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


@pytest.mark.parametrize(
    ("said", "sets"),
    [
        ({}, {"time_zone"}),
        ({"owner": "ops", "parameters": {"n": 1}, "enforce": True, "tags": ("x",)}, {"time_zone"}),
        ({"schedule": ""}, {"schedule", "time_zone"}),
        ({"enabled": True}, {"enabled", "time_zone"}),
        ({"time_zone": "Asia/Tokyo"}, {"time_zone"}),
        ({"policies": {"catch_up": "latest", "timeout_s": None}}, {"catch_up", "timeout_s", "time_zone"}),
    ],
    ids=["nothing", "what no version says", "no schedule", "enabled", "time zone", "policies"],
)
def test_a_job_knows_what_of_its_version_the_profile_sets(
    write: JobFolder, said: dict[str, object], sets: set[str]
) -> None:
    path = write("a.py", '@job(schedule="@daily", timeout="5m")\ndef one(): pass\n')
    overrides = {"one": JobOverride(name="one", **said)} if said else {}  # type: ignore[arg-type]  # fields by name
    assert files(path, overrides=overrides).jobs["one"].profile_sets == sets


def test_a_job_that_names_its_zone_has_it_from_the_code(write: JobFolder) -> None:
    path = write("a.py", '@job(time_zone="Asia/Tokyo")\ndef one(): pass\n')
    assert files(path, time_zone="UTC").jobs["one"].profile_sets == frozenset()


def test_a_command_is_wholly_the_profiles() -> None:
    said = JobOverride(name="disk", command=("df",))
    disk = discover(entry_points=False, overrides={"disk": said}, profile_path="/p/profile.yaml").jobs["disk"]
    assert disk.profile_sets == {"schedule", "time_zone", "enabled", *(policy.name for policy in POLICIES)}


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


def test_a_folder_gives_its_job_files_and_not_tests_or_private_ones(write: JobFolder, tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_private.py", "test_a.py", "deep/c.py"):
        write(f"jobs/{name}", f"@job()\ndef {name[-4]}_{len(name)}(): pass\n")
    write("jobs/notes.txt", "(")
    folder = str(tmp_path / "jobs")
    catalogue = discover(extensions=[Extension(kind="folder", name=folder)], entry_points=False)
    assert list(catalogue.jobs) == ["a_4", "b_4"]
    assert sorted(catalogue.files) == [folder, f"{folder}/a.py", f"{folder}/b.py"]


def test_a_file_reached_twice_is_loaded_once(write: JobFolder, tmp_path: Path) -> None:
    path = write("jobs/a.py", "@job()\ndef a(): pass\n")
    extensions = [Extension(kind="file", name=path), Extension(kind="folder", name=str(tmp_path / "jobs"))]
    catalogue = discover(extensions=extensions, entry_points=False)
    assert (list(catalogue.jobs), catalogue.quarantined) == (["a"], ())


def test_a_package_gives_its_own_jobs_and_those_of_its_imported_submodules(write: JobFolder) -> None:
    write("lib/acme1/__init__.py", "")
    init = write("lib/acme1/jobs/__init__.py", "from acme1.jobs import feeds\n@job()\ndef own(): pass\n")
    feeds = write("lib/acme1/jobs/feeds.py", "@job()\ndef fetch(): pass\n")
    write("lib/acme1/jobs/unused.py", "@job()\ndef never(): pass\n")
    catalogue = discover(extensions=[Extension(kind="module", name="acme1.jobs")], entry_points=False)
    assert list(catalogue.jobs) == ["fetch", "own"]
    assert catalogue.jobs["fetch"].source == JobSource(kind="module", name="acme1.jobs")
    assert sorted(catalogue.files) == [init, feeds]


def test_builtin_modules_are_loaded_by_name(write: JobFolder) -> None:
    write("lib/acme2.py", "@job()\ndef own(): pass\n")
    catalogue = discover(builtin_modules=["acme2"], entry_points=False)
    assert catalogue.jobs["own"].source == JobSource(kind="builtin", name="acme2")


def test_installed_distributions_give_jobs_by_entry_points(write: JobFolder, tmp_path: Path) -> None:
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


def test_what_a_module_prints_while_it_loads_stays_off_stdout(
    write: JobFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    files(write("loud.py", "print('hello')\n@job()\ndef x(): pass\n"))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


@pytest.mark.parametrize(
    "text",
    [
        "@job()\ndef x():\n    yield 1\n",
        "@job()\nasync def x(ctx):\n    yield 1\n",
        "@submit_job\nclass X(Job):\n    name = 'x'\n    def execute(self, ctx):\n        yield 1\n",
    ],
)
def test_a_job_that_yields_is_refused_because_calling_it_would_do_nothing(write: JobFolder, text: str) -> None:
    (found,) = files(write("a.py", text)).quarantined

    assert found.name == "x"
    assert found.error == "job 'x': its function has a yield, so calling it makes a generator and does no work"


def test_a_job_can_be_loaded_again_from_its_source_alone(write: JobFolder) -> None:
    path = write("a.py", "@job()\ndef x(): return 5\nsubmit_job('odd')\n")
    source = files(path).jobs["x"].source
    assert load_job(source, "x").execute(JobContext(job_name="x")) == 5  # type: ignore[comparison-overlap]  # plain value
    with pytest.raises(JobDefinitionError) as caught:
        load_job(source, "y")
    assert caught.value.message == f"'{path}' holds no job named 'y'; it holds 'odd', x"


def test_a_job_file_may_hold_dataclasses_and_import_its_neighbours(write: JobFolder) -> None:
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
