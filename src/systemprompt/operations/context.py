"""What every operation is given besides its params: the surroundings of the call, and what opens the installation."""

from __future__ import annotations

import os
from contextlib import closing, nullcontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from systemprompt.clock import Clock, Instant
    from systemprompt.databases.database import Database
    from systemprompt.errors import ProfileInvalid
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.records import Change
    from systemprompt.nodes.events import Listeners, NodeEvent
    from systemprompt.profile.cache import CachedProfile
    from systemprompt.profile.profile import Profile
    from systemprompt.system import System

__all__ = ["OperationContext"]


class OperationContext:
    """One call's surroundings. Nothing is opened before an operation asks for it.

    actor      who acts: `cli:alice`, `program:shop`; the ledger keeps it with what they do
    cwd        the folder that relative paths of params begin at
    profile    the profile that was named, not yet looked for; None: that of the environment, or the nearest one
    listeners  are told what a node does that the operation starts, from any thread
    notes      what whoever looks should know of how the answer came about
    on_step    is told how far a long copy is: parts that are left, and all
    system     an installation that is open already: operations use it, and leave it open
    """

    __slots__ = (
        "_clock",
        "_decides",
        "_found",
        "_listeners",
        "_system",
        "actor",
        "cwd",
        "environ",
        "notes",
        "on_step",
        "profile",
    )

    def __init__(
        self,
        *,
        actor: str,
        environ: Mapping[str, str],
        cwd: str,
        clock: Clock | None = None,
        profile: str | None = None,
        listeners: Listeners | None = None,
        on_step: Callable[[int, int], None] | None = None,
        system: System | None = None,
    ) -> None:
        self.actor = actor
        self.environ = environ
        self.cwd = cwd
        self.profile = profile
        self._listeners = listeners
        self.on_step = on_step
        self._clock = clock
        self._system = system
        self._found: str | None = None
        self._decides: Clock | None = None
        self.notes: list[str] = []

    @property
    def listeners(self) -> Listeners:
        if self._listeners is None:
            from systemprompt.nodes.events import Listeners

            self._listeners = Listeners()
        return self._listeners

    @classmethod
    def of(cls, system: System, *listeners: Callable[[NodeEvent], object]) -> OperationContext:
        """Return the context of calls on an installation that is open already, by whom it was opened for."""
        from systemprompt.nodes.events import Listeners

        return cls(
            actor=system.opened_by, environ=system.environ, cwd=".", system=system, listeners=Listeners(*listeners)
        )

    @property
    def clock(self) -> Clock:
        from systemprompt.clock import SystemClock

        return self._clock or (self._system.clock if self._system is not None else SystemClock())

    def now(self) -> Instant:
        """Return the present instant, by the clock of the ledger that was opened where that decides."""
        return (self._decides or self.clock).now()

    def pause(self, seconds: float) -> None:
        """Let time pass before looking again at what another process does."""
        from time import sleep

        sleep(seconds)

    def change(self, why: str = "") -> Change:
        """Return who acts and why, for the ledger."""
        from systemprompt.ledger.records import Change

        return Change(actor=self.actor, why=why)

    def path(self, text: str) -> str:
        """Return a path of the params as an absolute one."""
        return os.path.normpath(os.path.join(self.cwd, os.path.expanduser(text)))

    def profile_path(self) -> str:
        """Return the absolute path of the profile that this call is about.

        Raises:
            ProfileNotFound: none was named and none is near, or the one named does not exist.
            ProfileNotTrusted: none was named, and somebody else may change the nearest one.
        """
        if self._system is not None:
            return self._system.profile.path
        if self._found is None:  # once: a job that runs in this process may change its folder
            from systemprompt.profile.find import find_profile

            self._found = find_profile(self.profile, self.environ, self.cwd)
        return self._found

    @property
    def is_wary(self) -> bool:
        """Whether job files run only if nobody else may change them: the profile was found, not named on purpose."""
        from systemprompt.profile.find import is_on_purpose

        return not is_on_purpose(self.profile, self.environ, self.profile_path())

    def load_profile(self) -> Profile:
        """Read and check the profile alone."""
        if self._system is not None:
            return self._system.profile
        from systemprompt.profile.load import load_profile

        return load_profile(self.profile_path(), self.environ)

    def time_zone(self) -> str:
        """Return the zone in which a date without an offset is read, and in which people read times: the profile's."""
        if self._system is not None:
            return self._system.profile.time_zone
        return self._profile_to_read().time_zone

    def open_ledger(self) -> AbstractContextManager[LedgerReader]:
        """Open the ledger to read, the quick way where nothing changed since the last command."""
        if self._system is not None:
            self._decides = self._system.ledger.clock(self.clock)
            return nullcontext(self._system.ledger)
        from systemprompt.errors import ProfileInvalid
        from systemprompt.system import open_known_ledger, open_reader

        path = self.profile_path()
        try:
            ledger = open_reader(
                path, environ=self.environ, clock=self._clock, opened_by=self.actor, is_wary=lambda: self.is_wary
            )
            try:
                self._decides = ledger.clock(self.clock)
            except BaseException:
                ledger.close()
                raise
            return closing(ledger)
        except ProfileInvalid as error:
            return closing(open_known_ledger(self._last_read(error)))

    def open_application(self) -> AbstractContextManager[Database]:
        """Open the application's database to read. It is not made, nor brought to the newest schema.

        Raises:
            DatabaseUnreachable: it is not there.
        """
        if self._system is not None:
            return nullcontext(self._system.database)
        from systemprompt.system import open_known_database

        return closing(open_known_database(self._profile_to_read()))

    def open_system(self) -> AbstractContextManager[System]:
        """Open the whole installation: profile, catalogue, ledger, database."""
        if self._system is not None:
            return nullcontext(self._system)
        from systemprompt.system import open_system

        return open_system(
            self.profile_path(),
            environ=self.environ,
            clock=self._clock,
            opened_by=self.actor,
            is_wary=self.is_wary,
        )

    def _profile_to_read(self) -> CachedProfile:
        """Return what reading needs of the profile; where it has faults now, as it was when it last read without any."""
        from systemprompt.errors import ProfileInvalid
        from systemprompt.profile.cache import CachedProfile, cached_profile

        cached = cached_profile(self.profile_path(), self.environ)
        if cached is not None:
            return cached
        try:
            profile = self.load_profile()
        except ProfileInvalid as error:
            return self._last_read(error)
        return CachedProfile(profile.ledger, profile.database, profile.ledger_schema, profile.time_zone)

    def _last_read(self, error: ProfileInvalid) -> CachedProfile:
        from systemprompt.profile.cache import cached_profile

        known = cached_profile(self.profile_path(), self.environ, stale=True)
        if known is None:
            raise error
        note = f"the profile has faults now ({error.message.splitlines()[0]}): this is by what it said when it last had none"
        if note not in self.notes:
            self.notes.append(note)
        return known
