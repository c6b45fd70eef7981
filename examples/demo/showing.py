"""What the demos show with: a folder, the `sp` that users type, and a terminal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parents[2]


class Showing:
    """An installation in a folder of its own, and its CLI."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "SYSTEMPROMPT_PROFILE": str(folder / "profile.yaml")}

    def check_going(self) -> None:
        """Stop the show where it cannot go on."""

    def show(self, words: str) -> int:
        """Type a command, and let it answer on this terminal."""
        say_command(words)
        code = subprocess.run(
            [*sp(), *words.split()], env=self.environ, stdin=subprocess.DEVNULL, check=False
        ).returncode
        say()
        return code

    def ask(self, words: str) -> Any:
        """Ask as a program does."""
        answer = subprocess.run(
            [*sp(), "--json", *words.split()],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(answer.stdout)["data"]

    def wait_for(self, what: str, happened: Callable[[], T | None], seconds: float) -> T:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check_going()
            answer = happened()
            if answer:
                return answer
            time.sleep(0.2)
        raise SystemExit(f"waited {seconds:g} s for {what}, in vain")


def sp() -> list[str]:
    """Return the program that stands beside this Python, else the same by its module."""
    beside = Path(sys.executable).with_name("sp")
    return (
        [str(beside)] if beside.exists() else [sys.executable, "-c", "from systemprompt.entry import run; exit(run())"]
    )


def heading(text: str) -> None:
    say(f"\n{_styled(f'== {text} ', '1')}{_styled('=' * max(0, 76 - len(text)), '2')}")


def say_command(words: str) -> None:
    say(_styled(f"\n$ sp {words}", "1;36"))


def say(text: str = "") -> None:
    print(text, flush=True)


def echo(node: subprocess.Popen[str], name: str, *, but: tuple[str, ...] = (": started, run",)) -> threading.Thread:
    """Show what a node says, line by line, until it ends. What has one of `but` in it would be too much: the history has it."""
    listener = threading.Thread(target=_echo, args=(node, name, but), daemon=True)
    listener.start()
    return listener


def _echo(node: subprocess.Popen[str], name: str, but: tuple[str, ...]) -> None:
    assert node.stdout is not None
    width = shutil.get_terminal_size().columns - 10 if sys.stdout.isatty() else 1_000
    for line in node.stdout:
        said = line[11:] if line[10:11] == "T" else line  # the date is today's
        if not any(words in said for words in but):
            say(_styled(f"  {name} | {textwrap.shorten(said, width, placeholder=' ...')}", "2"))


def _styled(text: str, code: str) -> str:
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"
