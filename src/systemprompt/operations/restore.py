"""Put a backup in the place of the ledger, and if asked of the application's database, while nothing runs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.errors import ConflictError, DatabaseError, DatabaseUnreachable, UsageError
from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systemprompt.clock import Clock, Instant
    from systemprompt.profile.profile import Profile

__all__ = ["DbRestore", "DbRestoreParams", "RestoredDatabase", "db_restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbRestoreParams:
    """Which copies are put in place."""

    file: str = param("the copy of the ledger", positional=True, metavar="FILE")
    database: str | None = param("also restore the application's database, from FILE", None, metavar="FILE")
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


def db_restore(
    profile: Profile, params: DbRestoreParams, *, cwd: str, environ: Mapping[str, str], clock: Clock
) -> DbRestore:
    """Make a copy the installation's ledger. Nothing is deleted: what was there is kept beside it.

    The nodes in the copy can never come back to it, so they are declared lost and their open runs are settled. Fences go on from
    the present instant in microseconds, since a claim made after the backup may have handed out any of the next ones; run
    numbers go on after the highest that the replaced ledger knows, or the application's log of this ledger's runs. Then its jobs
    are made those of the catalogue, as any command does. A crash leaves the old ledger in place or the new one, each whole.

    Raises:
        ConflictError: a database is there and `replace` is not given, or a process has it open.
        UsageError: a file is no copy of what it is to replace.
        DatabaseTooNew: a newer release wrote the copy.
        DatabaseError: a file cannot be read or written, or is damaged. Nothing was replaced.
    """
    from systemprompt.operations.sqlite_copy import put_in_place, remove_copy
    from systemprompt.system import System

    now = clock.now()
    wanted = [("ledger", os.path.join(cwd, os.path.expanduser(params.file)), profile.ledger)]
    if params.database is not None:
        file = os.path.join(cwd, os.path.expanduser(params.database))
        wanted.append(("application", file, profile.database.path))
    for name, source, target in wanted:
        _check_source(name, source, target)
        _check_place(profile, target, replace=params.replace, touch=not params.dry_run)
    made: list[tuple[str, str, str, str]] = []
    databases: list[RestoredDatabase] = []
    try:
        for name, source, target in wanted:
            made.append((name, source, target, _copy(source, target)))
        state = _settle(made[0][3], now, _highest_run(profile, made[0][3]), _highest_fence(profile))
        if not params.dry_run:
            for _, _, target, copy in made:
                _own(copy, target)
            for name, source, target, copy in made:
                kept = _keep(target, now)
                put_in_place(copy, target, replace=True)
                databases.append(RestoredDatabase(name=name, path=target, source=source, kept=kept))
    finally:
        for *_, copy in made:
            remove_copy(copy)
    if params.dry_run:
        databases = [
            RestoredDatabase(name=name, path=target, source=source, kept=None) for name, source, target in wanted
        ]
    else:
        # The copy has the jobs of its day; reading commands trust that the ledger agrees with the catalogue they remember.
        with System(profile, environ=environ, clock=clock) as system:
            system.sync()
    settled, fence, high_water = state
    until = iso(high_water) if high_water else None
    does = "Would restore" if params.dry_run else "Restored"
    return DbRestore(
        databases=tuple(databases),
        planned_through=until,
        settled=settled,
        fence=fence,
        dry_run=params.dry_run,
        message=f"{does} the ledger" + (f" as it was at {until}" if until else ""),
    )


def _check_source(name: str, source: str, target: str) -> None:
    from systemprompt.ledger.migrations import pending_migrations
    from systemprompt.ledger.sqlite.ledger import MIGRATIONS, MIGRATIONS_TABLE
    from systemprompt.operations.sqlite_copy import check_different, held_view, tables_of
    from systemprompt.system import APPLICATION_MIGRATIONS, APPLICATION_MIGRATIONS_TABLE

    check_different(target, source, "the database in use")
    with held_view(source) as view:
        is_ledger = {"ledger_state", MIGRATIONS_TABLE} <= tables_of(view)
        if is_ledger != (name == "ledger"):
            right = "sp db restore LEDGER --database APPLICATION"
            what = "is no copy of a ledger" if name == "ledger" else "is a ledger, not an application's database"
            raise UsageError(f"{source!r} {what}", hint=f"nothing was changed; {right}", details={"path": source})
        if name == "ledger":
            pending_migrations(view, MIGRATIONS, table=MIGRATIONS_TABLE)
        else:
            pending_migrations(view, APPLICATION_MIGRATIONS, table=APPLICATION_MIGRATIONS_TABLE)


def _check_place(profile: Profile, target: str, *, replace: bool, touch: bool) -> None:
    if not os.path.lexists(target):
        return
    if not replace:
        raise ConflictError(
            f"there is a database at {target!r}; nothing was changed",
            hint="stop the nodes and say --replace: it is kept beside, under another name",
            details={"path": target},
        )
    try:
        in_use = _is_open_elsewhere(target, touch=touch)
    except (sqlite3.DatabaseError, DatabaseUnreachable):
        return  # damaged: that is why it is being replaced, and nobody can work with it
    if in_use:
        raise ConflictError(
            f"database {target!r} is in use{_by(profile)}; nothing was changed",
            hint="stop the nodes, and every other process that has it open",
            details={"path": target},
        )


def _is_open_elsewhere(path: str, *, touch: bool) -> bool:
    """Say whether any process on this machine has the database open, in whatever container it lives.

    A connection in WAL mode keeps a shared lock for as long as it lives, and leaving WAL takes the whole file. Where it can be
    left, the `-wal` file's content is in the database afterwards, so that what is kept is one file.
    """
    from systemprompt.operations.sqlite_copy import held_view

    with held_view(path):
        pass  # a damaged file is met here, where nothing is written: closing it otherwise would delete its `-wal` file
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        if touch:
            connection.execute("PRAGMA journal_mode = DELETE")
        else:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return True
        raise
    finally:
        connection.close()
    return False


def _by(profile: Profile) -> str:
    from systemprompt.ledger.sqlite.reader import open_reading_ledger
    from systemprompt.runner.identity import is_gone, this_machine

    try:
        ledger = open_reading_ledger(profile.ledger)
    except DatabaseError:
        return ""
    try:
        machine = this_machine()
        nodes = [node for node in ledger.living_nodes() if node.stopped_at is None and not is_gone(node, machine)]
    finally:
        ledger.close()
    named = ", ".join(f"{node.kind} node {node.node_id}, pid {node.pid} on {node.host}" for node in nodes)
    return f" by {named}" if named else ""


def _copy(source: str, target: str) -> str:
    from systemprompt.operations.sqlite_copy import copy_beside, held_view

    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    except OSError as error:
        raise DatabaseUnreachable(f"{target!r} cannot be written: {error.strerror or error}") from error
    with held_view(source) as view:
        return copy_beside(view, target)


def _settle(copy: str, now: Instant, highest_run: int, highest_fence: int) -> tuple[int, int, Instant]:
    """Bring the copy to the newest schema, settle what its nodes held, and raise its numbers; return what came of it."""
    from systemprompt.ledger.sqlite.ledger import SqliteLedger
    from systemprompt.operations.sqlite_copy import flush
    from systemprompt.runner.rescue import MAX_ATTEMPTS

    ledger = SqliteLedger(copy)
    try:
        ledger.migrate()
        settled = 0
        for node in ledger.living_nodes():
            settled += len(ledger.rescue(node.node_id, node.beat, now, max_attempts=MAX_ATTEMPTS) or ())
        high_water = ledger.high_water()
    finally:
        ledger.close()
    connection = sqlite3.connect(copy, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        # No ledger hands out a million fences a second, so the present instant is beyond all that were given since the backup,
        # in this ledger or in one that was restored from the same copy before.
        connection.execute("UPDATE ledger_state SET fence = max(fence, ?, ?)", (now, highest_fence))
        fence = int(connection.execute("SELECT fence FROM ledger_state").fetchone()[0])
        changed = connection.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'job_runs'", (highest_run,)
        ).rowcount
        if not changed:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('job_runs', ?)", (highest_run,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    flush(copy)
    return settled, fence, high_water


def _highest_run(profile: Profile, copy: str) -> int:
    ledger = _asked(profile.ledger, "SELECT seq FROM sqlite_sequence WHERE name = 'job_runs'")
    with closing(sqlite3.connect(copy)) as connection:
        own = connection.execute("SELECT ledger_id FROM ledger_state").fetchone()
    logs = _asked(profile.database.path, "SELECT max(run_id) FROM logs WHERE ledger_id = ?", own)
    return max(ledger, logs)


def _highest_fence(profile: Profile) -> int:
    return _asked(profile.ledger, "SELECT fence FROM ledger_state")


def _asked(path: str, question: str, parameters: Sequence[str] = ()) -> int:
    """Return a number out of a database that may be absent, damaged, or without that table; 0 where it cannot be had."""
    from systemprompt.ledger.sqlite.store import open_connection

    if not os.path.exists(path):
        return 0
    try:
        connection = open_connection(path, read_only=True)
    except DatabaseError:
        return 0
    try:
        row = connection.execute(question, parameters).fetchone()
    except sqlite3.Error:
        return 0
    finally:
        connection.close()
    return int(row[0] or 0) if row else 0


def _own(copy: str, target: str) -> None:
    """Give the copy the owner and the mode of what it replaces, so that a restore by root serves the node's user."""
    model = target if os.path.exists(target) else os.path.dirname(target)
    seen = os.stat(model)
    try:
        if os.geteuid() == 0:
            os.chown(copy, seen.st_uid, seen.st_gid)
        if model == target:
            os.chmod(copy, seen.st_mode & 0o777)
    except OSError as error:
        raise DatabaseUnreachable(f"{target!r} cannot be given to its owner: {error.strerror or error}") from error


def _keep(target: str, now: Instant) -> str | None:
    """Give what is at `target` a second name; the first one never means nothing, so no node can make an empty ledger there."""
    stamp = "".join(char for char in iso(now)[:19] if char.isalnum())
    kept = f"{target}.replaced-{stamp}"
    number = 1
    while any(os.path.lexists(kept + ending) for ending in ("", *_LOGS)):
        number += 1
        kept = f"{target}.replaced-{stamp}-{number}"
    try:
        for ending in _LOGS:
            # Left by a damaged database, or one that was deleted: beside the restored one they would be taken for its own.
            if os.path.lexists(target + ending):
                os.rename(target + ending, kept + ending)
        if not os.path.lexists(target):
            return None
        _second_name(target, kept)
    except OSError as error:
        raise DatabaseUnreachable(
            f"{target!r} cannot be kept as {kept!r}: {error.strerror or error}",
            hint="move it away by hand and restore again",
        ) from error
    return kept


_LOGS = ("-wal", "-shm", "-journal")


def _second_name(target: str, kept: str) -> None:
    try:
        os.link(target, kept)
    except OSError:
        from shutil import copy2

        # No links on this file system: nobody has the file open, so that a plain copy is a whole one.
        copy2(target, kept)
