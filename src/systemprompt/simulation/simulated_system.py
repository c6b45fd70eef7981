"""An installation for a simulation: ledger in memory, database in a throw-away folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from systemprompt.clock import Instant, ManualClock, from_datetime
from systemprompt.databases.address import Address
from systemprompt.discovery.definition import Catalogue
from systemprompt.discovery.discovery import discover
from systemprompt.discovery.fingerprint import ABSENT
from systemprompt.discovery.given import GIVEN
from systemprompt.discovery.names import check_time_zone
from systemprompt.errors import JobDefinitionError, JobNotFound, UsageError
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Profile
from systemprompt.system import System

__all__ = ["SimulatedSystem", "instant_of", "simulated_system"]


def simulated_system(
    folder: str,
    clock: ManualClock,
    start: str | datetime,
    *,
    opened_by: str,
    profile: str | os.PathLike[str] | None = None,
    jobs: Iterable[object] = (),
    only: Iterable[str] | None = None,
    time_zone: str | None = None,
) -> SimulatedSystem:
    """Set the clock and open an installation of these jobs, and of a profile's where one is named; its data are not touched.

    folder     where its database is made
    start      as in `instant_of`, in the installation's time zone
    opened_by  for whom, as in `System`
    only       of all its jobs only those with these names
    time_zone  for jobs that name none; default: the profile's, or UTC

    Raises:
        UsageError: `start` is no instant. ProfileNotFound, ProfileInvalid: the profile is absent, or has faults.
        JobDefinitionError: a job that was given cannot run. JobNotFound: a name in `only` is no job's.
    """
    database = os.path.join(folder, "application.db")
    replaced = {"database": Address(database), "ledger": Address(":memory:")}
    if profile is None:
        path = os.path.join(folder, "profile.yaml")
        made = Profile(path=path, fingerprint=ABSENT, name="simulated", entry_points=False, **replaced)  # type: ignore[arg-type]  # both fields have the type they want
    else:
        path = os.path.abspath(profile)
        path = os.path.join(path, "profile.yaml") if os.path.isdir(path) else path
        # Without its fingerprint nothing is remembered of it for `sp`.
        made = replace(load_profile(path, os.environ), fingerprint=ABSENT, **replaced)  # type: ignore[arg-type]  # as above
    if time_zone is not None:
        check_time_zone(time_zone)
        made = replace(made, time_zone=time_zone)
    clock.set(instant_of(start, made.time_zone))
    opened = SimulatedSystem(made, clock, opened_by=opened_by, given=tuple(jobs), alone=profile is None, only=only)
    try:
        opened.check()
        opened.sync()
    except BaseException:
        opened.close()
        raise
    return opened


def instant_of(when: str | datetime, time_zone: str) -> Instant:
    """Return an instant as written for a simulation: ISO 8601, in this zone where it has no offset. Raises UsageError."""
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError as error:
            raise UsageError(
                f"{when!r} is no instant", hint="write 2026-03-29T01:30, or with Z or an offset"
            ) from error
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=ZoneInfo(time_zone)))


class SimulatedSystem(System):
    """A system whose ledger is in memory. `alone`: it has the given jobs and no others. `only`: of all it has, these."""

    def __init__(
        self,
        profile: Profile,
        clock: ManualClock,
        *,
        opened_by: str,
        given: tuple[object, ...],
        alone: bool,
        only: Iterable[str] | None,
    ) -> None:
        super().__init__(profile, environ={}, clock=clock, given=given, opened_by=opened_by)
        self._alone = alone
        self._only = None if only is None else frozenset(only)
        self._ledger = SqliteLedger(":memory:")
        self._ledger.migrate()

    def check(self) -> None:
        """Refuse what was asked for and cannot be had."""
        catalogue = self._everything()
        asked = self._only or frozenset()
        for one in catalogue.quarantined:
            if one.source.kind == GIVEN or one.name in asked:
                raise JobDefinitionError(one.error, hint=one.hint)
        for name in sorted(asked - catalogue.jobs.keys()):
            raise JobNotFound(name, catalogue.jobs, [one.error for one in catalogue.quarantined if one.name is None])

    def _everything(self) -> Catalogue:
        if not self._alone:
            return super()._discover()
        return discover(entry_points=False, given=self._given or (), time_zone=self.profile.time_zone)

    def _discover(self) -> Catalogue:
        catalogue = self._everything()
        if self._only is None:
            return catalogue
        chosen = {name: job for name, job in catalogue.jobs.items() if name in self._only}
        return replace(catalogue, jobs=chosen, quarantined=())
