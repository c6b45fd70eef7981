"""Enable or disable a job, from now on and on the record."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.operations.context import OperationContext
from systemprompt.operations.instants import iso_or_none, known_job
from systemprompt.operations.parameters import param

__all__ = ["JobSwitched", "SwitchJobParams", "disable_job", "enable_job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchJobParams:
    """Which job to switch, and why."""

    name: str = param("the job's name")
    why: str = param("the reason, kept with the job's version", "")
    dry_run: bool = param("only say what would change", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSwitched:
    """What the job is now.

    changed    whether this call switched anything: doing it twice does not, though another reason is kept
    dry_run    whether it only said what it would do
    next_run   the next fire time that will start a run; null where none will
    """

    job_name: str
    enabled: bool
    message: str
    changed: bool
    dry_run: bool
    next_run: str | None


def enable_job(context: OperationContext, params: SwitchJobParams) -> JobSwitched:
    """Let a job's schedule start it: a new version from now on, in the ledger before this returns.

    Fire times up to now are accounted for under the old version; other nodes notice within a second.

    Raises:
        JobNotFound: there is none of this name.
    """
    return _switch(context, params, enabled=True)


def disable_job(context: OperationContext, params: SwitchJobParams) -> JobSwitched:
    """Keep a job's schedule from starting it, likewise. Its fire times are skipped, with the reason `disabled`.

    Raises:
        JobNotFound: there is none of this name.
    """
    return _switch(context, params, enabled=False)


def _switch(context: OperationContext, params: SwitchJobParams, *, enabled: bool) -> JobSwitched:
    word = "enabled" if enabled else "disabled"
    with context.open_system() as system:
        before = known_job(system.ledger, params.name)
        changed = before.enabled is not enabled
        after = before
        if not params.dry_run:
            change = context.change(params.why)
            after = system.ledger.set_enabled(params.name, enabled, system.clock.now(), system.decide, change)
    done = "would be" if params.dry_run else "has been"
    message = f"Job {after.name!r} {done} {word}" if changed else f"Job {after.name!r} is {word} already"
    if not changed and after.version != before.version:
        message += ", now for this reason"
    return JobSwitched(
        job_name=after.name,
        enabled=after.enabled,
        message=message,
        changed=changed and not params.dry_run,
        dry_run=params.dry_run,
        next_run=iso_or_none(after.next_run),
    )
