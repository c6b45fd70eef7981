"""A changed file is read anew, an unchanged one is left as it is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.job_files import own_modules
from systemprompt.discovery.discovery import discover
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.discovery.overrides import Extension
from systemprompt.jobs.context import JobContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systemprompt.discovery.definition import Catalogue

TEXT = "from systemprompt import job\n{imports}\n@job()\ndef x(): return {value}\n"


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with own_modules(tmp_path):
        yield


def write(path: Path, value: object, imports: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT.format(value=value, imports=imports))
    return path


def outcome(catalogue: Catalogue) -> object:
    assert catalogue.quarantined == ()
    job = catalogue.jobs["x"].job
    assert job is not None
    return job.execute(JobContext(job_name="x"))


def find(kind: str, name: str | Path) -> Catalogue:
    return discover(extensions=[Extension(kind=kind, name=str(name))], entry_points=False)


def test_an_edited_job_file_gives_its_new_code_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    for value in range(1, 8):  # same size, same second
        assert outcome(find("file", write(path, value))) == value


def test_an_unchanged_job_file_keeps_its_module_and_its_state(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", 1)
    first = find("file", path).jobs["x"].job
    write(path, 1)
    assert find("file", path).jobs["x"].job is first


def test_a_new_job_file_in_a_folder_changes_the_folders_fingerprint(tmp_path: Path) -> None:
    write(tmp_path / "jobs/a.py", 1)
    catalogue = find("folder", tmp_path / "jobs")
    assert all(fingerprint_of(path) == was for path, was in catalogue.files.items())
    (tmp_path / "jobs/b.py").write_text("from systemprompt import job\n@job()\ndef y(): pass\n")
    assert any(fingerprint_of(path) != was for path, was in catalogue.files.items())
    assert list(find("folder", tmp_path / "jobs").jobs) == ["x", "y"]


def test_an_edited_neighbour_is_seen_by_the_job_file_that_imports_it(tmp_path: Path) -> None:
    shared = tmp_path / "jobs/_shared_two.py"
    path = write(tmp_path / "jobs/a.py", "_shared_two.VALUE", "import _shared_two")
    for value in range(1, 6):
        shared.write_text(f"VALUE = {value}\n")
        os.utime(
            shared, ns=(1_700_000_000_000_000_000 + value,) * 2
        )  # one second for all: bytecode cannot tell them apart
        catalogue = find("file", path)
        assert outcome(catalogue) == value
        assert str(shared) in catalogue.files


def test_an_edited_module_gives_its_new_code_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lib/acme_r1.py"
    for value in range(1, 8):
        write(path, value)
        os.utime(
            path, ns=(1_700_000_000_000_000_000 + value,) * 2
        )  # one second for all: bytecode cannot tell them apart
        assert outcome(find("module", "acme_r1")) == value


def test_an_edited_submodule_reloads_its_package(tmp_path: Path) -> None:
    (tmp_path / "lib/acme_r2").mkdir(parents=True)
    (tmp_path / "lib/acme_r2/__init__.py").write_text("from acme_r2 import inner\n")
    path = tmp_path / "lib/acme_r2/inner.py"
    for value in range(1, 5):
        write(path, value)
        os.utime(path, ns=(1_700_000_000_000_000_000 + value,) * 2)
        catalogue = find("module", "acme_r2")
        assert outcome(catalogue) == value
        assert str(path) in catalogue.files


def test_an_unchanged_module_is_not_imported_again(tmp_path: Path) -> None:
    write(tmp_path / "lib/acme_r3.py", 1)
    first = find("module", "acme_r3").jobs["x"].job
    assert find("module", "acme_r3").jobs["x"].job is first


def test_bytecode_older_than_its_source_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "lib/acme_r4.py", 1)
    assert outcome(find("module", "acme_r4")) == 1
    # As a new process finds it: nothing loaded, a cached file, and an edit in the second that the cached file names.
    del sys.modules["acme_r4"]
    from systemprompt.discovery import loading

    del loading._modules["acme_r4"]
    path.write_text(TEXT.format(value=2, imports=""))
    assert outcome(find("module", "acme_r4")) == 2


def test_a_module_that_was_mended_loads(tmp_path: Path) -> None:
    path = tmp_path / "lib/acme_r5/__init__.py"
    write(path, 1, "from acme_r5 import inner\nfrom acme_r5.inner import nothing")
    (path.parent / "inner.py").write_text("")
    broken = find("module", "acme_r5")
    assert [one.name for one in broken.quarantined] == [None]
    (path.parent / "inner.py").write_text("nothing = 1\n")
    assert any(fingerprint_of(file) != was for file, was in broken.files.items())
    assert outcome(find("module", "acme_r5")) == 1


def test_a_module_that_appears_later_changes_what_is_watched(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    absent = find("module", "acme_r6")
    assert [one.name for one in absent.quarantined] == [None]
    write(tmp_path / "lib/acme_r6.py", 1)
    assert any(fingerprint_of(file) != was for file, was in absent.files.items())
    assert outcome(find("module", "acme_r6")) == 1


def test_a_file_that_broke_is_quarantined_and_comes_back_when_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", 1)
    assert outcome(find("file", path)) == 1
    path.write_text("1/0\n")
    assert [one.name for one in find("file", path).quarantined] == [None]
    assert outcome(find("file", write(path, 1))) == 1


def test_a_fingerprint_tells_edits_replacements_and_absence_apart(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert fingerprint_of(str(path)) == "absent"
    assert fingerprint_of("a\0b") == "absent"
    path.write_text("x")
    seen = path.stat()
    assert fingerprint_of(str(path)) == f"{seen.st_mtime_ns}:1:{seen.st_ino}"
    other = tmp_path / "b"
    other.write_text("y")
    os.utime(other, ns=(seen.st_mtime_ns, seen.st_mtime_ns))
    before = fingerprint_of(str(path))
    other.rename(path)
    assert fingerprint_of(str(path)) != before


def test_a_folders_fingerprint_minds_job_files_and_installs_alone(tmp_path: Path) -> None:
    before = fingerprint_of(str(tmp_path))
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "__pycache__").mkdir()
    assert fingerprint_of(str(tmp_path)) == before
    (tmp_path / "acme-1.0.dist-info").mkdir()
    installed = fingerprint_of(str(tmp_path))
    assert installed != before
    (tmp_path / "dangling.py").symlink_to("nowhere")
    assert fingerprint_of(str(tmp_path)) not in (before, installed)
