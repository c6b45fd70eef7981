"""An example in a folder of its own, and the lines of its README as a person would paste them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import REPOSITORY, environ_of_a_user

EXAMPLES = REPOSITORY / "examples"
PATIENCE = 60.0


class Example:
    """A copy of one example. `blocks` has the lines of each `sh` block of its README."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(
            EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("*.db*", "*.sqlite3", "__pycache__")
        )
        text = (self.folder / "README.md").read_text(encoding="utf-8")
        self.blocks = [part.partition("```")[0].strip() for part in text.split("```sh\n")[1:]]
        self.environ = environ_of_a_user(XDG_CACHE_HOME=str(folder / "cache"), PYTHONUNBUFFERED="1")

    def paste(self, lines: str) -> str:
        """Run lines in one shell; each must end with 0. Return what they said, both streams."""
        ended = subprocess.run(
            ["bash", "-ec", lines], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=PATIENCE
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == 0, f"{lines}\n{said}"
        return said

    @contextmanager
    def pasted(self, line: str) -> Iterator[Running]:
        """Start a line that goes on until it is stopped."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Running(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


class Running:
    """A program that goes on, followed through the lines it writes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def line_with(self, words: str) -> str:
        """Wait for a line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"it ended before {words!r}: {''.join(self.said)}")

    def stop(self, number: int) -> str:
        """Send a signal; it must end with 0. Return the rest of what it says."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, "".join(self.said) + rest
        return rest
