"""A value of a profile means what is written, or is refused; what a shell reads is the shell's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from systemprompt.errors import ProfileInvalid
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Profile

HEAD = "database: sqlite:///a.db\n"


def load(folder: Path, text: str, **environ: str) -> Profile:
    path = folder / "profile.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_profile(str(path), environ)


def parameters(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    return dict(
        load(folder, f"scheduler: {{jobs: {{j: {{parameters: {{{text}}}}}}}}}\n", **environ).jobs["j"].parameters
    )


@pytest.mark.parametrize("line", ["limits: {batch_size: 010}", "limits: {lease: 010}", "limits: {batch_size: 1:30}"])
def test_a_number_that_yaml_reads_in_another_base_is_refused_in_every_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(ProfileInvalid, match="is not a "):
        load(tmp_path, line + "\n")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${NOPE:-${HERE}}", "/here"),
        ("${NOPE:-${NEITHER:-${HERE}/x}}", "/here/x"),
        ("${NOPE:-{a}}", "{a}"),
        ("${HERE:-{a}}", "/here"),
        ("${NOPE:-$$}", "$"),
        ("${HERE:-${UNSET}}", "/here"),
    ],
)
def test_a_default_may_hold_variables_and_braces(tmp_path: Path, text: str, meant: str) -> None:
    assert parameters(tmp_path, f'a: "{text}"', HERE="/here") == {"a": meant}


def test_defaults_that_nest_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid, match="nest deeper"):
        parameters(tmp_path, f'a: "{"${N:-" * 500}{"}" * 500}"')


SCRIPT = "for f in *; do echo ${f} $$ ${#f}; done"


@pytest.mark.parametrize("command", [f'"{SCRIPT}"', f'[sh, -c, "{SCRIPT}"]', f'[/bin/bash, -euc, "{SCRIPT}"]'])
def test_what_a_shell_reads_is_the_shells(tmp_path: Path, command: str) -> None:
    profile = load(tmp_path, f"shell: /bin/sh\nscheduler: {{jobs: {{j: {{command: {command}}}}}}}\n")

    assert (profile.jobs["j"].command or ())[-1] == SCRIPT


def test_words_that_no_shell_reads_are_filled_in(tmp_path: Path) -> None:
    profile = load(tmp_path, 'scheduler: {jobs: {j: {command: [cp, "${HERE}", "$${HERE}"]}}}\n', HERE="/here")

    assert profile.jobs["j"].command == ("cp", "/here", "${HERE}")
