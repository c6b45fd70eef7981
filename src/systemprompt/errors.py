"""Every error that this package raises on purpose.

`SystempromptError` is the root; each class says whose child it is and what it means; those about nodes stand in
`node_errors.py`. docs/errors.md, which is made of them, shows the family at one look.

Each keeps its values in `details` and says what was asked and what is true; `hint` is the way out. Library code raises,
doors turn the error into an exit code, a page or a tool result.
"""

from __future__ import annotations

from systemprompt.wording import did_you_mean, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "ConfigurationError",
    "ConfirmationNeeded",
    "ConflictError",
    "CronError",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseInUse",
    "DatabaseOutdated",
    "DatabaseTooNew",
    "DatabaseUnreachable",
    "DaySealed",
    "HistoryLost",
    "Interrupted",
    "JobAlreadyRunning",
    "JobDefinitionError",
    "JobNotFound",
    "LedgerBroken",
    "LedgerReplaced",
    "NodeLost",
    "NotFoundError",
    "ParameterError",
    "ProfileInvalid",
    "ProfileNotFound",
    "ProfileNotTrusted",
    "RequestMismatch",
    "RowRefused",
    "RunClosed",
    "RunNotFound",
    "SystempromptError",
    "UsageError",
    "VersionChanged",
    "unknown",
]


class SystempromptError(Exception):
    """The root. `code` names the kind for programs and never changes between releases.

    However long the values that a call came with, message and hint stay readable: a line past 2,000 characters loses its middle.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, object] | None = None) -> None:
        message = readable(message)
        super().__init__(message)
        self.message = message
        self.hint = None if hint is None else readable(hint)
        self.details: dict[str, object] = dict(details or {})


class UsageError(SystempromptError):
    """The call itself is wrong: a flag, an argument, a combination."""

    code = "usage"


def unknown(message: str, word: str, known: Iterable[str], otherwise: str | None, /, **details: object) -> UsageError:
    """Return the error of a word that is none of those there are: its hint has the nearest, else another way out."""
    near = did_you_mean(word, known)
    hint = f"did you mean {near!r}?" if near else otherwise
    return UsageError(message, hint=hint, details={**details, "did_you_mean": near})


class CronError(UsageError, ValueError):
    """A schedule that cannot be read, or that no calendar date can ever match."""

    code = "cron_invalid"

    def __init__(
        self,
        expression: str,
        reason: str,
        *,
        field: str | None = None,
        value: str | None = None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(
            f"cron expression {expression!r}: {reason}",
            hint=hint,
            details={"expression": expression, "field": field, "value": value, "allowed": allowed},
        )
        self.expression = expression
        self.reason = reason
        self.field = field
        self.value = value
        self.allowed = allowed


class ParameterError(UsageError):
    """A job parameter that is absent or does not parse as the type the job asked for."""

    code = "parameter_invalid"


class NotFoundError(SystempromptError):
    """The call names something that does not exist."""

    code = "not_found"


class JobNotFound(NotFoundError):
    """No job has this name. The hint offers the nearest one, and has the errors of what does not load: it may be in there."""

    code = "job_not_found"

    def __init__(self, name: str, known: Iterable[str], not_loaded: Iterable[str] = ()) -> None:
        suggestion = did_you_mean(name, known)
        reasons = list(dict.fromkeys(not_loaded))
        hint = "sp jobs list shows all"
        if reasons:
            hint = f"it may be in what does not load: {'; '.join(reasons)}"
        if suggestion:
            hint = f"did you mean {suggestion!r}? {'Or ' if reasons else ''}{hint}"
        super().__init__(
            f"no job is named {name!r}",
            hint=hint,
            details={"job_name": name, "did_you_mean": suggestion} | ({"not_loaded": reasons} if reasons else {}),
        )
        self.suggestion = suggestion


class RunNotFound(NotFoundError):
    """No run has this id."""

    code = "run_not_found"

    def __init__(self, run_id: int) -> None:
        super().__init__(
            f"no run has the id {run_id}",
            hint="sp jobs history shows run ids",
            details={"run_id": run_id},
        )


class ConfigurationError(SystempromptError):
    """The installation is wrong: its profile, its job modules, its folders."""

    code = "configuration"


class ProfileNotFound(ConfigurationError):
    """No profile was named and none stands at or above the working folder."""

    code = "profile_not_found"


class ProfileNotTrusted(ConfigurationError):
    """Somebody else may change the profile that was found at or above the working folder, and nobody named it on purpose."""

    code = "profile_not_trusted"


class ProfileInvalid(ConfigurationError):
    """A profile with faults, all of them at once, each with its place and what would be right."""

    code = "profile_invalid"

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        count = len(faults)
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(
            f"profile {path!r} has {count} fault{'s' if count != 1 else ''}:\n{lines}",
            hint="mend the profile, then: sp profile check",
            details={"path": path, "faults": list(faults)},
        )
        self.faults = tuple(faults)


class JobDefinitionError(ConfigurationError):
    """A job or a module that cannot be loaded. It is quarantined; the rest of the system runs on."""

    code = "job_definition"


class DatabaseError(SystempromptError):
    """The database cannot be used as it stands."""

    code = "database"


class DatabaseUnreachable(DatabaseError):
    """The database cannot be opened, read or written: absent, no permission, no space, not a database."""

    code = "database_unreachable"


class DatabaseDamaged(DatabaseUnreachable):
    """The database's file is damaged, or is no database at all. Trying again does not help: a node ends with it."""

    code = "database_damaged"


