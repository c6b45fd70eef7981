"""`make picture`: draw `docs/terminal.svg`, the terminal in the README, from real commands on a real ledger.

A node of the demo's jobs runs for a while in a throw-away folder and is killed once; then a few commands are typed on a terminal of
fixed size and drawn as they answer. Numbers and times are those of this run, so they differ from picture to picture.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "terminal.svg"
WIDTH = 124
COMMANDS = (
    "jobs list --tag demo",
    "jobs history -n 22",
    "jobs audit",
)


def main() -> int:
    sys.path.insert(0, str(HERE.parent / "examples" / "demo"))
    from demo import Demo, sp

    folder = Path(tempfile.mkdtemp(prefix="systemprompt-picture-"))
    demo = Demo(folder)
    try:
        demo.furnish()
        demo.publish()
        demo.come_back(demo.kill_in_mid_run())
        demo.drain()
        draw([(words, typed([*sp(), *words.split()], demo.environ)) for words in COMMANDS])
    finally:
        demo.end_node()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"drawn: {PICTURE}")
    return 0


def typed(command: list[str], environ: dict[str, str]) -> str:
    """Run a command on a terminal, and return what it wrote there."""
    ours, theirs = pty.openpty()
    surroundings = {**environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    surroundings.pop("NO_COLOR", None)
    with subprocess.Popen(command, env=surroundings, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}: {written.decode()}")
    return written.decode().replace("\r\n", "\n")


def draw(scenes: list[tuple[str, str]]) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor")
        for number, (words, answer) in enumerate(scenes):
            prompt = Text.assemble(("$ ", "dim"), (f"sp {words}", "bold"))
            console.print(prompt if number == 0 else Text("\n") + prompt)
            console.print(Text.from_ansi(answer.rstrip()))
        svg = console.export_svg(title="systemprompt", theme=MONOKAI, unique_id="terminal")
    # The font is whatever the reader's machine has: a picture in a README must not fetch anything.
    before, *faces = svg.split("@font-face")
    svg = before + "".join(face.partition("}")[2] for face in faces)
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where others say end of file
        return b""


if __name__ == "__main__":
    sys.exit(main())
