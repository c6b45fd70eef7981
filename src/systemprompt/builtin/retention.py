"""From "older than 30 days" to the instant before which things are old."""

from __future__ import annotations

from systemprompt.clock import SECOND, SystemClock
from systemprompt.errors import ParameterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant
    from systemprompt.jobs.context import JobContext

__all__ = ["counted", "cutoff_before", "size_text", "span"]

_MOST = 1_000_000


def span(ctx: JobContext, name: str, default: int) -> int:
    """Return a whole number of hours or days from the parameters.

    Raises:
        ParameterError: it is no whole number, or outside 0 to a million.
    """
    value = ctx.get_parameter(name, int, default)
    if not 0 <= value <= _MOST:
        raise ParameterError(
            f"job {ctx.job_name!r}: parameter {name}={value} is outside 0-{_MOST}",
            details={"job_name": ctx.job_name, "parameter": name, "value": str(value)},
        )
    return value


def cutoff_before(now: Instant | None, *, hours: int = 0, days: int = 0) -> Instant:
    """Return the instant so long before `now`, or before this moment."""
    return (SystemClock().now() if now is None else now) - (days * 24 + hours) * 3600 * SECOND


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes as `512 B`, `1.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
