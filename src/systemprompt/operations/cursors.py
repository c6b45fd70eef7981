"""Where a long answer was cut, as a text that leads to the rest of it. What it holds is nobody's business but ours."""

from __future__ import annotations

import binascii
import json

from systemprompt.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["cursor_at", "place_of"]


def cursor_at(params: Any, *place: object) -> str:
    """Return the cursor that leads on from a place: values that JSON can hold, the last that was shown."""
    text = json.dumps([_question(params), *place], separators=(",", ":")).encode()
    return binascii.b2a_base64(text, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")


def place_of(params: Any, *kinds: type | tuple[type, ...]) -> list[Any] | None:
    """Return the place that the cursor of a call was made with, values of these kinds; None where there is no cursor.

    Raises:
        UsageError: it is no cursor, or that of another question: other params than before, `limit` and `fields` apart.
    """
    if params.cursor is None:
        return None
    try:
        padded = params.cursor.replace("-", "+").replace("_", "/") + "=" * (-len(params.cursor) % 4)
        place: list[Any]
        question, *place = json.loads(binascii.a2b_base64(padded, strict_mode=True))
    except (ValueError, TypeError):
        raise _refused(params, "is no cursor of ours") from None
    if question != _question(params):
        raise _refused(params, "belongs to another question")
    if len(place) != len(kinds) or not all(map(isinstance, place, kinds)):
        raise _refused(params, "is no cursor of ours")
    return place


def _refused(params: Any, why: str) -> UsageError:
    return UsageError(
        f"`cursor` {params.cursor!r} {why}",
        hint="give the `next_cursor` of the answer before with the same question, or leave it out to begin anew",
        details={"parameter": "cursor", "cursor": params.cursor},
    )


def _question(params: Any) -> int:
    asked = [(name, getattr(params, name)) for name in params.__dataclass_fields__ if name not in _NOT_ASKED]
    exact = [(name, float(value) if isinstance(value, int) else value) for name, value in asked]  # 48 hours are 48.0
    return binascii.crc32(repr((type(params).__name__, exact)).encode())


_NOT_ASKED = ("limit", "cursor", "fields")
