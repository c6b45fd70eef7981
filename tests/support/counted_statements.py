"""Count what psycopg really sends: the words of each statement, whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest


@contextmanager
def counted() -> Iterator[list[str]]:
    """Hear every statement that any cursor sends in the block."""
    said: list[str] = []
    execute = psycopg.Cursor.execute

    def heard(cursor: psycopg.Cursor[Any], query: Any, *rest: Any, **more: Any) -> Any:
        said.append(
            query.decode() if isinstance(query, bytes) else query if isinstance(query, str) else query.as_string(cursor)
        )
        return execute(cursor, query, *rest, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", heard)
        yield said
