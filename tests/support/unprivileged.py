"""Make many calls of `sp` in one process for which file permissions count: `python unprivileged.py < calls.json > answers.json`."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import finds_support
from support.cli_session import sp
from support.stop_at_once import stop_at_once

__all__ = ["answers_without_privileges"]

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def answers_without_privileges(profile: Path, calls: list[list[str]]) -> list[tuple[int, str, str]]:
    """Make calls as a user for whom file permissions count, which root becomes too. Returns exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, __file__],
        env=finds_support(),
        input=json.dumps({"profile": str(profile), "calls": calls}),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=profile.parent,
        preexec_fn=_obey_permissions,
    )
    answers: list[tuple[int, str, str]] = json.loads(done.stdout)
    return answers


def _obey_permissions() -> None:
    # Root without these two powers is a user like any other; they are gone for good with the next exec.
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for power in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, power, 0, 0, 0):
                raise OSError("root's rights cannot be given up here")


def _answers(asked: dict[str, Any]) -> list[tuple[int, str, str]]:
    import systemprompt.operations.serve as serving

    vars(serving)["handling"] = stop_at_once
    environ = {"SYSTEMPROMPT_PROFILE": asked["profile"], "USER": "plain"}
    answers = [sp(words, Path.cwd(), environ) for words in asked["calls"]]
    return [(answer.code, answer.out, answer.err) for answer in answers]


if __name__ == "__main__":
    found = _answers(json.load(sys.stdin))
    json.dump(found, sys.stdout)
