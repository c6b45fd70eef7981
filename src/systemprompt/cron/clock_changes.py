"""The nights on which a zone's clocks change, and what a schedule does then. Pure: the span is passed in."""

from __future__ import annotations

from systemprompt.cron.expression import parse
from systemprompt.cron.fire_times import WallFireTimes
from systemprompt.cron.zones import load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron.schedule import Schedule

__all__ = ["ClockChange", "clock_changes", "clock_rule"]

_SECOND = 1_000_000
_YEAR = 366 * 86_400 * _SECOND


class ClockChange:
    """One change of the clocks.

    at       the instant, in microseconds since the epoch
    shift    seconds by which the clocks go forward; below 0 they go back
    wall     the first second, on the wall, of those that are left out or come twice; there are as many as the shift
    """

    __slots__ = ("at", "shift", "wall")

    def __init__(self, at: int, shift: int, wall: int) -> None:
        self.at = at
        self.shift = shift
        self.wall = wall


def clock_changes(tz: str, start: int, end: int) -> tuple[ClockChange, ...]:
    """Return the changes of a zone's clocks after `start` up to and including `end`, in microseconds since the epoch.

    Raises LookupError where the zone is not known.
    """
    zone = load_zone(tz)
    index = zone.index(start // _SECOND)
    found = []
    while (at := zone.start_after(index)) * _SECOND <= end:
        index += 1
        before, after = zone.offsets[index - 1], zone.offsets[index]
        found.append(ClockChange(at * _SECOND, after - before, at + min(before, after)))
    return tuple(found)


def clock_rule(schedule: Schedule, now: int) -> str:
    """Say what a schedule does when clocks change, as `*/2` and `0/2` differ in that alone.

    Empty where no change of the next year leaves out or doubles one of its wall times.
    """
    changes = clock_changes(schedule.tz, now, now + _YEAR)
    expression = parse(schedule.expression)
    if not changes or expression.every:
        return "counted in UTC, whatever the clocks show" if changes else ""
    wall = WallFireTimes(expression, schedule.expression)
    if all(wall.next_within(one.wall, one.wall + abs(one.shift) - 1) is None for one in changes):
        return ""
    if expression.elapsed:
        return (
            "as the clocks show: none in the hour that spring leaves out, and autumn's double hour fires in both passes"
        )
    spring = "skipped" if schedule.dst_gap == "skip" else "run at its end"
    autumn = {"first": "the first pass", "second": "the second pass", "both": "both passes"}[schedule.dst_fold]
    return f"a fixed time: one in the hour that spring leaves out is {spring}, one in autumn's double hour fires in {autumn}"
