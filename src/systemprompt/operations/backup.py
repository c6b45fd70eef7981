"""Back up the ledger, and if asked the application's database, while nodes run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from systemprompt.clock import Clock, Instant
    from systemprompt.profile.profile import Profile

__all__ = ["DatabaseCopy", "DbBackup", "DbBackupParams", "db_backup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbBackupParams:
    """Where the copies go."""

    file: str = param("where the copy of the ledger goes", positional=True, metavar="FILE")
    database: str | None = param("also copy the application's database, to FILE", None, metavar="FILE")
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


def db_backup(
    profile: Profile,
    params: DbBackupParams,
    *,
    cwd: str,
    clock: Clock,
    on_step: Callable[[int, int], None] | None = None,
) -> DbBackup:
    """Copy one state of the ledger to a file of its own; nodes go on planning and running meanwhile.

    The views of both databases are taken at once, the ledger's first: work that was done in between is then in the
    application's copy and not in the ledger's, so that after a restore it may be done again, and is never taken for done.
    After a crash there is either no file of that name (or the old one), or the whole copy.

    Raises:
        ConflictError: a file is in the way.
        UsageError: a copy would overwrite a database in use, or both go to one file.
        DatabaseError: a database cannot be read, or a copy cannot be written or is not sound.
    """
    from systemprompt.ledger.sqlite.store import refuse_empty
    from systemprompt.operations.sqlite_copy import copy_beside, held_view, put_in_place, remove_copy

    refuse_empty(profile.ledger)
    wanted = [("ledger", profile.ledger, _absolute(params.file, cwd))]
    if params.database is not None:
        wanted.append(("application", profile.database.path, _absolute(params.database, cwd)))
    _refuse(profile, [target for _, _, target in wanted], replace=params.replace)
    made: list[tuple[str, str, str, str]] = []
    with ExitStack() as views:
        held = [(one, views.enter_context(held_view(one[1]))) for one in wanted]
        taken_at = clock.now()
        runs, high_water = _extent(held[0][1])
        try:
            for (name, source, target), view in held:
                made.append((name, source, target, copy_beside(view, target, on_step=on_step)))
            audited = _audit(made[0][3], taken_at) if params.audit else None
        except BaseException:
            for *_, copy in made:
                remove_copy(copy)
            raise
    copies = tuple(_described(name, source, target, copy) for name, source, target, copy in made)
    for index, (_, _, target, copy) in enumerate(made):
        try:
            put_in_place(copy, target, replace=params.replace)
        except BaseException:
            for *_, left in made[index + 1 :]:
                remove_copy(left)
            raise
    return DbBackup(
        copies=copies,
        taken_at=iso(taken_at),
        planned_through=iso(high_water) if high_water else None,
        runs=runs,
        clean=audited is None or audited[0],
        audit=None if audited is None else audited[1],
        message="Backed up " + " and ".join(f"the {_words(copy.name)} to {copy.path}" for copy in copies),
    )


def _refuse(profile: Profile, targets: list[str], *, replace: bool) -> None:
    from systemprompt.errors import UsageError
    from systemprompt.operations.sqlite_copy import check_different, in_the_way

    for target in targets:
        check_different(profile.ledger, target, "the ledger")
        check_different(profile.database.path, target, "the application's database")
        if os.path.lexists(target) and not replace:
            raise in_the_way(target)
        if os.path.isdir(target):
            raise UsageError(f"{target!r} is a folder", hint=f"name a file in it: {os.path.join(target, 'ledger.db')}")
    if len({os.path.realpath(target) for target in targets}) < len(targets):
        raise UsageError(f"both copies would go to {targets[0]!r}", hint="name two files")


def _extent(ledger: sqlite3.Connection) -> tuple[int, int]:
    runs = ledger.execute("SELECT count(*) FROM job_runs").fetchone()[0]
    return int(runs), int(ledger.execute("SELECT high_water FROM ledger_state").fetchone()[0])


def _audit(copy: str, now: Instant) -> tuple[bool, str]:
    from systemprompt.audit.auditor import audit
    from systemprompt.ledger.sqlite.reader import open_reading_ledger

    ledger = open_reading_ledger(copy)
    try:
        # Nodes may have ended since the view was taken: which of them live cannot be said of a copy.
        report = audit(ledger, now=now, alive=lambda _node: None)
    finally:
        ledger.close()
    return report.ok, report.verdict


def _described(name: str, source: str, target: str, copy: str) -> DatabaseCopy:
    from systemprompt.ledger.migrations import applied_migration
    from systemprompt.ledger.sqlite.reader import MIGRATIONS_TABLE
    from systemprompt.ledger.sqlite.store import open_connection
    from systemprompt.system import APPLICATION_MIGRATIONS_TABLE

    connection = open_connection(copy, read_only=True)
    try:
        table = MIGRATIONS_TABLE if name == "ledger" else APPLICATION_MIGRATIONS_TABLE
        schema = applied_migration(connection, table=table)
    finally:
        connection.close()
    return DatabaseCopy(name=name, path=target, source=source, schema=schema, size_bytes=os.path.getsize(copy))


def _words(name: str) -> str:
    return "ledger" if name == "ledger" else "application's database"


def _absolute(path: str, cwd: str) -> str:
    return os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))
