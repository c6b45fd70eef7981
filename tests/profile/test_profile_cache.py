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
    assert (found.ledger, found.database, found.ledger_schema) == (profile.ledger, profile.database, "systemprompt")
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


SECRET = "hunter2/ß-secret"
ENCODED = "hunter2%2F%C3%9F-secret"


def remembered(folder: Path, text: str, environ: dict[str, str]) -> tuple[Profile, bytes | None]:
    """Return a profile with these lines, and what is on the disk after it was remembered; None where nothing is."""
    path = folder / "profile.yaml"
    path.write_text(text)
    environ["XDG_CACHE_HOME"] = str(folder / "cache")
    profile = load_profile(str(path), environ)
    return profile, kept(profile, environ).read_bytes() if remember(profile, {}, environ) else None


@pytest.mark.parametrize(
    ("written", "environ"),
    [
        ("postgresql://app:${PASSWORD}@h:5432/shop", {"PASSWORD": ENCODED}),
        ("postgres://${WHO:-app}:${PASSWORD}@${HOST:-h}/shop?sslmode=require", {"PASSWORD": ENCODED}),
        ("postgresql://h/shop?user=app&password=${PASSWORD}", {"PASSWORD": ENCODED}),
        ("postgresql://${ACCOUNT}@h/shop", {"ACCOUNT": f"app:{ENCODED}"}),
        ("' ${DATABASE_URL} '", {"DATABASE_URL": f"postgres://app:{ENCODED}@h/shop"}),
    ],
)
def test_an_address_with_a_password_is_remembered_without_it_and_filled_in_again(
    tmp_path: Path, written: str, environ: dict[str, str]
) -> None:
    profile, on_disk = remembered(tmp_path, f"database: {written}\nledger_schema: runs\n", environ)

    assert profile.database.has_password
    assert on_disk is not None
    assert b"secret" not in on_disk
    found = cached_profile(profile.path, environ)
    assert found is not None
    assert (found.database, found.ledger, found.ledger_schema) == (profile.database, profile.ledger, "runs")


@pytest.mark.parametrize(
    ("written", "environ"),
    [
        (f"postgresql://app:{ENCODED}@h/shop", {}),
        ("postgresql://app:hunter2-secret${MORE}@h/shop", {"MORE": "x"}),
        ("postgresql://app:${PASSWORD:-hunter2-secret}@h/shop", {}),
        ("postgresql://app:${PASSWORD:-${OTHER}}@h/shop", {"OTHER": "secret"}),
        ("postgresql://app:a$$secret${PASSWORD}@h/shop", {"PASSWORD": "x"}),
        ("${BEGIN}secret@h/shop", {"BEGIN": "postgresql://app:"}),
    ],
)
def test_an_address_whose_password_stands_in_the_profile_is_not_remembered(
    tmp_path: Path, written: str, environ: dict[str, str]
) -> None:
    profile, on_disk = remembered(tmp_path, f"database: {written}\n", environ)

    assert profile.database.has_password
    assert on_disk is None
    assert not (tmp_path / "cache").exists()


def test_a_password_that_is_unset_or_another_now_is_not_the_one_that_was_remembered(tmp_path: Path) -> None:
    environ = {"PASSWORD": "secret"}
    profile, _ = remembered(tmp_path, "database: postgresql://app:${PASSWORD}@h/shop\n", environ)

    assert cached_profile(profile.path, {"XDG_CACHE_HOME": environ["XDG_CACHE_HOME"]}) is None
    others = [environ | {"PASSWORD": f"another{number}"} for number in range(20)]
    assert sum(cached_profile(profile.path, other) is None for other in others) > 15, (
        "a checksum of one byte tells most"
    )
    for other in others:
        found = cached_profile(profile.path, other)
        assert found is None or found.ledger.with_password() == f"postgresql://app:{other['PASSWORD']}@h/shop"


def test_of_a_password_is_kept_too_little_to_try_others_on_it(tmp_path: Path) -> None:
    sizes = set()
    for password in ("a", "a-much-longer-password"):
        _, on_disk = remembered(tmp_path, "database: postgresql://app:${PASSWORD}@h/shop\n", {"PASSWORD": password})
        assert on_disk is not None
        sizes.add(len(on_disk))

    assert len(sizes) == 1, "not even how long it is"
