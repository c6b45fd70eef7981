"""The only place that builds the parts from a profile and joins them."""

from __future__ import annotations

from systemprompt.clock import SECOND, SystemClock
from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.engine import engine_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from systemprompt.builtin.tables.application import ApplicationUpkeep
    from systemprompt.clock import Clock
    from systemprompt.databases.database import Database
    from systemprompt.databases.health_note import HealthNote
    from systemprompt.discovery.definition import Catalogue
    from systemprompt.jobs.settings import JobSettings
    from systemprompt.ledger.protocol import Ledger
    from systemprompt.ledger.reader import LedgerReader, LedgerUpkeep
    from systemprompt.ledger.records import Decide, SyncReport
    from systemprompt.nodes.events import Listeners
    from systemprompt.nodes.installation import Served
    from systemprompt.nodes.journal import Journal
    from systemprompt.nodes.node import Node
    from systemprompt.profile.cache import CachedProfile
    from systemprompt.profile.profile import Profile
    from systemprompt.runner.runner import ChildDatabase

__all__ = [
    "System",
    "application_upkeep",
    "ledger_upkeep",
    "open_known_database",
    "open_known_ledger",
    "open_reader",
    "open_system",
    "server_health",
]


def open_system(
    profile_path: str,
    *,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    on_statement: Callable[[str], None] | None = None,
    opened_by: str = "program",
    is_wary: bool = False,
) -> System:
    """Read the profile, open and migrate both databases, read the catalogue and make the ledger agree with it.

    `is_wary` is as in `System`.

    Raises:
        ProfileInvalid, ProfileNotFound: nothing was opened.
        DatabaseError: a database cannot be used.
    """
    from systemprompt.profile.load import load_profile

    profile = load_profile(profile_path, environ)
    system = System(
        profile, environ=environ, clock=clock, on_statement=on_statement, opened_by=opened_by, is_wary=is_wary
    )
    try:
        system.sync()
    except BaseException:
        system.close()
        raise
    return system


def open_reader(
    profile_path: str,
    *,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    opened_by: str = "program",
    is_wary: Callable[[], bool] = bool,
) -> LedgerReader:
    """Open the ledger to read. Where nothing changed since it was last read, no profile is parsed and no job imported.

    Otherwise the catalogue is read and the ledger made to agree first; where the ledger cannot be written, it is read as it is.
    `is_wary` is asked only then; its answer is as in `System`.
    """
    from systemprompt.profile.cache import cached_profile

    known = cached_profile(profile_path, environ)
    if known is not None:
        reader = engine_of(known.ledger).open_if_there(known.ledger, schema=known.ledger_schema)
        if reader is not None:
            return reader
    from systemprompt.profile.load import load_profile

    profile = load_profile(profile_path, environ)
    try:
        with System(profile, environ=environ, clock=clock, opened_by=opened_by, is_wary=is_wary()) as system:
            system.sync()
    except DatabaseUnreachable:
        reader = engine_of(profile.ledger).open_if_there(profile.ledger, schema=profile.ledger_schema)
        if reader is None:
            raise
        return reader
    return engine_of(profile.ledger).open_reader(profile.ledger, schema=profile.ledger_schema)


def open_known_ledger(known: CachedProfile) -> LedgerReader:
    """Open the ledger to read that a profile led to when it last read without faults."""
    return engine_of(known.ledger).open_reader(known.ledger, schema=known.ledger_schema)


def open_known_database(known: CachedProfile) -> Database:
    """Open the application's database of a profile to read: as it is, and never made.

    Raises:
        DatabaseError: it is absent, cannot be read, or does not have our tables as this release knows them.
    """
    from systemprompt.builtin.tables.application import open_database, upkeep_of

    upkeep_of(known.database).check_current()
    return open_database(known.database, read_only=True)


def ledger_upkeep(profile: Profile) -> LedgerUpkeep:
    """Return the upkeep of the profile's ledger. Nothing is opened: it may be absent or damaged."""
    return engine_of(profile.ledger).upkeep(profile.ledger, schema=profile.ledger_schema, group=profile.group)


def application_upkeep(profile: Profile) -> ApplicationUpkeep:
    """Return the upkeep of the application's database. Nothing is opened: it may be absent or damaged."""
    from systemprompt.builtin.tables.application import upkeep_of

    return upkeep_of(profile.database, group=profile.group)


