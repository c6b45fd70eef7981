"""Back up the ledger, and if asked the application's database, while nodes run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

from systemprompt.audit.auditor import audit
from systemprompt.clock import Instant, iso
from systemprompt.errors import UsageError
from systemprompt.ledger.reader import LedgerBackup
from systemprompt.ledger.upkeep import DatabaseBackup, DatabaseUpkeep
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.system import application_upkeep, ledger_upkeep

__all__ = ["DatabaseCopy", "DbBackup", "DbBackupParams", "db_backup"]

_NAMED = {"ledger": "ledger", "application": "application's database"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DbBackupParams:
    """Where the copies go."""

    file: str = param("where the copy of the ledger goes")
    database: str | None = param("also copy the application's database, to FILE", None)
    audit: bool = param("audit the copy as well, from its first account to its last", False)
    replace: bool = param("overwrite a file that is there", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCopy:
    """One copy: `name` is `ledger` or `application`, `path` the new file, `source` what was copied."""

    name: str
    path: str
    source: str
    schema: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DbBackup:
    """What was copied. The copies are whole, checked and on the disk.

    taken_at          the instant whose state they hold
    planned_through   up to where every fire time has its account in the copy, or null where nothing was planned yet
    runs              runs in the copy
    audit             the audit's verdict on the copy, or null where none was asked for; `clean` is false where it found something
    """

    copies: tuple[DatabaseCopy, ...]
    taken_at: str
    planned_through: str | None
    runs: int
    clean: bool
    audit: str | None
    message: str


def db_backup(context: OperationContext, params: DbBackupParams) -> DbBackup:
    """Copy one state of the ledger to a file of its own; nodes go on planning and running meanwhile.

    The views of both databases are taken at once, the ledger's first: work that was done in between is then in the
    application's copy and not in the ledger's, so that after a restore it may be done again, and is never taken for done.
    After a crash there is either no file of that name (or the old one), or the whole copy.

    Raises:
        ConflictError: a file is in the way.
        UsageError: a copy would overwrite a database in use, or both go to one file.
        DatabaseError: a database cannot be read, or a copy cannot be written or is not sound.
    """
    profile = context.load_profile()
    ledger, application = ledger_upkeep(profile), application_upkeep(profile)
    to = context.path(params.file)
    app_to = None if params.database is None else context.path(params.database)
    _refuse(ledger, application, [to] if app_to is None else [to, app_to])
    with ExitStack() as held:
        of_ledger = held.enter_context(ledger.backup(to, replace=params.replace))
        taken: list[tuple[str, str, str, DatabaseBackup]] = [("ledger", to, ledger.location, of_ledger)]
        if app_to is not None:
            of_application = held.enter_context(application.backup(app_to, replace=params.replace))
            taken.append(("application", app_to, application.location, of_application))
        taken_at = context.now()
        extent = of_ledger.extent()
        for _, _, _, backup in taken:
            backup.copy(on_step=context.on_step)
        audited = _audit(of_ledger, taken_at) if params.audit else None
        conditions = [backup.condition() for _, _, _, backup in taken]
        for _, _, _, backup in taken:
            backup.publish()
    copies = tuple(
        DatabaseCopy(name=name, path=target, source=source, schema=schema, size_bytes=size)
        for (name, target, source, _), (schema, size) in zip(taken, conditions, strict=True)
    )
    return DbBackup(
        copies=copies,
        taken_at=iso(taken_at),
        planned_through=iso(extent.planned_through) if extent.planned_through else None,
        runs=extent.runs,
        clean=audited is None or audited[0],
        audit=None if audited is None else audited[1],
        message="Backed up " + " and ".join(f"the {_NAMED[copy.name]} to {copy.path}" for copy in copies),
    )


def _refuse(ledger: DatabaseUpkeep, application: DatabaseUpkeep, targets: list[str]) -> None:
    for target in targets:
        for upkeep, what in ((ledger, "the ledger"), (application, "the application's database")):
            if upkeep.is_at(target):
                raise UsageError(f"{target!r} is {what} itself", hint="name another file", details={"path": target})
    if len({os.path.realpath(target) for target in targets}) < len(targets):
        raise UsageError(f"both copies would go to {targets[0]!r}", hint="name two files")


def _audit(backup: LedgerBackup, now: Instant) -> tuple[bool, str]:
    ledger = backup.open()
    try:
        # Nodes may have ended since the view was taken: which of them live cannot be said of a copy.
        report = audit(ledger, now=now, alive=lambda _node: None)
    finally:
        ledger.close()
    return report.ok, report.verdict
