"""What every view writes on: a terminal or a pipe, a zone to read times in, and colours that mean something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Span, Text

from systemprompt.cli.printable import CONTINUED, on_its_own_lines
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import SECOND, from_datetime, to_datetime

__all__ = ["STYLES", "Page"]

STYLES = {
    "success": "green",
    "ok": "green",
    "enabled": "green",
    "current": "green",
    "running": "cyan",
    "queued": "cyan",
    "failed": "bold red",
    "fail": "bold red",
    "quarantined": "bold red",
    "ahead": "bold red",
    "error": "bold red",
    "critical": "bold red",
    "missed": "yellow",
    "skipped": "yellow",
    "cancelled": "yellow",
    "warn": "yellow",
    "warning": "yellow",
    "behind": "yellow",
    "beside": "yellow",
    "for newer": "yellow",
    "absent": "yellow",
    "disabled": "dim",
    "retired": "dim",
    "by hand": "dim",
    "debug": "dim",
    "would_run": "cyan",
}
"""Word -> how it looks. Green is well, red wants a hand, yellow did not happen, cyan is going on, dim is off."""

_WIDE = 100_000
_NARROW = 110
_CELL = 100
_OVERDUE = 60 * SECOND


class Page:
    """Collects what a view writes. On a pipe it is as wide as its content, and there is no escape sequence in it."""

    def __init__(self, settings: CliSettings, *, title: str, time_zone: str) -> None:
        self.title = title
        self.now = settings.the_clock().now()
        self.zone = ZoneInfo(time_zone)
        self.zone_name = time_zone
        self.width = settings.width
        self.verbose = settings.verbose
        self._is_plain = settings.width is None and not settings.color
        self._out = StringIO()
        self._console = Console(
            file=self._out,
            width=settings.width or _WIDE,
            force_terminal=settings.color,
            color_system="standard" if settings.color else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """Return the page. Lines carry no blanks at their end."""
        return "".join(f"{line.rstrip()}\n" for line in self._out.getvalue().split("\n")[:-1])

    @property
    def narrow(self) -> bool:
        """Whether the terminal has no room for dates and reasons in columns of their own."""
        return self.width is not None and self.width < _NARROW

    def line(self, *parts: str | Text) -> None:
        """Write one line, wrapped where the terminal is narrower."""
        self._console.print(_shown(Text.assemble(*parts)), soft_wrap=self.width is None)

    def quoted(self, *parts: str | Text) -> None:
        """Write what somebody else says: as `line`, but where the terminal is narrower each further line bears the mark too."""
        shown = _shown(Text.assemble(*parts))
        if self.width is not None:
            width = max(self.width - len(CONTINUED), 20)
            lines = [piece for line in shown.split("\n") for piece in _marked(line.wrap(self._console, width))]
            shown = Text("\n").join(lines)
        self._console.print(shown, soft_wrap=True)

    def verbatim(self, text: str) -> None:
        """Write text that a program may read, exactly as it is."""
        self._console.out(text, highlight=False)

    def blank(self) -> None:
        self._console.print()

    def heading(self, text: str, note: str = "") -> None:
        self.line(Text(text, style="bold"), Text(f"  {note}" if note else "", style="dim"))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | Text]],
        *,
        right: Sequence[str] = (),
        optional: Sequence[str] = (),
        least: int = 16,
    ) -> None:
        """Write a table. Where the terminal is too narrow the `optional` columns go, in their order, and the last one folds.

        A line below names the columns that went.
        `least` is how many columns of the terminal the last one needs to be worth showing.
        """
        if self._is_plain and self._write_plain(columns, rows, right):
            return
        kept = self._that_fit(columns, rows, optional, least)
        whole_words = self._fits(kept, columns, rows, least)
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False, show_edge=False)
        for number in kept:
            table.add_column(
                columns[number],
                justify="right" if columns[number] in right else "left",
                overflow="fold",
                no_wrap=number != kept[-1] and whole_words,
            )
        for row in rows:
            table.add_row(*(_shown(row[number]) for number in kept))
        self._console.print(table)
        if len(kept) < len(columns):
            gone = ", ".join(name for number, name in enumerate(columns) if number not in kept)
            self.line(self.dim(f"for want of width without {gone}"))

    def _write_plain(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[str]) -> bool:
        """Write what `rich` would onto a pipe, in a small part of its time: 10,000 jobs took it nine seconds.

        False, with nothing written, where a cell has more than one line or the table would have to be cut.
        """
        lines = [list(columns), *([str(cell) for cell in row] for row in rows)]
        if not all(cell.isprintable() for line in lines for cell in line):
            return False
        widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
        if sum(widths) + 2 * (len(widths) - 1) > _WIDE:
            return False
        for line in lines:
            placed = []
            for name, cell, width in zip(columns, line, widths, strict=True):
                shown = cell.rstrip() if name in right else cell
                blanks = " " * (width - cell_len(shown))
                placed.append(blanks + shown if name in right else shown + blanks)
            self._out.write("  ".join(placed) + "\n")
        return True

    def _that_fit(
        self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], optional: Sequence[str], least: int
    ) -> list[int]:
        kept = list(range(len(columns)))
        for name in optional:
            if self._fits(kept, columns, rows, least):
                break
            kept.remove(columns.index(name))
        return kept

    def _fits(self, kept: list[int], columns: Sequence[str], rows: Sequence[Sequence[str | Text]], least: int) -> bool:
        widths = [max(cell_len(str(cell)) for cell in (columns[at], *(row[at] for row in rows))) for at in kept]
        return sum(widths[:-1]) + 2 * (len(kept) - 1) + min(widths[-1], least) <= (self.width or _WIDE)

    def facts(self, rows: Sequence[tuple[str, str | Text]]) -> None:
        """Write a card: names on the left, what is so on the right."""
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, _shown(value))
        self._console.print(table)

    def status(self, word: str, shown: str | None = None) -> Text:
        return Text(shown or word.replace("_", " "), style=STYLES.get(word, ""))

    def dim(self, text: str) -> Text:
        return Text(text, style="dim")

    def time(self, iso: str | None) -> str:
        """Return an instant on the profile's wall clock: `2026-01-14 11:30:02`; the heading names the zone."""
        return "" if iso is None else self._local(iso).strftime("%Y-%m-%d %H:%M:%S")

    def short_time(self, iso: str) -> str:
        """Return an instant for a narrow column: the time if it is of today, else the date and the minute."""
        at = self._local(iso)
        of_today = at.date() == to_datetime(self.now).astimezone(self.zone).date()
        return at.strftime("%H:%M:%S" if of_today else "%Y-%m-%d %H:%M")

    def cut(self, text: str) -> str:
        """Return a text as a cell of a terminal's table holds it: a few lines, with `…` where it was cut. A pipe gets all."""
        return text if self.width is None or len(text) <= _CELL else text[: _CELL - 1].rstrip() + "…"

    def command(self, text: str) -> None:
        """Write a command on one line, whatever the width: a line end within it would be copied with it."""
        self._console.print(_shown(f"  {text}"), soft_wrap=True)

    def time_and_zone(self, iso: str | None) -> str:
        return "" if iso is None else f"{self.time(iso)} {self._local(iso).tzname()}, {self.relative(iso)}"

    def due(self, iso: str | None) -> str | Text:
        """Return how far away a fire time is, or that it should have run by now."""
        if self.is_overdue(iso):
            return self.status("warn", f"overdue {self.relative(iso).removesuffix(' ago')}")
        return self.relative(iso)

    def is_overdue(self, iso: str | None) -> bool:
        """Whether a fire time is so long past that no node can be serving."""
        return iso is not None and self.now - from_datetime(datetime.fromisoformat(iso)) > _OVERDUE

    def relative(self, iso: str | None) -> str:
        """Return how far away an instant is: `in 4 min`, `2 h ago`."""
        if iso is None:
            return ""
        seconds = (from_datetime(datetime.fromisoformat(iso)) - self.now) / SECOND
        far = _span(abs(seconds))
        if far == "0 s":
            return "now"
        return f"in {far}" if seconds > 0 else f"{far} ago"

    def _local(self, iso: str) -> datetime:
        return datetime.fromisoformat(iso).astimezone(self.zone)


def _marked(pieces: Iterable[Text]) -> list[Text]:
    return [piece if number == 0 else Text(CONTINUED).append_text(piece) for number, piece in enumerate(pieces)]


def _shown(text: str | Text) -> Text:
    """Return a text with nothing in it that a terminal obeys; each line but the first is marked as belonging to it."""
    if isinstance(text, str):
        return Text(on_its_own_lines(text))
    if on_its_own_lines(text.plain) == text.plain:
        return text
    # What is styled stays styled.
    odd = [at for at, character in enumerate(text.plain) if on_its_own_lines(character) != character]
    made = text.blank_copy()
    for piece in text.divide(sorted({cut for at in odd for cut in (at, at + 1)})):
        shown = on_its_own_lines(piece.plain)
        spans = [Span(0, len(shown), span.style) for span in piece.spans]
        made.append_text(piece if shown == piece.plain else Text(shown, piece.style, spans=spans))
    return made


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
