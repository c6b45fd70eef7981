"""Draw the diagrams of the docs from the program itself: `.venv/bin/python docs/make_diagrams.py`.

`states.svg` has the statuses and reasons of the ledger; `dst-spring.svg` and `dst-autumn.svg` have what `Schedule` answers for the
two nights on which clocks change. `tests/docs` fails where a picture differs from what this would draw.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from systemprompt.cron import Schedule
from systemprompt.ledger.records import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).resolve().parent
BERLIN = "Europe/Berlin"


def main() -> int:
    for name, drawn in DIAGRAMS.items():
        picture = DOCS / name
        svg = drawn()
        if not picture.exists() or picture.read_text(encoding="utf-8") != svg:
            picture.write_text(svg, encoding="utf-8")
            print(f"drawn: {picture}")
    return 0


def states() -> str:
    """The life of one fire time: from the schedule to a closed account."""
    body = [
        _box(20, 120, 130, 52, "fire time", "named by a version"),
        '<rect class="group" x="218" y="48" width="172" height="292" rx="10"/>',
        _text(304, 68, "open", "caption"),
        _box(239, 120, 130, 52, "queued", "waits for room"),
        _box(239, 262, 130, 52, "running", "a node holds it"),
        '<rect class="group" x="512" y="48" width="368" height="402" rx="10"/>',
        _text(696, 68, "closed: never changes again", "caption"),
        _arrow("M150 146 H239", "plan", 192, 138),
        _arrow("M282 172 V262", "claim: fence + 1", 274, 222, "end"),
        _arrow("M330 262 V172", "node lost,", 338, 214, "start"),
        _text(338, 230, "on_lost: rerun", "label", "start"),
    ]
    top = 84
    for status in ("success", "failed", "cancelled", "skipped", "missed"):
        words = list(REASONS.get(status, {})) or ["needs no reason"]
        lines = list(_wrapped(words, 40))
        height = 30 + 17 * len(lines)
        body.append(f'<rect class="box {status}" x="530" y="{top}" width="332" height="{height}" rx="6"/>')
        body.append(_text(546, top + 21, status, "name", "start"))
        body += [_text(546, top + 40 + 17 * row, line, "reason", "start") for row, line in enumerate(lines)]
        middle = top + height // 2
        body.append(ARROWS[status].format(y=middle))
        top += height + 16
    body.append(_text(304, 332, "closes under its fence", "label"))
    body.append(_text(400, 130, "retired", "label", "start"))
    body.append(_text(98, 376, "decided at once: a row, or one range for many", "label", "start"))
    return _svg(900, 470, "The states of an account", body)


ARROWS = {
    "success": '<path class="arrow" d="M369 280 H440 V{y} H530"/>',
    "failed": '<path class="arrow" d="M369 288 H456 V{y} H530"/>',
    "cancelled": '<path class="arrow" d="M369 296 H472 V{y} H530"/><path class="arrow" d="M369 136 H488 V{y} H530"/>',
    "skipped": '<path class="arrow" d="M85 172 V{y} H530"/>',
    "missed": '<path class="arrow" d="M65 172 V{y} H530"/>',
}
"""From where each closed status is reached; `y` is the middle of its box."""


def night(title: str, first: datetime, schedules: tuple[tuple[str, dict[str, str]], ...]) -> str:
    """Four hours on which clocks change, and when some schedules fire in them. Time passes evenly from left to right."""
    zone = ZoneInfo(BERLIN)
    left, step, width = 330, 68, 930
    end = first + timedelta(hours=4)
    body = [_text(20, 28, title, "title", "start")]
    changed = None
    for half in range(9):
        at = first + timedelta(minutes=30 * half)
        wall = at.astimezone(zone)
        x = left + step * half
        bottom = 86 + 34 * len(schedules)
        body.append(f'<line class="tick" x1="{x}" y1="76" x2="{x}" y2="{bottom}"/>')
        body.append(_text(x, 66, f"{wall:%H:%M}", "wall"))
        offset = wall.utcoffset()
        if changed is not None and offset != changed:
            body.append(f'<line class="change" x1="{x}" y1="36" x2="{x}" y2="{bottom}"/>')
        if offset != changed:
            body.append(_text(x + 4, 46, f"{wall:%z}"[:3] + ":00", "label", "start"))
        changed = offset
    body.append(_text(left - 40, 66, "on the wall", "label", "end"))
    for row, (expression, options) in enumerate(schedules):
        y = 104 + 34 * row
        said = " ".join([expression, *(f"{name}: {value}" for name, value in options.items())])
        body.append(_text(left - 16, y + 4, said, "schedule", "end"))
        body.append(f'<line class="row" x1="{left}" y1="{y}" x2="{left + step * 8}" y2="{y}"/>')
        before = first - timedelta(microseconds=1)
        for at in Schedule(expression, BERLIN, **options).between(before, end):  # type: ignore[arg-type]  # literals
            x = left + round(step * (at - first) / timedelta(minutes=30))
            body.append(f'<circle class="fire" cx="{x}" cy="{y}" r="7"/>')
    return _svg(width, 104 + 34 * len(schedules), title, body)


SPRING = (
    ("30 2 * * *", {}),
    ("30 2 * * *", {"dst_gap": "skip"}),
    ("0,30 2 * * *", {}),
    ("*/30 * * * *", {}),
    ("0 * * * *", {}),
)
AUTUMN = (
    ("30 2 * * *", {}),
    ("30 2 * * *", {"dst_fold": "second"}),
    ("30 2 * * *", {"dst_fold": "both"}),
    ("*/30 * * * *", {}),
    ("0 * * * *", {}),
)

DIAGRAMS: dict[str, Callable[[], str]] = {
    "states.svg": states,
    "dst-spring.svg": partial(
        night,
        "Berlin, 30 March 2025: 02:00 to 03:00 does not exist",
        datetime(2025, 3, 29, 23, tzinfo=UTC),
        SPRING,
    ),
    "dst-autumn.svg": partial(
        night,
        "Berlin, 26 October 2025: 02:00 to 03:00 comes twice",
        datetime(2025, 10, 25, 23, tzinfo=UTC),
        AUTUMN,
    ),
}
"""File, and what draws it."""

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.name, .reason, .schedule, .wall { font-family: ui-monospace, monospace; }
.name { font-weight: 600; } .title { font-weight: 600; font-size: 15px; }
.reason, .label, .caption, .wall, .sub { font-size: 12px; } .label, .caption, .sub { fill: #57606a; }
.page { fill: #ffffff; } .box { fill: #f6f8fa; stroke: #8c959f; } .group { fill: none; stroke: #d0d7de; stroke-dasharray: 5 4; }
.success { stroke: #1a7f37; } .failed { stroke: #cf222e; } .skipped, .missed { stroke: #9a6700; }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.3; marker-end: url(#tip); }
.tick { stroke: #eaeef2; } .row { stroke: #d0d7de; } .change { stroke: #cf222e; stroke-dasharray: 4 3; } .fire { fill: #0969da; }
"""


def _svg(width: int, height: int, title: str, body: list[str]) -> str:
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    page = f'<rect class="page" width="{width}" height="{height}" rx="8"/>'
    defs = f'<defs>{tip}<path d="M0 0 L8 4 L0 8 z" fill="#57606a"/></marker></defs>'
    return "\n".join(
        [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", defs, page, *body, "</svg>", ""]
    )


def _box(x: int, y: int, width: int, height: int, name: str, below: str) -> str:
    rect = f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    middle = x + width // 2
    return rect + _text(middle, y + 22, name, "name") + _text(middle, y + 40, below, "sub")


def _arrow(path: str, label: str, x: int, y: int, anchor: str = "middle") -> str:
    return f'<path class="arrow" d="{path}"/>' + _text(x, y, label, "label", anchor)


def _text(x: int, y: int, words: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _wrapped(words: list[str], width: int) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 2 + len(word) > width:
            yield line
            line = ""
        line = f"{line}, {word}" if line else word
    yield line


if __name__ == "__main__":
    sys.exit(main())
