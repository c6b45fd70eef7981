"""What a job's process says to its node, checked: it is outside input, and anything the job starts may write it."""

from __future__ import annotations

import json
from typing import Any

from systemprompt.record import record
from systemprompt.runner.flight import Flight
from systemprompt.runner.log_records import clean, instant_of
from systemprompt.runner.outcome import MAX_ERROR_CHARS, Outcome

__all__ = ["MAX_MESSAGE_BYTES", "Channel", "Reported"]

MAX_MESSAGE_BYTES = 1024 * 1024
"""A longer message is passed over. The longest that a job's process sends is its result, with an error's text."""

_LARGEST = 2**63 - 1
_REASONS = frozenset({"reported", "exception", "not_loaded"})
"""Why a job's process may say that it failed: all else is seen from outside."""


@record
class Reported:
    """What a job's process said of its end.

    cancellation   the job ended as one that was asked to stop
    stopped        it had been asked to stop before
    """

    outcome: Outcome
    cancellation: bool = False
    stopped: bool = False


class _Unreadable(Exception):
    """Something in a message is not what it has to be."""


class Channel:
    """Cuts what arrives into messages, and does what each says: a log line, progress, the result.

    Nothing that arrives raises or grows without bound. A message that cannot be read is told in the run's log; a result that
    cannot be read is the run's failure, whatever is sent after it.

    result   the result so far, or None
    """

    def __init__(self, flight: Flight) -> None:
        self.result: Reported | None = None
        self._flight = flight
        self._partial = bytearray()
        self._passing_over = False
        self._faulty = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            if not self._passing_over:
                self._hear(bytes(self._partial))
            self._partial.clear()
            self._passing_over = False
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        if self._passing_over:
            return
        self._partial += piece
        if len(self._partial) > MAX_MESSAGE_BYTES:
            self._partial.clear()
            self._passing_over = True
            self._complain(f"it is longer than {MAX_MESSAGE_BYTES:,} bytes")

    def _hear(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            kind = _a(str, message, "kind")
        except (_Unreadable, ValueError, RecursionError) as error:
            self._complain(str(error))
            return
        try:
            if kind == "log":
                self._log(message)
            elif kind == "progress":
                total = None if message.get("total") is None else _whole(message, "total")
                note = clean(_a(str, message, "note"))
                self._flight.on_progress(_whole(message, "done"), total, note)
            elif kind == "result" and not self._faulty:
                self.result = _reported(message)
            elif kind != "result":
                self._complain(f"its kind is {clean(kind)[:40]!r}")
        except _Unreadable as error:
            if kind != "result":
                self._complain(str(error))
                return
            text = f"the job's process sent a result that cannot be read: {error}"
            self._faulty = True
            self.result = Reported(outcome=Outcome(status="failed", reason="exception", message=text, error=text))

    def _log(self, message: dict[str, Any]) -> None:
        said = message.get("fields")
        if said is not None and not isinstance(said, dict):
            raise _Unreadable(f"'fields' is {_kind(said)}")
        created = message.get("created")
        if isinstance(created, bool) or not isinstance(created, int | float):
            raise _Unreadable(f"'created' is {_kind(created)}")
        level, text = _a(str, message, "level"), _a(str, message, "message")
        self._flight.log.write(text, level=level, fields=said, at=instant_of(created))

    def _complain(self, why: str) -> None:
        text = f"unreadable message from the job's process: {why}"
        self._flight.log.write(text, level="WARNING", source="runner")


def _reported(message: dict[str, Any]) -> Reported:
    sent: dict[str, Any] = _a(dict, message, "outcome")
    status, reason, error = sent.get("status"), _text(sent, "reason"), _text(sent, "error")
    succeeded = status == "success"
    if succeeded and (reason, error) != (None, None):
        raise _Unreadable("it is a success with a reason or an error")
    if not succeeded and (status != "failed" or reason not in _REASONS):
        raise _Unreadable(f"its status is {clean(repr(status))[:40]}, its reason {clean(repr(reason))[:40]}")
    outcome = Outcome(
        status="success" if succeeded else "failed",
        reason=reason,
        message=_text(sent, "message"),
        error=error,
        items_processed=_whole(sent, "items_processed", least=0),
        items_failed=_whole(sent, "items_failed", least=0),
        duration_ms=_whole(sent, "duration_ms", least=0),
        dry_run=_a(bool, sent, "dry_run"),
        did_nothing=_a(bool, sent, "did_nothing") and succeeded,
        final=_a(bool, sent, "final"),
        raised=tuple(_a(str, {"raised": name}, "raised") for name in _a(list, sent, "raised")),
    )
    return Reported(
        outcome=outcome, cancellation=_a(bool, message, "cancellation"), stopped=_a(bool, message, "stopped")
    )


def _a(kind: type, message: Any, name: str) -> Any:
    value = message.get(name) if isinstance(message, dict) else None
    if not isinstance(value, kind):
        raise _Unreadable(f"{name!r} is {_kind(value)}")
    return value


def _text(message: dict[str, Any], name: str) -> str | None:
    if message.get(name) is None:
        return None
    text: str = _a(str, message, name)
    return text[-MAX_ERROR_CHARS:].encode("utf-8", "backslashreplace").decode("utf-8")


def _whole(message: dict[str, Any], name: str, *, least: int = -_LARGEST) -> int:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Unreadable(f"{name!r} is {_kind(value)}")
    if not least <= value <= _LARGEST:
        raise _Unreadable(f"{name!r} is out of range")
    return value


def _kind(value: object) -> str:
    return "absent" if value is None else f"of type {type(value).__name__}"
