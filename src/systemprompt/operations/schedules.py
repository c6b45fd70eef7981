"""The schedule of a job that the ledger shows, ready to be asked for fire times."""

from __future__ import annotations

from systemprompt.clock import SECOND
from systemprompt.jobs.policies import Policies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from systemprompt.clock import Instant
    from systemprompt.cron import Schedule
    from systemprompt.ledger.views import JobView, VersionView

__all__ = ["local_iso", "schedule_of", "zone_of"]


def schedule_of(view: JobView, version: VersionView | None) -> Schedule:
    """Return a job's schedule as its version has it; without a version, with the policies that a job has by default.

    Raises:
        CronError: it was read once, so only its time zone can be wrong: it left the machine's zone data.
    """
    from systemprompt.cron import Schedule

    policies = Policies.from_version(version.policies if version is not None else {})
    return Schedule(view.schedule, view.time_zone, dst_gap=policies.dst_gap, dst_fold=policies.dst_fold)


def local_iso(at: Instant, time_zone: str) -> str:
    """Return an instant as ISO 8601 on the wall clock of a zone, with its offset; in UTC where the zone left the machine's data,
    or its wall shows no date of the calendar."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(at // SECOND, zone_of(time_zone)).isoformat()
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(at // SECOND, UTC).isoformat()


def zone_of(time_zone: str) -> ZoneInfo:
    """Return a job's zone, or UTC where it left the machine's data: what reads the schedule then says so."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(time_zone)
    except (OSError, ValueError, LookupError):
        return ZoneInfo("UTC")
