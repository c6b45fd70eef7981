"""Move the installation's databases to another address, of whichever engine, and prove that the same rows are there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from dataclasses import replace as changed

from systemprompt.audit.auditor import audit
from systemprompt.audit.findings import AuditReport
from systemprompt.clock import Instant
from systemprompt.errors import ConflictError, DatabaseInUse, DatabaseUnreachable, LedgerBroken, UsageError
from systemprompt.ledger.moving import Placement
from systemprompt.ledger.reader import LedgerPlacement, LedgerReader, LedgerUpkeep
from systemprompt.ledger.seals import Seal
from systemprompt.ledger.table_rows import Rows, TableDigest, TableShape, difference, digests_of
from systemprompt.ledger.upkeep import DatabaseUpkeep
from systemprompt.operations.context import OperationContext
from systemprompt.operations.nodes_at_work import nodes_at_work
from systemprompt.operations.parameters import param
from systemprompt.profile.addresses import address_as_written, address_beside, given_address
from systemprompt.profile.profile import Profile
from systemprompt.system import application_upkeep, ledger_upkeep

__all__ = ["DbMove", "DbMoveParams", "MovedDatabase", "MovedTable", "db_move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMoveParams:
    """Where the databases go."""

    to: str = param("the new address of the database: postgresql://..., sqlite:///FILE, or a file's path")
    ledger: str | None = param("the new address of the ledger, if it is to have a database of its own", None)
    dry_run: bool = param("fill and check the other side, then undo it", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedDatabase:
    """One database: `ledger` or `application`, where it was, and where the same rows are now."""

    name: str
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedTable:
    """A table with its rows and their digest, which are the same on both sides. `ledger_state` is a ledger's own numbers."""

    database: str
    table: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMove:
    """What was moved. The source is as it was, and the profile still names it.

    databases   what was moved; `application` is absent where it stays where it is, or has no tables of ours
    seals       seals in the ledger, and the digest of the last one, or null
    clean, audit   the audit's verdict on the other side; what it finds there, it finds in the source too
    profile     the lines to write in the profile now; `without`: the keys to take out of it
    not_moved   tables of the host's that the profile maps: they stay where they are
    """

    databases: tuple[MovedDatabase, ...]
    tables: tuple[MovedTable, ...]
    seals: int
    last_seal: str | None
    clean: bool
    audit: str
    profile: tuple[str, ...]
    without: tuple[str, ...]
    not_moved: tuple[str, ...]
    dry_run: bool
    message: str


def db_move(context: OperationContext, params: DbMoveParams) -> DbMove:
    """Copy the ledger and our tables of the application to another address, and compare both sides before anybody sees the copy.

    Nothing is changed at the source; whoever wants to write there meanwhile waits, and is told "busy" in the end. The other
    side must be absent or empty. After a crash or an error at any moment there is no ledger there, or all of it, checked; our
    tables of the application may then be there without a ledger: the next move to the same address takes their place. Of two
    moves to one address at once one is refused.

    Raises:
        DatabaseInUse: a node serves, or a process has the ledger open.
        ConflictError: a run is held by a node, or something is in the way on the other side.
        UsageError: the other side is where the databases are now.
        LedgerBroken: the two sides differ. Nothing is left on the other side.
        DatabaseError: a database cannot be used, or is of another release's schema.
    """
    profile, now = context.load_profile(), context.now()
    goal = _goal(context, profile, params)
    source, target = ledger_upkeep(profile), ledger_upkeep(goal)
    moved: list[tuple[str, DatabaseUpkeep, DatabaseUpkeep, tuple[TableDigest, ...]]] = []
    with ExitStack() as held:
        ledger = held.enter_context(
            target.place()
        )  # first: of two at once the second looks at nothing before it has the place
        if not _has_our_tables(source):
            raise DatabaseUnreachable(
                f"there is no ledger at {source.location!r}",
                hint="nothing is to be moved: name the new address in the profile",
            )
        _refuse_work(source, now)
        if source.is_in_use():
            raise DatabaseInUse(source.location)
        # Held until the other side is there: what somebody wrote here meanwhile would be in no ledger that is used.
        here = held.enter_context(source.hold())
        _refuse_work(source, now)  # somebody may have begun before it was held
        moved.append(("ledger", source, target, _filled("ledger", ledger, here, source.shapes())))
        report = _audited(ledger, source, now)
        seals = _seals(ledger)
        application: Placement | None = None
        app_source, app_target = application_upkeep(profile), application_upkeep(goal)
        if goal.database != profile.database and _has_our_tables(app_source):
            belongs_to = f"{goal.ledger} {goal.ledger_schema}"
            application = held.enter_context(app_target.place(belongs_to=belongs_to, beside=ledger))
            rows = held.enter_context(app_source.hold())
            filled = _filled("application", application, rows, app_source.shapes())
            moved.append(("application", app_source, app_target, filled))
        if not params.dry_run:
            # The ledger last: it is what a move has to be complete for.
            if application is not None:
                application.publish()
            ledger.publish()
            if application is not None:
                application.finish()
    does = "Would move" if params.dry_run else "Moved"
    return DbMove(
        databases=tuple(
            MovedDatabase(name=name, source=before.location, target=after.location) for name, before, after, _ in moved
        ),
        tables=tuple(
            MovedTable(database=name, table=one.table, rows=one.rows, digest=one.digest)
            for name, _, _, digests in moved
            for one in digests
        ),
        seals=len(seals),
        last_seal=seals[-1].digest if seals else None,
        clean=report.ok,
        audit=report.verdict,
        **_what_to_write(profile, goal, params),
        not_moved=tuple(sorted(profile.tables)) if goal.database != profile.database else (),
        dry_run=params.dry_run,
        message=f"{does} the {' and the '.join(name if name == 'ledger' else _APPLICATION for name, *_ in moved)}"
        f" to {app_target.location if application else target.location}; every table is the same there",
    )