class DatabaseBusy(DatabaseError):
    """Another process held the database for longer than this call may wait. Nothing was written."""

    code = "database_busy"


class HistoryLost(DatabaseBusy):
    """The database's server is another one than before, or lost its last commits. Nothing was written: try again."""

    code = "history_lost"

    def __init__(self, address: str, before: int, epoch: int) -> None:
        super().__init__(
            f"the server of the ledger at {address!r} is another one than before, or lost its last commits: epoch {epoch} begins",
            hint="nothing was written: try again. Nodes bring back what they did in the lost stretch",
            details={"address": address, "before": before, "epoch": epoch},
        )


class DatabaseTooNew(DatabaseError):
    """The database was written by a newer release of this program."""

    code = "database_too_new"


class DatabaseOutdated(DatabaseError):
    """The database was made by an unreleased version of this program, whose schema is gone."""

    code = "database_outdated"


class LedgerBroken(DatabaseError):
    """The ledger refused a change that would break a promise: a defect, never a user's mistake."""

    code = "ledger_broken"


class LedgerReplaced(DatabaseError):
    """The file that a process has open is no longer the one at its path: two processes would keep two ledgers."""

    code = "ledger_replaced"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"database {path!r} was deleted or replaced while it was in use",
            hint="put the right file in its place and start again; nothing more was written",
            details={"path": path},
        )


class ConflictError(SystempromptError):
    """Right in itself, but the present state forbids it."""

    code = "conflict"


class DatabaseInUse(ConflictError):
    """A database cannot be replaced while a process has it open.

    by   the nodes that are known to have it open, in words; empty where none is known
    """

    code = "database_in_use"

    def __init__(self, path: str, by: str = "") -> None:
        super().__init__(
            f"database {path!r} is in use{f' by {by}' if by else ''}; nothing was changed",
            hint="stop the nodes, and every other process that has it open",
            details={"path": path},
        )
        self.path = path


class RowRefused(ConflictError):
    """A constraint of the database (UNIQUE, NOT NULL, CHECK, a foreign key) refuses a job's row. Its statement changed nothing."""

    code = "row_refused"


class DaySealed(ConflictError):
    """A start by hand would be dated in a day that the ledger has sealed: the wall clock was set back by days."""

    code = "day_sealed"

    def __init__(self, at: str, sealed_until: str) -> None:
        super().__init__(
            f"the wall clock says {at}, and the ledger is sealed up to {sealed_until}",
            hint="nothing was started: set the clock right (`date`, NTP), then try again",
            details={"at": at, "sealed_until": sealed_until},
        )


class JobAlreadyRunning(ConflictError):
    """A manual start of a job that is running and may not overlap itself."""

    code = "job_already_running"

    def __init__(self, name: str, run_id: int) -> None:
        super().__init__(
            f"job {name!r} is already running (run {run_id})",
            hint=f"wait for it, or follow it: sp jobs logs {run_id}",
            details={"job_name": name, "run_id": run_id},
        )


class RunClosed(ConflictError):
    """A run is asked to stop whose account is closed."""

    code = "run_closed"

    def __init__(self, run_id: int, job_name: str, status: str) -> None:
        super().__init__(
            f"run {run_id} of {job_name!r} is closed: {status}",
            hint=f"see how it went: sp jobs logs {run_id}",
            details={"run_id": run_id, "job_name": job_name, "status": status},
        )


class VersionChanged(ConflictError):
    """A job was changed since the caller looked at it."""

    code = "version_changed"

    def __init__(self, job_name: str, *, seen: int, present: int) -> None:
        super().__init__(
            f"job {job_name!r} is at version {present}, not at version {seen}",
            hint=f"nothing was changed: look again (sp jobs show {job_name}) and decide",
            details={"job_name": job_name, "seen": seen, "present": present},
        )


class RequestMismatch(ConflictError):
    """A request id was used again for something else."""

    code = "request_mismatch"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"request id {request_id!r} was used for something else",
            hint="nothing was done: take a fresh request id for each act",
            details={"request_id": request_id},
        )


class NodeLost(ConflictError):
    """The node stood still for longer than its lease; others have settled its runs, and it may take no new ones."""

    code = "node_lost"

    def __init__(self, node_id: str) -> None:
        super().__init__(
            f"node {node_id!r} was declared lost: it takes no more runs",
            hint="nothing was started: try again as a new process",
            details={"node_id": node_id},
        )


class ConfirmationNeeded(SystempromptError):
    """A destructive call that was not confirmed."""

    code = "confirmation_needed"


class Interrupted(SystempromptError):
    """The person at the terminal said stop. What was begun is accounted for."""

    code = "interrupted"
