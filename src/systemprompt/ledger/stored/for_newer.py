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
        self._not_loaded: set[int] = set()
        self._broken: dict[str, str] | None = None

    @property
    def has_unknown(self) -> bool:
        """Whether any job is left because of its policies."""
        return bool(self._unknown)

    def broken(self, sources: Iterable[str], names: Iterable[str]) -> None:
        """Take which files and which jobs could not be loaded here, in place of those taken before: others may have loaded them."""
        said = {"sources": json.dumps(sorted(sources)), "names": json.dumps(sorted(names))}
        self._broken = said if said["sources"] != "[]" or said["names"] != "[]" else None

    def unknown(self, job_ids: Iterable[int]) -> None:
        """Take jobs whose policies are not known here."""
        self._unknown.update(job_ids)

    def listed(self, store: Store) -> str:
        """Return the ids of all that is left, as a JSON array for a statement, after another look at those that were found."""
        if self._unknown:
            rows = store.run("policies_in_force", {"ids": json.dumps(sorted(self._unknown))}).fetchall()
            self._unknown = {row["job_id"] for row in rows if unknown_in(row["policies"])}
        if self._not_loaded:
            self._not_loaded = self._loaded_by_others(store, self._not_loaded)
        return json.dumps(sorted(self._unknown | self._not_loaded))

    def ours(self, store: Store, due: Sequence[Row], terms: Sequence[Terms]) -> tuple[list[Row], list[Terms]]:
        """Return those of these due jobs that this program knows, with their terms, and note the others."""
        pairs = list(zip(due, terms, strict=True))
        self._unknown |= {row["job_id"] for row, said in pairs if unknown_in(said.policies)}
        ours = self._but_left(store, due)
        if len(ours) == len(due):
            return ours, list(terms)
        kept = {row["job_id"] for row in ours}
        return ours, [said for row, said in pairs if row["job_id"] in kept]

    def may_begin(self, store: Store, waiting: Sequence[Row]) -> list[Row]:
        """Return those of these waiting runs whose policies are known here, now and when they were planned; note the others."""
        self._unknown |= {
            row["job_id"] for row in waiting if unknown_in(row["policies"]) or unknown_in(row["present_policies"])
        }
        return self._but_left(store, waiting)

    def _but_left(self, store: Store, rows: Sequence[Row]) -> list[Row]:
        self._not_loaded |= self._loaded_by_others(store, {row["job_id"] for row in rows})
        left = self._unknown | self._not_loaded
        return [row for row in rows if row["job_id"] not in left] if left else list(rows)

    def _loaded_by_others(self, store: Store, job_ids: set[int]) -> set[int]:
        """Return those of these jobs that could not be loaded here and are not in quarantine: another node has their code."""
        if self._broken is None or not job_ids:
            return set()
        rows = store.run("loaded_by_others", {**self._broken, "ids": json.dumps(sorted(job_ids))})
        return {row["job_id"] for row in rows.fetchall()}


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
