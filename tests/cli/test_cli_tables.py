"""A table on a pipe is written without `rich`, and is what `rich` would have written."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.text import Text

from systemprompt.cli.people.page import Page
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import ManualClock

ROWS: list[list[str | Text]] = [
    ["a", "12", Text("styled", style="green")],
    ["", "7 ", Text("two ").append("parts", style="dim")],
    ["東京 tables", "", ""],
    ["  begins and ends with blanks  ", "100,000", "e\u0301 and 🦀"],
]


def page(width: int | None = None, *, color: bool = False) -> Page:
    settings = CliSettings(
        environ={},
        cwd="/",
        stdout=StringIO(),
        stderr=StringIO(),
        clock=ManualClock(0),
        width=width,
        color=color,
    )
    return Page(settings, title="t", time_zone="UTC")


def written(rows: list[list[str | Text]], *, plain: bool) -> str:
    one = page()
    one._is_plain = plain
    one.line("before")
    one.table(["NAME", "NUMBER", "LAST"], rows, right=("NUMBER",), optional=("LAST",))
    one.line("after")
    return one.text()


@pytest.mark.parametrize("count", range(len(ROWS) + 1))
def test_a_table_on_a_pipe_is_what_rich_writes(count: int) -> None:
    assert written(ROWS[:count], plain=True) == written(ROWS[:count], plain=False)


@pytest.mark.parametrize("cell", ["two\nlines", "a\ttab", "\x1b[31mred", "\u2028", "x" * 100_001])
def test_a_cell_that_is_more_than_a_word_on_one_line_is_left_to_rich(cell: str) -> None:
    rows: list[list[str | Text]] = [*ROWS, [cell, "1", "end"]]
    assert not page()._write_plain(["NAME", "NUMBER", "LAST"], rows, ("NUMBER",))
    assert written(rows, plain=True) == written(rows, plain=False)


def test_a_page_is_plain_on_a_pipe_without_colours() -> None:
    chosen = [page(width, color=color) for width in (None, 80) for color in (False, True)]
    assert [one._is_plain for one in chosen] == [True, False, False, False]
