"""Named statements as psycopg takes them: translated once, and several of them made into one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from systemprompt.databases.placeholders import for_psycopg

__all__ = ["Statements"]


class Statements(dict[str, str]):
    """Statements by name, as they are written: with `:name` for a value, or `?` for values in their order."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(texts)

    def text(self, name: str, *, named: bool) -> bytes:
        """Return a statement for psycopg."""
        return _translated(self[name], named=named and "?" not in self[name])

    def put_together(self, sql: str) -> bytes:
        """Return a statement that was put together, for psycopg."""
        return _translated(sql, named=True)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the names of a statement's values in the order in which they first stand in it."""
        return _names(self[name])

    def together(self, names: tuple[str, ...], then: str | None = None) -> bytes:
        """Return one statement that does what these do and says how many rows each changed: `n0`, `n1`, ...

        The values of each have its place before their names: `w0_run_id`.

        then   a statement that finds one row, which is found with it, beside the numbers
        """
        return _together(tuple(self[name] for name in names), None if then is None else self[then])


@lru_cache(maxsize=512)
def _translated(text: str, *, named: bool) -> bytes:
    return for_psycopg(text, named=named).encode()


@lru_cache(maxsize=512)
def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"%\((\w+)\)s", for_psycopg(text, named=True))))


@lru_cache(maxsize=256)
def _together(texts: tuple[str, ...], then: str | None) -> bytes:
    parts = [
        f"w{place} AS ({for_psycopg(text, named=True).replace('%(', f'%(w{place}_')}\nRETURNING 1)"
        for place, text in enumerate(texts)
    ]
    found = [f"(SELECT count(*) FROM w{place}) AS n{place}" for place in range(len(texts))]  # noqa: S608  # names of ours
    rest = ""
    if then is not None:
        found.append("found.*")
        rest = f" FROM ({for_psycopg(then, named=True)}\n) found"
    return f"WITH {', '.join(parts)}\nSELECT {', '.join(found)}{rest}".encode()  # as above
