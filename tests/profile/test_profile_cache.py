"""What is remembered of a profile is used only while everything is as it was."""

from __future__ import annotations

import marshal
import os
from typing import TYPE_CHECKING

import pytest

from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.profile import cache
from systemprompt.profile.cache import cached_profile, remember
from systemprompt.profile.load import load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from systemprompt.profile.profile import Profile


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SECRET": "hunter2"}


@pytest.fixture
def profile(tmp_path: Path, environ: dict[str, str]) -> Profile:
    path = tmp_path / "home/profile.yaml"
    path.parent.mkdir()
    path.write_text("database: sqlite:///app.db\nname: ${SECRET}\ntime_zone: ${TZ_NAME:-Europe/Berlin}\n")
    return load_profile(str(path), environ)


@pytest.fixture
def job_file(tmp_path: Path) -> str:
    path = tmp_path / "feeds.py"
    path.write_text("x = 1\n")
    return str(path)


def kept(profile: Profile, environ: dict[str, str], *files: str) -> Path:
    assert remember(profile, {file: fingerprint_of(file) for file in files}, environ)
    from pathlib import Path

    [file] = Path(environ["XDG_CACHE_HOME"], "systemprompt").iterdir()
    return file


def test_what_was_remembered_comes_back(profile: Profile, environ: dict[str, str], job_file: str) -> None:
    assert cached_profile(profile.path, environ) is None
    file = kept(profile, environ, job_file)

    found = cached_profile(profile.path, environ)

    assert found is not None
    assert found.ledger_path == profile.ledger.path
    assert found.time_zone == "Europe/Berlin"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_changed_profile_is_read_again(profile: Profile, environ: dict[str, str]) -> None:
    kept(profile, environ)
    with open(profile.path, "a") as file:
        file.write("# x\n")
    assert cached_profile(profile.path, environ) is None


def test_a_profile_that_changed_while_it_was_read_is_not_remembered(profile: Profile, environ: dict[str, str]) -> None:
    assert not remember(profile, {profile.path: "1:2:3"}, environ)
    assert cached_profile(profile.path, environ) is None


@pytest.mark.parametrize("change", [{"SECRET": "other"}, {"SECRET": None}, {"TZ_NAME": "UTC"}])
def test_a_changed_variable_counts_and_others_do_not(
    profile: Profile, environ: dict[str, str], change: dict[str, str | None]
) -> None:
    kept(profile, environ)
    assert cached_profile(profile.path, environ | {"OTHER": "1"}) is not None
    changed = {name: value for name, value in (environ | change).items() if value is not None}
    assert cached_profile(profile.path, changed) is None


def test_a_changed_removed_or_new_job_file_counts(
    profile: Profile, environ: dict[str, str], job_file: str, tmp_path: Path
) -> None:
    absent = str(tmp_path / "later.py")
    kept(profile, environ, job_file, absent)
    assert cached_profile(profile.path, environ) is not None
    with open(absent, "w") as file:
        file.write("")
    assert cached_profile(profile.path, environ) is None
    os.unlink(absent)
    assert cached_profile(profile.path, environ) is not None
    os.unlink(job_file)
    assert cached_profile(profile.path, environ) is None


def test_another_release_or_interpreter_does_not_believe_it(
    profile: Profile, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(profile, environ)
    monkeypatch.setattr(cache, "__version__", "9.9.9")
    assert cached_profile(profile.path, environ) is None
    monkeypatch.undo()
    assert cached_profile(profile.path, environ) is not None
    monkeypatch.setattr("sys.prefix", "/other")
    assert cached_profile(profile.path, environ) is None


def test_a_foreign_or_broken_file_counts_as_nothing(profile: Profile, environ: dict[str, str]) -> None:
    file = kept(profile, environ)
    whole = file.read_bytes()
    bodies = [b"", b"rubbish", whole[:-1], whole[:30], whole + b"x", whole[:-1] + b"\xff", b"\0" * len(whole)]
    for odd in (None, 5, (1, 2), (profile.path, 1, 2, 3, 4)):
        body = marshal.dumps(odd)
        bodies.append(cache._MAGIC + cache._checksum(body) + body)
    for body in bodies:
        file.write_bytes(body)
        assert cached_profile(profile.path, environ) is None
    file.write_bytes(whole)
    assert cached_profile(profile.path, environ) is not None


def test_a_file_that_others_may_write_is_not_believed(profile: Profile, environ: dict[str, str]) -> None:
    file = kept(profile, environ)
    file.chmod(0o622)
    assert cached_profile(profile.path, environ) is None
    file.unlink()
    file.symlink_to("/etc/hostname")
    assert cached_profile(profile.path, environ) is None
    file.unlink()
    file.mkdir()
    assert cached_profile(profile.path, environ) is None


def test_a_folder_that_cannot_be_written_is_no_error(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for environ in (
        {"XDG_CACHE_HOME": str(tmp_path / "file")},
        {},
        {"HOME": "relative"},
        {"XDG_CACHE_HOME": "relative"},
    ):
        assert not remember(profile, {}, environ)
        assert cached_profile(profile.path, environ) is None


def test_without_a_cache_folder_of_its_own_it_lies_in_the_home(profile: Profile, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "me"), "SECRET": "hunter2"}
    assert remember(profile, {}, environ)
    assert cached_profile(profile.path, environ) is not None
    assert [entry.name for entry in (tmp_path / "me/.cache").iterdir()] == ["systemprompt"]


def test_a_variable_is_never_kept_in_clear_unless_it_is_the_name_itself(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("database: sqlite:///app.db\nscheduler: {jobs: {a: {parameters: {p: '${TOKEN}'}}}}\n")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TOKEN": "tok-123456"}
    file = kept(load_profile(str(path), environ), environ)
    assert b"tok-123456" not in file.read_bytes()
