"""How closed accounts are counted: by job, hour, status and origin. Pure; a reader needs no more of the books than this."""

from __future__ import annotations

from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from systemprompt.clock import Instant

__all__ = ["ALL_JOBS", "HOUR", "tallies_of"]

HOUR = 3_600_000_000
"""Tallies go by the hour, in microseconds."""

ALL_JOBS = 0
"""The job id under which tallies count all jobs together."""


def tallies_of(
    accounts: Iterable[tuple[int, Instant, str, str]], *, sign: int = 1
) -> list[tuple[int, int, str, str, int]]:
    """Return the rows that count these accounts, by job and hour and for all jobs together.

    accounts   (job_id, due_at or last_at, status, origin) of each; sign   -1 where they are pruned
    """
    counted = Counter([(job_id, at // HOUR, status, origin) for job_id, at, status, origin in accounts])
    together: Counter[tuple[int, int, str, str]] = Counter()
    for (_, hour, status, origin), n in counted.items():
        together[ALL_JOBS, hour, status, origin] += n
    return [(*key, sign * n) for numbers in (counted, together) for key, n in numbers.items()]
