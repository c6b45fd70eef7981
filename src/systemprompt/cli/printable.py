"""Text of others on a person's terminal: shown, never obeyed."""

from __future__ import annotations

__all__ = ["printable"]

# What a job says may hold escape sequences that move the cursor, rename the window or hide a line. Each control character becomes
# one visible character, so that columns and styles stay where they were; line ends and tabs stay what they are.
_SHOWN = {code: 0x2400 + code for code in range(32) if code not in (0x09, 0x0A)}
_SHOWN |= {0x7F: 0x2421}
_SHOWN |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def printable(text: str) -> str:
    """Return the text with every control character but line ends and tabs replaced by a visible one, such as ␛ for ESC."""
    return text.translate(_SHOWN)
