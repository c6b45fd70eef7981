"""Enable or disable a job, from now on and on the record."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.operations.instants import iso_or_none, known_job
from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.system import System

__all__ = ["JobSwitched", "SwitchJobParams", "switch_job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchJobParams:
    """Which job to switch, and why."""

    name: str = param("the job's name", positional=True, metavar="NAME")
    why: str = param("the reason, kept with the job's version", "", metavar="TEXT")
    dry_run: bool = param("only say what would change", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSwitched:
    """What the job is now.

    changed    whether this call changed anything: doing it twice does not
    dry_run    whether it only said what it would do
    next_run   the next fire time that will start a run; null where none will
    """

    job_name: str
    enabled: bool
    message: str
    changed: bool
    dry_run: bool
    next_run: str | None


def switch_job(system: System, params: SwitchJobParams, *, enabled: bool) -> JobSwitched:
    """Enable or disable a job: a new version from now on, in the ledger before this returns.

    Fire times up to now are accounted for under the old version; other nodes notice within a second.

    Raises:
        JobNotFound: there is none of this name.
    """
    before = known_job(system.ledger, params.name)
    changed = before.enabled is not enabled
    word = "enabled" if enabled else "disabled"
    if params.dry_run:
        return JobSwitched(
            job_name=before.name,
            enabled=before.enabled,
            message=f"Job {before.name!r} would be {word}" if changed else f"Job {before.name!r} is {word} already",
            changed=False,
            dry_run=True,
            next_run=iso_or_none(before.next_run),
        )
    after = system.ledger.set_enabled(
        params.name, enabled, system.clock.now(), system.decide, system.change(why=params.why)
    )
    return JobSwitched(
        job_name=after.name,
        enabled=after.enabled,
        message=f"Job {after.name!r} has been {word}",
        changed=changed,
        dry_run=False,
        next_run=iso_or_none(after.next_run),
    )
