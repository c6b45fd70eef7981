"""Put a backup in the place of the ledger, and if asked of the application's database, while nothing runs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.errors import DatabaseInUse
from systemprompt.ledger.records import INTERRUPTIONS
from systemprompt.ledger.upkeep import DatabaseRestore
from systemprompt.operations.context import OperationContext
from systemprompt.operations.nodes_at_work import nodes_at_work
from systemprompt.operations.parameters import param
from systemprompt.system import System, application_upkeep, ledger_upkeep

__all__ = ["DbRestore", "DbRestoreParams", "RestoredDatabase", "db_restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbRestoreParams:
    """Which copies are put in place."""

    file: str = param("the copy of the ledger")
    database: str | None = param("also restore the application's database, from FILE", None)
    replace: bool = param("take the place of a database that is there; it is kept beside, under another name", False)
    dry_run: bool = param("check the copies and say what would be done", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredDatabase:
    """One database: where it is now, what it came from, and where the one before it is kept, if there was one."""

    name: str
    path: str
    source: str
    kept: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DbRestore:
    """What was put in place.

    planned_through   up to where the restored ledger has accounts; what came after is misfired, and `catch_up` decides about it
    settled           runs that were open in the copy: closed as `failed`, `node_lost`, or queued again under `on_lost: rerun`
    fence             the next claim's token is higher than this, and than any that was ever given out before
    """

    databases: tuple[RestoredDatabase, ...]
    planned_through: str | None
    settled: int
    fence: int
    dry_run: bool
    message: str


def db_restore(context: OperationContext, params: DbRestoreParams) -> DbRestore:
    """Make a copy the installation's ledger. Nothing is deleted: what was there is kept beside it.

    The nodes in the copy can never come back to it, so they are declared lost and their open runs are settled. Fences go on from
    the present instant in microseconds, since a claim made after the backup may have handed out any of the next ones; run
    numbers go on after the highest that the replaced ledger knows, or the application's log of this ledger's runs. Then its jobs
    are made those of the catalogue, as any command does. A crash leaves the old ledger in place or the new one, each whole.

    Raises:
        ConflictError: a database is there and `replace` is not given.
        DatabaseInUse: a process has a database open.
        UsageError: a file is no copy of what it is to replace; or the ledger's copy has a schema, a number or a name of a job that
            no program of ours wrote, such as a trigger of its own.
        DatabaseTooNew: a newer release wrote the copy.
        DatabaseError: a file cannot be read or written, or is damaged. Nothing was replaced.
    """
    profile, now = context.load_profile(), context.now()
    ledger, application = ledger_upkeep(profile), application_upkeep(profile)
    file = context.path(params.file)
    with ExitStack() as begun:
        try:
            of_ledger = begun.enter_context(ledger.restore(file, replace=params.replace, dry_run=params.dry_run))
            restores: list[tuple[str, str, str, DatabaseRestore]] = [("ledger", ledger.location, file, of_ledger)]
            if params.database is not None:
                file = context.path(params.database)
                of_application = application.restore(file, replace=params.replace, dry_run=params.dry_run)
                restores.append(("application", application.location, file, begun.enter_context(of_application)))
        except DatabaseInUse as error:
            raise DatabaseInUse(error.path, nodes_at_work(ledger)) from error
        for _, _, _, restore in restores:
            restore.copy()
        settled = of_ledger.settle(now, logged=application.last_logged_run, max_attempts=INTERRUPTIONS)
        kept: dict[str, str | None] = {}
        if not params.dry_run:
            for _, _, _, restore in restores:
                restore.take_owner()
            for name, _, _, restore in restores:
                kept[name] = restore.publish(now)
    if not params.dry_run:
        # The copy has the jobs of its day; reading commands trust that the ledger agrees with the catalogue they remember.
        with System(profile, environ=context.environ, clock=context.clock, is_wary=context.is_wary) as system:
            system.sync()
    until = iso(settled.planned_through) if settled.planned_through else None
    does = "Would restore" if params.dry_run else "Restored"
    return DbRestore(
        databases=tuple(
            RestoredDatabase(name=name, path=path, source=source, kept=kept.get(name))
            for name, path, source, _ in restores
        ),
        planned_through=until,
        settled=settled.settled,
        fence=settled.fence,
        dry_run=params.dry_run,
        message=f"{does} the ledger" + (f" as it was at {until}" if until else ""),
    )
