"""A job and its versions as the ledger shows them, by themselves: `sp jobs list` and `show` need none of the other views."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from systemprompt.clock import Instant

__all__ = ["JobView", "VersionView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job as the ledger knows it. `planned_through` is the cursor; `pruned_through` is how far retention has gone.

    last_*       of the run that is running, or else of the closed one with the highest fence
    run_count    how many of its runs have begun and are closed
    runs_on      the labels that a node must have to run it; policies_text   all that its present version says of policies, as JSON
    quarantine   `load` or `ledger_conflict`, None where it can run; quarantine_error says more
    """

    job_id: int
    name: str
    description: str
    schedule: str
    time_zone: str
    enabled: bool
    declared_enabled: bool
    tags: tuple[str, ...]
    owner: str | None
    source: str
    profile_sets: tuple[str, ...]
    quarantine: str | None
    quarantine_error: str | None
    retired_at: Instant | None
    version: int
    planned_through: Instant
    pruned_through: Instant
    next_due: Instant | None
    next_run: Instant | None
    running: int
    last_run: Instant | None
    last_run_id: int | None
    last_status: str | None
    last_error: str | None
    run_count: int
    created_at: Instant
    updated_at: Instant
    runs_on: tuple[str, ...]
    policies_text: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One state of a job. It names the fire times in (valid_from, valid_until]; `valid_until` None: up to now.

    cause        what opened it: `added`, `changed`, `returned` (after the job had left), `enabled`, `disabled`, or `quarantined`
                 where the job could not be loaded when it was first seen
    actor        who: a person, `profile`, `code`, or a program that embeds a node
    noticed_by   the node or command that saw a change of profile or code; '' where a person acted
    """

    job_id: int
    version: int
    schedule: str
    time_zone: str
    policies: Mapping[str, Any]
    enabled: bool
    valid_from: Instant
    valid_until: Instant | None
    cause: str
    actor: str
    noticed_by: str
    why: str

    @property
    def unknown_policies(self) -> tuple[str, ...]:
        """What of its policies this release does not know."""
        from systemprompt.jobs.policies import unknown_policies

        return unknown_policies(self.policies)
