"""Completion: the scripts are whole, and bash completes with what the table has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.cli_session import CliSession
from systemprompt.cli.completion import SHELLS
from systemprompt.cli.table import COMMANDS
from systemprompt.ledger.records import STATUSES


def completed(cli: CliSession, tmp_path: Path, line: str, *, beside: str = "") -> set[str]:
    script = tmp_path / "sp.bash"
    script.write_text(cli.sp("completion bash").out, encoding="utf-8")
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    names = "".join(f', {{"name": "{name}"}}' for name in ("beta", beside) if name)
    fake = f'sp() {{ echo \'{{"data": {{"jobs": [{{"name": "alpha", "x": 1}}{names}]}}}}\'; }}'
    code = f"{fake}; source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _sp; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == ""
    return set(filter(None, done.stdout.split("\n")))


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("sp ", {"jobs", "infra", "serve", "doctor"}),
        ("sp jobs l", {"list", "logs", "log-cleanup"}),
        ("sp --json infra jobs h", {"history"}),
        ("sp --profile x.yaml jobs history --", {"--job", "--limit", "--since", "--json", "--profile"}),
        ("sp jobs show ", {"alpha", "beta"}),
        ("sp jobs run alpha b", {"beta"}),
        ("sp jobs history --job a", {"alpha"}),
        ("sp db ", {"migrate", "status"}),
    ],
)
def test_bash_completes_commands_flags_and_job_names(
    cli: CliSession, tmp_path: Path, line: str, some: set[str]
) -> None:
    assert some <= completed(cli, tmp_path, line)


@pytest.mark.parametrize(
    ("line", "all_of_them"),
    [
        ("sp jobs history --status ", set(STATUSES)),
        ("sp jobs history --status = s", {"success", "skipped"}),
        ("sp jobs history --origin m", {"manual"}),
        ("sp --json infra jobs history --job alpha --status su", {"success"}),
        ("sp jobs logs --level w", {"warning"}),
        ("sp serve --log-format ", {"text", "json"}),
        ("sp jobs list --tag ", set()),
        ("sp jobs history --limit ", set()),
        ("sp jobs history -n ", set()),
        ("sp jobs run --why x ", {"alpha", "beta"}),
        ("sp jobs run --tag run a", {"alpha"}),
        ("sp completion ", {"bash", "zsh", "fish"}),
        ("sp --profile some", {"some file.yaml", "some_folder"}),
        ("sp db backup some", {"some file.yaml", "some_folder"}),
        ("sp db restore some", {"some file.yaml", "some_folder"}),
        ("sp init some", {"some_folder"}),
        ("sp jobs new ", set()),
    ],
)
def test_bash_completes_values_by_what_the_flag_takes(
    cli: CliSession, tmp_path: Path, line: str, all_of_them: set[str]
) -> None:
    (tmp_path / "some_folder").mkdir()
    (tmp_path / "some file.yaml").touch()

    assert completed(cli, tmp_path, line) == all_of_them


@pytest.mark.parametrize("name", ["y$(touch here)", "`touch here`", "a b", "A", "$HOME"])
def test_what_is_no_name_of_a_job_is_not_completed_and_never_run(cli: CliSession, tmp_path: Path, name: str) -> None:
    assert completed(cli, tmp_path, "sp jobs show ", beside=name) == {"alpha", "beta"}
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_knows_every_command(cli: CliSession, shell: str) -> None:
    script = cli.sp(f"completion {shell}").out

    for command in COMMANDS:
        assert command.path[-1] in script
    checker = shutil.which(shell)
    if checker is not None:
        subprocess.run([checker, "-n"], input=script, text=True, check=True)
