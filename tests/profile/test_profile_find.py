"""Which profile a command means."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from systemprompt.errors import ProfileNotFound
from systemprompt.profile.find import find_profile

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("database: sqlite:///app.db\n")
    return str(path)


def test_the_flag_wins_over_the_variable_and_the_variable_over_the_folder(tmp_path: Path) -> None:
    flagged, named = write(tmp_path / "a.yaml"), write(tmp_path / "b.yaml")
    near = write(tmp_path / ".systemprompt/profiles/local/profile.yaml")

    assert find_profile(flagged, {"SYSTEMPROMPT_PROFILE": named}, str(tmp_path)) == flagged
    assert find_profile(None, {"SYSTEMPROMPT_PROFILE": named}, str(tmp_path)) == named
    assert find_profile(None, {}, str(tmp_path)) == near


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    near = write(tmp_path / ".systemprompt/profiles/local/profile.yaml")
    assert find_profile(None, {"SYSTEMPROMPT_PROFILE": ""}, str(tmp_path)) == near


def test_the_nearest_profile_above_is_taken(tmp_path: Path) -> None:
    write(tmp_path / ".systemprompt/profiles/local/profile.yaml")
    inner = write(tmp_path / "a/b/.systemprompt/profiles/local/profile.yaml")
    deep = tmp_path / "a/b/c/d"
    deep.mkdir(parents=True)
    assert find_profile(None, {}, str(deep)) == inner


def test_a_relative_path_starts_at_the_working_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "x/p.yaml")
    assert find_profile("x/p.yaml", {}, str(tmp_path)) == path
    assert find_profile(None, {"SYSTEMPROMPT_PROFILE": "../x/p.yaml"}, str(tmp_path / "x")) == path


def test_a_folder_stands_for_the_profile_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x/profile.yaml")
    assert find_profile("x", {}, str(tmp_path)) == path
    with pytest.raises(ProfileNotFound) as caught:
        find_profile(str(tmp_path), {}, "/")
    assert caught.value.message == f"--profile names the folder '{tmp_path}', which has no profile.yaml"


def test_no_profile_at_all_says_three_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotFound) as caught:
        find_profile(None, {}, str(tmp_path))
    assert caught.value.message == (
        f"no profile is named and no .systemprompt/profiles/local/profile.yaml stands at or above '{tmp_path}'"
    )
    assert (
        caught.value.hint
        == "write one with: sp init; or name one: --profile PATH, or the variable SYSTEMPROMPT_PROFILE"
    )


@pytest.mark.parametrize(
    ("explicit", "environ", "by"),
    [("nope.yaml", {}, "--profile"), (None, {"SYSTEMPROMPT_PROFILE": "nope.yaml"}, "SYSTEMPROMPT_PROFILE")],
)
def test_a_named_profile_that_does_not_exist_is_refused_by_path(
    tmp_path: Path, explicit: str | None, environ: dict[str, str], by: str
) -> None:
    with pytest.raises(ProfileNotFound) as caught:
        find_profile(explicit, environ, str(tmp_path))
    assert caught.value.message == f"{by} names '{tmp_path}/nope.yaml', which does not exist"
    assert caught.value.hint is not None
    assert "sp init" in caught.value.hint


def test_finding_and_remembering_load_nothing_heavy() -> None:
    script = (
        "import sys; before = set(sys.modules);"
        "import systemprompt.profile.find, systemprompt.profile.cache as c;"
        "c.cached_profile('/nowhere/profile.yaml', {'HOME': '/nowhere'});"
        "heavy = {'yaml', 're', 'typing', 'dataclasses', 'json', 'inspect', 'enum', 'logging', 'pathlib', 'hashlib'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
