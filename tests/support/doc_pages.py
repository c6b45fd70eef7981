"""Read a page's code blocks, and carry them out in order in one throw-away folder.

bash      each line is a command; it must end with 0, or with what a comment `# exit 3` at its end says. A line that is just
          `sp serve` runs until the page is over, and must then stop cleanly
console   `$ ` starts a command; what stands below it is compared with its answer, numbers and times aside
python    a first line `# some/path.py` says to write the block there; any other block is run as a script
yaml      must parse; one with `database:` must load as a profile
the rest  text, ini, sh, sql, ...: for reading; `make TARGET` lines of sh blocks must name targets
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from support import REPOSITORY, environ_of_a_user
from systemprompt.profile.load import load_profile

RUN = ("bash", "console", "python", "yaml")
READ = ("text", "ini", "sh", "dockerfile", "json", "sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language, its text, and the line it starts in."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return every page that makes promises, but what lies in hidden folders."""
    return [
        *sorted(REPOSITORY.glob("*.md")),
        *sorted(REPOSITORY.glob("docs/**/*.md")),
        *sorted(REPOSITORY.glob("examples/**/*.md")),
    ]


def blocks(page: Path) -> list[Block]:
    found, lines = [], page.read_text(encoding="utf-8").splitlines()
    start = None
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            language = lines[start - 1].removeprefix("```").strip()
            found.append(Block(language=language, text="\n".join(lines[start : number - 1]), line=start))
            start = None
    assert start is None, f"{page.name}: the block in line {start} is never closed"
    return found


class Shell:
    """One page's throw-away folder and its surroundings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[subprocess.Popen[str]] = []
        self.environ = environ_of_a_user(HOME=str(folder), NO_COLOR="1")

    def carry_out(self, block: Block) -> None:
        if block.language == "bash":
            for line in block.text.splitlines():
                if line.strip() and not line.startswith("#"):
                    self.command(line)
        elif block.language == "console":
            self.console(block)
        elif block.language == "python":
            self.python(block.text)
        else:
            self.yaml(block.text)

    def command(self, line: str) -> str:
        if line.strip() == "sp serve":
            self.serve()
            return ""
        ended = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60
        )
        expected = re.search(r"# exit (\d+)$", line)
        assert ended.returncode == (int(expected[1]) if expected else 0), f"{line}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def console(self, block: Block) -> None:
        for part in f"\n{block.text}".split("\n$ ")[1:]:
            line, _, shown = part.partition("\n")
            answer = [plain(one) for one in self.command(line).splitlines()]
            for one in shown.splitlines():
                assert plain(one) in answer, f"{line} does not answer {one!r}, but:\n" + "\n".join(answer)

    def python(self, text: str) -> None:
        place = re.match(r"# ([\w./-]+\.py)\n", text)
        if place:
            path = self.folder / place[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
            return
        ended = subprocess.run(
            [sys.executable, "-c", text], cwd=self.folder, env=self.environ, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{text}\n{ended.stderr}"

    def yaml(self, text: str) -> None:
        written = yaml.safe_load(text)
        if "database" in written:
            path = self.folder / "shown" / "profile.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            load_profile(str(path), {})

    def serve(self) -> None:
        node = subprocess.Popen(
            ["sp", "serve"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.nodes.append(node)
        assert node.stdout is not None
        first = node.stdout.readline()
        assert "serves" in first, first

    def close(self) -> None:
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            said, _ = node.communicate(timeout=30)
            assert node.returncode == 0, said


def plain(line: str) -> str:
    """Return a line without what differs from run to run: times, durations, numbers, the width of columns."""
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?|\b\d\d:\d\d:\d\d\b", "TIME", line)
    line = re.sub(r"\b[\d.]+ (ms|s|min|h|d)\b", "DURATION", line)
    line = re.sub(r"\d+", "0", line)
    return re.sub(r"[\s-]+", " ", line).strip()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
