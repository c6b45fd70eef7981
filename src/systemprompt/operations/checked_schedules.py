"""What a checked profile says of schedules in words, for those that changed since this user last checked it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from systemprompt.clock import Instant
from systemprompt.cron import Schedule
from systemprompt.cron.remarks import remarks
from systemprompt.operations.describe_schedule import NamedTime, next_times
from systemprompt.profile.cache import cache_file, read_cache, write_cache
from systemprompt.profile.profile import Profile

__all__ = ["CheckedSchedule", "changed_schedules"]

_FIRE_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSchedule:
    """A schedule that the profile gives a job: in words, with the next three fire times, and what to look at."""

    job_name: str
    schedule: str
    time_zone: str
    sentence: str
    next_fire_times: tuple[NamedTime, ...]
    remarks: tuple[str, ...]


def changed_schedules(profile: Profile, environ: Mapping[str, str], now: Instant) -> tuple[CheckedSchedule, ...]:
    """Return the profile's schedules that this user's last check did not see as they are, by name; and remember them.

    Expressions and zones alone are kept, beside the start-up cache. Where that cannot be read or written all are returned.
    """
    schedules = dict(sorted(_schedules(profile).items()))
    seen = {name: list(_key(schedule)) for name, schedule in schedules.items()}
    file = cache_file(profile.path, environ, "checked")
    before = _remembered(file)
    if file is not None and seen != before:
        write_cache(file, json.dumps(seen).encode())
    return tuple(
        CheckedSchedule(
            job_name=name,
            schedule=schedule.expression,
            time_zone=schedule.tz,
            sentence=schedule.describe(),
            next_fire_times=next_times(schedule, now, _FIRE_TIMES),
            remarks=remarks(schedule.expression),
        )
        for name, schedule in schedules.items()
        if before.get(name) != seen[name]
    )


def _schedules(profile: Profile) -> dict[str, Schedule]:
    return {
        name: Schedule(
            override.schedule,
            override.time_zone or profile.time_zone,
            dst_gap=override.policies.get("dst_gap", "run"),
            dst_fold=override.policies.get("dst_fold", "first"),
        )
        for name, override in profile.jobs.items()
        if override.schedule
    }


def _key(schedule: Schedule) -> tuple[str, str, str, str]:
    return schedule.expression, schedule.tz, schedule.dst_gap, schedule.dst_fold


def _remembered(file: str | None) -> dict[str, object]:
    data = read_cache(file) if file is not None else None
    try:
        found = json.loads(data or b"{}")
    except ValueError:  # written by something that only looks like us
        return {}
    return found if isinstance(found, dict) else {}