_APPLICATION = "tables of the application"


def _goal(context: OperationContext, profile: Profile, params: DbMoveParams) -> Profile:
    """Return the profile as it will be."""
    database = given_address(params.to, context.environ, context.path)
    if _is_one_place(application_upkeep(profile), application_upkeep(changed(profile, database=database))):
        database = profile.database  # however it is spelled
    ledger = address_beside(database)
    if params.ledger is not None:
        ledger = given_address(params.ledger, context.environ, context.path)
    goal = changed(profile, database=database, ledger=ledger)
    source = ledger_upkeep(profile)
    if _is_one_place(source, ledger_upkeep(goal)):
        raise UsageError(
            f"the ledger is at {source.location!r} already",
            hint="name another address; to bring its schema to this release: sp db migrate",
            details={"address": source.location},
        )
    if ledger == database and ledger.engine == "sqlite":
        raise UsageError(f"{str(ledger)!r} is named for both", hint="give the ledger a file of its own")
    return goal


def _is_one_place(one: DatabaseUpkeep, other: DatabaseUpkeep) -> bool:
    return one.location == other.location or (type(one) is type(other) and one.identity() == other.identity())


def _refuse_work(source: LedgerUpkeep, now: Instant) -> None:
    with closing(source.open()) as ledger:
        held = [run for run in ledger.open_runs() if run.status == "running"]
    by = nodes_at_work(source, heard_since=now)
    if by:
        raise DatabaseInUse(source.location, by)
    if held:
        first = f"run {held[0].run_id} of {held[0].job_name!r}"
        raise ConflictError(
            f"runs are held by a node that is gone: {len(held):,}, such as {first}; nothing was changed",
            hint="start a node here (sp serve), which settles them, and stop it before you move",
            details={"run_ids": [run.run_id for run in held[:20]]},
        )


def _filled(name: str, place: Placement, rows: Rows, shapes: Sequence[TableShape]) -> tuple[TableDigest, ...]:
    """Fill a placement, and hold what is read back from it against the source, which is read a second time."""
    after = place.fill(rows, shapes)
    before = digests_of(rows, shapes)
    found = difference(before, after)
    if found is not None:
        raise LedgerBroken(
            f"what came to the other side is not what is here: {found}; nothing was moved",
            hint="both sides are as they were. Please report this, with the names of both engines and their versions",
            details={"database": name, "difference": found},
        )
    return after


def _audited(ledger: LedgerPlacement, source: LedgerUpkeep, now: Instant) -> AuditReport:
    """Audit what was filled. What it finds has to be what it finds in the source."""
    there = _audit(ledger.open(), now)
    if not there.ok:
        here = _audit(source.open(), now)
        if [one.sentence for one in here.findings] != [one.sentence for one in there.findings]:
            raise LedgerBroken(
                f"the audit finds on the other side what it does not find here: {there.verdict}; nothing was moved",
                hint="both sides are as they were. Please report this",
                details={"findings": [one.sentence for one in there.findings[:20]]},
            )
    return there


def _audit(ledger: LedgerReader, now: Instant) -> AuditReport:
    with closing(ledger):
        return audit(ledger, now=now, alive=lambda _node: None)


def _seals(place: LedgerPlacement) -> list[Seal]:
    with closing(place.open()) as ledger:
        return ledger.seals()


def _has_our_tables(upkeep: DatabaseUpkeep) -> bool:
    state = upkeep.schema_state()
    if state.schema and state.state != "current":
        raise DatabaseUnreachable(
            f"the database at {upkeep.location!r} is of schema {state.schema}, and this release moves schema {state.newest}",
            hint="sp db migrate brings it to this release"
            if state.state == "behind"
            else "a newer release wrote it: move it with that release",
            details={"address": upkeep.location},
        )
    return bool(state.schema)


def _what_to_write(profile: Profile, goal: Profile, params: DbMoveParams) -> dict[str, tuple[str, ...]]:
    """Return the lines that the profile needs from now on, and the keys that are to go."""
    lines = [f"database: {address_as_written(params.to, goal.database)}"] if goal.database != profile.database else []
    is_beside = goal.ledger == address_beside(goal.database)
    if not is_beside:
        lines.append(f"ledger: {address_as_written(params.ledger or '', goal.ledger)}")
    without = ["ledger"] if is_beside and profile.ledger != address_beside(profile.database) else []
    if profile.listen is not None:
        without.append("listen")
    return {"profile": tuple(lines), "without": tuple(without)}
