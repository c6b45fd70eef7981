"""Read one markdown file: front matter, title, slug, dates, tags. Pure: bytes in, a document out, or the line that is wrong."""

from __future__ import annotations

import hashlib
import json
import math
import re
import textwrap
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import yaml

from systemprompt.clock import Instant, from_datetime

__all__ = ["MAX_FILE_BYTES", "PARSER_VERSION", "BadDocument", "Document", "digest", "read_document"]

PARSER_VERSION = 3
"""Raise it when these rules change: every file is then read again."""

MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_FRONT_MATTER = 64 * 1024
_MAX_NODES = 5_000
_MAX_TAGS = 100
_MAX_TAG = 100
_MAX_DEPTH = 20
_EXCERPT = 200

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_KEY_LINE = re.compile(r"[A-Za-z_][\w-]*[ \t]*:(?:\s|\Z)")
_SEGMENT = re.compile(r"\w[\w.~-]*")


class BadDocument(ValueError):
    """A file that cannot be taken in; `line` counts from 1 in the file."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"{line}: {reason}")
        self.line = line
        self.reason = reason


Fail: TypeAlias = Callable[[str, str], BadDocument]
"""Makes the error for a front matter name and a reason, in the name's line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says.

    description    the front matter's, else how the first paragraph begins
    front_matter   all of it, as JSON text
    published_at, updated_at   read in the installation's zone where they name none
    """

    slug: str
    slug_line: int
    title: str
    description: str
    body: str
    tags: tuple[str, ...]
    front_matter: str
    draft: bool
    published_at: Instant | None
    updated_at: Instant | None


def digest(data: bytes) -> str:
    """Return the hash that tells whether a file changed."""
    return hashlib.sha256(data).hexdigest()


def read_document(data: bytes, path: str, *, time_zone: str) -> Document:
    """Read a file's bytes. `path` is relative to its source, with `/`.

    Aliases in front matter are refused and its size, depth and number of nodes are bounded, so that a small file cannot
    grow without end. Nothing in it is ever constructed but plain values.

    Raises:
        BadDocument: with the line.
    """
    text = _decoded(data)
    fields, lines, body = _split(text)

    def fail(key: str, reason: str) -> BadDocument:
        return BadDocument(lines.get(key, 1), f"{key}: {reason}")

    slug = _slug(fields, path, fail)
    published, updated = (
        _instant(fields, keys, time_zone, fail)
        for keys in (("date", "published_at", "published"), ("updated_at", "updated", "modified"))
    )
    heading, paragraph = _outline(body)
    description = _text(fields, "description", fail) or _text(fields, "summary", fail) or paragraph
    draft = fields.get("draft", False)
    if not isinstance(draft, bool):
        raise fail("draft", f"{draft!r} is neither true nor false")
    return Document(
        slug=slug,
        slug_line=lines.get("slug", 1),
        title=_text(fields, "title", fail) or heading or _title_from(path),
        description=description,
        body=body,
        tags=_tags(fields, fail),
        front_matter=_as_json(fields, lines),
        draft=draft,
        published_at=published,
        updated_at=updated,
    )


def _decoded(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise BadDocument(1, f"{len(data):,} bytes is more than the limit of {MAX_FILE_BYTES:,}")
    try:
        return _storable(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDocument(line, f"byte 0x{data[error.start]:02x} is not UTF-8") from error


def _storable(text: str) -> str:
    """Put the replacement character for NUL, as CommonMark does: no text of PostgreSQL can hold one."""
    return text.replace("\0", "\ufffd")


def _split(text: str) -> tuple[dict[str, Any], dict[str, int], str]:
    """Return the front matter's fields, the line of each, and the body."""
    opening = _FENCE.match(text)
    if opening is None:
        return {}, {}, text
    closing = _END.search(text, opening.end())
    if closing is None:
        if _KEY_LINE.match(text, opening.end()):
            raise BadDocument(1, "the front matter that opens here is never closed with ---")
        return {}, {}, text  # a thematic break, and no front matter
    source = text[opening.end() : closing.start()]
    if len(source) > _MAX_FRONT_MATTER:
        raise BadDocument(
            1, f"front matter of {len(source):,} characters is more than the limit of {_MAX_FRONT_MATTER:,}"
        )
    fields, lines = _fields(source)
    return fields, lines, text[closing.end() :]


