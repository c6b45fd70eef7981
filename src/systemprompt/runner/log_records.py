"""`logging` records as plain values, the same in a node and in a job's own process."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["MAX_LINE_CHARS", "RecordHandler", "RunLogger", "Sink", "clean", "encode_fields"]

MAX_LINE_CHARS = 8 * 1024
"""A longer message is cut, and says so."""

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_tracebacks = logging.Formatter()


class Sink(Protocol):
    """Takes one record. `created` is seconds since the epoch; `fields` is what was passed as `extra`."""

    def __call__(self, *, message: str, level: str, created: float, fields: dict[str, Any]) -> None: ...


class RunLogger(logging.Logger):
    """A logger that `logging` does not know: it and its children write to one sink, and go away with their run."""

    def __init__(self, name: str, sink: Sink) -> None:
        super().__init__(name, logging.DEBUG)
        self.propagate = False
        self._sink = sink
        self.addHandler(RecordHandler(sink))

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's own name
        # Not by `logging.disable`: whichever job calls that, it would silence all.
        return not self.disabled and level >= self.getEffectiveLevel()

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
    """Return the JSON of what was passed as `extra`; what JSON cannot say is kept as its repr."""
    try:
        return clean(json.dumps(dict(fields), default=repr, skipkeys=True, ensure_ascii=False))
    except Exception as error:  # noqa: BLE001  # circular values, a user's __repr__ that raises: the line itself is kept
        return json.dumps({"unreadable": type(error).__name__})


def clean(message: object) -> str:
    """Return text that every database takes: lone surrogates and NUL are spelled out, overlong lines are cut."""
    text = message if isinstance(message, str) else str(message)
    if len(text) > MAX_LINE_CHARS:
        text = f"{text[:MAX_LINE_CHARS]} ... ({len(text) - MAX_LINE_CHARS} more characters)"
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
