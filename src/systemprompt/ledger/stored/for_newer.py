"""Jobs that a program leaves to nodes of a newer release, and to nodes that could load their file.

A job is for newer nodes while its present version, or that of one of its runs that wait, has a policy that this program does not
know. It cannot tell what such a policy asks for, so it neither plans the job nor begins its runs: the cursor stands, and a newer
node moves it.

crash           memory only: whoever opens the ledger next finds out again
two processes   a version never changes; a job that was left is looked at again in each turn, so a new version without such policies
                brings it back at once. Nobody is kept waiting: rows of what is left are not held past the turn that found them
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from systemprompt.errors import ConflictError
from systemprompt.ledger.policy_texts import unknown_in
from systemprompt.ledger.stored.remembered import Terms
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["ForNewer", "refuse_unknown"]


class ForNewer:
    """What one ledger object knows of such jobs, by id."""

    def __init__(self) -> None:
        self._unknown: set[int] = set()
        self._not_loaded: frozenset[int] = frozenset()

    @property
    def has_unknown(self) -> bool:
        """Whether any job is left because of its policies."""
        return bool(self._unknown)

    def not_loaded(self, job_ids: Iterable[int]) -> None:
        """Take which jobs could not be loaded here, in place of those taken before: others may run them meanwhile."""
        self._not_loaded = frozenset(job_ids)

    def unknown(self, job_ids: Iterable[int]) -> None:
        """Take jobs whose policies are not known here."""
        self._unknown.update(job_ids)

    def listed(self, store: Store) -> str:
        """Return the ids of all that is left, as a JSON array for a statement, after another look at those that were found."""
        if self._unknown:
            ids = json.dumps(sorted(self._unknown))
            rows = store.run("policies_in_force", {"ids": ids}).fetchall()
            self._unknown = {row["job_id"] for row in rows if unknown_in(row["policies"])}
        left = self._unknown | self._not_loaded
        return json.dumps(sorted(left)) if left else "[]"

    def ours(self, due: Sequence[Row], terms: Sequence[Terms]) -> tuple[list[Row], list[Terms]]:
        """Return those of these due jobs whose terms are known here, and note the others."""
        if not any(unknown_in(said.policies) for said in terms):
            return list(due), list(terms)
        known = [(row, said) for row, said in zip(due, terms, strict=True) if not unknown_in(said.policies)]
        kept = [row for row, _ in known]
        self._unknown |= {row["job_id"] for row in due} - {row["job_id"] for row in kept}
        return kept, [said for _, said in known]

    def may_begin(self, waiting: Sequence[Row]) -> list[Row]:
        """Return those of these waiting runs whose policies are known here, now and when they were planned; note the others."""
        others = [row for row in waiting if unknown_in(row["policies"]) or unknown_in(row["present_policies"])]
        if not others:
            return list(waiting)
        self._unknown |= {row["job_id"] for row in others}
        return [row for row in waiting if row["job_id"] not in self._unknown]


def refuse_unknown(job_name: str, policies: str) -> None:
    """Refuse to decide on a job whose policies are not known here.

    Raises:
        ConflictError: a newer release has to do it.
    """
    if unknown := unknown_in(policies):
        raise ConflictError(
            f"job {job_name!r} has a policy that this release does not know: {', '.join(unknown)}",
            hint="do it with the newer release that wrote it; until then its nodes alone plan and run the job",
            details={"job_name": job_name, "unknown_policies": list(unknown)},
        )