def _fields(source: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        _bounded(source)
        loader = _SafeLoader(source)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}, {}
            if not isinstance(node, yaml.MappingNode):
                raise BadDocument(2, f"front matter is a {node.id}, and names with values were expected")
            lines: dict[str, int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 2
                if not isinstance(key, yaml.ScalarNode):
                    raise BadDocument(line, "a front matter name must be text")
                if key.value in lines:
                    raise BadDocument(line, f"{key.value!r} is given twice, first in line {lines[key.value]}")
                lines[key.value] = line
            fields: dict[str, Any] = {}
            for key, value in node.value:
                try:
                    fields[key.value] = loader.construct_object(value, deep=True)
                except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
                    # PyYAML lets datetime and int refuse what looked like a date or a number, and trusts a tag such as !!bool.
                    raise BadDocument(
                        lines[key.value], f"{key.value}: {getattr(value, 'value', '')!r}: {error}"
                    ) from error
            return fields, lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        # Where text is never closed the problem is seen at the end, and the mistake stands where it was opened.
        never_closed = "end of stream" in (error.problem or "")
        mark = error.context_mark if never_closed and error.context_mark else error.problem_mark
        line = getattr(mark, "line", -1) + 2
        raise BadDocument(line, f"front matter is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise BadDocument(1, f"front matter is not YAML: {' '.join(str(error).split())}") from error


def _bounded(source: str) -> None:
    """Refuse YAML that is small to write and large to build, before anything is built."""
    depth = 0
    event: Any
    for number, event in enumerate(yaml.parse(source, Loader=_SafeLoader)):
        line = event.start_mark.line + 2
        if isinstance(event, yaml.AliasEvent):
            raise BadDocument(line, f"alias *{event.anchor}: aliases are not allowed in front matter")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise BadDocument(line, f"front matter nests deeper than {_MAX_DEPTH}")
        if number > _MAX_NODES:
            raise BadDocument(line, f"front matter has more than {_MAX_NODES} values")


def _text(fields: dict[str, Any], key: str, fail: Fail) -> str | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, (dict, list, set, bytes, bool)):
        raise fail(key, f"text was expected, not {value!r:.60}")
    return _storable(" ".join(str(value).split())) or None


def _slug(fields: dict[str, Any], path: str, fail: Fail) -> str:
    given = _text(fields, "slug", fail)
    if given is not None:
        segments = given.strip("/").casefold().split("/")
        for segment in segments:
            if not _SEGMENT.fullmatch(segment):
                raise fail(
                    "slug", f"{given!r}: a part may hold letters, digits, - _ . and begins with a letter or digit"
                )
        return "/".join(segments)
    parts = path.rsplit(".", 1)[0].split("/")
    if parts[-1].casefold() == "readme":
        parts[-1] = "index"  # what a code host shows for the folder
    segments = [_slugified(part) for part in parts]
    if not all(segments):
        raise BadDocument(1, f"no slug can be made of the path {path!r}; give one in the front matter")
    return "/".join(segments)


def _slugified(text: str) -> str:
    # Letters of every script stay: an address may hold them, and transliteration would guess.
    return re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFKC", text).casefold()).strip("-._")


def _instant(fields: dict[str, Any], keys: tuple[str, ...], time_zone: str, fail: Fail) -> Instant | None:
    for key in keys:
        value = fields.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                raise fail(key, f"{value!r} is not a date such as 2026-01-14 or 2026-01-14T10:30:00Z") from None
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=None)  # noqa: DTZ001  # the zone comes next
        if not isinstance(value, datetime):
            raise fail(key, f"{value!r:.60} is not a date such as 2026-01-14")
        try:
            aware = value if value.tzinfo else value.replace(tzinfo=ZoneInfo(time_zone))
            return from_datetime(aware.astimezone(UTC))
        except OverflowError as error:
            raise fail(key, f"{value} is outside what a date can hold") from error
    return None


def _tags(fields: dict[str, Any], fail: Fail) -> tuple[str, ...]:
    value = fields.get("tags")
    if value is None:
        return ()
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or any(isinstance(item, (dict, list, set, bytes)) for item in items):
        raise fail("tags", f"a list of words was expected, not {value!r:.60}")
    words = (_storable(" ".join(str(item).split())) for item in items if item is not None)
    tags = tuple(dict.fromkeys(word for word in words if word))
    if len(tags) > _MAX_TAGS:
        raise fail("tags", f"{len(tags):,} tags are more than the limit of {_MAX_TAGS}")
    for tag in tags:
        if len(tag) > _MAX_TAG:
            raise fail("tags", f"{tag[:20]!r}... has {len(tag):,} characters, more than the limit of {_MAX_TAG}")
    return tags


def _as_json(fields: dict[str, Any], lines: dict[str, int]) -> str:
    for key, value in fields.items():
        try:
            json.dumps(_plain(value), allow_nan=False).encode()
            json.dumps(_plain(value), allow_nan=False, ensure_ascii=False).encode()
        except ValueError as error:  # also UnicodeEncodeError: half of a surrogate pair
            raise BadDocument(lines.get(key, 1), f"{key}: {error}") from error
    return json.dumps(_plain(fields), allow_nan=False, ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, set):
        return sorted(str(item) for item in value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


@lru_cache(maxsize=1)
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


def _outline(body: str) -> tuple[str, str]:
    """Return the words of the first heading and the beginning of the first paragraph, each empty where there is none."""
    heading = paragraph = ""
    for opening, inline in pairwise(_markdown().parse(body)):
        if opening.type not in ("heading_open", "paragraph_open"):
            continue
        words = " ".join(
            "".join(
                child.content if child.type in ("text", "code_inline") else " " if child.type.endswith("break") else ""
                for child in inline.children or ()
            ).split()
        )
        if opening.type == "heading_open":
            heading = heading or words
        else:
            paragraph = paragraph or words
        if heading and paragraph:
            break
    return heading, textwrap.shorten(paragraph, _EXCERPT, placeholder=" …")


def _title_from(path: str) -> str:
    words = re.sub(r"[-_.\s]+", " ", path.rsplit("/", 1)[-1].rsplit(".", 1)[0]).strip()
    return words[:1].upper() + words[1:] or path
