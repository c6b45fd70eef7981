"""From "older than 30 days" to the instant before which things are old."""

from __future__ import annotations

from systemprompt.clock import SECOND, Instant
from systemprompt.errors import ParameterError
from systemprompt.jobs.context import JobContext

__all__ = ["cutoff_before", "span"]

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


def cutoff_before(now: Instant, *, hours: int = 0, days: int = 0) -> Instant:
    """Return the instant so long before `now`."""
    return now - (days * 24 + hours) * 3600 * SECOND
