"""Text of others on a person's terminal: shown, never obeyed, and never taken for a line of ours."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

__all__ = ["CONTINUED", "on_its_own_lines", "on_one_line", "printable"]

CONTINUED = "  | "
"""Begins each further line of a text that has more than one."""

# What a job says may hold escape sequences that move the cursor, rename the window or hide a line. Each control character becomes
# one visible character, so that columns and styles stay where they were; line ends and tabs stay what they are.
_SHOWN: dict[int, int | str] = {code: 0x2400 + code for code in range(32) if code not in (0x09, 0x0A)}
_SHOWN |= {0x7F: 0x2421}
_SHOWN |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)

# Characters without a width hide a difference between two names; those that change the direction show a line in another order.
# U+2028 and U+2029 end a line in some programs. Each is spelled out, as JSON would.
_INVISIBLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE007F),
)
_SHOWN |= {
    code: f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    for first, last in _INVISIBLE
    for code in range(first, last + 1)
}


def printable(text: str) -> str:
    """Return the text with every control character but line ends and tabs replaced by a visible one, such as ␛ for ESC.

    What has no width, or changes the direction of writing, is spelled out: `\\u202e`.
    """
    return text.translate(_SHOWN)


def on_its_own_lines(text: str, width: int | None = None) -> str:
    """Return the printable text with a mark before each line but the first: none of them can be taken for a line of ours.

    width   where a terminal would begin a line by itself: it is begun there with the mark
    """
    lines = printable(text).split("\n")
    if width is not None:
        lines = [piece for line in lines for piece in _folded(line, max(width - len(CONTINUED), 20))]
    return f"\n{CONTINUED}".join(lines)


def on_one_line(text: str) -> str:
    """Return the printable text with visible line ends."""
    return printable(text).replace("\n", "\u240a")


def _folded(line: str, width: int) -> list[str]:
    pieces, room = [""], width
    for character in line:
        size = 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        size = 8 if character == "\t" else size
        if size > room:
            pieces.append("")
            room = width
        pieces[-1] += character
        room -= size
    return pieces