def server_health(profile: Profile) -> Iterator[HealthNote]:
    """Yield what is to be said of the servers that the databases are on; nothing of a file.

    Raises:
        DatabaseError: a server cannot be reached. ConfigurationError: what it needs is not installed.
    """
    from systemprompt.builtin.tables.application import health_of

    yield from engine_of(profile.ledger).health(profile.ledger, schema=profile.ledger_schema)
    if profile.database != profile.ledger:
        yield from health_of(profile.database)


class System:
    """One installation, opened. Parts are made when first asked for; `close` lets go of what was made.

    opened_by   for whom: `cli:alice`, `program:shop`
    given       jobs as Python objects, from a program that embeds a node; None where there are none
    is_wary     run a job file only if nobody but this user, root, and who called `sudo` may change it; others are quarantined
    """

    def __init__(
        self,
        profile: Profile,
        *,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        on_statement: Callable[[str], None] | None = None,
        given: Sequence[object] | None = None,
        opened_by: str = "program",
        is_wary: bool = False,
    ) -> None:
        self.profile = profile
        self.environ = environ
        self.clock: Clock = clock or SystemClock()
        self._on_statement = on_statement
        self._given = given
        self.opened_by = opened_by
        self._is_wary = is_wary
        self._serving: Node | None = None
        self._ledger: Ledger | None = None
        self._database: Database | None = None
        self._catalogue: Catalogue | None = None

    @property
    def settings(self) -> JobSettings:
        return self.profile.job_settings

    @property
    def noticed_by(self) -> str:
        """Who notices that code or profile changed: `node 3fa2...` where one serves, else whoever opened this: `cli:alice`.

        Noticing is not doing: a change is the profile's or the code's, whoever happens to read it first.
        """
        return f"node {self._serving.node_id}" if self._serving else self.opened_by

    @property
    def decide(self) -> Decide:
        from systemprompt.planning.planner import Planner

        return Planner(grace=round(self.profile.limits.misfire_grace * SECOND)).decide

    @property
    def ledger(self) -> Ledger:
        """The ledger, migrated.

        Raises:
            DatabaseError: it cannot be opened, or is newer than this program.
        """
        if self._ledger is None:
            profile = self.profile
            self._ledger = engine_of(profile.ledger).open_ledger(
                profile.ledger,
                schema=profile.ledger_schema,
                listen=profile.listen,
                group=profile.group,
                on_statement=self._on_statement,
            )
        return self._ledger

    @property
    def database(self) -> Database:
        """The application's database, with our tables in it."""
        if self._database is None:
            from systemprompt.builtin.tables.application import open_database

            application_upkeep(self.profile).migrate()
            self._database = open_database(self.profile.database)
        return self._database

    @property
    def child_database(self) -> ChildDatabase:
        """How a job in a process of its own opens the application's database."""
        from systemprompt.builtin.tables.application import opener_of
        from systemprompt.runner.runner import ChildDatabase

        return ChildDatabase(opener=opener_of(self.profile.database), location=self.profile.database.with_password())

    @property
    def catalogue(self) -> Catalogue:
        """Every job, as code and profile have it now; `reload` reads it again."""
        if self._catalogue is None:
            self._catalogue = self._discover()
        return self._catalogue

    def sync(self) -> SyncReport:
        """Make the ledger's jobs those of the catalogue, and remember for the next command that they agree.

        Jobs that a program was given as objects are known to that program alone: others leave them as they are.
        """
        from systemprompt.discovery.given import GIVEN
        from systemprompt.ledger.records import Change, JobSpec, QuarantineNotice
        from systemprompt.profile.cache import remember

        catalogue = self.catalogue
        specs = [
            JobSpec(
                name=job.name,
                description=job.description,
                schedule=job.schedule,
                time_zone=job.time_zone,
                enabled=job.enabled,
                policies=job.policies,
                tags=job.tags,
                owner=job.owner,
                source=f"{job.source.kind}:{job.source.name}",
                profile_sets=tuple(sorted(job.profile_sets)),
                described=job.described(),
            )
            for job in catalogue.jobs.values()
        ]
        notices = [
            QuarantineNotice(
                name=one.name,
                source=f"{one.source.kind}:{one.source.name}",
                error=f"{one.told()} ({one.hint})" if one.hint else one.told(),
            )
            for one in catalogue.quarantined
        ]
        keep = f"{GIVEN}:" if self._given is None else None
        change = Change(actor=self.noticed_by, noticed_by=self.noticed_by)
        report = self.ledger.sync_catalogue(specs, notices, self.clock.now(), self.decide, change, keep=keep)
        remember(self.profile, catalogue.files, self.environ)
        return report

    def reload(self) -> tuple[Catalogue, SyncReport]:
        """Read profile and jobs again, with the code as it is now.

        Raises:
            ProfileInvalid, ProfileNotTrusted: it has faults now, or somebody else may change it now; what was read stays in force.
        """
        from systemprompt.profile.find import check_trusted
        from systemprompt.profile.load import load_profile

        if self._is_wary:
            check_trusted(self.profile.path, self.environ)
        profile = load_profile(self.profile.path, self.environ)
        self.profile = profile
        self._catalogue = self._discover()
        return self._catalogue, self.sync()

    def be_patient(self, seconds: float) -> None:
        self.ledger.be_patient(seconds)

    @property
    def served(self) -> Served:
        from systemprompt.nodes.installation import Served

        profile = self.profile
        return Served(
            profile=profile.path,
            ledger=str(profile.ledger),
            lease=profile.limits.lease,
            shutdown_grace=profile.limits.shutdown_grace,
        )

    def node(self, kind: str, listeners: Listeners) -> Node:
        """Build a node of this installation: `serve`, or `run` for manual starts."""
        from systemprompt.nodes.hooks import Pace
        from systemprompt.nodes.node import Node, NodeSettings
        from systemprompt.runner.run_logs import RunLogs
        from systemprompt.version import __version__

        limits = self.profile.limits
        settings = NodeSettings(
            kind=kind,
            program=f"systemprompt {__version__}",
            capacity=limits.max_concurrent_runs,
            grace=round(limits.misfire_grace * SECOND),
            kill_grace=limits.kill_grace,
            max_output_bytes=limits.max_output_bytes,
            max_abandoned_threads=limits.max_abandoned_threads,
            labels=self.profile.labels,
            pace=Pace(heartbeat=limits.heartbeat, lease=limits.lease),
        )
        node = Node(
            ledger=self.ledger,
            clock=self.clock,
            settings=settings,
            job_settings=self.settings,
            database=self.database,
            child_database=self.child_database,
            logs=RunLogs(self.database, ledger_id=self.ledger.ledger_id(), clock=self.clock),
            catalogue=self.catalogue,
            listeners=listeners,
            journal=self._journal() if kind == "serve" else None,
        )
        if kind == "serve":
            self._serving = node
        return node

    def _journal(self) -> Journal | None:
        """Return where a node notes what it did; None where the engine loses nothing, and for a user without a home folder."""
        from systemprompt.nodes.journal import Journal
        from systemprompt.profile.find import users_folder

        folder = users_folder(self.environ, "XDG_STATE_HOME", ".local/state")
        keeps = folder and self.ledger.decides_by == "database"
        return Journal(f"{folder}/journal/{self.ledger.ledger_id()}") if keeps else None

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
        if self._database is not None:
            self._database.close()
        self._ledger = self._database = None

    def __enter__(self) -> System:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _discover(self) -> Catalogue:
        from dataclasses import replace

        from systemprompt.builtin import BUILTIN_MODULES, lacking
        from systemprompt.discovery.discovery import discover

        profile = self.profile
        catalogue = discover(
            builtin_modules=BUILTIN_MODULES,
            extensions=profile.extensions,
            entry_points=profile.entry_points,
            given=self._given or (),
            overrides=profile.jobs,
            bootstrap=profile.bootstrap_jobs,
            reboot=profile.reboot_jobs,
            time_zone=profile.time_zone,
            profile_path=profile.path,
            around=profile.around,
            load_timeout=profile.limits.load_timeout,
            is_wary=self._is_wary,
        )
        lacks = lacking(self.settings)
        return replace(
            catalogue,
            jobs={
                name: replace(job, lacks=lacks[name]) if name in lacks and job.source.kind == "builtin" else job
                for name, job in catalogue.jobs.items()
            },
        )
