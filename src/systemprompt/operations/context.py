"""What every operation is given besides its params: the surroundings of the call, and what opens the installation."""

from __future__ import annotations

from contextlib import closing, nullcontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from systemprompt.clock import Clock, Instant
    from systemprompt.ledger.reader import LedgerReader
    from systemprompt.ledger.records import Change
    from systemprompt.nodes.events import Listeners, NodeEvent
    from systemprompt.profile.profile import Profile
    from systemprompt.system import System

__all__ = ["OperationContext"]


class OperationContext:
    """One call's surroundings. Nothing is opened before an operation asks for it.

    actor      who acts: `cli:alice`, `program:shop`; the ledger keeps it with what they do
    cwd        the folder that relative paths of params begin at
    profile    the profile that was named, not yet looked for; None: that of the environment, or the nearest one
    listeners  are told what a node does that the operation starts, from any thread
    on_step    is told how far a long copy is: parts that are left, and all
    system     an installation that is open already: operations use it, and leave it open
    """

    __slots__ = ("_clock", "_found", "_listeners", "_system", "actor", "cwd", "environ", "on_step", "profile")

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
        return self.clock.now()

    def change(self, why: str = "") -> Change:
        """Return who acts and why, for the ledger."""
        from systemprompt.ledger.records import Change

        return Change(actor=self.actor, why=why)

    def profile_path(self) -> str:
        """Return the absolute path of the profile that this call is about.

        Raises:
            ProfileNotFound: none was named and none is near, or the one named does not exist.
        """
        if self._system is not None:
            return self._system.profile.path
        if self._found is None:  # once: a job that runs in this process may change its folder
            from systemprompt.profile.find import find_profile

            self._found = find_profile(self.profile, self.environ, self.cwd)
        return self._found

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
        from systemprompt.profile.cache import cached_ledger_path

        cached = cached_ledger_path(self.profile_path(), self.environ)
        return cached.time_zone if cached is not None else self.load_profile().time_zone

    def open_ledger(self) -> AbstractContextManager[LedgerReader]:
        """Open the ledger to read, the quick way where nothing changed since the last command."""
        if self._system is not None:
            return nullcontext(self._system.ledger)
        from systemprompt.system import open_reader

        path = self.profile_path()
        return closing(open_reader(path, environ=self.environ, clock=self._clock, opened_by=self.actor))

    def open_system(self) -> AbstractContextManager[System]:
        """Open the whole installation: profile, catalogue, ledger, database."""
        if self._system is not None:
            return nullcontext(self._system)
        from systemprompt.system import open_system

        return open_system(self.profile_path(), environ=self.environ, clock=self._clock, opened_by=self.actor)
