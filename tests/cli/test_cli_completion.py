"""Completion: the scripts are whole, and bash completes with what the table has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.cli_session import CliSession
from systemprompt.cli.completion import SHELLS
from systemprompt.cli.table import COMMANDS


def completed(cli: CliSession, tmp_path: Path, line: str) -> set[str]:
    script = tmp_path / "sp.bash"
    script.write_text(cli.sp("completion bash").out, encoding="utf-8")
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    fake = 'sp() { echo \'{"data": {"jobs": [{"name": "alpha", "x": 1}, {"name": "beta", "x": 2}]}}\'; }'
    code = f"{fake}; source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _sp; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


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


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_knows_every_command(cli: CliSession, shell: str) -> None:
    script = cli.sp(f"completion {shell}").out

    for command in COMMANDS:
        assert command.path[-1] in script
    checker = shutil.which(shell)
    if checker is not None:
        subprocess.run([checker, "-n"], input=script, text=True, check=True)
