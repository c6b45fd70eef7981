"""Ask for the end of a run."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.errors import RunClosed, RunNotFound
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.system import System

__all__ = ["CancelRunParams", "RunCancelled", "cancel_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRunParams:
    """Which run to stop, and why."""

    run_id: int = param("the run's number, as in jobs history", minimum=1)
    why: str = param("the reason, kept with the run", "")
    dry_run: bool = param("only say what would be stopped", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled:
    """What became of the request.

    status    `cancelled`: the run was waiting, and its account is closed; `running`: its node begins to stop the work within a
              second, and the account closes as `cancelled` when the work has ended
    """

    run_id: int
    job_name: str
    status: str
    message: str
    dry_run: bool


def cancel_run(context: OperationContext, params: CancelRunParams) -> RunCancelled:
    """Stop a run on whichever node it is, or close it at once where it waits. Asking twice changes nothing.

    Raises:
        RunNotFound: there is no such run. RunClosed: it has ended.
    """
    with context.open_system() as system:
        if params.dry_run:
            return _would_cancel(system, params.run_id)
        asked = system.ledger.ask_to_stop(params.run_id, system.clock.now(), context.change(params.why))
    name = f"Run {asked.run_id} of {asked.job_name!r}"
    message = f"{name} was waiting and is cancelled" if asked.status == "cancelled" else f"{name} is asked to stop"
    return RunCancelled(
        run_id=asked.run_id, job_name=asked.job_name, status=asked.status, message=message, dry_run=False
    )


def _would_cancel(system: System, run_id: int) -> RunCancelled:
    run = system.ledger.run(run_id)
    if run is None:
        raise RunNotFound(run_id)
    if run.finished_at is not None:
        raise RunClosed(run_id, run.job_name, run.status)
    what = "would be cancelled" if run.status == "queued" else "would be asked to stop"
    message = f"Run {run_id} of {run.job_name!r} {what}"
    return RunCancelled(run_id=run_id, job_name=run.job_name, status=run.status, message=message, dry_run=True)
