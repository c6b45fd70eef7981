"""Whatever stands in the file, loading it gives a profile or `ProfileInvalid`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemprompt.errors import ProfileInvalid
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Profile
from systemprompt.profile.schema import PROFILE, Key
from systemprompt.profile.starters import template

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_PARTS = [
    *"&*!|>%@`'\"{}[],:?-#<\n\t \\$~",
    "a",
    "<<",
    "a: ",
    "\n  ",
    "- ",
    "database: ",
    "!!int ",
    "&a ",
    "*a",
    "1",
    "---",
]

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.sampled_from(["sqlite:///a.db", "${A}", "${B:-5}", "$$", "Europe/Berlin", "0 0 * * * *", "@every 5s"])
    | st.sampled_from(["none", "jobs/", "a.b", "latest", "1h"])
)
_trees = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _values(key: Key) -> st.SearchStrategy[Any]:
    if not key.keys:
        choices = st.sampled_from(key.choices) if key.choices else st.nothing()
        return choices | _trees
    section = st.fixed_dictionaries({}, optional={below.name: _values(below) for below in key.keys})
    if key.kind == "list":
        return st.lists(section, max_size=2) | _trees
    if key.kind in ("named", "jobs"):
        names = st.sampled_from(key.choices or ("a", "b_1", "Not A Name"))
        return st.dictionaries(names, section, max_size=2) | st.lists(section, max_size=2) | _trees
    return section | _trees


def _load(folder: Path, data: bytes) -> None:
    path = folder / "profile.yaml"
    path.write_bytes(data)
    try:
        assert isinstance(load_profile(str(path), {"A": "x", "HOME": "/home/me"}), Profile)
    except ProfileInvalid as error:
        if not error.faults or not all(error.faults):
            raise


@SETTINGS
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_profile_or_are_refused(tmp_path: Path, data: bytes) -> None:
    _load(tmp_path, data)


@SETTINGS
@given(st.lists(st.sampled_from(_PARTS), max_size=60))
def test_any_yaml_punctuation_is_a_profile_or_is_refused(tmp_path: Path, parts: list[str]) -> None:
    _load(tmp_path, "".join(parts).encode())


@SETTINGS
@given(_values(PROFILE))
def test_anything_at_a_known_key_is_a_profile_or_is_refused(tmp_path: Path, values: Any) -> None:
    _load(tmp_path, yaml.safe_dump(values, allow_unicode=True).encode("utf-8", "surrogatepass"))


@SETTINGS
@given(st.integers(0, 5_000), st.integers(0, 60), st.text(max_size=8))
def test_a_damaged_profile_is_a_profile_or_is_refused(tmp_path: Path, at: int, cut: int, inserted: str) -> None:
    text = template("x")
    at %= len(text)
    _load(tmp_path, (text[:at] + inserted + text[at + cut :]).encode("utf-8", "surrogatepass"))
