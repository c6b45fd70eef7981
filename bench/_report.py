"""What a bench shows: one Markdown table, the machine it was measured on, whether the musts are met, how to repeat it.

`--quick` takes smaller sizes, `--full` the largest, `--check` makes the musts the exit status, `--write PAGE` puts the table
between the bench's two marks in a Markdown page. Medians and percentiles are computed here, the same way for everybody.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

__all__ = ["Judgement", "NotMeasured", "Options", "Report", "machine", "options", "percentile"]


class NotMeasured(Exception):
    """What was to be measured did not happen; the message says what did."""


REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to measure.

    scale   `smoke` (a test that the bench works; its numbers mean nothing), `quick`, `normal` or `full`
    keep    a folder where large ledgers stay for the next time; None: they are thrown away
    """

    scale: str = "normal"
    check: bool = False
    write: str | None = None
    keep: str | None = None
    peers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One must or aim: what was asked, what came out, whether it is met. Only a must decides the exit status."""

    kind: str
    asked: str
    found: str
    met: bool


@dataclass(slots=True, kw_only=True)
class Report:
    """One bench's table and what is to be said about it. `aligned` columns from this one on are numbers."""

    name: str
    title: str
    columns: tuple[str, ...]
    numbers_from: int = 1
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)

    def row(self, *cells: object) -> None:
        assert len(cells) == len(self.columns), (cells, self.columns)
        self.rows.append(tuple(str(cell) for cell in cells))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def must(self, asked: str, found: str, met: bool) -> None:
        self.judgements.append(Judgement(kind="must", asked=asked, found=found, met=met))

    def aim(self, asked: str, found: str, met: bool) -> None:
        self.judgements.append(Judgement(kind="aim", asked=asked, found=found, met=met))

    def markdown(self, command: str) -> str:
        """Return the table, the judgements, the notes and how to repeat it, as Markdown."""
        parts = [f"**{self.title}**", self._table()]
        if self.judgements:
            parts.append("\n".join(f"- {one.kind}: {one.asked}: {_verdict(one)}" for one in self.judgements))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        parts.append(f"Again: `{command}`")
        return "\n\n".join(parts)

    def finish(self, chosen: Options, started_with: float) -> int:
        """Print the report, write it where that was asked, and return the exit status."""
        command = f"python -m bench {self.name}" + ("" if chosen.scale == "normal" else f" --{chosen.scale}")
        text = self.markdown(command)
        measured_on = f"{machine()} Load average {started_with:.1f} before, {os.getloadavg()[0]:.1f} after."
        print(f"{text}\n{measured_on}\n", flush=True)
        if chosen.write is not None:
            write_between_marks(chosen.write, self.name.replace(" ", "-"), text)
            write_between_marks(chosen.write, "machine", f"{date.today():%Y-%m-%d}. {measured_on}")  # noqa: DTZ011
        return int(chosen.check and any(one.kind == "must" and not one.met for one in self.judgements))

    def _table(self) -> str:
        rows = [self.columns, *self.rows]
        widths = [max(len(row[at]) for row in rows) for at in range(len(self.columns))]
        lines = [self._line(row, widths) for row in rows]
        rule = "|".join(
            "-" * (width + 1) + (":" if at >= self.numbers_from else "-") for at, width in enumerate(widths)
        )
        return "\n".join([lines[0], f"|{rule}|", *lines[1:]])

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell.rjust(width) if at >= self.numbers_from else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"


def options(arguments: Sequence[str]) -> Options:
    """Read a bench's flags. Ends the process with status 2 where one is unknown."""
    parser = argparse.ArgumentParser(prog="python -m bench NAME", allow_abbrev=False)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--smoke", dest="scale", action="store_const", const="smoke", help="does it work at all")
    scale.add_argument("--quick", dest="scale", action="store_const", const="quick", help="small sizes, two minutes")
    scale.add_argument("--full", dest="scale", action="store_const", const="full", help="ten million runs too")
    parser.add_argument("--check", action="store_true", help="exit 1 where a must is not met")
    parser.add_argument("--write", metavar="PAGE", help="put the table between its marks in this Markdown page")
    parser.add_argument("--keep", metavar="FOLDER", help="keep large ledgers here for the next time")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="measure ourselves and the floors only")
    read = parser.parse_args(list(arguments))
    return Options(scale=read.scale or "normal", check=read.check, write=read.write, keep=read.keep, peers=read.peers)


def machine() -> str:
    """Return one line that says what the numbers were measured on."""
    return (
        f"Measured on {os.cpu_count()} CPUs ({_processor()}), {platform.system()} {platform.release()}, "
        f"{_file_system()} file system, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all are not above: the nearest rank. NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1e6) * len(ordered) // 1_000_000) - 1)]


def write_between_marks(page: str, name: str, text: str) -> None:
    """Replace what stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.

    Raises:
        SystemExit: the page has no such marks.
    """
    with open(page, encoding="utf-8") as file:
        whole = file.read()
    start, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before, found, rest = whole.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no marks {start} ... {end}")
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{start}\n\n{text}\n\n{end}{after}")


def _verdict(one: Judgement) -> str:
    return f"{one.found}, {'met' if one.met else ('NOT MET' if one.kind == 'must' else 'not met')}"


def _file_system() -> str:
    import psutil

    mounts = {one.mountpoint: one.fstype for one in psutil.disk_partitions(all=True)}
    place = REPOSITORY
    while place not in mounts and place != "/":
        place = os.path.dirname(place)
    return mounts.get(place, "unknown")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
