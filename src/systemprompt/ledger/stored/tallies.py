"""How many closed accounts there are: the sums, and what is not folded into them yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from systemprompt.ledger.stored.store import Store

__all__ = ["counted"]


def counted(
    store: Store, first_hour: int, stop_hour: int, job_id: int | None
) -> Iterator[tuple[int, int, str, str, int]]:
    """Yield job id, hour, status, origin and number, by job; of one job or of all. None is left out that is not 0.

    Memory does not grow with the sums, only with what is not folded yet and with one job's hours.
    """
    span = {"first": first_hour, "stop": stop_hour, "job_id": job_id}
    unfolded: defaultdict[int, Counter[tuple[int, str, str]]] = defaultdict(Counter)
    # In one view: what is folded in between would count twice, or not at all.
    with store.view() as read:
        for row in read("tallies_between", span):
            unfolded[row["job_id"]][row["hour"], row["status"], row["origin"]] += row["n"]
        for row in read("sums_between" if job_id is None else "sums_of_job_between", span):
            for earlier in sorted(known for known in unfolded if known < row["job_id"]):
                yield from _rest(earlier, unfolded.pop(earlier))
            key = (row["hour"], row["status"], row["origin"])
            n = row["n"] + (unfolded[row["job_id"]].pop(key, 0) if row["job_id"] in unfolded else 0)
            if n:
                yield row["job_id"], *key, n
    for job in sorted(unfolded):
        yield from _rest(job, unfolded[job])


def _rest(job_id: int, numbers: Counter[tuple[int, str, str]]) -> Iterator[tuple[int, int, str, str, int]]:
    yield from ((job_id, *key, n) for key, n in numbers.items() if n)
