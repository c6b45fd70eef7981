"""Instants as people and programs write them in a call."""

from __future__ import annotations

from systemprompt.clock import SECOND, from_datetime, iso
from systemprompt.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from systemprompt.clock import Instant
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.views import JobView
    from systemprompt.operations.context import OperationContext

__all__ = ["iso_or_none", "known_job", "read_instant", "read_span"]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FORMS = "write 2h, 3d, 2026-01-14, or 2026-01-14T10:30:00Z"


def iso_or_none(at: Instant | None) -> str | None:
    """Return an instant as ISO 8601, or None for None."""
    return None if at is None else iso(at)


def read_instant(text: str, name: str, now: Instant, time_zone: Callable[[], str]) -> Instant:
    """Return the instant that `text` names: so long ago (`2h`, `3d`), a date, or a date and time, ISO 8601.

    A text without an offset is read in the time zone, which is asked for only then; a date means its midnight there.

    Raises:
        UsageError: it is none of these, or outside the years 1 to 9999. `name` is what the error calls it.
    """
    from datetime import datetime

    words = text.strip()
    number, unit = words[:-1], words[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit():
        # Python refuses to read thousands of digits, and none of them would matter.
        at = now - int(number[-_DIGITS:] if not number[:-_DIGITS].strip("0") else "9" * _DIGITS) * _UNITS[unit] * SECOND
    else:
        try:
            when = datetime.fromisoformat(words)
            if when.tzinfo is None:
                from zoneinfo import ZoneInfo

                when = when.replace(tzinfo=ZoneInfo(time_zone()))
            at = from_datetime(when)
        except (ValueError, OverflowError):
            raise UsageError(f"`{name}` {text!r} is not an instant", hint=_FORMS) from None
    if not _YEAR_1 <= at < _YEAR_10000:  # an offset can lead there from within the calendar
        raise UsageError(
            f"`{name}` {text!r} is {'before the year 1' if at < _YEAR_1 else 'after the year 9999'}, in UTC"
        )
    return at


def read_span(context: OperationContext, **span: str | None) -> tuple[Instant | None, Instant | None]:
    """Return the two instants of a call that names them by two params, the earlier one first; None stays None.

    Raises:
        UsageError: one of them is no instant, or the first is after the second: such a span holds nothing, whatever happened.
    """
    now = context.now()
    first, last = (
        None if text is None else read_instant(text, name, now, context.time_zone) for name, text in span.items()
    )
    if first is not None and last is not None and first > last:
        (start, from_text), (end, to_text) = span.items()
        raise UsageError(
            f"`{start}` {from_text!r} is after `{end}` {to_text!r}", hint=f"`{start}` takes the earlier of the two"
        )
    return first, last


def known_job(ledger: LedgerReader, name: str) -> JobView:
    """Return a job of the ledger.

    Raises:
        JobNotFound: there is none of this name; the hint has the nearest, and what does not load.
    """
    view = ledger.job(name)
    if view is None:
        from systemprompt.errors import JobNotFound

        broken = [notice.error for notice in ledger.quarantined_sources()]
        raise JobNotFound(name, [job.name for job in ledger.jobs()], broken)
    return view


_YEAR_1 = -62_135_596_800 * SECOND
_YEAR_10000 = 253_402_300_800 * SECOND
_DIGITS = 18
