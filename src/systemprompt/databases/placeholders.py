"""Placeholders as jobs write them, `?` and `:name`, turned into those of psycopg, whatever else stands in the statement.

A question mark or a colon means a value only where SQL has none of its own: not in texts, quoted names, comments and dollar quotes,
not in a cast (`::`) or a slice (`a[1:n]`; in `ARRAY[:a, :b]` it does). A question mark that is an operator of PostgreSQL is written
twice (`??`). A percent sign, which psycopg would read, stays one.

Source of the lexical rules: PostgreSQL's manual, chapter 4.1, Lexical Structure.
"""

from __future__ import annotations

import re
from functools import lru_cache

from systemprompt.errors import UsageError

__all__ = ["for_psycopg"]


@lru_cache(maxsize=1024)
def for_psycopg(sql: str, *, named: bool) -> str:
    """Return a statement with its placeholders as psycopg reads them: `%(name)s` for `:name` with `named`, else `%s` for `?`.

    Raises:
        UsageError: a placeholder of the other kind stands in it.
    """
    return "".join(_translated(sql, named=named))


def _translated(sql: str, *, named: bool) -> list[str]:
    parts: list[str] = []
    slices: list[bool] = []  # of each bracket that is open, whether a colon in it parts the ends of a slice
    word, at = "", 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        if found is None:  # a text, comment or dollar quote that is not closed: the server says what is wrong
            parts.append(sql[at:].replace("%", "%%"))
            break
        text, kind = found[0], found.lastgroup
        if kind == "comment":
            end = _end_of_comment(sql, at)
            parts.append(sql[at:end].replace("%", "%%"))
            at = end
            continue
        if text == "[":
            slices.append(word.upper() != "ARRAY" and not (slices and not slices[-1] and word in ("[", ",")))
        elif text == "]" and slices:
            slices.pop()
        parts.append(_one(text, kind, named=named, in_slice=bool(slices) and slices[-1]))
        word = word if text.isspace() else text
        at = found.end()
    return parts


def _one(text: str, kind: str | None, *, named: bool, in_slice: bool) -> str:
    if kind == "literal_mark":
        return "?"
    if kind == "mark":
        if named:
            raise UsageError(
                "the statement has a `?`, and its values come by name", hint="write :name, or ?? for the operator"
            )
        return "%s"
    if kind == "name" and not in_slice:
        if not named:
            raise UsageError(
                f"the statement has {text!r}, and its values come in order", hint="write ?, or pass a mapping"
            )
        return f"%({text[1:]})s"
    return text.replace("%", "%%")


def _end_of_comment(sql: str, at: int) -> int:
    """Return where a block comment ends: PostgreSQL's may hold others."""
    depth = 0
    for found in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end()
    return len(sql)


_TOKEN = re.compile(
    r"""
      (?P<comment>/\*)
    | --[^\n]*
    | [eE]'(?:[^'\\]|\\.|'')*'                       # a text in which a backslash escapes
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?P<dollar>\$(?P<tag>[^\W\d]\w*)?\$).*?\$(?(tag)(?P=tag))\$
    | ::
    | :=
    | (?P<name>:[^\W\d]\w*)
    | (?P<literal_mark>\?\?)
    | (?P<mark>\?)
    | [^\W\d][\w$]*                                   # a word, which may hold a dollar sign
    | \d+
    | [^'"]
    """,
    re.VERBOSE | re.DOTALL,
)
