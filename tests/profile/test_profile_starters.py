"""The files that a person starts from work as they are."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from systemprompt.discovery.discovery import discover, load_job
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import JobSettings, Paths
from systemprompt.profile.load import load_profile
from systemprompt.profile.schema import PROFILE, walk
from systemprompt.profile.starters import example_content, example_job_file, new_job_file, template

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["local", "my app", "123", 'a"b', "$HOME ${X}", "on", "Ünïcode: #1"])
def test_the_template_loads_without_a_fault_under_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(template(name), encoding="utf-8")
    profile = load_profile(str(path), {})
    assert profile.name == name
    assert profile.content_sources[0].path == str(tmp_path / "content")
    assert profile.publish is not None
    assert profile.publish.path == str(tmp_path / "public")


def test_the_template_shows_every_section_and_every_key_of_a_job() -> None:
    text = template()
    for place, key in walk():
        if place.count(".") == 0 or place.startswith(("scheduler.jobs.NAME", "limits", "retention")):
            assert f"{key.name}:" in text, place
    assert {key.name for key in PROFILE.keys} >= set(yaml.safe_load(text))
    assert "None" not in text


def test_what_the_template_has_commented_out_is_right_too(tmp_path: Path) -> None:
    keys = {key.name for _, key in walk()} | {"disk_report", "behavioral_analysis", "user_sessions"}
    lines = []
    for line in template().splitlines():
        bare = line.lstrip().removeprefix("#").lstrip()
        if line.lstrip().startswith("#") and bare.partition(":")[0] in keys and "|" not in bare:
            indent = line.index("#")
            lines.append(line[:indent] + line[indent + 2 :])
        elif line.lstrip().startswith("#"):
            continue
        else:
            lines.append(line)
    text = "\n".join(lines)
    start, end = text.index("scheduler:\n") + len("scheduler:\n"), text.index("  jobs:\n")
    path = tmp_path / "profile.yaml"
    path.write_text(text[:start] + text[end:])  # without the list of a job's keys, which stands beside no job

    profile = load_profile(str(path), {})

    assert profile.jobs["disk_report"].command == ("df", "-h", "/")
    assert profile.jobs["behavioral_analysis"].enforce is True
    assert profile.tables["user_sessions"].columns == {"last_activity_at": "seen_at"}


def test_the_template_keeps_the_schedule_that_the_reference_gives_content_ingestion(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(template())

    assert load_profile(str(path), {}).jobs["content_ingestion"].schedule == "0 0 * * * *"


def test_the_example_jobs_are_found_and_run(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "example.py").write_text(example_job_file())
    (tmp_path / "profile.yaml").write_text(template())
    profile = load_profile(str(tmp_path / "profile.yaml"), {})
    catalogue = discover(extensions=profile.extensions, entry_points=False)
    assert list(catalogue.jobs) == ["folder_report", "hello"]
    assert catalogue.quarantined == ()

    settings = JobSettings(paths=Paths(home=str(tmp_path)))
    results = {}
    for name, definition in catalogue.jobs.items():
        ctx = JobContext(job_name=name, parameters=definition.parameters, settings=settings)
        results[name] = load_job(definition.source, name).execute(ctx)

    assert results["hello"] == JobResult.success().with_message("Hello, world!")
    report = results["folder_report"]
    assert isinstance(report, JobResult)
    assert report.items_processed == 2


@pytest.mark.parametrize("name", ["nightly_report", "nightly.report-2", "class", "2fast", "test_me"])
def test_a_new_job_is_found_and_its_test_passes(tmp_path: Path, name: str) -> None:
    job_file, test_file = new_job_file(name)
    module = test_file.partition("from ")[2].partition(" ")[0]
    (tmp_path / f"{module}.py").write_text(job_file)
    (tmp_path / f"test_{module}.py").write_text(test_file)
    compile(test_file, "test.py", "exec")
    from systemprompt.discovery.overrides import Extension

    catalogue = discover(extensions=[Extension(kind="folder", name=str(tmp_path))], entry_points=False)

    assert list(catalogue.jobs) == [name]
    assert catalogue.quarantined == ()
    if name == "nightly.report-2":
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"test_{module}.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        assert "3 passed" in done.stdout


def test_a_new_job_must_have_a_name_that_a_job_can_have() -> None:
    with pytest.raises(JobDefinitionError) as caught:
        new_job_file("Nightly Report")
    assert caught.value.hint == "'nightly_report' would do"


def test_the_example_pages_have_front_matter_and_link_to_each_other() -> None:
    pages = example_content()
    assert list(pages) == ["welcome.md", "schedules.md"]
    for text in pages.values():
        _, front, body = text.split("---\n", 2)
        assert {"title", "slug", "date", "description", "tags"} == set(yaml.safe_load(front))
        assert body.strip().startswith("# ")
    assert "(schedules.md)" in pages["welcome.md"]
