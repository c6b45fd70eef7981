"""`logging` records as plain values, the same in a node and in a job's own process."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from systemprompt.clock import SECOND, Instant
from systemprompt.own_log import OwnLogger

__all__ = ["MAX_LINE_CHARS", "RecordHandler", "RunLogger", "Sink", "clean", "encode_fields", "instant_of", "level_of"]

MAX_LINE_CHARS = 8 * 1024
"""A longer message is cut, and says so."""

_MAX_LEVEL_CHARS = 20
_NEVER_S = 253_402_300_800
_MAX_KEY_CHARS = 200
_MIN_CUT_CHARS = 40
_MAX_BRACKETS = 500
"""SQLite takes JSON of at most 1,000 levels; text with no more brackets than this is safe without a look at each."""

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_tracebacks = logging.Formatter()


class Sink(Protocol):
    """Takes one record. `created` is seconds since the epoch; `fields` is what was passed as `extra`."""

    def __call__(self, *, message: str, level: str, created: float, fields: dict[str, Any]) -> None: ...


class RunLogger(OwnLogger):
    """A logger that `logging` does not know: it and its children write to one sink, and go away with their run."""

    def __init__(self, name: str, sink: Sink) -> None:
        super().__init__(name, logging.DEBUG)
        self.propagate = False
        self._sink = sink
        self.addHandler(RecordHandler(sink))

    def getChild(self, suffix: str) -> RunLogger:  # noqa: N802  # logging's own name
        return RunLogger(f"{self.name}.{suffix}", self._sink)


class RecordHandler(logging.Handler):
    """Hands each record to a sink. A record whose arguments do not fit its message is kept as it stands."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001  # a mistake in a log call is told in the log; the job goes on
            message = f"{record.msg} (its arguments do not fit: {type(error).__name__}: {error})"
        if record.exc_info:
            message = f"{message}\n{record.exc_text or _tracebacks.formatException(record.exc_info)}"
        if record.stack_info:
            message = f"{message}\n{record.stack_info}"
        fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        self._sink(message=message, level=record.levelname, created=record.created, fields=fields)


def encode_fields(fields: Mapping[str, Any]) -> str:
    """Return what was passed as `extra` as a JSON object of at most about `MAX_LINE_CHARS`: valid, whatever the values are.

    A value that JSON cannot say (NaN too) is kept as its repr; one that does not fit, as the beginning of its JSON text. Of fields
    that find no room their number is kept.
    """
    texts = [[_key(name), _encoded(value)] for name, value in fields.items()]
    room = MAX_LINE_CHARS
    for pair in sorted(texts, key=lambda pair: len(pair[1])):  # the short ones first: a long one takes no other's place
        key, text = pair
        if len(key) + len(text) > room:
            pair[1] = text = _cut_to(text, room - len(key))
        room -= len(key) + len(text) if text else 0
    said = [f"{key}: {text}" for key, text in texts if text]
    if len(said) < len(texts):
        said.append(f'"fields_left_out": {len(texts) - len(said)}')
    # A lone surrogate can stand in no column; spelled out it is an escape that JSON knows.
    return f"{{{', '.join(said)}}}".encode("utf-8", "backslashreplace").decode("utf-8")


def _key(name: object) -> str:
    text = _encoded(name[:_MAX_KEY_CHARS] if isinstance(name, str) else name)
    return text if text.startswith('"') else json.dumps(text)


def _encoded(value: object) -> str:
    try:
        try:
            text = json.dumps(value, default=repr, skipkeys=True, allow_nan=False, ensure_ascii=False)
        except ValueError:  # NaN, infinity, a circle, a number of thousands of digits
            return json.dumps(repr(value), ensure_ascii=False)
        if text.count("[") + text.count("{") > _MAX_BRACKETS:
            return json.dumps(text, ensure_ascii=False)
    except Exception as error:  # noqa: BLE001  # a user's __repr__ that raises, a list that is too deep: the line itself is kept
        return json.dumps(f"unreadable: {type(error).__name__}")
    return text


def _cut_to(text: str, room: int) -> str:
    """Return the beginning of a JSON text as a JSON string of at most so many characters; nothing where there is no room."""
    note = f" ... ({len(text)} characters of JSON)"
    kept = room - len(note) - 2
    if kept < _MIN_CUT_CHARS:
        return ""
    # Quotes and backslashes are escaped once more: such a text is cut to half, where it would not fit otherwise.
    shown = json.dumps(text[:kept] + note, ensure_ascii=False)
    return shown if len(shown) <= room else json.dumps(text[: kept // 2] + note, ensure_ascii=False)


def level_of(level: object) -> str:
    """Return a level's name as a short text: a filter or another process may have put anything there."""
    return clean(level)[:_MAX_LEVEL_CHARS] or "INFO"


def instant_of(created: float) -> Instant | None:
    """Return a record's time as an instant; None where it names none between 1970 and 9999."""
    return round(created * SECOND) if 0 <= created < _NEVER_S else None


def clean(message: object) -> str:
    """Return text that every database takes: lone surrogates and NUL are spelled out, overlong lines are cut."""
    text = message if isinstance(message, str) else str(message)
    if len(text) > MAX_LINE_CHARS:
        text = f"{text[:MAX_LINE_CHARS]} ... ({len(text) - MAX_LINE_CHARS} more characters)"
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
